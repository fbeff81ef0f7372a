"""Addresses that are not written to, and what becomes of their subscriptions."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, bindparam, func, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.db.upsert import insert_or_ignore
from monitor.models import Delivery, DeliveryState, Subscription, Suppression
from monitor.notify.subscriptions import pause

STALE = 10.0
"""Seconds after which the list of suppressed addresses is read again, however long that takes."""
EXPLAINED = {
    "hard": "letters to this address cannot be delivered",
    "soft": "letters to this address were refused again and again",
    "complaint": "letters to this address were reported as unwanted",
}


def suppressed(session: Session, address: str) -> Suppression | None:
    """The suppression of an address (in canonical form), or None."""
    return session.get(Suppression, address)


class Blocklist:
    """Why an address is not written to, asked for each letter: mostly answered from memory.

    The list is read again so seldom that this takes a hundredth of the time, at the most once a second and at the least
    every ``STALE`` seconds. What waits for an address is held by its suppression itself; one that was let go is never
    refused.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: frozenset[str] = frozenset()
        self._good_until = 0.0

    def why_not(self, address: str) -> str | None:
        """The reason, for an address in canonical form; None where it is written to."""
        began = time.monotonic()
        if began >= self._good_until:
            with self._reading() as connection:
                self._known = frozenset(connection.scalars(_ALL))
            took = time.monotonic() - began
            self._good_until = began + min(max(1.0, 100 * took), STALE)
        if address not in self._known:
            return None
        with self._reading() as connection:
            return connection.scalar(_WHY, {"address": address})

    def _reading(self) -> Connection:
        return self._engine.execution_options(reading=True).connect()


_ALL = select(col(Suppression.address))
_WHY = select(col(Suppression.reason)).where(col(Suppression.address) == bindparam("address"))


def suppress(session: Session, address: str, why: str, says: str | None) -> None:
    """Writes no more to an address: its subscriptions pause, what was waiting for them is dropped."""
    row = {"address": address, "reason": why, "since": now(), "message": (says or "")[:500] or None}
    session.execute(insert_or_ignore(session, Suppression), row)
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


def postpone(session: Session, subscription: Subscription) -> None:
    """Lets what waits for a digest wait for the next one of a subscription whose digest was changed."""
    waiting = update(Delivery).where(
        col(Delivery.subscription_id) == subscription.id,
        col(Delivery.state) == str(DeliveryState.PENDING),
        col(Delivery.message).is_(None),
    )
    session.execute(waiting.values(due_at=subscription.digest_due_at or now()))


def let_go(session: Session, subscription_id: str, why: str) -> None:
    """Sends what was kept back under this word after all, unless a message for another subscription told it."""
    twin = aliased(Delivery)
    told = select(col(twin.id)).where(
        col(twin.target_id) == col(Delivery.target_id),
        col(twin.release_id) == col(Delivery.release_id),
        col(twin.event) == col(Delivery.event),
        col(twin.state) == str(DeliveryState.SENT),
    )
    held = update(Delivery).where(
        col(Delivery.subscription_id) == subscription_id,
        col(Delivery.state) == str(DeliveryState.DEAD),
        col(Delivery.error) == why,
        ~told.exists(),
    )
    session.execute(
        held.values(state=str(DeliveryState.PENDING), error=None), execution_options={"synchronize_session": False}
    )
