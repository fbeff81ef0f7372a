r"""Escapes untrusted text for Discord's Markdown, so that it pings nobody, links nowhere and fits the limits.

Discord shows ``\`` before a punctuation mark as the mark itself. That is enough for formatting, emoji, timestamps and
links, but not for what is found in the text as it was sent: mentions and invites. These get an invisible space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from monitor.channels.chat_text import Line, Run, cut
from monitor.channels.links import quoted_for_markdown
from monitor.text import plain

_MARKS = re.compile(r"([\\*_~`|<>\[\]()#]|:(?!\s))")
_LINE_START = re.compile(r"^(?=[-+])|^(\d{1,20})(?=[.)])")
_INVITE = re.compile(r"(discord)(?=(?:app)?\.(?:com|gg|gift|new|me))|(dis)(?=\.gd)", re.IGNORECASE)
_LABEL = str.maketrans({"[": "［", "]": "］"})
"""A bracket ends a label, also after a backslash."""


def escape(text: object) -> str:
    """Returns ``text`` on one line, shown by Discord as it is."""
    shown = _MARKS.sub(r"\\\1", plain(text))
    shown = _LINE_START.sub(lambda found: f"{found[1]}\\" if found[1] else "\\", shown)
    return _INVITE.sub("\\g<0>\u200b", shown).replace("@", "@\u200b")


def link(url: str | None, text: str) -> str:
    """Returns a link labelled ``text``; the text alone without ``url``."""
    if url is None:
        return escape(text)
    # What is left of an empty label is no link.
    return f"[{escape(text.translate(_LABEL)).strip() or '…'}]({quoted_for_markdown(url)})"


def render_line(line: Iterable[Run]) -> str:
    """Returns a line in Discord's Markdown."""
    runs = [run for run in line if plain(run.text) and (plain(run.text).strip() or not run.bold)]
    groups = [(bold, "".join(map(_run, some))) for bold, some in groupby(runs, key=lambda run: run.bold)]
    return "".join(f"**{text}**" if bold else text for bold, text in groups)


def _run(run: Run) -> str:
    return link(run.url, run.text) if run.url is not None else escape(run.text)


def fit_escaped(text: str, most: int) -> str:
    """Returns ``text`` escaped, at most ``most`` characters long after that."""
    shown, length = escape(text), most
    while len(shown) > most:
        length -= max(1, len(shown) - most)
        shown = escape(cut(text, max(1, length)))
    return shown


def characters(line: Line) -> int:
    """Returns how long a line is, as Discord counts: in code points, with its escapes and addresses."""
    return len(render_line(line)) + 3
