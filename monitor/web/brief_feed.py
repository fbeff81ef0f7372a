"""The published briefs as a feed: permanent ids, and ``updated`` moves only where corrections are listed."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlmodel import Session

from monitor.db.engine import now
from monitor.releases.briefs.corrections import with_corrections
from monitor.releases.briefs.model import Brief
from monitor.releases.briefs.published import as_published, published_briefs
from monitor.releases.briefs.text import sections_html, to_summary
from monitor.web.api import Present
from monitor.web.feed_documents import (
    ATOM_ANSWER,
    GENERATOR,
    JSON_ANSWER,
    Author,
    BriefLimit,
    Cursor,
    Entry,
    Feed,
    Form,
    Site,
    feed_response,
)

router = APIRouter(tags=["feeds"])
DEFAULT_BRIEFS = 10


@router.get("/briefs.atom", operation_id="get_briefs_feed_atom", response_class=Response, responses=ATOM_ANSWER)
def atom(request: Request, session: Present, limit: BriefLimit = DEFAULT_BRIEFS, cursor: Cursor = None) -> Response:
    """The published briefs of weeks and months as Atom (RFC 4287), each with what was corrected since."""
    return _published(request, session, limit, cursor, "atom")


@router.get("/briefs.json", operation_id="get_briefs_feed_json", response_class=Response, responses=JSON_ANSWER)
def json_feed(
    request: Request, session: Present, limit: BriefLimit = DEFAULT_BRIEFS, cursor: Cursor = None
) -> Response:
    """The published briefs of weeks and months as JSON Feed 1.1, each with what was corrected since."""
    return _published(request, session, limit, cursor, "json")


def _published(request: Request, session: Session, limit: int, cursor: str | None, form: Form) -> Response:
    site, path, at = Site(request), f"/briefs.{form}", now()
    rows = published_briefs(session, limit + 1, before=cursor)
    following = rows[limit - 1].period if len(rows) > limit else None
    found = [with_corrections(session, as_published(row), at) for row in rows[:limit]]
    some = limit if limit != DEFAULT_BRIEFS else None
    feed = Feed(
        id=f"{site.url}{path}",
        title="Open-weight releases: briefs of weeks and months",
        home=site.address("/trends"),
        here=site.address(path, limit=some, cursor=cursor),
        first=site.address(path, limit=some),
        next=site.address(path, limit=some, cursor=following) if following else None,
        entries=tuple(_entry(site, brief) for brief in found),
    )
    return feed_response(request, feed, form)


def _entry(site: Site, brief: Brief) -> Entry:
    assert brief.published_at is not None, "a feed has published briefs"
    page = f"{site.url}/brief/{brief.period.name}"
    return Entry(
        # Neither this site's address nor a correction changes it.
        id=f"tag:hub-release-monitor,2026:brief/{brief.period.name}",
        title=brief.title,
        url=page,
        published=brief.published_at,
        updated=_updated(brief.published_at, brief.corrected_at),
        author=Author(GENERATOR, site.url),
        summary=to_summary(brief, page).replace("\n", " "),
        html=sections_html(brief, site.url),
    )


def _updated(published_at: datetime, corrected_at: datetime | None) -> datetime:
    return max(published_at, corrected_at or published_at)
