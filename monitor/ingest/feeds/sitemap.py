"""XML sitemaps (sitemaps.org, with the extension for news): the addresses that match a source's pattern. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from monitor.ingest.feeds.dates import date_in_url, read_date
from monitor.ingest.feeds.entries import Entry, Parsed, kept, make_entry, web_url
from monitor.ingest.feeds.limits import DEPTH, ELEMENTS, FeedError, refuse_growth, refuse_html
from monitor.ingest.feeds.text import decoded, fit, without_declaration
from monitor.labs.sources import SitemapSource

_WANTED = frozenset({"loc", "lastmod", "title", "publication_date"})
"""Elements of an address that are read; the last two are those of news sitemaps."""
_MAX_TEXT_CHARS = 4_000
"""Characters of one such element that are read."""


def parse_sitemap(source: SitemapSource, body: bytes, content_type: str | None) -> Parsed:
    """The entries of a sitemap. Raises FeedError where it is none, or no address in it matches."""
    text, readable = decoded(body, content_type)
    text = without_declaration(fit(text))
    refuse_html(text, "a sitemap")
    refuse_growth(text)
    located = _Sitemap().read(text)
    matching = [values for values in located if re.search(source.link_pattern, values.get("loc", ""))]
    entries = kept(source, _entries(source, matching))
    if not entries:
        raise FeedError(f"none of the {len(located)} addresses of this sitemap matches {source.link_pattern!r}")
    return Parsed(None, entries, None, None if readable else "some of its characters cannot be read")


def _entries(source: SitemapSource, located: list[dict[str, str]]) -> Iterator[Entry]:
    for values in located:
        url = web_url(values["loc"])
        modified = values.get("lastmod") if source.date == "lastmod" else None
        published = date_in_url(source, url) or read_date(values.get("publication_date")) or read_date(modified)
        entry = make_entry(own_id="", url=url, title=values.get("title", ""), summary="", published_at=published)
        if entry is not None and entry.url is not None:
            yield entry


@dataclass
class _Sitemap:
    """Reads a sitemap in one pass, in memory bounded by the addresses it holds."""

    located: list[dict[str, str]] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    elements: int = 0
    text: list[str] = field(default_factory=list)

    def read(self, text: str) -> list[dict[str, str]]:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._opened
        parser.EndElementHandler = self._closed
        parser.CharacterDataHandler = self.text.append
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            raise FeedError(f"it is no sitemap: {error}") from None
        return self.located

    def _opened(self, name: str, _attributes: dict[str, str]) -> None:
        self.elements += 1
        self.path.append(name.rpartition(":")[2])
        self.text.clear()
        if self.elements > ELEMENTS or len(self.path) > DEPTH:
            raise FeedError(f"it holds more than {ELEMENTS} elements, or nests deeper than {DEPTH}")
        if self.path == ["sitemapindex"]:
            raise FeedError("it is an index of sitemaps: name the one of them that lists the news")
        if len(self.path) == 1 and self.path != ["urlset"]:
            raise FeedError(f"it is no sitemap: its root is {fit(name)[:50]!r}")
        if self.path == ["urlset", "url"]:
            self.located.append({})

    def _closed(self, _name: str) -> None:
        name = self.path[-1]
        if name in _WANTED and self.path[:2] == ["urlset", "url"] and self.path[2:] in _PLACES:
            self.located[-1].setdefault(name, "".join(self.text).strip()[:_MAX_TEXT_CHARS])
        self.path.pop()
        self.text.clear()


_PLACES = (["loc"], ["lastmod"], ["news", "title"], ["news", "publication_date"])
