"""Any query as an Atom or JSON feed: the newest releases that match, with stable ids and conditional requests."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from monitor.channels.words import describe, flag, foundation, headline, plain
from monitor.history.query import parse
from monitor.history.search import search
from monitor.models import Release, iso
from monitor.web.api import Q, Reading, service_of

router = APIRouter(tags=["feeds"])
SHOWN = 50
ATOM = "http://www.w3.org/2005/Atom"


@router.get("/feed.atom", response_class=Response)
def atom(request: Request, session: Reading, q: Q = "") -> Response:
    """The newest releases that match, as Atom (RFC 4287)."""
    base, rows = _base(request), search(session, parse(q), limit=SHOWN).items
    feed = Xml.Element("feed", xmlns=ATOM)
    _text(feed, "id", f"{base}/feed.atom?q={quote(q)}")
    _text(feed, "title", _title(q))
    _text(feed, "updated", iso(_updated(rows)) or "")
    Xml.SubElement(feed, "link", rel="self", href=f"{base}/feed.atom?q={quote(q)}")
    Xml.SubElement(feed, "link", rel="alternate", href=f"{base}/releases?q={quote(q)}")
    _text(Xml.SubElement(feed, "author"), "name", "Hub Release Monitor")
    for row in rows:
        entry = Xml.SubElement(feed, "entry")
        _text(entry, "id", _ident(row))
        _text(entry, "title", f"{flag(row.origin)} {headline(row)}")
        _text(entry, "published", iso(row.released_at or row.first_seen_at) or "")
        _text(entry, "updated", iso(row.released_at or row.first_seen_at) or "")
        Xml.SubElement(entry, "link", rel="alternate", href=_page(base, row))
        Xml.SubElement(entry, "link", rel="related", href=f"https://huggingface.co/{quote(row.repo_id)}")
        _text(entry, "summary", _summary(row))
    body = b'<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(feed, encoding="utf-8")
    return conditional(request, body, "application/atom+xml; charset=utf-8")


@router.get("/feed.json", response_class=JSONResponse)
def json_feed(request: Request, session: Reading, q: Q = "") -> Response:
    """The newest releases that match, as JSON Feed 1.1."""
    base, rows = _base(request), search(session, parse(q), limit=SHOWN).items
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _title(q),
        "home_page_url": f"{base}/releases?q={quote(q)}",
        "feed_url": f"{base}/feed.json?q={quote(q)}",
        "items": [
            {
                "id": _ident(row),
                "url": _page(base, row),
                "external_url": f"https://huggingface.co/{quote(row.repo_id)}",
                "title": f"{flag(row.origin)} {headline(row)}",
                "content_text": _summary(row),
                "date_published": iso(row.released_at or row.first_seen_at),
                "_release": row.as_json(),
            }
            for row in rows
        ],
    }
    return conditional(request, JSONResponse(feed).body, "application/feed+json; charset=utf-8")


def conditional(request: Request, body: bytes | memoryview, media_type: str) -> Response:
    """The body with its ETag; 304 where the reader has it."""
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "public, max-age=60"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(bytes(body), media_type=media_type, headers=headers)


def _base(request: Request) -> str:
    return service_of(request).settings.public_url


def _title(q: str) -> str:
    return f"Open-weight releases: {plain(q)}" if q else "Open-weight releases"


def _ident(row: Release) -> str:
    # The Hub's permanent id outlives names, hosts and this service's address.
    return f"tag:hub-release-monitor,2026:{quote(row.hub_id)}"


def _page(base: str, row: Release) -> str:
    return f"{base}/releases/{quote(row.repo_id)}"


def _summary(row: Release) -> str:
    return " · ".join(part for part in (describe(row), foundation(row)) if part)


def _updated(rows: list[Release]) -> datetime:
    moments = [row.released_at or row.first_seen_at for row in rows]
    return max(moments) if moments else datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def _text(parent: Xml.Element, tag: str, text: str) -> None:
    # XML 1.0 has no place for control characters, even escaped.
    Xml.SubElement(parent, tag).text = plain(text)
