"""Writes messages as text with entities: formatting by offset, so nothing in a text has to be escaped.

Telegram looks for mentions, hashtags, commands, addresses and phone numbers in every text, and bold or italic words are
no protection. What it finds yields only to links and code. So names with an address are links; wherever else a
stranger's words would be found, an invisible word joiner (U+2060) parts them. Most names have none of these places and
stay as they are, and the links always have the unchanged name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from monitor.channels.chat_text import ChatText, Line, Run, fit
from monitor.text import fitting

MAX_MESSAGE_UNITS, MAX_ENTITIES = 4_096, 100
"""Of one message: UTF-16 code units, and entities. Telegram drops further entities without an error."""
MAX_TITLE_UNITS, MAX_NOTE_UNITS, MAX_NOTES = 500, 600, 4
UNITS_OF_ENTITY = MAX_MESSAGE_UNITS // MAX_ENTITIES + 1
"""What an entity counts at least, so that a text that fits has not too many of them."""
RESERVE_UNITS = 150
"""For “… and 12 more”, and for the lines between the parts."""
WORD_JOINER = "\u2060"

_REMOVED = re.compile("[\u0333\u033f\u030a]")
"""Marks that Telegram removes before it looks for mentions, besides those that are never shown."""
_PARTED = re.compile(
    r"""
    (?<=[@\#$\uff20\uff03])(?=\S)         # a mention, a hashtag, a cashtag, an email address
    | (?<![A-Za-z0-9_]/)(?<=/)(?=\S)      # a command, ://
    | (?<=\.)(?=[^\W\d])                  # a domain
    | (?<=[0-9]\.)(?=[0-9]+\.[0-9]+\.[0-9])  # an IP address
    | (?<=\+)(?=[0-9])                    # a phone number
    """,
    re.VERBOSE,
)
_LONG_NUMBER = re.compile(r"[0-9][0-9 -]{11,}[0-9]")
"""Telegram reads 13 digits as the number of a bank card."""
_NUMBER_PART = 9
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\.?|[0-9a-f.]*:[0-9a-f:.]*", re.IGNORECASE)
"""Telegram refuses the whole message for a link to any other host."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text with one style: bold, italic, code, or a link to ``url``."""

    text: str
    style: str | None = None
    url: str | None = None

    @property
    def protects(self) -> bool:
        """Whether Telegram looks for nothing inside."""
        return self.url is not None or self.style == "code"

    @property
    def number_of_entities(self) -> int:
        return int(self.style is not None) + int(self.url is not None)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message for Telegram: its text, with entities, and how links in it are shown."""

    text: str
    entities: list[dict[str, Any]] = field(default_factory=list)
    preview: dict[str, Any] = field(default_factory=lambda: {"is_disabled": True})


def units(text: str) -> int:
    """The length of a text as Telegram counts it, in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def render(text: ChatText) -> Rendered:
    """A message within Telegram's limits. Lines of lists that have no room are left out and counted."""
    text = replace(text, notes=_short_notes(text))
    room = MAX_MESSAGE_UNITS - RESERVE_UNITS - _cost(_around(text))
    shown = build(_all_pieces(fit(text, lambda line: _cost([*_of_line(line), Piece("\n")]), room)))
    if text.image is None:
        return shown
    return replace(shown, preview={"url": text.image[0], "prefer_large_media": True})


def render_plain(text: ChatText) -> Rendered:
    """The same without entities, for a text whose formatting Telegram has refused."""
    text = replace(text, notes=_short_notes(text))
    room = MAX_MESSAGE_UNITS - RESERVE_UNITS - _cost(_bare(_around(text)))
    return build(_bare(_all_pieces(fit(text, lambda line: _cost(_bare([*_of_line(line), Piece("\n")])), room))))


def without_formatting(shown: Rendered) -> Rendered:
    """The words of a message alone: what was in links and code is parted now, too."""
    return build([Piece(_cut(shown.text, MAX_MESSAGE_UNITS))])


def render_lines(lines: Sequence[Sequence[Piece]]) -> Rendered:
    """Lines within Telegram's limits; those that have no room are left out and counted."""
    kept: list[Sequence[Piece]] = []
    room = MAX_MESSAGE_UNITS - RESERVE_UNITS
    for line in lines:
        room -= _cost([*line, Piece("\n")])
        if room < 0:
            kept.append([Piece(f"… and {len(lines) - len(kept)} more lines")])
            break
        kept.append(line)
    return build(_joined(kept, "\n"))


def build(pieces: Sequence[Piece]) -> Rendered:
    """Text and entities of some pieces, with word joiners where Telegram would find what is none of ours."""
    parts: list[str] = []
    entities: list[dict[str, Any]] = []
    offset = 0
    for piece, text in zip(pieces, _parted(pieces), strict=True):
        length = units(text)
        place = {"offset": offset, "length": length}
        if length:
            entities += [{"type": "text_link", **place, "url": piece.url}] if piece.url is not None else []
            entities += [{"type": piece.style, **place}] if piece.style is not None else []
        parts.append(text)
        offset += length
    return Rendered("".join(parts), entities)


def _parted(pieces: Sequence[Piece]) -> list[str]:
    """The texts of the pieces with word joiners. The whole is looked at: a name may end one and begin another."""
    cleaned = [_REMOVED.sub("", piece.text) for piece in pieces]
    whole = "".join(cleaned)
    places = sorted({match.start() for match in _PARTED.finditer(whole)} | set(_within_numbers(whole)))
    shown, at, begin = [], 0, 0
    for piece, text in zip(pieces, cleaned, strict=True):
        end = begin + len(text)
        cuts = []
        while at < len(places) and places[at] <= end:
            cuts.append(places[at] - begin)
            at += 1
        edges = [0, *([] if piece.protects else cuts), len(text)]
        shown.append(WORD_JOINER.join(text[a:b] for a, b in pairwise(edges)))
        begin = end
    return shown


def _within_numbers(text: str) -> Iterable[int]:
    for match in _LONG_NUMBER.finditer(text):
        yield from range(match.start() + _NUMBER_PART, match.end(), _NUMBER_PART)


# --- the parts of a message -------------------------------------------------------------------------------


def _all_pieces(text: ChatText) -> list[Piece]:
    title, *below = _around(text)
    pieces = [title]
    for block in text.blocks:
        pieces.append(Piece("\n" if not block.heading and block is text.blocks[0] else "\n\n"))
        lines = [_of_line(line, "• " if block.heading and block.listed else "") for line in block.lines]
        lines = [[Piece(_words(block.heading), "bold")], *lines] if block.heading else lines
        pieces += _joined(lines, "\n")
    return [*pieces, *below]


def _around(text: ChatText) -> list[Piece]:
    """The title, and what is below the blocks: notes and links."""
    notes = [[Piece(one, "italic")] for one in text.notes]
    links = _joined([_of_line((one,)) for one in text.links], " · ")
    below = _joined([*notes, *([links] if links else [])], "\n")
    title = Piece(_cut(_words(text.title), MAX_TITLE_UNITS), "bold", link_address(text.title_url))
    return [title, *([Piece("\n\n"), *below] if below else [])]


def _of_line(line: Line, before: str = "") -> list[Piece]:
    return [*([Piece(before)] if before else []), *map(_of_run, line)]


def _of_run(run: Run) -> Piece:
    url = link_address(run.url)
    label = _words(run.text) if url is not None or run.bold else run.text
    return Piece(label, "bold" if run.bold else None, url)


def _short_notes(text: ChatText) -> tuple[str, ...]:
    return tuple(_cut(one, MAX_NOTE_UNITS) for one in text.notes[:MAX_NOTES])


def _bare(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces without style and links."""
    return [Piece(piece.text) for piece in pieces]


def _words(text: str) -> str:
    """What Telegram leaves of a text; it takes no empty one."""
    return _REMOVED.sub("", text).strip() or "…"


def link_address(url: str | None) -> str | None:
    """``url``, if Telegram accepts a link to it: its host has a dot and is spelled in ASCII."""
    try:
        host = urlsplit(url or "").hostname or ""
    except ValueError:
        return None
    return url if _HOST.fullmatch(host) else None


def _joined(lines: Sequence[Sequence[Piece]], separator: str) -> list[Piece]:
    pieces: list[Piece] = []
    for number, line in enumerate(lines):
        pieces += [*([Piece(separator)] if number else []), *line]
    return pieces


def _cost(pieces: Sequence[Piece]) -> int:
    length = units("".join(_parted(pieces)))
    return max(length, UNITS_OF_ENTITY * sum(piece.number_of_entities for piece in pieces))


def _cut(text: str, max_units: int) -> str:
    """``text``, at most ``max_units`` long with its word joiners."""
    while (length := units(_parted([Piece(text)])[0])) > max_units:
        keep = min(len(text) - 1, len(text) * max_units // (length + 1))
        text = f"{fitting(text, keep - 1).rstrip()}…"
    return text
