"""The front page: this week's notable launches, then the launches of labs, then everything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Query as QueryParameter
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from monitor.db.engine import now
from monitor.releases.coverage import coverage
from monitor.releases.launches.queries import LaunchSummary, parse_cursor, summarize_launches
from monitor.releases.query import parse
from monitor.releases.search import recorded_ids
from monitor.web.api import Q, Reading, service_of
from monitor.web.pages.releases import SORTS, first_page, releases
from monitor.web.render import address, page

router = APIRouter()
VIEWS = {"": "Overview", "notable": "Notable", "labs": "Labs", "everything": "Everything"}
"""What the switch offers, by the value of ``show``."""
NOTABLE, OF_LABS = parse("notable:any"), parse("launch:any -lab:none")
WEEK = timedelta(days=7)
NOTABLE_CARDS, LABS_CARDS = 6, 12
"""Launches in each part of the overview."""
MAX_NOTABLE_READ = 40
"""Notable launches of a week of which the strongest are shown."""
LAUNCHES_PER_PAGE = 30


@router.get("/", response_class=HTMLResponse)
def front(
    request: Request,
    session: Reading,
    show: Annotated[str, QueryParameter(max_length=20)] = "",
    q: Q = "",
    sort: str = "released",
    cursor: Annotated[str | None, QueryParameter(max_length=500)] = None,
    live: str = "",
) -> Response:
    """The overview, or the part that ``show`` selects; with a query, the search."""
    if q or sort != "released" or (cursor and show not in {"notable", "labs"}):
        return releases(request, session, q, sort, cursor, live)
    show = show if show in VIEWS else ""
    context: dict[str, Any] = {
        "show": show, "views": VIEWS, "coverage": coverage(session, service_of(request).settings.hub_interval),
        "live": live != "off" and request.state.as_of_time is None, "feed_q": "", "q": "", "cursor": cursor,
    }  # fmt: skip
    if show in {"", "everything"}:
        context |= first_page(request, session) | {"sorts": SORTS}
    if not show:
        context |= _overview(session, (request.state.as_of_time or now()) - WEEK)
    elif show != "everything":
        query = NOTABLE if show == "notable" else OF_LABS
        before = parse_cursor(cursor) if cursor else None
        found, following = summarize_launches(session, query, limit=LAUNCHES_PER_PAGE, before=before)
        older = following and address("/", show=show, cursor=following, as_of=request.state.as_of)
        context |= {"launches": found, "older": older, "feed_q": query.normal}
    shown = [one for name in ("notable", "labs", "launches") for one in context.get(name, ())]
    context["recorded_roots"] = recorded_ids(session, (root for one in shown for root in one.roots))
    return page(request, "front", **context)


def _overview(session: Session, since: Any) -> dict[str, Any]:
    notable, more = summarize_launches(session, NOTABLE, limit=MAX_NOTABLE_READ, since=since)
    labs, following = summarize_launches(session, OF_LABS, limit=LABS_CARDS)
    return {
        "notable": _strongest(notable)[:NOTABLE_CARDS],
        "notable_more": bool(more) or len(notable) > NOTABLE_CARDS,
        "labs": labs,
        "labs_more": bool(following),
    }


def _strongest(launches: Sequence[LaunchSummary]) -> list[LaunchSummary]:
    """The launches whose strongest member matters most first; of equal ones, the newest."""
    return sorted(launches, key=lambda one: -max((row.notable_score or 0 for row in one.members), default=0))
