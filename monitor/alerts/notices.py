"""What is told in a sentence: operators hear that a source has gone silent and is back, others of announcements.

Once each, however many look.

Whoever inserts the row of a silence writes the notices of it, in the same transaction, and whoever deletes it those of
its end. So two beats, or ten workers, tell each operator once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import structlog
from sqlalchemy import Engine, and_, delete, or_, select
from sqlmodel import Session, col

from monitor.alerts.identity import notice_key
from monitor.alerts.message import Channel, SendError
from monitor.alerts.retries import verdict
from monitor.db import now, reading, transaction
from monitor.history.coverage import token_refused
from monitor.history.record import ignoring
from monitor.models import Feed, Namespace, Notice, Poll, Silence, Subscription

log = structlog.get_logger(__name__)

PATIENCE = 3
"""Intervals without a success, or failures one after the other, that make a silence."""
LEASE = timedelta(minutes=2)
LINES = 20
"""Sources that one notice names."""
CREDENTIALS = "token HF_TOKEN"
"""The source of the state in which the Hub refuses the token."""
TITLE = "Hub Release Monitor"


@runtime_checkable
class Teller(Protocol):
    """A channel that can say a sentence, beside releases."""

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        """Says it and returns a receipt, or raises SendError. ``in_doubt``: it may have been said under this key."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A source of which nothing has been heard since a moment, and why."""

    source: str
    since: datetime
    says: str


def silent(session: Session, hub_interval: float, moment: datetime) -> list[Silent]:
    """The sources that are silent: the Hub's polls, the namespaces and feeds that fail again and again; the token."""
    return [*_token(session), *_polls(session, hub_interval, moment), *_namespaces(session), *_feeds(session)]


def unheard(session: Session, hub_interval: float, moment: datetime) -> dict[str, float | None]:
    """The polls that make readiness and have had no success for ``PATIENCE`` intervals: seconds since, None: never."""
    rows = {row.name: row.succeeded_at for row in session.scalars(select(Poll)) if row.name in {"created", "modified"}}
    ages = {name: (moment - at).total_seconds() if at else None for name, at in rows.items()} or {"created": None}
    return {name: age for name, age in ages.items() if age is None or age > PATIENCE * hub_interval}


def _token(session: Session) -> Iterable[Silent]:
    refused = token_refused(session)
    if refused is not None:
        yield Silent(CREDENTIALS, refused.since, refused.sentence())


def _polls(session: Session, hub_interval: float, moment: datetime) -> Iterable[Silent]:
    for name, age in unheard(session, hub_interval, moment).items():
        row = session.get(Poll, name)
        if age is not None and row is not None:
            because = f": {row.error}" if row.error else ""
            yield Silent(f"poll {name}", moment - timedelta(seconds=age), f"no successful poll of the Hub{because}")


def _namespaces(session: Session) -> Iterable[Silent]:
    """Those that fail, and those that list nothing: a name in the wrong case lists nothing, and no error says so."""
    empty = and_(col(Namespace.error).is_not(None), col(Namespace.failures) == 0)
    for row in session.scalars(select(Namespace).where(or_(col(Namespace.failures) >= PATIENCE, empty))):
        yield Silent(f"namespace {row.name}", row.swept_at or row.added_at, str(row.error))


def _feeds(session: Session) -> Iterable[Silent]:
    for row in session.scalars(select(Feed).where(col(Feed.failures) >= PATIENCE)):
        yield Silent(f"feed {row.url}", row.read_at or now(), str(row.error))


def watch(engine: Engine, hub_interval: float) -> int:
    """Compares who is silent now with who was, and writes what the operators are to be told; returns how much."""
    moment = now()
    with reading(engine) as session:
        before = {row.source: row for row in session.scalars(select(Silence))}
        found = {item.source: item for item in silent(session, hub_interval, moment)}
    started = [item for source, item in found.items() if source not in before]
    ended = [row for source, row in before.items() if source not in found]
    if not started and not ended:
        return 0
    with transaction(engine) as session:
        _log(started)
        said = [*(_begun(session, item) for item in started), *(_over(session, row) for row in ended)]
        lines = [line for line in said if line is not None]
        return _tell(session, lines, moment) if lines else 0


def _log(started: Sequence[Silent]) -> None:
    """One line, however many fall silent together."""
    if started:
        names = [item.source for item in started[:LINES]]
        says = sorted({item.says for item in started})[:3]
        log.error("sources have gone silent", number=len(started), sources=names, says=says)


def _begun(session: Session, item: Silent) -> str | None:
    """Keeps that a silence began; the sentence for it, None where another was faster."""
    values = {"source": item.source, "since": item.since, "says": item.says[:500]}
    new = ignoring(session, Silence).values(**values).returning(col(Silence.source))
    if session.scalars(new).first() is None:
        return None
    if item.source == CREDENTIALS:
        return item.says
    return f"{item.source} is silent since {_when(item.since)}: {item.says[:500]}"


def _over(session: Session, row: Silence) -> str | None:
    """The same for its end."""
    gone = session.execute(delete(Silence).where(col(Silence.source) == row.source))
    if gone.rowcount != 1:  # type: ignore[attr-defined]
        return None
    if row.source == CREDENTIALS:
        return f"The Hub accepts HF_TOKEN again, or none is set any more; it was refused since {_when(row.since)}"
    log.warning("a source is back", source=row.source, silent_since=row.since.isoformat())
    return f"{row.source} is back; it was silent since {_when(row.since)}"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _tell(session: Session, lines: list[str], moment: datetime) -> int:
    """One notice for each operator: what goes silent together is told together."""
    operators = select(col(Subscription.id)).where(
        col(Subscription.operator).is_(True), col(Subscription.paused).is_(False), col(Subscription.confirmed).is_(True)
    )
    idents = list(session.scalars(operators))
    more = [f"… and {len(lines) - LINES} more: see /status"] if len(lines) > LINES else []
    text = "\n".join([*lines[:LINES], *more])
    session.add_all(Notice(subscription_id=ident, text=text, created_at=moment, due_at=moment) for ident in idents)
    return len(idents)


def send(engine: Engine, channels: Mapping[str, Channel], *, most: int = 100) -> int:
    """Sends the notices that are due; returns how many went."""
    sent = 0
    for _ in range(most):
        taken = _lease(engine)
        if taken is None:
            break
        sent += _send(engine, channels, *taken)
    return sent


def _lease(engine: Engine) -> tuple[Notice, Subscription] | None:
    """The notice that has waited longest. Its due time moves on, so a worker that dies leaves it to another."""
    moment = now()
    waiting = select(Notice).where(col(Notice.due_at) <= moment).order_by(col(Notice.due_at)).limit(1)
    with reading(engine) as session:
        if session.scalars(waiting).first() is None:
            return None
    with transaction(engine) as session:
        row = session.scalars(waiting.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        row.due_at, row.attempts = moment + LEASE, row.attempts + 1
        session.add(row)
        return row, session.get_one(Subscription, row.subscription_id)


def _send(engine: Engine, channels: Mapping[str, Channel], notice: Notice, subscription: Subscription) -> int:
    key = notice_key(subscription, notice.title, notice.text)
    receipt, error, again, attempts = None, None, None, notice.attempts
    try:
        teller = channels.get(subscription.channel)
        if not isinstance(teller, Teller):
            raise SendError(f"{subscription.channel} is not set up, or takes no notices", permanent=teller is not None)
        if subscription.paused or not subscription.confirmed:
            raise SendError("this subscription is told of nothing now", permanent=True)
        title = notice.title or TITLE
        receipt = teller.notify(subscription, title, notice.text, key, in_doubt=notice.attempts > 1)
    except SendError as failure:
        error = str(failure)[:500]
        wait, postponed, dead = verdict(failure, attempts)
        again, attempts = None if dead else now() + timedelta(seconds=wait), attempts - int(postponed)
        log.warning("notice not sent", channel=subscription.channel, error=error, again=again and again.isoformat())
    with transaction(engine) as session:
        row = session.get_one(Notice, notice.id)
        row.due_at, row.error, row.receipt, row.attempts = again, error, receipt, attempts
        row.sent_at = now() if error is None else None
        session.add(row)
    return int(error is None)
