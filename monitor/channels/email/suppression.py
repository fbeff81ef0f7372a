"""Addresses that are not written to, and what becomes of their subscriptions."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, bindparam, func, select, update
from sqlmodel import Session, col

from monitor.alerts.subscriptions import pause
from monitor.db import now
from monitor.history.record import ignoring
from monitor.models import Delivery, DeliveryState, Subscription, Suppression

EXPLAINED = {
    "hard": "letters to this address cannot be delivered",
    "soft": "letters to this address were refused again and again",
    "complaint": "letters to this address were reported as unwanted",
}


def suppressed(session: Session, address: str) -> Suppression | None:
    """The suppression of an address (in canonical form), or None."""
    return session.get(Suppression, address)


def why_not(engine: Engine, address: str) -> str | None:
    """Why an address (in canonical form) is not written to; None where it is. Asked for each letter, so short."""
    with engine.execution_options(reading=True).connect() as connection:
        return connection.scalar(_WHY, {"address": address})


_WHY = select(col(Suppression.why)).where(col(Suppression.address) == bindparam("address"))


def suppress(session: Session, address: str, why: str, says: str | None) -> None:
    """Writes no more to an address: its subscriptions pause, what was waiting for them is dropped."""
    row = {"address": address, "why": why, "since": now(), "says": (says or "")[:500] or None}
    session.execute(ignoring(session, Suppression), row)
    for subscription in of_address(session, address):
        if not subscription.paused:
            pause(subscription, f"suppressed: {EXPLAINED[why]}")
            session.add(subscription)
        hold(session, subscription.id, f"suppressed: {why}")


def lift(session: Session, address: str, signed_at: datetime) -> None:
    """Writes to an address again, if the letter that its reader confirmed is newer than the suppression."""
    found = suppressed(session, address)
    # A token knows its second, no finer.
    if found is not None and found.since < signed_at + timedelta(seconds=1):
        session.delete(found)
        session.flush()


def of_address(session: Session, address: str) -> list[Subscription]:
    """Every mail subscription of an address, oldest first, however an operator wrote it."""
    query = select(Subscription).where(
        col(Subscription.channel) == "email", func.lower(col(Subscription.target)) == address
    )
    return list(session.scalars(query.order_by(col(Subscription.created_at), col(Subscription.id))))


def hold(session: Session, subscription_id: str, why: str) -> None:
    """Keeps back what waits for a subscription, under a word by which :func:`let_go` finds it."""
    waiting = update(Delivery).where(
        col(Delivery.subscription_id) == subscription_id, col(Delivery.state) == str(DeliveryState.PENDING)
    )
    session.execute(waiting.values(state=str(DeliveryState.DEAD), error=why))


def let_go(session: Session, subscription_id: str, why: str) -> None:
    """Sends what was kept back under this word after all."""
    held = update(Delivery).where(
        col(Delivery.subscription_id) == subscription_id,
        col(Delivery.state) == str(DeliveryState.DEAD),
        col(Delivery.error) == why,
    )
    session.execute(held.values(state=str(DeliveryState.PENDING), error=None))
