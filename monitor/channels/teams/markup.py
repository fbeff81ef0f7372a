r"""Writes untrusted text for the text blocks of Adaptive Cards, which know a few forms of Markdown.

Teams on phones shows the ``\`` of an escape (https://github.com/microsoft/AdaptiveCards/issues/5590), and links by
``selectAction`` of a run of text, which has no Markdown, fail on desktops
(https://github.com/microsoft/AdaptiveCards/issues/9100). So links are Markdown, and in what strangers wrote a lookalike
replaces each character that would be read as markup. Links use the unchanged name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from monitor.channels.chat_text import Run
from monitor.channels.links import quoted_for_markdown
from monitor.text import plain

_LOOKALIKES = str.maketrans(
    {"*": "∗", "`": "ˋ", "[": "［", "]": "］", "<": "‹", ">": "›", "\\": "＼", "~": "∼", "|": "∣"}
)
_OUTER_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#?\w{1,40};)")
_ADDRESS = re.compile(r":(?=//)|(?<=mailto):|(?<=www)\.", re.IGNORECASE)
_FUNCTION = re.compile(r"(?<=[{$@])(?=\{)")
"""Within what begins a date's function of cards, a template's expression, or an expression of Power Automate."""
_LINE_START = re.compile(r"^(?:[-+#=]|(\d{1,9})([.)])(?=\s|$))")

_STARTS = {"-": "‐", "+": "＋", "#": "＃", "=": "＝", ".": "․", ")": "）"}


def as_text(text: object) -> str:
    """Returns ``text`` on one line for a place without Markdown: fallback texts, titles of buttons."""
    return _FUNCTION.sub(" ", plain(text).strip())


def escape(text: object) -> str:
    """Returns ``text`` on one line in which a text block finds no markup."""
    shown = plain(text).translate(_LOOKALIKES)
    shown = _ENTITY.sub("＆", _OUTER_UNDERSCORE.sub("ˍ", shown))
    shown = _ADDRESS.sub(lambda found: "∶" if found[0] == ":" else "․", shown)
    indent = " " if shown[:1].isspace() else ""
    return indent + _LINE_START.sub(_start, _FUNCTION.sub(" ", shown.lstrip()))


def render_line(line: Iterable[Run]) -> str:
    """Returns a line of text and links."""
    return "".join(_run(run) for run in line).strip()


def is_https(url: str | None) -> bool:
    """Whether a card may link to ``url``."""
    return url is not None and url.startswith("https://")


def _run(run: Run) -> str:
    if run.url is None or not is_https(run.url):
        return escape(run.text)
    return f"[{escape(run.text).strip() or '…'}]({quoted_for_markdown(run.url)})"


def _start(found: re.Match[str]) -> str:
    return f"{found[1]}{_STARTS[found[2]]}" if found[1] else _STARTS[found[0]]
