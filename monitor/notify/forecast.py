"""A preview of a filter: what it would have matched in the last 30 days, and how many alerts per day to expect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.enums import UPDATES, Event
from monitor.models import Change, Release
from monitor.releases.query import Query, to_predicate
from monitor.releases.search import matching

DAYS = 30
MAX_CHANGES = 2_000
"""The newest changes that are matched one by one, for a filter that names events."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``releases`` of the last 30 days that match, the ``newest`` of them, and the number of other ``events``.

    ``days_running``: for how many of these days this monitor has been running, at least one. ``alerts``: the number of
    alerts in that time.
    """

    releases: int
    events: int
    days_running: float
    alerts: int
    newest: tuple[Release, ...] = ()

    @property
    def alerts_per_day(self) -> float:
        """Alerts per day to expect, without digests."""
        return self.alerts / self.days_running

    def describe_matches(self) -> str:
        """``9 releases and 2 changes``."""
        changes = f" and {_number(self.events, 'change')}" if self.events else ""
        return f"{_number(self.releases, 'release')}{changes}"

    def describe_period(self) -> str:
        """A sentence for users if this monitor has run for less than 30 days; otherwise empty."""
        if self.days_running >= DAYS:
            return ""
        return f"This monitor has been running for {max(1, round(self.days_running))} of these {DAYS} days."


def forecast(session: Session, query: Query, newest: int = 0) -> Forecast:
    """What a filter would have matched in the last 30 days, with up to ``newest`` releases."""
    timestamp = now()
    since = timestamp - timedelta(days=DAYS)
    began = session.scalar(select(func.min(col(Release.first_seen_at)))) or timestamp
    start = max(since, began)
    days_running = max(1.0, (timestamp - start) / timedelta(days=1))
    released = col(Release.released_at)
    if query.fields & {"event", "crossed"}:
        holds = to_predicate(query)
        some = matching(query).where(released >= since) if _names_releases(query) else None
        events = sum(holds(row, (event,)) for row, event in _changes(session, since))
    else:
        some = matching(query).where(released >= since)
        events = _count(session, _updates(query, since))
    releases = _count(session, some) if some is not None else 0
    live = (col(Release.is_backfilled).is_(False), col(Release.first_seen_at) >= start)
    alerts = (_count(session, some.where(*live)) if some is not None else 0) + events
    shown = []
    if some is not None and newest:
        shown = list(session.scalars(some.order_by(released.desc(), col(Release.id).desc()).limit(newest)))
    return Forecast(releases, events, days_running, alerts, tuple(shown))


def _names_releases(query: Query) -> bool:
    return bool(query.values("event") & {str(Event.RELEASE), str(Event.LAUNCH)})


def _updates(query: Query, since: datetime) -> Select[Any]:
    """Changes that follow an alert: those who were notified of the release get them."""
    of_it: ColumnElement[bool] = col(Change.release_id).in_(matching(query).with_only_columns(col(Release.id)))
    return select(col(Change.id)).where(col(Change.at) >= since, col(Change.event).in_([*UPDATES]), of_it)


def _changes(session: Session, since: datetime) -> list[tuple[Release, str]]:
    found = (
        select(Release, col(Change.field), col(Change.event))
        .join(Change, col(Change.release_id) == col(Release.id))
        .where(col(Change.at) >= since, col(Change.event).is_not(None), col(Release.pending).is_(False))
        .order_by(col(Change.id).desc())
        .limit(MAX_CHANGES)
    )
    return [
        (row, field.removeprefix("crossed ") if field.startswith("crossed ") else event)
        for row, field, event in session.execute(found)
    ]


def _count(session: Session, some: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
