"""Outages: which sources do not answer now, and which did not in the past.

:func:`failing_sources` is the only place that decides whether a source fails. Readiness, metrics, pages, coverage, the
heartbeat and the notices of operators all take it from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine, func, or_, select
from sqlmodel import Session, col

from monitor.dates import hub_time
from monitor.db.engine import in_values, now, reading, transaction
from monitor.enums import Via
from monitor.masking import masked, public_url
from monitor.models import Feed, Namespace, Outage, Poll, Release, iso
from monitor.schedule import OUTAGE_INTERVALS, poll_interval

READINESS_POLLS = (str(Via.CREATED), str(Via.MODIFIED))
"""The polls without which nothing new is seen: they decide readiness."""
POLLS = (*READINESS_POLLS, str(Via.TRENDING))
CREDENTIAL = "HF_TOKEN"


@dataclass(frozen=True, slots=True)
class FailingSource:
    """A source that is in an outage now.

    ``kind``: poll, namespace, feed or token. ``state``: blind (a poll without which nothing new is seen), empty (a
    namespace that listed repositories before and lists none), refused (the token) or failing. ``since``: when it last
    worked; None where nothing shows when the monitor started.
    """

    kind: str
    name: str
    state: str
    since: datetime | None
    message: str

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


def failing_sources(session: Session, hub_interval: float) -> list[FailingSource]:
    """Returns the sources that are in an outage now, the token and the polls first. ``hub_interval``: seconds.

    - a poll that has not succeeded for ``OUTAGE_INTERVALS`` of its own intervals; where it never has, that time counts
      from when the monitor started;
    - a namespace or feed that failed ``OUTAGE_INTERVALS`` times in a row;
    - a namespace that lists nothing although releases of it are known. One that never had any is no outage: its
      name may be misspelled, which /status and ``hub-monitor doctor`` show;
    - the token, if the Hub refuses it.
    """
    return [*_token(session), *_polls(session, hub_interval), *_namespaces(session), *_feeds(session)]


def failing_polls(session: Session, hub_interval: float) -> set[str]:
    """Names of the polls that are in an outage now."""
    return {source.name for source in _polls(session, hub_interval)}


def _token(session: Session) -> Iterator[FailingSource]:
    refused = token_refused(session)
    if refused is not None:
        yield FailingSource("token", CREDENTIAL, "refused", refused.since, refused.sentence())


def _polls(session: Session, hub_interval: float) -> Iterator[FailingSource]:
    at = now()
    rows = {row.name: row for row in session.scalars(select(Poll))}
    started: datetime | None = session.scalar(select(func.min(col(Namespace.added_at))))
    for name in POLLS:
        row = rows.get(name)
        since = row.succeeded_at if row is not None and row.succeeded_at is not None else started
        # Without any sign of when the monitor started, none may be running: then nothing new is seen.
        never_ran = since is None and name in READINESS_POLLS
        limit = timedelta(seconds=OUTAGE_INTERVALS * poll_interval(name, hub_interval))
        if never_ran or (since is not None and at - since > limit):
            error = f": {row.error}" if row is not None and row.error else ""
            state = "blind" if name in READINESS_POLLS else "failing"
            yield FailingSource("poll", name, state, since, f"no successful poll of the Hub{masked(error)}")


def _namespaces(session: Session) -> Iterator[FailingSource]:
    is_candidate = or_(col(Namespace.failures) >= OUTAGE_INTERVALS, lists_nothing())
    rows = list(session.scalars(select(Namespace).where(is_candidate).order_by(col(Namespace.name))))
    empty = [row.name for row in rows if not row.failures]
    known = select(col(Release.namespace)).where(in_values(session, "release.namespace", empty)).distinct()
    had_releases = set(session.scalars(known)) if empty else set()
    for row in rows:
        if row.failures or row.name in had_releases:
            state = "failing" if row.failures else "empty"
            yield FailingSource("namespace", row.name, state, row.swept_at or row.added_at, masked(str(row.error)))


def lists_nothing() -> Any:
    """Returns the condition for namespaces whose last sweep succeeded and found no repository."""
    return col(Namespace.error).is_not(None) & (col(Namespace.failures) == 0)


def stale_feeds(session: Session) -> list[Feed]:
    """Feeds that answer without an error and have had nothing new for far longer than their rhythm explains.

    They are no outage: nothing that can be read is missing. See :func:`monitor.schedule.is_feed_stale`.
    """
    stale = select(Feed).where(col(Feed.stale_since).is_not(None), col(Feed.failures) == 0)
    return list(session.scalars(stale.order_by(col(Feed.url))))


def _feeds(session: Session) -> Iterator[FailingSource]:
    query = select(Feed).where(col(Feed.failures) >= OUTAGE_INTERVALS).order_by(col(Feed.url))
    for row in session.scalars(query):
        yield FailingSource("feed", public_url(row.url), "failing", row.read_at or now(), masked(str(row.error)))


class TokenRefused(NamedTuple):
    """Since when the Hub has refused HF_TOKEN, and the Hub's message."""

    since: datetime
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"since": iso(self.since), "message": self.sentence()}

    def sentence(self) -> str:
        """What is wrong and what to do, for operators."""
        return (
            f"The Hub has refused HF_TOKEN since {self.since:%Y-%m-%d %H:%M} UTC ({masked(self.message)}). "
            "Public repositories are read without a token, at the anonymous rate limit: set a valid HF_TOKEN, or none."
        )


def token_refused(session: Session) -> TokenRefused | None:
    """Returns what the last poll recorded of the token; None where the Hub accepts it or none is set."""
    row = session.get(Poll, str(Via.CREATED))
    kept = row.state.get("token") if row else None
    since = hub_time(kept.get("since")) if isinstance(kept, dict) else None
    return TokenRefused(since, str(kept["says"])) if kept and since else None


def incomplete_polls(session: Session, *, excluding: Iterable[str] = ()) -> list[Poll]:
    """Polls whose last walk ended before it met a known repository, without those of the names ``excluding``."""
    rows = session.scalars(select(Poll).where(col(Poll.name).in_(set(READINESS_POLLS) - set(excluding))))
    return [row for row in rows if row.succeeded_at is not None and row.state.get("complete") is False]


INCOMPLETE = "the last walk ended before it met a known repository"


def record_outages(engine: Engine, hub_interval: float) -> None:
    """Keeps in the table ``outage`` from when to when a readiness poll did not answer, or only in part."""
    with reading(engine) as session:
        current = {
            source.name: (source.state, source.since, source.message)
            for source in _polls(session, hub_interval)
            if source.state == "blind"
        }
        for poll in incomplete_polls(session, excluding=current):
            current[poll.name] = ("truncated", poll.succeeded_at, INCOMPLETE)
        lasting = list(session.scalars(select(Outage).where(col(Outage.ended_at).is_(None))))
    if {(row.source, row.state) for row in lasting} == {(name, state) for name, (state, *_) in current.items()}:
        return
    at = now()
    with transaction(engine) as session:
        unended = list(session.scalars(select(Outage).where(col(Outage.ended_at).is_(None)).with_for_update()))
        recorded = {(row.source, row.state) for row in unended}
        for row in unended:
            if row.source not in current or current[row.source][0] != row.state:
                row.ended_at = at
                session.add(row)
        for name, (state, since, message) in current.items():
            if (name, state) not in recorded and since is not None:
                session.add(Outage(source=name, state=state, began_at=since, message=message, recorded_at=at))


def outages_since(
    session: Session, since: datetime, until: datetime | None = None
) -> list[tuple[datetime, datetime | None]]:
    """Returns (begin, end) of each time after ``since`` in which the Hub was not polled; an end of None: it lasts.

    Times that overlap are joined.
    """
    query = select(Outage).where(
        col(Outage.state) == "blind",
        or_(col(Outage.ended_at).is_(None), col(Outage.ended_at) > since),
        col(Outage.began_at) < (until or now()),
    )
    return _joined((row.began_at, row.ended_at) for row in session.scalars(query.order_by(col(Outage.began_at))))


RECORDED_WITHIN = timedelta(hours=1)
"""An outage is recorded once it has lasted for some intervals, with the time at which it began: of the time after this,
the absence of outages says nothing."""


def outages_as_of(
    session: Session, since: datetime, until: datetime, at: datetime
) -> list[tuple[datetime, datetime | None]]:
    """As :func:`outages_since` of a period, as it was known at ``at``; without those that were not recorded by then."""
    began, ended = col(Outage.began_at), col(Outage.ended_at)
    query = select(began, ended).where(
        col(Outage.state) == "blind",
        or_(ended.is_(None), ended > since),
        began < until,
        col(Outage.recorded_at) <= at,
    )
    rows = session.execute(query.order_by(began))
    return _joined((begin, end if end is not None and end <= at else None) for begin, end in rows)


def _joined(outages: Iterable[tuple[datetime, datetime | None]]) -> list[tuple[datetime, datetime | None]]:
    """Joins those that overlap, of times in the order of their beginnings."""
    spans: list[tuple[datetime, datetime | None]] = []
    for began_at, ended_at in outages:
        last = spans[-1] if spans else None
        if last and (last[1] is None or began_at <= last[1]):
            end = None if last[1] is None or ended_at is None else max(last[1], ended_at)
            spans[-1] = (last[0], end)
        else:
            spans.append((began_at, ended_at))
    return spans


def outage_note(spans: Sequence[tuple[datetime, datetime | None]]) -> str | None:
    """Returns the sentence that a digest carries about outages in the time it covers; None without any."""
    if not spans:
        return None
    times = [
        f"{begin:%d %b %H:%M}–{end:%d %b %H:%M} UTC" if end else f"since {begin:%d %b %H:%M} UTC"
        for begin, end in spans
    ]
    return (
        f"The Hub could not be polled {', '.join(times[:5])}: releases of that time may be missing here and come later."
    )
