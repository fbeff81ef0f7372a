"""Static HTML pages: the list of entries that a source's CSS selectors find. No I/O."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from parsel import Selector

from monitor.ingest.feeds.dates import date_in_url, read_date
from monitor.ingest.feeds.entries import MAX_TITLE_CHARS, Entry, Parsed, joined, kept, make_entry, web_url, words_of
from monitor.ingest.feeds.limits import ELEMENTS, ENTRIES, FeedError
from monitor.ingest.feeds.text import decoded, fit, without_scripts
from monitor.labs.sources import HtmlSource

_MAX_CHARS = 4 * 1024 * 1024
"""Characters of a page that is parsed."""
_MAX_TEXT_CHARS = 20_000
"""Characters of one element that are read."""
_MAX_DATES = 10
"""Elements of one entry that are tried for its date."""
_SEVERAL = object()
_MAX_SEPARATORS = 20_000
"""What stands between attributes or words, from one element to the next."""
_SEPARATOR = re.compile(r"[\s/\"']+")
_ELEMENT = re.compile(r"<[a-z]", re.I)


def parse_html(source: HtmlSource, body: bytes, content_type: str | None, url: str) -> Parsed:
    """The entries of a page that came from ``url``. Raises FeedError where its selectors find none."""
    text, readable = decoded(body, content_type)
    text = without_scripts(fit(text))
    _refuse_labyrinths(text)
    try:
        page = Selector(text=text, type="html", huge_tree=False)
    except ValueError as error:
        raise FeedError(f"it is no HTML: {str(error)[:200]}") from None
    found = _elements(page, source.entries)
    if not found:
        raise FeedError(f"no element of it matches {source.entries!r}: it may be written by a script, or new in form")
    if len(found) > ENTRIES:
        raise FeedError(f"it holds more than {ENTRIES} entries")
    base = joined(url, page.css("base::attr(href)").get() or "") or url
    entries = kept(source, _entries(source, found, base))
    if not entries and source.text_pattern is None:
        raise FeedError(f"none of the {len(found)} elements that match {source.entries!r} has a title or a link")
    title = words_of(page.css("title::text").get(), MAX_TITLE_CHARS)
    return Parsed(title, entries, None, None if readable else "some of its characters cannot be read")


def _refuse_labyrinths(text: str) -> None:
    if not text.strip():
        raise FeedError("it is empty")
    if len(text) > _MAX_CHARS or sum(1 for _ in _ELEMENT.finditer(text)) > ELEMENTS:
        raise FeedError(f"it holds more than {_MAX_CHARS} characters or {ELEMENTS} elements")
    # The parser compares each attribute of an element with all others.
    if any(sum(1 for _ in _SEPARATOR.finditer(part)) > _MAX_SEPARATORS for part in text.split("<")):
        raise FeedError(f"an element of it has more than {_MAX_SEPARATORS} attributes or words")


def _entries(source: HtmlSource, found: list[Selector], base: str) -> list[Entry]:
    """The entries of these elements; of several with one address the first that has a title."""
    links = {element.root: _link(source, element, base) for element in found}
    cards = _cards(links)
    entries: dict[object, Entry] = {}
    for element in found:
        url, card = links[element.root], cards[element.root]
        title = _first_text(source.title, element, card) or _text(element)
        summary = _first_text(source.summary, element, card) if source.summary else ""
        entry = make_entry(
            own_id="",
            url=url,
            title=_escaped(title),
            summary=_escaped(summary),
            published_at=date_in_url(source, url) or _date(source, element, card),
            names_in=[href[:2_000] for href in element.css("::attr(href)").getall()[:50]],
        )
        if entry is not None and (entry.entry_id not in entries or entries[entry.entry_id].title is None):
            entries[entry.entry_id] = entry
    return list(entries.values())


def _elements(page: Selector, css: str) -> list[Selector]:
    return [element for element in page.css(css) if not isinstance(element.root, str)]


def _link(source: HtmlSource, element: Selector, base: str) -> str | None:
    hrefs = (web_url(joined(base, href[:4_000])) for href in element.css(source.link).getall()[:20])
    return next(filter(None, hrefs), None)


def _cards(links: Mapping[Any, str | None]) -> dict[Any, Selector]:
    """By entry, the largest element around it that holds no other one; links to one address are one entry."""
    inside: dict[Any, object] = {}
    for element, url in links.items():
        identity = url or element
        for node in _upwards(element):
            if inside.setdefault(node, identity) != identity:
                inside[node] = _SEVERAL
    cards = {}
    for element in links:
        alone = list(itertools.takewhile(lambda node: inside[node] is not _SEVERAL, _upwards(element)))
        cards[element] = Selector(root=alone[-1] if alone else element, type="html")
    return cards


def _upwards(element: Any) -> Iterator[Any]:
    """``element`` and what is around it, up to the body of the page."""
    node = element
    while node is not None and node.tag not in {"body", "html"}:
        yield node
        node = node.getparent()


def _first_text(css: str, *elements: Selector) -> str:
    for element in elements:
        for found in element.css(css)[:_MAX_DATES]:
            text = _text(found)
            if text:
                return text
    return ""


def _date(source: HtmlSource, *elements: Selector) -> datetime | None:
    for element in elements:
        for found in element.css(source.date)[:_MAX_DATES]:
            date = read_date(_text(found))
            if date is not None:
                return date
    return None


def _text(found: Selector) -> str:
    """The text of an element, or of what ``::attr`` and ``::text`` select, on one line."""
    text = found.root if isinstance(found.root, str) else "".join(_texts(found.root))
    return " ".join(text[:_MAX_TEXT_CHARS].split())


def _texts(node: Any) -> Iterator[str]:
    """The texts in an element, with a space between those of its parts; not those of scripts and styles."""
    length = 0
    for part in node.iter():
        if isinstance(part.tag, str) and part.tag not in {"script", "style"} and part.text:
            yield f" {part.text}"
            length += len(part.text)
        if part is not node and part.tail:
            yield part.tail
            length += len(part.tail)
        if length > _MAX_TEXT_CHARS:
            return


def _escaped(text: str) -> str:
    """Plain text in the form of markup, which an entry's title and summary are given in."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
