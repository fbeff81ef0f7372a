"""What must not come near a feed parser: what is no feed, and what is made to take its time or memory."""

from __future__ import annotations

import re
from xml.parsers import expat

ENTRIES, ELEMENTS, DEPTH, BASES = 10_000, 300_000, 200, 200
"""How many entries and elements a body may hold, how deep they may nest, how many base addresses a broken one may
set (each is joined to the one around it)."""
BROKEN = 1024 * 1024
"""Characters of a malformed body that are worth the slow parser, which forgives everything."""

_ENTRY = re.compile(r"<(?:\w{1,20}:)?(?:item|entry)[\s>/]", re.I)
_GROWING = re.compile(r"<!(?:ENTITY|ATTLIST)", re.I)
_BASE = re.compile(r"\bbase\s{0,9}=", re.I)
_PEOPLE = re.compile(
    r"(</?(?:[\w.-]{1,40}:)?)(?=(?:author|contributor|creator|managingeditor|owner|publisher|webmaster)[\s/>])", re.I
)


class FeedError(ValueError):
    """A body that is no feed that can be read: one line that says why."""


def guarded(text: str) -> str:
    """``text``, fit to be parsed in bounded time and memory. Raises FeedError, which says what is wrong with it."""
    _refuse_other_formats(text)
    refuse_growth(text)
    # Nobody here asks who wrote it, and feedparser's search for their addresses takes hours over a long word.
    text = _PEOPLE.sub(r"\1x-", text)
    _refuse_labyrinths(text)
    return text


def _refuse_other_formats(text: str) -> None:
    refuse_html(text, "a feed")
    if text[_prolog(text) :].startswith(("{", "[")):
        raise FeedError("it is JSON, not RSS or Atom")


def refuse_html(text: str, expected: str) -> None:
    """Raises FeedError where ``text`` is empty, or an HTML page in the place of what is expected."""
    if not text.strip():
        raise FeedError("it is empty")
    if text[_prolog(text) :][:100].lower().startswith(("<!doctype html", "<html")):
        raise FeedError(f"it is an HTML page, not {expected}")


def refuse_growth(text: str) -> None:
    """Raises FeedError where a DOCTYPE holds declarations that multiply text.

    There are two readings of where the document begins, XML's and feedparser's, which takes a DOCTYPE away before
    it parses: where either sees one, no such declaration may follow anywhere.
    """
    first = re.search(r"<\w", text)
    head = text[: first.start()] if first else text
    typed = "<!doctype" in head.lower() or text[_prolog(text) :][:9].lower() == "<!doctype"
    if typed and _GROWING.search(text):
        raise FeedError("it declares entities, which can grow without bound")


def _refuse_labyrinths(text: str) -> None:
    if sum(1 for _ in _ENTRY.finditer(text)) > ENTRIES:
        raise FeedError(f"it holds more than {ENTRIES} entries")
    if not _well_formed(text):
        if len(text) > BROKEN:
            raise FeedError("it is malformed, and too large to be read all the same")
        if sum(1 for _ in _BASE.finditer(text)) > BASES:
            raise FeedError("it is malformed, and sets too many base addresses")


def _well_formed(text: str) -> bool:
    """Whether XML's own parser reads it to the end. Raises FeedError where it holds too much, or nests too deep."""
    elements = depth = 0

    def opened(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal elements, depth
        elements, depth = elements + 1, depth + 1
        if elements > ELEMENTS or depth > DEPTH:
            raise FeedError(f"it holds more than {ELEMENTS} elements, or nests deeper than {DEPTH}")

    def closed(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError:
        return False
    return True


def _prolog(text: str) -> int:
    """Where the first thing begins that is neither space nor comment nor processing instruction."""
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        ending = "?>" if text.startswith("<?", at) else "-->" if text.startswith("<!--", at) else None
        end = -1 if ending is None else text.find(ending, at)
        if ending is None or end < 0:
            return at
        at = end + len(ending)
