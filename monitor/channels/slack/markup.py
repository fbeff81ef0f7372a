"""Text from strangers in Slack's markup: it pings nobody, breaks nothing, and fits.

Slack reads ``&``, ``<`` and ``>`` as its own, which can be written as entities. For ``*``, ``_``, ``~``, backticks and
``:emoji:`` there is no escape: where they would mean something, a letter that looks alike stands for them. Links go to
where the true name leads.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from monitor.channels.formatting import plain

LONGEST_URL = 1_500
_ALIKE = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ", "|": "∣"})
_OUTER = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_EMOJI = re.compile(r":(?=[^\s:]+(?::|$))")


def units(text: str) -> int:
    """The length of a text as Slack counts it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def line(text: object, most: int) -> str:
    """``text`` on one line that JSON and Slack take, of at most ``most`` units: for plain text."""
    clean = plain(text).encode("utf-8", "replace").decode().strip()
    return clean if units(clean) <= most else _cut(clean, most - 1) + "…"


def escaped(text: object, most: int = 200) -> str:
    """``text`` for Slack's markup, of at most ``most`` units as it is written."""
    clean = line(text, most)
    shown = _entities(clean)
    while units(shown) > most:
        clean = _cut(clean.removesuffix("…"), units(clean) * most // (units(shown) + 8) - 1) + "…"
        shown = _entities(clean)
    return shown


def code(text: object, most: int = 500) -> str:
    """``text`` as code, where nothing means anything but the backtick."""
    clean = line(text, most)
    shown = "ˋ".join(clean.split("`")).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"`{shown}`"


def link(url: str | None, text: object, most: int = 200) -> str:
    """A link that reads ``text``; only the text where there is no address that a browser would follow."""
    target = web_address(url)
    label = escaped(text, most) or "…"
    return f"<{_entities_alone(target)}|{label}>" if target else label


def paragraph(text: str, most: int) -> str:
    """The lines of a text, as many as ``most`` units hold; one that is an address is a link."""
    shown: list[str] = []
    for part in text.split("\n"):
        one = link(part, part.partition("//")[2], 300) if web_address(part) else escaped(part, 600)
        most -= units(one) + 1
        if most < 0:
            break
        shown.append(one)
    return "\n".join(shown)


def hub(repo_id: str) -> str:
    """The address of a repository on the Hub."""
    return f"https://huggingface.co/{quote(plain(repo_id), safe='/', errors='replace')[:LONGEST_URL]}"


def web_address(url: str | None) -> str | None:
    """``url`` with everything quoted that could end a link, or None where it leads nowhere on the web."""
    if not url:
        return None
    try:
        parts = urlsplit(plain(url).strip())
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return None
    target = quote(parts.geturl(), safe=":/?#[]@!$&'()+,;=%~", errors="replace")
    return target if fine and len(target) <= LONGEST_URL else None


def _entities(text: str) -> str:
    alike = _EMOJI.sub("∶", _OUTER.sub("ˍ", text.translate(_ALIKE)))
    return _entities_alone(alike)


def _entities_alone(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    """The beginning of a text, whole letters, of at most ``most`` units."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * max(0, most)].decode("utf-16-le", "ignore").rstrip()
