"""Coverage: whether the history is up to date, so that "no releases today" and "the Hub does not answer" differ."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.masking import public_url
from monitor.models import Poll, iso
from monitor.releases.outages import INCOMPLETE, READINESS_POLLS, failing_sources, incomplete_polls, stale_feeds

STALE = "it answers, and has had nothing new for far longer than usual"
MAX_NAMESPACES = 100
"""Failing namespaces that are listed."""


class Source(NamedTuple):
    """A source of the Hub that is not fully read, since when and why.

    ``state``: that of the outage (:class:`monitor.releases.outages.FailingSource`); truncated, where the last walk
    ended before it met a known repository; blind also for a poll that has not been made yet; stale, for a lab's feed
    that answers and has had nothing new for far longer than usual.
    """

    name: str
    state: str
    since: datetime | None
    message: str | None

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "state": self.state, "since": iso(self.since), "says": self.message}


class Coverage(NamedTuple):
    """``state``: blind (an outage of the Hub's polls), partial (something is not fully read) or seen."""

    state: str
    sources: tuple[Source, ...]

    def as_json(self) -> dict[str, Any]:
        """The state, and every source that is not fully read, or is stale."""
        return {"state": self.state, "sources": [source.as_json() for source in self.sources]}

    def sentence(self) -> str:
        """What a reader of an empty list should know."""
        if self.state == "seen":
            return "The Hub is polled without errors."
        if self.state == "blind":
            since = self.sources[0].since
            if since is None:
                return "The Hub has not been polled yet: new releases are missing here."
            return f"The Hub has not been polled since {since:%Y-%m-%d %H:%M} UTC: newer releases are missing here."
        names = [source.name for source in self.sources if source.state != "stale"]
        return f"Not fully read: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}."


def coverage(session: Session, hub_interval: float) -> Coverage:
    """Returns how fully the Hub is read now. ``hub_interval``: seconds."""
    failing = failing_sources(session, hub_interval)
    polls = [Source(one.name, one.state, one.since, one.message) for one in failing if one.kind == "poll"]
    spaces = [Source(one.name, one.state, one.since, one.message) for one in failing if one.kind == "namespace"]
    is_blind = any(source.state == "blind" for source in polls)
    names = {source.name for source in polls}
    polls += [
        Source(row.name, "truncated", row.succeeded_at, INCOMPLETE)
        for row in incomplete_polls(session, excluding=names)
    ]
    polls += [Source(name, "blind", None, "not polled yet") for name in _not_polled_yet(session) if name not in names]
    sources = (*polls, *spaces[:MAX_NAMESPACES])
    state = "blind" if is_blind else "partial" if sources else "seen"
    # A lab that publishes nothing new leaves the Hub as fully read as before.
    stale = [Source(f"feed {public_url(row.url)}", "stale", row.stale_since, STALE) for row in stale_feeds(session)]
    return Coverage(state, (*sorted(sources, key=lambda source: source.state != "blind"), *stale))


def _not_polled_yet(session: Session) -> list[str]:
    polled = set(session.scalars(select(col(Poll.name)).where(col(Poll.succeeded_at).is_not(None))))
    return [name for name in READINESS_POLLS if name not in polled]
