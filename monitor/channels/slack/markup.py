"""Escapes untrusted text for Slack's markup, so that it mentions nobody, breaks no formatting and fits the limits.

``&``, ``<`` and ``>`` are written as entities. Slack has no escape for ``*``, ``_``, ``~``, backticks and ``:emoji:``:
where they would be read as markup, a lookalike character replaces them. Links use the unchanged name.
"""

from __future__ import annotations

import re

from monitor.channels.formatting import plain
from monitor.channels.links import web_address
from monitor.text import fitting

_LOOKALIKES = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ", "|": "∣"})
_OUTER_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_EMOJI = re.compile(r":(?=[^\s:]+(?::|$))")


def units(text: str) -> int:
    """Returns the length of a text as Slack counts it, in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def line(text: object, max_units: int) -> str:
    """Returns ``text`` as one line of plain text, at most ``max_units`` long."""
    clean = plain(text).encode("utf-8", "replace").decode().strip()
    return clean if units(clean) <= max_units else _cut(clean, max_units - 1) + "…"


def escape(text: object, max_units: int = 200) -> str:
    """Returns ``text`` escaped for Slack's markup, at most ``max_units`` long after escaping."""
    clean = line(text, max_units)
    shown = _escape_markup(clean)
    while units(shown) > max_units:
        clean = _cut(clean.removesuffix("…"), units(clean) * max_units // (units(shown) + 8) - 1) + "…"
        shown = _escape_markup(clean)
    return shown


def code(text: object, max_units: int = 500) -> str:
    """Returns ``text`` as inline code, in which only the backtick needs replacing."""
    clean = line(text, max_units)
    shown = "ˋ".join(clean.split("`")).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"`{shown}`"


def link(url: str | None, text: object, max_units: int = 200) -> str:
    """Returns a link labelled ``text``; only the text if ``url`` is not a web address."""
    target = web_address(url)
    label = escape(text, max_units) or "…"
    return f"<{_escape_entities(target)}|{label}>" if target else label


def paragraph(text: str, max_units: int) -> str:
    """Returns the lines of a text that fit in ``max_units``; lines that are URLs become links."""
    shown: list[str] = []
    for part in text.split("\n"):
        one = link(part, part.partition("//")[2], 300) if web_address(part) else escape(part, 600)
        max_units -= units(one) + 1
        if max_units < 0:
            break
        shown.append(one)
    return "\n".join(shown)


def _escape_markup(text: str) -> str:
    replaced = _EMOJI.sub("∶", _OUTER_UNDERSCORE.sub("ˍ", text.translate(_LOOKALIKES)))
    return _escape_entities(replaced)


def _escape_entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, max_units: int) -> str:
    """Returns the start of a text, at most ``max_units`` long, without splitting a character."""
    start = text.encode("utf-16-le", "surrogatepass")[: 2 * max(0, max_units)].decode("utf-16-le", "ignore")
    return fitting(text, len(start)).rstrip()
