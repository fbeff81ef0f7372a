"""Feeds as documents: the same entries as Atom (RFC 4287) or as JSON Feed 1.1, page by page.

Pages are those of a paged feed (RFC 5005, section 3): ``next`` leads to older entries by a cursor, which names the last
entry of the page before, so that what comes meanwhile shifts nothing. Archives (section 4) would promise documents that
keep their entries, which a query cannot: a corrected country takes a release out of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import orjson
from fastapi import Query, Request
from fastapi.responses import Response

from monitor import __version__
from monitor.channels.formatting import flag
from monitor.labs.countries import name as country
from monitor.models import iso
from monitor.releases.launches.facts import publisher_name
from monitor.releases.schema import hub_url
from monitor.text import plain
from monitor.web.api import service_of
from monitor.web.http_responses import conditional, described, described_by, errors
from monitor.web.render import address
from monitor.web.schemas import JsonFeed

ATOM = "http://www.w3.org/2005/Atom"
ATOM_TYPE, JSON_TYPE = "application/atom+xml", "application/feed+json"
DEFAULT_LIMIT, MAX_LIMIT = 50, 500
NEVER = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
GENERATOR = "Hub Release Monitor"
ATOM_ANSWER = errors() | described(ATOM_TYPE, "An Atom feed.")
JSON_ANSWER = errors() | described_by(JsonFeed, JSON_TYPE, "A JSON feed.")

Form = Literal["atom", "json"]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Entries on a page.")]
BriefLimit = Annotated[int, Query(ge=1, le=50, description="Briefs on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=4_000, description="Where the page begins: follow `next` or `next_url`.")
]


@dataclass(frozen=True, slots=True)
class Author:
    """Who an entry is by, and their page."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A category: a term of the query language, and what it is called."""

    term: str
    label: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry. ``id`` stays for ever; ``updated`` moves with what is recorded of it; ``recorded`` is when it came in.

    ``url``: its page here; ``related``: the page that it is about. ``extension``: JSON Feed's own field for programs.
    """

    id: str
    title: str
    url: str
    published: datetime
    updated: datetime
    author: Author
    summary: str
    html: str | None = None
    related: str | None = None
    tags: tuple[Tag, ...] = ()
    recorded: datetime = NEVER
    extension: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of a feed. ``id`` is that of all its pages; ``first``, ``here`` and ``next`` are addresses of pages."""

    id: str
    title: str
    home: str
    here: str
    first: str
    next: str | None
    entries: tuple[Entry, ...]

    @property
    def updated(self) -> datetime:
        """When an entry was last changed."""
        return max((entry.updated for entry in self.entries), default=NEVER)


def feed_response(request: Request, feed: Feed, form: Form) -> Response:
    """A page of a feed in its form, with ETag and Last-Modified."""
    modified = max((max(entry.updated, entry.recorded) for entry in feed.entries), default=None)
    if form == "atom":
        return conditional(request, to_atom(feed), f"{ATOM_TYPE}; charset=utf-8", modified_at=modified)
    return conditional(request, orjson.dumps(to_json(feed)), f"{JSON_TYPE}; charset=utf-8", modified_at=modified)


class Site:
    """Addresses of this site in feeds, with the ``as_of`` of the request."""

    def __init__(self, request: Request) -> None:
        self.url: str = service_of(request).settings.public_url
        self._as_of: str | None = getattr(request.state, "as_of", None)

    def address(self, path: str, **values: Any) -> str:
        """The address of a page of this site."""
        return self.url + address(path, **values, as_of=self._as_of)

    def feed_id(self, path: str, q: str) -> str:
        """The id of a feed of a query, which its pages share."""
        as_of = f"&as_of={quote(self._as_of)}" if self._as_of else ""
        return f"{self.url}{path}?q={quote(q)}{as_of}"

    def page(self, path: str, limit: int, cursor: str | None = None, **values: Any) -> str:
        """The address of a page of a feed."""
        some = limit if limit != DEFAULT_LIMIT else None
        return self.address(path, **values, limit=some, cursor=cursor)

    def feed(
        self,
        path: str,
        title: str,
        home: str,
        entries: tuple[Entry, ...],
        *,
        q: str,
        limit: int,
        cursor: str | None,
        following: str | None,
    ) -> Feed:
        """A page of the feed of a query; ``following``: the cursor of the next page."""
        return Feed(
            id=self.feed_id(path, q),
            title=title,
            home=self.address(home, q=q),
            here=self.page(path, limit, cursor, q=q),
            first=self.page(path, limit, q=q),
            next=self.page(path, limit, following, q=q) if following else None,
            entries=entries,
        )

    def author(self, lab: str | None, namespace: str) -> Author:
        """Who published something: the lab by its name, else the namespace."""
        name = plain(publisher_name(lab or namespace))
        return Author(name, self.address(f"/labs/{quote(lab)}") if lab else hub_url(quote(namespace)))


def origin_tag(origin: str | None) -> list[Tag]:
    """The category of a country."""
    return [Tag(f"origin:{origin}", f"{flag(origin)} {country(origin)}")] if origin else []


def to_atom(feed: Feed) -> bytes:
    """A page as Atom."""
    root = Xml.Element("feed", xmlns=ATOM)
    _add_text(root, "id", feed.id)
    _add_text(root, "title", feed.title)
    _add_text(root, "updated", iso(feed.updated) or "")
    _add_text(root, "generator", GENERATOR, version=__version__)
    _add_text(Xml.SubElement(root, "author"), "name", GENERATOR)
    _add_link(root, "self", feed.here, ATOM_TYPE)
    _add_link(root, "alternate", feed.home, "text/html")
    _add_link(root, "first", feed.first, ATOM_TYPE)
    if feed.next is not None:
        _add_link(root, "next", feed.next, ATOM_TYPE)
    for entry in feed.entries:
        _add_entry(root, entry)
    body: bytes = Xml.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body


def _add_entry(root: Xml.Element, entry: Entry) -> None:
    element = Xml.SubElement(root, "entry")
    _add_text(element, "id", entry.id)
    _add_text(element, "title", entry.title)
    _add_text(element, "published", iso(entry.published) or "")
    _add_text(element, "updated", iso(entry.updated) or "")
    author = Xml.SubElement(element, "author")
    _add_text(author, "name", entry.author.name)
    _add_text(author, "uri", entry.author.url)
    _add_link(element, "alternate", entry.url, "text/html")
    if entry.related is not None:
        _add_link(element, "related", entry.related)
    for tag in entry.tags:
        Xml.SubElement(element, "category", term=plain(tag.term), label=plain(tag.label))
    _add_text(element, "summary", entry.summary)
    if entry.html is not None:
        _add_text(element, "content", entry.html, type="html")


def _add_text(parent: Xml.Element, tag: str, text: str, **attributes: str) -> None:
    # XML 1.0 has no place for control characters, even escaped.
    Xml.SubElement(parent, tag, attributes).text = plain(text)


def _add_link(parent: Xml.Element, rel: str, href: str, media_type: str | None = None) -> None:
    Xml.SubElement(parent, "link", {"rel": rel, "href": href} | ({"type": media_type} if media_type else {}))


def to_json(feed: Feed) -> dict[str, Any]:
    """A page as JSON Feed 1.1."""
    found: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": plain(feed.title),
        "home_page_url": feed.home,
        # The identifier of the feed, and so the same on every page.
        "feed_url": feed.first,
        "language": "en",
        "authors": [{"name": GENERATOR}],
    }
    if feed.next is not None:
        found["next_url"] = feed.next
    return found | {"items": [_item(entry) for entry in feed.entries]}


def _item(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"id": entry.id, "url": entry.url, "title": plain(entry.title)}
    if entry.related is not None:
        found["external_url"] = entry.related
    if entry.html is None:
        found["content_text"] = plain(entry.summary)
    else:
        found |= {"content_html": entry.html, "summary": plain(entry.summary)}
    found |= {
        "date_published": iso(entry.published),
        "date_modified": iso(entry.updated),
        "authors": [{"name": entry.author.name, "url": entry.author.url}],
        "language": "en",
    }
    if entry.tags:
        found["tags"] = [plain(tag.term) for tag in entry.tags]
    return found | entry.extension
