"""Launches, announcements, doubts and the calendar, for programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from icalendar import Calendar, Event

from monitor.channels.formatting import describe, flag, format_launch, headline, reason_suffix
from monitor.enums import kind_name
from monitor.releases.coverage import coverage as covered
from monitor.releases.launches.announcement_queries import list_announcements, open_and_closed
from monitor.releases.launches.facts import FORMATS, facts_of
from monitor.releases.launches.queries import LaunchWithMembers, find_launches, get_launch, parse_cursor
from monitor.releases.query import parse
from monitor.releases.review import review as doubtful
from monitor.releases.search import search
from monitor.text import plain
from monitor.web.api import Present, Q, Reading, service_of
from monitor.web.http_responses import as_json, errors
from monitor.web.schemas import Announcements, CoverageObject, Doubts, Launches, LaunchObject, Months

router = APIRouter()
Limit = Annotated[int, Query(ge=1, le=1_000)]
MAX_CALENDAR_ENTRIES = 100


Lab = Annotated[str | None, Query(max_length=100, description="Only of this lab.")]
State = Annotated[Literal["announced", "released"] | None, Query(description="Only in this state.")]
Month = Annotated[
    str | None, Query(pattern=r"^(19|20)\d\d-(0[1-9]|1[0-2])$", description="Only of this month of UTC: `2026-05`.")
]


@router.get("/api/v1/launches", tags=["launches"], response_model=Launches, responses=errors())
def launches(
    request: Request,
    session: Reading,
    q: Q = "",
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
) -> Response:
    """Launches with a member that matches ``q``, newest first, each with all its members."""
    items, following = find_launches(session, parse(q), limit=limit, before=parse_cursor(cursor) if cursor else None)
    return as_json(request, {"items": [item.as_json() for item in items], "next": following})


@router.get("/api/v1/launches/{ident}", tags=["launches"], response_model=LaunchObject, responses=errors(404))
def launch(request: Request, session: Reading, ident: int) -> Response:
    """One launch."""
    item = get_launch(session, ident)
    if item is None:
        raise HTTPException(404, f"there is no launch {ident}")
    return as_json(request, item.as_json())


@router.get("/api/v1/announcements", tags=["launches"], response_model=Announcements, responses=errors())
def announcements(
    request: Request, session: Reading, lab: Lab = None, state: State = None, month: Month = None, limit: Limit = 100
) -> Response:
    """Models that the labs' feeds named: announced, or released once their weights came."""
    return as_json(request, {"items": list_announcements(session, lab=lab, state=state, month=month, limit=limit)})


@router.get("/api/v1/announcements/by-month", tags=["launches"], response_model=Months, responses=errors())
def by_month(request: Request, session: Reading, q: Q = "") -> Response:
    """Open against closed: for each month, launches with public weights, and models that were only announced."""
    return as_json(request, {"items": open_and_closed(session, service_of(request).registry, parse(q))})


@router.get("/api/v1/review", tags=["operation"], response_model=Doubts, responses=errors())
def review(request: Request, session: Present, limit: Limit = 50) -> Response:
    """What is unsure, most followed first."""
    return as_json(request, {"items": doubtful(session, limit)})


@router.get("/api/v1/coverage", tags=["operation"], response_model=CoverageObject, responses=errors())
def coverage(request: Request, session: Present) -> Response:
    """Whether the Hub is fully read: the state, and every source that is blind, truncated, empty, failing or stale."""
    return as_json(request, covered(session, service_of(request).settings.hub_interval).as_json())


@router.get("/feed.ics", tags=["feeds"], response_class=Response, responses=errors())
def calendar(request: Request, session: Reading, q: Q = "") -> Response:
    """The newest launches, and releases that are in none, that match: as a calendar (RFC 5545)."""
    base, query = service_of(request).settings.public_url, parse(q)
    as_of = f"?as_of={quote(request.state.as_of)}" if request.state.as_of else ""
    made = Calendar()
    made.add("prodid", "-//Hub Release Monitor//EN")
    made.add("version", "2.0")
    made.add("x-wr-calname", plain(f"Open-weight releases: {q}" if q else "Open-weight releases"))
    launches_found, _ = find_launches(session, query, limit=MAX_CALENDAR_ENTRIES)
    for item in launches_found:
        title = f"{flag(item.members[0].origin)} {format_launch(item.launch, item.members)}"
        title += reason_suffix(item.members)
        lines = "\n".join([_summary(item), *(f"{row.repo_id}: {describe(row)}" for row in item.members[:50])])
        ident, at = f"launch-{item.launch.id}", item.launch.first_at
        made.add_component(_event(ident, title, lines, at, f"{base}/launches/{item.launch.id}{as_of}"))
    for row in search(session, query, limit=MAX_CALENDAR_ENTRIES).items:
        released = row.released_at
        if row.launch_id is None and released is not None:
            page = f"{base}/releases/{quote(row.repo_id)}{as_of}"
            made.add_component(
                _event(quote(row.hub_id), f"{flag(row.origin)} {headline(row)}", describe(row), released, page)
            )
    return Response(made.to_ical(), media_type="text/calendar; charset=utf-8")


def _summary(item: LaunchWithMembers) -> str:
    """What members have in common, in one line: formats, what they were built on, the announcement."""
    facts = facts_of(item.members)
    parts = [
        ", ".join(map(kind_name, facts.kinds)),
        ", ".join(facts.licenses) or "no licence stated",
        ", ".join(facts.tasks[:3]),
        f"built on {', '.join(one['repo_id'] for one in facts.built_on[:5])}" if facts.built_on else "",
        f"formats: {', '.join(FORMATS[name] for name in facts.formats)}" if facts.formats else "",
    ]
    announcement = next((row.announcement_url for row in item.members if row.announcement_url), None)
    return "\n".join(filter(None, (plain(" · ".join(filter(None, parts))), plain(announcement or ""))))


def _event(ident: str, title: str, description: str, at: datetime, url: str) -> Any:
    event = Event()
    event.add("uid", f"{ident}@hub-release-monitor")
    event.add("summary", plain(title))
    event.add("description", "\n".join(plain(line) for line in description.split("\n")))
    event.add("dtstamp", at)
    event.add("dtstart", at)
    event.add("dtend", at + timedelta(minutes=30))
    event.add("url", url)
    event.add("transp", "TRANSPARENT")
    return event
