"""The parts of a model card: front matter, sentences, tables, links and BibTeX entries, each with its place.

Everything is bounded: the card by MAX_CARD_CHARACTERS, and each part by a constant of its own. Text that is not prose
(front matter, code, tags, URLs) is masked by blanks of the same length, so a place in the masked text is a place in the
card, and evidence can be quoted from there.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Generic, TypeVar

from monitor.classify.front_matter import front_matter_end
from monitor.classify.result import Evidence

MAX_CARD_CHARACTERS = 65_536
MAX_QUOTE_CHARACTERS = 400
"""Maximum length of a quoted sentence or table row."""
MAX_SENTENCE_CHARACTERS = 1_000
MAX_SENTENCES = 2_000
MAX_LINKS = 500
MAX_ROWS = 400
MAX_CELLS = 40

_NOT_NEWLINE = re.compile(r"[^\n]")
_BREAK = re.compile(r"</?(?:br|p|li|ul|ol|div|h[1-6]|center|hr|summary|details)\b[^<>]{0,500}>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,1000}>")
_LINK_TARGET = re.compile(r"\]\([^()\s]{0,1000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?[^()]{0,200}\)")
_MARKUP = ("*", "`", "\r", "\t", "\u00a0", "\u3000")
_TABLE_START = re.compile(r"<table\b", re.IGNORECASE)
_TABLE_END = re.compile(r"</table\b", re.IGNORECASE)
_ROW_START = re.compile(r"<tr\b", re.IGNORECASE)
_CELL_START = re.compile(r"<t[dh]\b[^<>]{0,1000}>", re.IGNORECASE)
_SPANNING = re.compile(r"<t[dh]\b[^<>]{0,300}(?:col|row)span", re.IGNORECASE)
_LIST_ITEM = re.compile(r"\s{0,20}(?:[-+•·>]|\*|\d{1,3}[.)])\s")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_HTML_HEADING = re.compile(r"<h[1-6]\b[^<>]{0,500}>(?:(?!</h)[^\0]){0,300}", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?][\"')\]]?\s{1,9}(?=[A-Z\[(<_\"'“‘\u4e00-\u9fff])|[。！？；]")
_MARKDOWN_LINK = re.compile(r"\[([^\[\]]{0,300})\]\(\s{0,3}<?([^\s<>()]{1,800})")
_BADGE_LINK = re.compile(r"\[!\[([^\[\]]{0,200})\]\([^\s()]{0,800}\)\s{0,3}\]\(\s{0,3}([^\s<>()]{1,800})")
_HTML_LINK = re.compile(r"<a\b[^<>]{0,500}?\bhref\s{0,3}=\s{0,3}[\"']?([^\s\"'<>]{1,800})[^<>]{0,500}>", re.IGNORECASE)
_HTML_LINK_END = re.compile(r"</a>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s{0,3}=\s{0,3}[\"']([^\"'<>]{1,200})", re.IGNORECASE)
_BIBTEX_START = re.compile(r"@[A-Za-z]{4,15}\s{0,3}\{")
_BLANKS = re.compile(r"\s+")


Value = TypeVar("Value", int, str)


@dataclass(frozen=True, slots=True)
class Statement(Generic[Value]):
    """What a card states: the value, the sentence or table row as the card has it, and its line."""

    value: Value
    text: str
    line: int

    @property
    def evidence(self) -> Evidence:
        return Evidence("card", self.text, f"README.md, line {self.line}")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the card, from ``start`` to ``end``; ``text`` is what is written there without markup."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Sentence(Span):
    """A sentence or a list item; ``heading`` is the nearest heading above."""

    heading: str


@dataclass(frozen=True, slots=True)
class Row(Span):
    """A row of a table: its cells without markup."""

    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first row holds the names of the columns. ``regular``: no cell spans rows or columns."""

    rows: tuple[Row, ...]
    regular: bool
    heading: str


@dataclass(frozen=True, slots=True)
class Link(Span):
    """A link; ``text`` is what it is called."""

    target: str


class CardText:
    """A model card, parsed. Never raises."""

    def __init__(self, card: str) -> None:
        self.raw = card[:MAX_CARD_CHARACTERS]
        self._body_start = front_matter_end(self.raw)
        self._newlines = [match.start() for match in re.finditer("\n", self.raw)]
        self._tables: list[Table] = []
        self.sentences: list[Sentence] = []
        self._parse()

    def line(self, start: int) -> int:
        """The number of the line at ``start``, from 1."""
        return bisect_right(self._newlines, start - 1) + 1

    def quote(self, start: int, end: int) -> tuple[str, int]:
        """What is written from ``start`` to ``end`` as the card has it, cut to MAX_QUOTE_CHARACTERS, and its line."""
        part = self.raw[start:end]
        start += len(part) - len(part.lstrip())
        return part.strip()[:MAX_QUOTE_CHARACTERS].strip(), self.line(start)

    def said(self, sentence: Sentence) -> tuple[str, int]:
        """A sentence as evidence: see :meth:`quote`."""
        return self.quote(sentence.start, sentence.end)

    @property
    def tables(self) -> list[Table]:
        return self._tables

    @cached_property
    def links(self) -> list[Link]:
        """Markdown and HTML links outside the front matter and code."""
        text = self._without_code
        badges = [Link(one.start(), one.end(), _clean(one[1]), one[2]) for one in _BADGE_LINK.finditer(text)]
        links = [Link(one.start(), one.end(), _clean(one[1]), one[2]) for one in _MARKDOWN_LINK.finditer(text)]
        links = [link for link in links if text[max(0, link.start - 1)] != "!"]
        for one in _HTML_LINK.finditer(text):
            closing = _HTML_LINK_END.search(text, one.end(), one.end() + 1_000)
            inner = text[one.end() : closing.start()] if closing else ""
            called = _clean(_TAG.sub(" ", inner)) or " ".join(_ALT.findall(inner))
            links.append(Link(one.start(), closing.end() if closing else one.end(), called[:300], one[1]))
        return sorted([*badges, *links], key=lambda link: link.start)[:MAX_LINKS]

    @cached_property
    def bibtex(self) -> list[Span]:
        """BibTeX entries, at most 5,000 characters each."""
        starts = [one.start() for one in _BIBTEX_START.finditer(self.raw, self._body_start)][:100]
        entries = [self._entry(start, end) for start, end in pairwise((*starts, len(self.raw)))]
        return [Span(start, end, self.raw[start:end]) for start, end in entries]

    def _entry(self, start: int, end: int) -> tuple[int, int]:
        depth = 0
        for place in range(start, min(end, start + 5_000)):
            depth += {"{": 1, "}": -1}.get(self.raw[place], 0)
            if depth == 0 and self.raw[place] == "}":
                return start, place + 1
        return start, min(end, start + 5_000)

    def links_between(self, start: int, end: int) -> list[Link]:
        """The links that start between ``start`` and ``end``."""
        starts = [link.start for link in self.links]
        return self.links[bisect_left(starts, start) : bisect_left(starts, end)]

    def sentence_at(self, place: int) -> Sentence | None:
        """The sentence that is written at ``place``."""
        index = bisect_right(self._sentence_starts, place) - 1
        found = self.sentences[index] if index >= 0 else None
        return found if found is not None and place < found.end else None

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [sentence.start for sentence in self.sentences]

    def _parse(self) -> None:
        text = _blank(self.raw, 0, self._body_start)
        self._without_code = text = _without_comments(_without_code(text))
        headings = [match.span() for match in _HTML_HEADING.finditer(text)]
        masked = _LINK_TARGET.sub(lambda one: "]" + " " * (len(one[0]) - 1), text)
        self._html_tables(masked)
        for start, end in self._table_spans:
            masked = _blank(masked, start, end)
        masked = _BREAK.sub(lambda one: "\n\n" + " " * (len(one[0]) - 2), masked)
        masked = _TAG.sub(lambda one: " " * len(one[0]), masked)
        self._lines(_without_markup(masked), headings)

    def _html_tables(self, text: str) -> None:
        self._table_spans: list[tuple[int, int]] = []
        place = 0
        while (start := _TABLE_START.search(text, place)) is not None and len(self._table_spans) < 50:
            closing = _TABLE_END.search(text, start.end())
            end = closing.start() if closing else len(text)
            part = text[start.start() : end]
            starts = [one.start() for one in _ROW_START.finditer(part)][:MAX_ROWS]
            rows = []
            for first, last in pairwise((*starts, len(part))):
                cells = list(_CELL_START.finditer(part, first, last))[:MAX_CELLS]
                ends = (*(cell.start() for cell in cells[1:]), last)
                texts = [_clean(_TAG.sub(" ", part[one.end() : to])) for one, to in zip(cells, ends, strict=False)]
                place_of = (start.start() + first, start.start() + last)
                rows.append(Row(*place_of, " | ".join(texts), tuple(texts)))
            if rows:
                self._tables.append(Table(tuple(rows), _SPANNING.search(part) is None, ""))
            self._table_spans.append((start.start(), end))
            place = end

    def _lines(self, masked: str, html_headings: list[tuple[int, int]]) -> None:
        """Collects sentences and Markdown tables from the masked text."""
        block: tuple[int, int] | None = None
        heading, rows, place = "", [], 0
        for line in masked.split("\n"):
            start, end = place, place + len(line)
            place = end + 1
            stripped = line.strip()
            if "|" in stripped and len(stripped) > 2:
                rows.append((start, end, stripped))
                continue
            self._markdown_table(rows, heading, masked)
            rows = []
            is_heading = _HEADING.match(line) is not None
            if block and (not stripped or is_heading or _LIST_ITEM.match(line)):
                self._sentences(masked, *block, heading)
                block = None
            if not stripped:
                continue
            if is_heading or any(first <= start < last for first, last in html_headings):
                heading = stripped.lstrip("# ")[:200]
                self._sentences(masked, start, end, heading)
                continue
            block = (block[0] if block else start, end)
        self._markdown_table(rows, heading, masked)
        if block:
            self._sentences(masked, *block, heading)

    def _markdown_table(self, lines: list[tuple[int, int, str]], heading: str, masked: str) -> None:
        if not lines:
            return
        rules = [index for index, line in enumerate(lines[:MAX_ROWS]) if set(line[2]) <= set("|-: ") and "-" in line[2]]
        if not rules or rules[0] == 0:
            for start, end, _ in lines[:MAX_ROWS]:
                self._sentences(masked, start, end, heading)
            return
        kept = [line for index, line in enumerate(lines[:MAX_ROWS]) if index not in rules and index >= rules[0] - 1]
        for start, end, _ in lines[: rules[0] - 1]:
            self._sentences(masked, start, end, heading)
        rows = [Row(start, end, text, _cells(text)) for start, end, text in kept]
        self._tables.append(Table(tuple(rows), True, heading))

    def _sentences(self, masked: str, start: int, end: int, heading: str) -> None:
        first = start
        for boundary in (*(one.end() for one in _SENTENCE_END.finditer(masked, start, end)), end):
            for left in range(first, boundary, MAX_SENTENCE_CHARACTERS):
                right = min(boundary, left + MAX_SENTENCE_CHARACTERS)
                text = masked[left:right]
                if text.strip() and len(self.sentences) < MAX_SENTENCES:
                    self.sentences.append(Sentence(left, right, text.replace("\n", " "), heading))
            first = boundary


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + _NOT_NEWLINE.sub(" ", text[start:end]) + text[end:]


def _without_markup(text: str) -> str:
    # One character after the other: ``translate`` takes ten times as long on text that is not ASCII.
    for char in _MARKUP:
        text = text.replace(char, " ")
    return text


def _without_code(text: str) -> str:
    """``text`` with fenced code blanked."""
    lines, fence = [], ""
    for line in text.split("\n"):
        head = line.lstrip()[:3]
        if fence:
            lines.append(" " * len(line))
            fence = "" if head == fence else fence
        elif head in {"```", "~~~"} and "```" not in line.lstrip()[3:]:
            fence = head
            lines.append(" " * len(line))
        else:
            lines.append(line)
    return "\n".join(lines)


def _without_comments(text: str) -> str:
    parts, place = [], 0
    while (start := text.find("<!--", place)) >= 0:
        end = text.find("-->", start)
        end = len(text) if end < 0 else end + 3
        parts += [text[place:start], _NOT_NEWLINE.sub(" ", text[start:end])]
        place = end
    return "".join((*parts, text[place:]))


def _cells(line: str) -> tuple[str, ...]:
    cells = [_clean(cell) for cell in line.split("|")[: MAX_CELLS + 2]]
    if cells and not cells[0] and line.startswith("|"):
        cells = cells[1:]
    if cells and not cells[-1] and line.endswith("|"):
        cells = cells[:-1]
    return tuple(cells)


def _clean(text: str) -> str:
    return _BLANKS.sub(" ", _without_markup(text).replace("&nbsp;", " ")).strip(" []")
