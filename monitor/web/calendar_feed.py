"""Any query as a calendar: launches, and releases that are in none (RFC 5545, with the properties of RFC 7986).

Calendar programs keep what they read and compare: an event keeps its UID for ever, its SEQUENCE grows with each
recorded change, and one that was withdrawn stays as cancelled. Nothing in the file depends on the time of the request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from icalendar import Calendar, Event, vDuration
from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from monitor.channels.formatting import describe, flag, format_launch, headline, reason_suffix
from monitor.enums import Precision, Status, kind_name
from monitor.models import Installation, Release
from monitor.releases.changed import count_changes
from monitor.releases.launches.facts import FORMATS, facts_of
from monitor.releases.launches.queries import LaunchWithMembers, find_launches
from monitor.releases.query import parse
from monitor.releases.search import search
from monitor.text import plain
from monitor.web.api import Q, Reading, service_of
from monitor.web.http_responses import conditional, described, errors
from monitor.web.render import address
from monitor.web.syndication import state_prefix

router = APIRouter(tags=["feeds"])
CALENDAR_TYPE = "text/calendar"
DEFAULT_LIMIT, MAX_LIMIT = 100, 500
REFRESH = timedelta(hours=1)
"""How often a calendar program should ask again."""
MAX_MEMBERS_LISTED = 50
SHOWN_LENGTH = timedelta(minutes=30)
"""How long an event with a time is shown: a release has no length, and programs hide what has none."""
MAX_TIMED_WINDOW = timedelta(hours=1)
"""How far apart the times between which something became public may lie for its event to have a time of day."""


class Timing(NamedTuple):
    """When releases that make one event became public, and what happened to them.

    ``is_timed``: whether the time of day is known. ``sequence``: how many members and changes came after the first.
    """

    at: datetime
    is_timed: bool
    created_at: datetime
    modified_at: datetime
    sequence: int
    is_cancelled: bool


@router.get(
    "/feed.ics",
    operation_id="get_calendar",
    response_class=Response,
    responses=errors() | described(CALENDAR_TYPE, "A calendar."),
)
def calendar(
    request: Request,
    session: Reading,
    q: Q = "",
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="Maximum launches, and maximum releases.")
    ] = DEFAULT_LIMIT,
) -> Response:
    """The newest launches, and releases that are in none, that match: as a calendar (RFC 5545)."""
    query, made = parse(q), _Calendar(request, session, q)
    launches, _ = find_launches(session, query, limit=limit)
    when = _timings(session, "launch_id", [item.launch.id for item in launches])
    for item in launches:
        if item.launch.id in when:
            title = f"{flag(item.members[0].origin)} {format_launch(item.launch, item.members)}"
            title += reason_suffix(item.members)
            listed = (f"{row.repo_id}: {describe(row)}" for row in item.members[:MAX_MEMBERS_LISTED])
            page = f"/launches/{item.launch.id}"
            made.add(f"launch-{item.launch.id}", title, [*_summary(item), *listed], page, when[item.launch.id])
    alone = [row for row in search(session, query, limit=limit).items if row.launch_id is None]
    when = _timings(session, "id", [row.id for row in alone])
    for row in alone:
        if row.id in when:
            title = f"{flag(row.origin)} {headline(row)}"
            made.add(quote(row.hub_id), title, [describe(row)], f"/releases/{quote(row.repo_id)}", when[row.id])
    return made.response()


class _Calendar:
    """A calendar that events are added to."""

    def __init__(self, request: Request, session: Session, q: str) -> None:
        self._request, self._site = request, service_of(request).settings.public_url
        # Two installations number their launches alike, and a reader may have the calendars of both.
        self._host = session.scalars(select(col(Installation.id))).one()
        self._modified: list[datetime] = []
        self._made = made = Calendar()
        name = plain(f"Open-weight releases: {q}" if q else "Open-weight releases")
        made.add("prodid", "-//Hub Release Monitor//EN")
        made.add("version", "2.0")
        made.add("name", name)
        made.add("x-wr-calname", name)
        made.add("url", self._address("/releases", q=q))
        made.add("refresh-interval", REFRESH, {"VALUE": "DURATION"})
        made["x-published-ttl"] = vDuration(REFRESH)

    def add(self, ident: str, title: str, lines: Sequence[str], path: str, when: Timing) -> None:
        """Adds an event. ``ident``: what it is called for ever, within this installation."""
        event = Event()
        event.add("uid", f"{ident}@{self._host}")
        event.add("summary", plain(state_prefix(Status.GONE if when.is_cancelled else Status.LIVE) + title))
        event.add("description", "\n".join(plain(line) for line in lines))
        event.add("dtstart", when.at if when.is_timed else when.at.date())
        if when.is_timed:
            event.add("dtend", when.at + SHOWN_LENGTH)
        event.add("created", when.created_at)
        # Without a METHOD, both mean when what is known of the event last changed.
        event.add("dtstamp", when.modified_at)
        event.add("last-modified", when.modified_at)
        event.add("sequence", when.sequence)
        event.add("status", "CANCELLED" if when.is_cancelled else "CONFIRMED")
        event.add("url", self._address(path))
        event.add("transp", "TRANSPARENT")
        self._made.add_component(event)
        self._modified.append(when.modified_at)

    def response(self) -> Response:
        """The calendar as an answer, with its ETag."""
        modified = max(self._modified, default=None)
        if modified is not None:
            self._made.add("last-modified", modified)
        return conditional(self._request, self._made.to_ical(), f"{CALENDAR_TYPE}; charset=utf-8", modified_at=modified)

    def _address(self, path: str, **values: str) -> str:
        return self._site + address(path, **values, as_of=self._request.state.as_of)


def _summary(item: LaunchWithMembers) -> list[str]:
    """What members have in common, in one line: formats, what they were built on; and the announcement."""
    facts = facts_of(item.members)
    parts = [
        ", ".join(map(kind_name, facts.kinds)),
        ", ".join(facts.licenses) or "no licence stated",
        ", ".join(facts.tasks[:3]),
        f"built on {', '.join(one['repo_id'] for one in facts.built_on[:5])}" if facts.built_on else "",
        f"formats: {', '.join(FORMATS[name] for name in facts.formats)}" if facts.formats else "",
    ]
    announcement = next((row.announcement_url for row in item.members if row.announcement_url), None)
    return [line for line in (" · ".join(filter(None, parts)), announcement) if line]


_TIMED = ("released_at", "released_after", "released_precision", "status", "first_seen_at")


def _timings(session: Session, key: Literal["id", "launch_id"], values: Sequence[int | None]) -> dict[int, Timing]:
    """The timing of each group of releases with one of the ``values`` in the column ``key``, by that value.

    Groups of which no date is known are left out.
    """
    grouped: ColumnElement[Any] = getattr(Release, key)
    which = grouped.in_(values), col(Release.pending).is_(False)
    shown = select(grouped.label("key"), *(getattr(Release, name) for name in _TIMED)).where(*which)
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(shown):
        rows[row.key].append(row)
    changes = count_changes(session, key, values)
    found = {}
    for value, some in rows.items():
        dated = [row for row in some if row.released_at is not None]
        if dated:
            first = min(dated, key=lambda row: row.released_at)
            number, last = changes.get(value) or (0, first.released_at)
            found[value] = Timing(
                at=first.released_at,
                is_timed=_is_timed(first),
                created_at=min(row.first_seen_at for row in some),
                modified_at=max(last, *(max(row.first_seen_at, row.released_at or last) for row in some)),
                sequence=number + len(some) - 1,
                is_cancelled=all(row.status in {Status.GONE, Status.PRIVATE} for row in some),
            )
    return found


def _is_timed(row: Any) -> bool:
    """Whether the time of day is known: not if only the repository's creation or a long window is."""
    if row.released_precision == Precision.EXACT:
        return True
    is_window = row.released_precision == Precision.WINDOW and row.released_after is not None
    return is_window and row.released_at - row.released_after <= MAX_TIMED_WINDOW
