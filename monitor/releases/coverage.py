"""Whether the Hub is seen: "no releases today" and "the source is blind" are two things.

Each source has a state: ``seen``; ``blind``, where no look succeeded for three intervals; ``truncated``, where the last
look ended before it was whole; ``empty``, a watched namespace that lists nothing; ``failing``. What was blind or
truncated, and from when to when, is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine, or_, select
from sqlmodel import Session, col

from monitor.dates import hub_time
from monitor.db.engine import now, reading, transaction
from monitor.models import Namespace, Outage, Poll, iso
from monitor.schedule import OUTAGE_INTERVALS

_POLLS = ("created", "modified")
EMPTY = "lists nothing"


class Source(NamedTuple):
    """How one source is: since when, and in a few words why."""

    name: str
    state: str
    since: datetime | None
    says: str | None

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "state": self.state, "since": iso(self.since), "says": self.says}


class Coverage(NamedTuple):
    """What is seen: ``blind`` where the Hub as a whole is not, ``partial`` where something is not, else ``seen``."""

    state: str
    sources: tuple[Source, ...]

    def as_json(self) -> dict[str, Any]:
        """The state, and every source that is not simply seen."""
        return {"state": self.state, "sources": [one.as_json() for one in self.sources if one.state != "seen"]}

    def sentence(self) -> str:
        """What a reader of an empty list must know."""
        if self.state == "seen":
            return "The Hub is seen."
        worst = next(one for one in self.sources if one.state != "seen")
        if self.state == "blind":
            since = f" since {worst.since:%Y-%m-%d %H:%M} UTC" if worst.since else ""
            return f"The Hub has not been seen{since}: what was released meanwhile is not known yet."
        some = [one.name for one in self.sources if one.state != "seen"]
        return f"Seen in part: {', '.join(some[:5])}{' …' if len(some) > 5 else ''}."


def coverage(session: Session, hub_interval: float) -> Coverage:
    """How every source is now."""
    limit = now() - timedelta(seconds=OUTAGE_INTERVALS * hub_interval)
    rows = {row.name: row for row in session.scalars(select(Poll).where(col(Poll.name).in_(_POLLS)))}
    polls = [_poll(name, rows.get(name), limit) for name in _POLLS]
    troubled = select(Namespace).where(
        or_(col(Namespace.error).contains(EMPTY), col(Namespace.failures) >= OUTAGE_INTERVALS)
    )
    spaces = [_namespace(row) for row in session.scalars(troubled.order_by(col(Namespace.name)).limit(100))]
    every = (*polls, *spaces)
    blind = any(one.state == "blind" for one in polls)
    state = "blind" if blind else "partial" if any(one.state != "seen" for one in every) else "seen"
    return Coverage(state, tuple(sorted(every, key=lambda one: one.state != "blind")))


def _poll(name: str, row: Poll | None, limit: datetime) -> Source:
    if row is None or row.succeeded_at is None:
        return Source(name, "blind", None, (row.error if row else None) or "has not been asked yet")
    if row.succeeded_at < limit:
        return Source(name, "blind", row.succeeded_at, row.error or "no answer")
    if row.state.get("complete") is False:
        return Source(name, "truncated", row.succeeded_at, "the last walk ended before it met what was known")
    return Source(name, "seen", row.succeeded_at, None)


def _namespace(row: Namespace) -> Source:
    if row.error and EMPTY in row.error:
        return Source(row.name, "empty", row.swept_at, row.error)
    return Source(row.name, "failing", row.swept_at, row.error)


class TokenRefused(NamedTuple):
    """Since when the Hub has refused HF_TOKEN, and what it says of it."""

    since: datetime
    says: str

    def as_json(self) -> dict[str, Any]:
        return {"since": iso(self.since), "message": self.sentence()}

    def sentence(self) -> str:
        """What an operator must know."""
        return (
            f"The Hub has refused HF_TOKEN since {self.since:%Y-%m-%d %H:%M} UTC ({self.says}). "
            "Public repositories are read without a token, at the anonymous rate limit: set a valid HF_TOKEN, or none."
        )


def token_refused(session: Session) -> TokenRefused | None:
    """What the last poll learnt of the token; None where the Hub accepts it or there is none."""
    row = session.get(Poll, "created")
    kept = row.state.get("token") if row else None
    since = hub_time(kept.get("since")) if isinstance(kept, dict) else None
    return TokenRefused(since, str(kept["says"])) if kept and since else None


def watch(engine: Engine, hub_interval: float) -> None:
    """Keeps from when to when the polls were blind or truncated."""
    with reading(engine) as session:
        troubled = {one.name: one for one in coverage(session, hub_interval).sources if one.name in _POLLS}
        lasting = list(session.scalars(select(Outage).where(col(Outage.ended_at).is_(None))))
    current = {name: one for name, one in troubled.items() if one.state != "seen"}
    if {(row.source, row.state) for row in lasting} == {(name, one.state) for name, one in current.items()}:
        return
    moment = now()
    with transaction(engine) as session:
        open_ = list(session.scalars(select(Outage).where(col(Outage.ended_at).is_(None)).with_for_update()))
        there = {(row.source, row.state) for row in open_}
        for row in open_:
            if row.source not in current or current[row.source].state != row.state:
                row.ended_at = moment
                session.add(row)
        for name, one in current.items():
            if (name, one.state) not in there and one.since is not None:
                session.add(Outage(source=name, state=one.state, began_at=one.since, message=one.says))


def blind(session: Session, since: datetime, until: datetime | None = None) -> list[tuple[datetime, datetime | None]]:
    """The stretches of time after ``since`` in which the Hub was not seen; an end of None: it still is not."""
    query = select(Outage).where(
        col(Outage.state) == "blind",
        or_(col(Outage.ended_at).is_(None), col(Outage.ended_at) > since),
        col(Outage.began_at) < (until or now()),
    )
    stretches: list[tuple[datetime, datetime | None]] = []
    for row in session.scalars(query.order_by(col(Outage.began_at))):
        last = stretches[-1] if stretches else None
        if last and (last[1] is None or row.began_at <= last[1]):
            end = None if last[1] is None or row.ended_at is None else max(last[1], row.ended_at)
            stretches[-1] = (last[0], end)
        else:
            stretches.append((row.began_at, row.ended_at))
    return stretches


def honest(stretches: Sequence[tuple[datetime, datetime | None]]) -> str | None:
    """What a digest says of the time that it is about: None where all of it was seen."""
    if not stretches:
        return None
    spans = [
        f"{begin:%d %b %H:%M}–{end:%d %b %H:%M} UTC" if end else f"since {begin:%d %b %H:%M} UTC"
        for begin, end in stretches
    ]
    return f"The Hub was not seen {', '.join(spans[:5])}: releases of that time may be missing here, and come later."
