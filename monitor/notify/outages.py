"""Notices to operators that a source or a trigger fails and that it works again: one each, however many workers look.

Whoever marks an outage as notified writes the notices of it in the same transaction, and whoever deletes its row those
of its end. So two beats, or ten workers, notify each operator once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine, delete, select, update
from sqlmodel import Session, col

from monitor.db.engine import now, reading, transaction
from monitor.db.upsert import insert_or_ignore
from monitor.models import Notice, OutageAlert, Subscription
from monitor.notify.trigger_health import failing_triggers
from monitor.releases.outages import CREDENTIAL, FailingSource, failing_sources
from monitor.schedule import OUTAGE_HOLD_SECONDS
from monitor.text import short

log = structlog.get_logger(__name__)

MAX_LINES = 20
"""Sources that one notice names."""
MAX_LABEL_CHARACTERS = 200
"""Of a trigger in a notice; the expression may be ten times as long."""
TOKEN_SOURCE = f"token {CREDENTIAL}"
TRIGGER_PREFIX = "trigger "


def notify_operators(engine: Engine, hub_interval: float) -> int:
    """Compares the sources and triggers that fail with those that did, and writes the notices; returns how many.

    An outage is in a notice once it has lasted for ``OUTAGE_HOLD_SECONDS``, and so is its end.
    ``hub_interval``: seconds.
    """
    at = now()
    with reading(engine) as session:
        rows = {row.source: row for row in session.scalars(select(OutageAlert))}
        failing = [*failing_sources(session, hub_interval), *failing_triggers(session)]
    found = {source.label: source for source in failing if source.since is not None}
    if found.keys() <= rows.keys() and all(_is_settled(row, source in found, at) for source, row in rows.items()):
        return 0
    with transaction(engine) as session:
        rows |= {label: _record(session, source, at) for label, source in found.items() if label not in rows}
        for label in found:
            if rows[label].back_at is not None:
                _mark(session, label, back_at=None)
        begun = [row for label, row in rows.items() if label in found and _claim_start(session, row, at)]
        over = [row for label, row in rows.items() if label not in found and _claim_end(session, row, at)]
        _log(begun, over)
        lines = [*map(_start_text, begun), *map(_end_text, over)]
        return _write_notices(session, lines, at) if lines else 0


def _hold(row: OutageAlert) -> timedelta:
    # That the Hub refuses the token is an answer, not the lack of one: it needs no second look.
    return timedelta(seconds=0 if row.source == TOKEN_SOURCE else OUTAGE_HOLD_SECONDS)


def _is_settled(row: OutageAlert, is_failing: bool, at: datetime) -> bool:
    """Whether there is nothing to do about this outage at the time ``at``."""
    if is_failing:
        return row.back_at is None and (row.notified_at is not None or row.noticed_at + _hold(row) > at)
    return row.notified_at is not None and row.back_at is not None and row.back_at + _hold(row) > at


def _record(session: Session, source: FailingSource, at: datetime) -> OutageAlert:
    """Keeps that an outage was noticed."""
    row = OutageAlert(source=source.label, since=source.since or at, message=source.message[:500], noticed_at=at)
    session.execute(insert_or_ignore(session, OutageAlert), row.model_dump())
    return row


def _mark(session: Session, label: str, **values: datetime | None) -> bool:
    """Sets columns of an outage that were NULL, or sets them to NULL; False where another worker was faster."""
    unset = [col(getattr(OutageAlert, name)).is_(None) for name, value in values.items() if value is not None]
    changed = session.execute(update(OutageAlert).where(col(OutageAlert.source) == label, *unset).values(**values))
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def _claim_start(session: Session, row: OutageAlert, at: datetime) -> bool:
    """Whether operators are to be notified of this outage now, by this worker and no other."""
    return row.notified_at is None and row.noticed_at + _hold(row) <= at and _mark(session, row.source, notified_at=at)


def _claim_end(session: Session, row: OutageAlert, at: datetime) -> bool:
    """The same for its end. An outage that was in no notice ends without one."""
    if row.notified_at is not None and row.back_at is None:
        _mark(session, row.source, back_at=at)
    if row.notified_at is not None and (row.back_at or at) + _hold(row) > at:
        return False
    gone = session.execute(delete(OutageAlert).where(col(OutageAlert.source) == row.source))
    return row.notified_at is not None and bool(gone.rowcount == 1)  # type: ignore[attr-defined]


def _log(begun: Sequence[OutageAlert], over: Sequence[OutageAlert]) -> None:
    """Logs one line for all outages that begin together, and one for each that ends."""
    if begun:
        names = [row.source for row in begun[:MAX_LINES]]
        messages = sorted({row.message for row in begun})[:3]
        log.error("sources failing", number=len(begun), sources=names, messages=messages)
    for row in over:
        log.warning("source recovered", source=row.source, failing_since=row.since.isoformat())


def _start_text(row: OutageAlert) -> str:
    if row.source == TOKEN_SOURCE:
        return row.message
    if row.source.startswith(TRIGGER_PREFIX):
        trigger = short(row.source, MAX_LABEL_CHARACTERS)
        return f"{trigger} has not been evaluated since {_timestamp(row.since)}: {row.message}"
    return f"{row.source} has been failing since {_timestamp(row.since)}: {row.message}"


def _end_text(row: OutageAlert) -> str:
    if row.source == TOKEN_SOURCE:
        return f"The Hub accepts HF_TOKEN again, or none is set any more; it was refused since {_timestamp(row.since)}"
    if row.source.startswith(TRIGGER_PREFIX):
        trigger = short(row.source, MAX_LABEL_CHARACTERS)
        return f"{trigger} is evaluated again, or no active subscription has it any more"
    return f"{row.source} works again; it had been failing since {_timestamp(row.since)}"


def _timestamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _write_notices(session: Session, lines: list[str], at: datetime) -> int:
    """Writes one notice for each operator, with all outages that begin or end together; returns how many."""
    operators = select(col(Subscription.id)).where(
        col(Subscription.operator).is_(True), col(Subscription.paused).is_(False), col(Subscription.confirmed).is_(True)
    )
    idents = list(session.scalars(operators))
    more = [f"… and {len(lines) - MAX_LINES} more: see /status"] if len(lines) > MAX_LINES else []
    text = "\n".join([*lines[:MAX_LINES], *more])
    session.add_all(Notice(subscription_id=ident, text=text, created_at=at, due_at=at) for ident in idents)
    return len(idents)
