"""Which triggers are evaluated, and which are not.

Operators see it in notices, ``doctor``, ``/metrics`` and on ``/status``. Expressions
are of subscribers: public pages only count them.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.models import AggregateTrigger
from monitor.releases.outages import FailingSource
from monitor.schedule import OUTAGE_INTERVALS

STATES = ("evaluated", "failing", "waiting")
"""The last evaluation had a result; it had none, and is tried again; there was none yet."""


def trigger_counts(session: Session) -> dict[str, int]:
    """How many distinct triggers are in each of ``STATES``."""
    row = AggregateTrigger
    state = case((col(row.failures) > 0, "failing"), (col(row.evaluated_at).is_(None), "waiting"), else_="evaluated")
    rows = session.execute(select(state, func.count()).group_by(state)).all()
    return {name: sum(number for found, number in rows if found == name) for name in STATES}


def unevaluated(session: Session, limit: int) -> list[AggregateTrigger]:
    """The triggers whose last evaluations had no result, those that failed most often first."""
    failing = select(AggregateTrigger).where(col(AggregateTrigger.failures) > 0)
    order = (col(AggregateTrigger.failures).desc(), col(AggregateTrigger.expression))
    return list(session.scalars(failing.order_by(*order).limit(limit)))


def trigger_delay(session: Session) -> timedelta:
    """How long the trigger that has waited longest is overdue; zero where none is."""
    due = session.scalar(select(func.min(col(AggregateTrigger.due_at))))
    return max(timedelta(0), now() - due) if due is not None else timedelta(0)


def failing_triggers(session: Session) -> list[FailingSource]:
    """The triggers that failed ``OUTAGE_INTERVALS`` times in a row, as operators are notified of them."""
    failing = select(AggregateTrigger).where(col(AggregateTrigger.failures) >= OUTAGE_INTERVALS)
    rows = session.scalars(failing.order_by(col(AggregateTrigger.expression)))
    return [
        FailingSource("trigger", row.expression, "failing", row.evaluated_at or now(), str(row.message)) for row in rows
    ]
