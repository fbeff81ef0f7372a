"""What a filter would have brought: the matches of the last month, and how many a week to expect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor.alerts.subscriptions import SubscriptionError
from monitor.channels.email.signup import Terms
from monitor.db import now, reading
from monitor.history.query import parse
from monitor.history.search import matching
from monitor.models import Release

DAYS = 30
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """``matches``: in 30 days. ``problem``: why the filter cannot be read."""

    filter: str
    matches: int = 0
    releases: tuple[Release, ...] = ()
    problem: str | None = None

    @property
    def a_week(self) -> str:
        """How many letters or lines a week to expect, in words."""
        weekly = self.matches * 7 / DAYS
        if weekly == 0:
            return "none"
        return "less than one" if weekly < 1 else f"about {weekly:.0f}"


def preview(engine: Engine, text: str) -> Preview:
    """The last 30 days under a filter as typed."""
    try:
        normal = Terms(text).checked().filter
    except SubscriptionError as error:
        return Preview(text[:200], problem=str(error))
    moment = col(Release.released_at)
    recent = matching(parse(normal)).where(moment >= now() - timedelta(days=DAYS))
    with reading(engine) as session:
        matches = session.scalar(select(func.count()).select_from(recent.subquery())) or 0
        newest = recent.order_by(moment.desc(), col(Release.id).desc()).limit(SHOWN)
        return Preview(normal, matches, tuple(session.scalars(newest)))
