"""Launches, announcements and doubts, for programs."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import Response

from monitor.releases.coverage import coverage as covered
from monitor.releases.launches.announcement_queries import list_announcements, open_and_closed
from monitor.releases.launches.queries import find_launches, get_launch, parse_cursor
from monitor.releases.query import parse
from monitor.releases.review import review as doubtful
from monitor.releases.search import SearchError
from monitor.text import short
from monitor.web.api import Present, Q, Reading, service_of
from monitor.web.http_responses import as_json, errors
from monitor.web.schemas import Announcements, CoverageObject, Doubts, Launches, LaunchObject, Months

router = APIRouter()
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many.")]


Lab = Annotated[str | None, Query(max_length=100, description="Only of this lab.")]
State = Annotated[Literal["announced", "released"] | None, Query(description="Only in this state.")]
MONTH = re.compile(r"(19|20)\d\d-(0[1-9]|1[0-2])")


def requested_month(
    month: Annotated[
        str | None,
        Query(
            json_schema_extra={"pattern": f"^{MONTH.pattern}$"},
            max_length=40,
            description="Only of this month of UTC: `2026-05`.",
        ),
    ] = None,
) -> str | None:
    """A dependency: the month of the request, or None. Raises SearchError for what is none."""
    if month is not None and not MONTH.fullmatch(month):
        raise SearchError("month", f"month {short(month, 40)!r}: a month expected, like 2026-05")
    return month


Month = Annotated[str | None, Depends(requested_month)]


@router.get(
    "/api/v1/launches", operation_id="list_launches", tags=["launches"], response_model=Launches, responses=errors()
)
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


@router.get(
    "/api/v1/launches/{ident}",
    operation_id="get_launch",
    tags=["launches"],
    response_model=LaunchObject,
    responses=errors(404),
)
def launch(
    request: Request, session: Reading, ident: Annotated[int, Path(description="The number of a launch.")]
) -> Response:
    """One launch."""
    item = get_launch(session, ident)
    if item is None:
        raise HTTPException(404, f"there is no launch {ident}")
    return as_json(request, item.as_json())


@router.get(
    "/api/v1/announcements",
    operation_id="list_announcements",
    tags=["launches"],
    response_model=Announcements,
    responses=errors(),
)
def announcements(
    request: Request, session: Reading, month: Month, lab: Lab = None, state: State = None, limit: Limit = 100
) -> Response:
    """Models that the labs' feeds named: announced, or released once their weights came."""
    return as_json(request, {"items": list_announcements(session, lab=lab, state=state, month=month, limit=limit)})


@router.get(
    "/api/v1/announcements/by-month",
    operation_id="get_open_and_closed_by_month",
    tags=["launches"],
    response_model=Months,
    responses=errors(),
)
def by_month(request: Request, session: Reading, q: Q = "") -> Response:
    """Open against closed: for each month, launches with public weights, and models that were only announced."""
    return as_json(request, {"items": open_and_closed(session, service_of(request).registry, parse(q))})


@router.get("/api/v1/review", operation_id="list_doubts", tags=["operation"], response_model=Doubts, responses=errors())
def review(request: Request, session: Present, limit: Limit = 50) -> Response:
    """What is unsure, most followed first."""
    return as_json(request, {"items": doubtful(session, limit)})


@router.get(
    "/api/v1/coverage",
    operation_id="get_coverage",
    tags=["operation"],
    response_model=CoverageObject,
    responses=errors(),
)
def coverage(request: Request, session: Present) -> Response:
    """Whether the Hub is fully read: the state, and every source that is blind, truncated, empty, failing or stale."""
    return as_json(request, covered(session, service_of(request).settings.hub_interval).as_json())
