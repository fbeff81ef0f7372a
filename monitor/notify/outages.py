"""What is told in a sentence: operators hear that a source has gone silent and is back, others of announcements.

Once each, however many look.

Whoever marks a silence as told writes the notices of it, in the same transaction, and whoever deletes its row those of
its end. So two beats, or ten workers, tell each operator once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import structlog
from sqlalchemy import Engine, and_, delete, or_, select, update
from sqlmodel import Session, col

from monitor import stopping
from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim_due
from monitor.db.upsert import insert_or_ignore
from monitor.models import Feed, Namespace, Notice, OutageAlert, Poll, Subscription
from monitor.notify.identity import notice_key
from monitor.notify.message import OutboxChannel, SendError
from monitor.notify.retries import verdict
from monitor.releases.coverage import token_refused
from monitor.schedule import LEASE_SECONDS, OUTAGE_INTERVALS
from monitor.urls import masked_url

log = structlog.get_logger(__name__)

HOLD = timedelta(minutes=1)
"""How long a silence must last until it is told, and how long a source must be heard again: a machine under load, or
one look that failed, makes neither."""
READINESS = frozenset({"created", "modified"})
"""The polls that count towards readiness."""
LINES = 20
"""Sources that one notice names."""
CREDENTIALS = "token HF_TOKEN"
"""The source of the state in which the Hub refuses the token."""
TITLE = "Hub Release Monitor"


@runtime_checkable
class SupportsNotices(Protocol):
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
    """Polls that count towards readiness and have not succeeded for three intervals: seconds since, None for never."""
    rows = {row.name: row.succeeded_at for row in session.scalars(select(Poll)) if row.name in READINESS}
    ages = {name: (moment - at).total_seconds() if at else None for name, at in rows.items()} or {"created": None}
    return {name: age for name, age in ages.items() if age is None or age > OUTAGE_INTERVALS * hub_interval}


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
    for row in session.scalars(select(Namespace).where(or_(col(Namespace.failures) >= OUTAGE_INTERVALS, empty))):
        yield Silent(f"namespace {row.name}", row.swept_at or row.added_at, str(row.error))


def _feeds(session: Session) -> Iterable[Silent]:
    for row in session.scalars(select(Feed).where(col(Feed.failures) >= OUTAGE_INTERVALS)):
        yield Silent(f"feed {masked_url(row.url)}", row.read_at or now(), str(row.error))


def watch(engine: Engine, hub_interval: float) -> int:
    """Compares who is silent now with who was, and writes what the operators are to be told; returns how much.

    A silence is told once it has lasted for ``HOLD``, and its end once that has.
    """
    moment = now()
    with reading(engine) as session:
        rows = {row.source: row for row in session.scalars(select(OutageAlert))}
        found = {item.source: item for item in silent(session, hub_interval, moment)}
    if found.keys() <= rows.keys() and all(_waits(row, source in found, moment) for source, row in rows.items()):
        return 0
    with transaction(engine) as session:
        rows |= {source: _noticed(session, item, moment) for source, item in found.items() if source not in rows}
        for source in found:
            if rows[source].back_at is not None:
                _mark(session, source, back_at=None)
        begun = [row for source, row in rows.items() if source in found and _begun(session, row, moment)]
        over = [row for source, row in rows.items() if source not in found and _over(session, row, moment)]
        _log(begun, over)
        lines = [*map(_said_of_start, begun), *map(_said_of_end, over)]
        return _tell(session, lines, moment) if lines else 0


def _hold(row: OutageAlert) -> timedelta:
    # That a token is refused is the Hub's word, and not for want of one.
    return timedelta(0) if row.source == CREDENTIALS else HOLD


def _waits(row: OutageAlert, silent_now: bool, moment: datetime) -> bool:
    """Whether there is nothing to be done about this silence now."""
    if silent_now:
        return row.back_at is None and (row.notified_at is not None or row.noticed_at + _hold(row) > moment)
    return row.notified_at is not None and row.back_at is not None and row.back_at + _hold(row) > moment


def _noticed(session: Session, item: Silent, moment: datetime) -> OutageAlert:
    """Keeps that a silence was noticed."""
    row = OutageAlert(source=item.source, since=item.since, message=item.says[:500], noticed_at=moment)
    session.execute(insert_or_ignore(session, OutageAlert), row.model_dump())
    return row


def _mark(session: Session, source: str, **values: datetime | None) -> bool:
    """Sets columns of a silence that were NULL, or sets them to NULL; False where another was faster."""
    unset = [col(getattr(OutageAlert, name)).is_(None) for name, value in values.items() if value is not None]
    changed = session.execute(update(OutageAlert).where(col(OutageAlert.source) == source, *unset).values(**values))
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def _begun(session: Session, row: OutageAlert, moment: datetime) -> bool:
    """Whether this silence is to be told now, and not by another."""
    return (
        row.notified_at is None
        and row.noticed_at + _hold(row) <= moment
        and _mark(session, row.source, notified_at=moment)
    )


def _over(session: Session, row: OutageAlert, moment: datetime) -> bool:
    """The same for its end. A silence that nobody was told of ends without a word."""
    if row.notified_at is not None and row.back_at is None:
        _mark(session, row.source, back_at=moment)
    if row.notified_at is not None and (row.back_at or moment) + _hold(row) > moment:
        return False
    gone = session.execute(delete(OutageAlert).where(col(OutageAlert.source) == row.source))
    return row.notified_at is not None and bool(gone.rowcount == 1)  # type: ignore[attr-defined]


def _log(begun: Sequence[OutageAlert], over: Sequence[OutageAlert]) -> None:
    """One line, however many fall silent together, and one for each that is back."""
    if begun:
        names = [row.source for row in begun[:LINES]]
        says = sorted({row.message for row in begun})[:3]
        log.error("sources have gone silent", number=len(begun), sources=names, says=says)
    for row in over:
        log.warning("a source is back", source=row.source, silent_since=row.since.isoformat())


def _said_of_start(row: OutageAlert) -> str:
    return (
        row.message if row.source == CREDENTIALS else f"{row.source} is silent since {_when(row.since)}: {row.message}"
    )


def _said_of_end(row: OutageAlert) -> str:
    if row.source == CREDENTIALS:
        return f"The Hub accepts HF_TOKEN again, or none is set any more; it was refused since {_when(row.since)}"
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


def send(engine: Engine, channels: Mapping[str, OutboxChannel], *, most: int = 100) -> int:
    """Sends the notices that are due; returns how many went."""
    sent = 0
    for _ in range(most):
        if stopping.requested():
            break
        with stopping.finishing():
            taken = _claim(engine)
            if taken is None:
                break
            sent += _send(engine, channels, *taken)
    return sent


def _claim(engine: Engine) -> tuple[Notice, Subscription] | None:
    """Claims the notice that has waited longest; returns it with its subscription."""
    ready = select(Notice).where(col(Notice.due_at) <= now()).order_by(col(Notice.due_at)).limit(1)
    rows = claim_due(engine, ready, lambda _attempt: LEASE_SECONDS["notice"])
    if not rows:
        return None
    with reading(engine) as session:
        subscription = session.get(Subscription, rows[0].subscription_id)
    # A subscription that has just been removed takes its notices with it.
    return (rows[0], subscription) if subscription is not None else None


def _send(engine: Engine, channels: Mapping[str, OutboxChannel], notice: Notice, subscription: Subscription) -> int:
    key = notice_key(subscription, notice.title, notice.text)
    receipt, error, again, attempts = None, None, None, notice.attempts
    try:
        teller = channels.get(subscription.channel)
        if not isinstance(teller, SupportsNotices):
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
