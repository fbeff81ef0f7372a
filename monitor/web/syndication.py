"""Any query as an Atom or JSON feed: the newest releases that match, with stable ids and conditional requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor.channels.formatting import describe, flag, foundation, headline, plain
from monitor.models import Change, Release, iso
from monitor.releases.launches.facts import publisher_name
from monitor.releases.query import parse
from monitor.releases.schema import hub_url, release_object
from monitor.releases.search import search
from monitor.web.api import Q, Reading, service_of
from monitor.web.http_responses import conditional, described, errors

router = APIRouter(tags=["feeds"])
MAX_FEED_ENTRIES = 50
ATOM = "http://www.w3.org/2005/Atom"


ATOM_TYPE, _JSON_TYPE = "application/atom+xml", "application/feed+json"


@router.get(
    "/feed.atom",
    response_class=Response,
    responses=errors() | described(ATOM_TYPE, "An Atom feed."),
)
def atom(request: Request, session: Reading, q: Q = "") -> Response:
    """The newest releases that match, as Atom (RFC 4287)."""
    rows = search(session, parse(q), limit=MAX_FEED_ENTRIES).items
    changed = _changed(session, rows)
    feed = Xml.Element("feed", xmlns=ATOM)
    add_text(feed, "id", _self(request, "/feed.atom", q))
    add_text(feed, "title", _title(q))
    add_text(feed, "updated", iso(max(changed.values(), default=NEVER)) or "")
    Xml.SubElement(feed, "link", rel="self", href=_self(request, "/feed.atom", q))
    Xml.SubElement(feed, "link", rel="alternate", href=_self(request, "/releases", q))
    add_text(Xml.SubElement(feed, "author"), "name", "Hub Release Monitor")
    for row in rows:
        entry = Xml.SubElement(feed, "entry")
        add_text(entry, "id", _ident(row))
        add_text(entry, "title", f"{flag(row.origin)} {headline(row)}")
        add_text(entry, "published", iso(row.released_at or row.first_seen_at) or "")
        add_text(entry, "updated", iso(changed[row.id]) or "")
        Xml.SubElement(entry, "link", rel="alternate", href=_page(request, row))
        Xml.SubElement(entry, "link", rel="related", href=hub_url(quote(row.repo_id)))
        add_text(entry, "summary", _summary(row))
    body = b'<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(feed, encoding="utf-8")
    return conditional(request, body, f"{ATOM_TYPE}; charset=utf-8")


@router.get(
    "/feed.json",
    response_class=Response,
    responses=errors() | described(_JSON_TYPE, "A JSON feed."),
)
def json_feed(request: Request, session: Reading, q: Q = "") -> Response:
    """The newest releases that match, as JSON Feed 1.1."""
    rows = search(session, parse(q), limit=MAX_FEED_ENTRIES).items
    changed = _changed(session, rows)
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _title(q),
        "home_page_url": _self(request, "/releases", q),
        "feed_url": _self(request, "/feed.json", q),
        "items": [
            {
                "id": _ident(row),
                "url": _page(request, row),
                "external_url": hub_url(quote(row.repo_id)),
                "title": f"{flag(row.origin)} {headline(row)}",
                "content_text": _summary(row),
                "date_published": iso(row.released_at or row.first_seen_at),
                "date_modified": iso(changed[row.id]),
                "authors": [{"name": plain(publisher_name(row.lab or row.namespace))}],
                "_release": release_object(row),
            }
            for row in rows
        ],
    }
    return conditional(request, orjson.dumps(feed), f"{_JSON_TYPE}; charset=utf-8")


def _base(request: Request) -> str:
    return service_of(request).settings.public_url


def _self(request: Request, path: str, q: str) -> str:
    """The address of this search below ``path``, with the same ``as_of``."""
    as_of = f"&as_of={quote(request.state.as_of)}" if request.state.as_of else ""
    return f"{_base(request)}{path}?q={quote(q)}{as_of}"


def _title(q: str) -> str:
    return f"Open-weight releases: {plain(q)}" if q else "Open-weight releases"


def _ident(row: Release) -> str:
    # The Hub's permanent id outlives names, hosts and this service's address.
    return f"tag:hub-release-monitor,2026:{quote(row.hub_id)}"


def _page(request: Request, row: Release) -> str:
    as_of = f"?as_of={quote(request.state.as_of)}" if request.state.as_of else ""
    return f"{_base(request)}/releases/{quote(row.repo_id)}{as_of}"


def _summary(row: Release) -> str:
    return " · ".join(part for part in (describe(row), foundation(row)) if part)


NEVER = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def _changed(session: Session, rows: list[Release]) -> dict[int | None, datetime]:
    """When each release last changed."""
    which = col(Change.release_id).in_([row.id for row in rows])
    last = select(col(Change.release_id), func.max(col(Change.at))).where(which).group_by(col(Change.release_id))
    found = {row[0]: row[1] for row in session.execute(last)}
    began = {row.id: row.released_at or row.first_seen_at for row in rows}
    return {key: max(found.get(key, timestamp), timestamp) for key, timestamp in began.items()}


def add_text(parent: Xml.Element, tag: str, text: str) -> None:
    """Adds an element with a text."""
    # XML 1.0 has no place for control characters, even escaped.
    Xml.SubElement(parent, tag).text = plain(text)
