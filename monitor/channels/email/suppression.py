"""Suppressed addresses, which get no email, and the deliveries of their subscriptions."""

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

MAX_CACHE_SECONDS = 10.0
"""Seconds after which the list of suppressed addresses is read again, however long that takes."""
REASON_TEXTS = {
    "hard": "emails to this address cannot be delivered",
    "soft": "emails to this address were refused repeatedly",
    "complaint": "emails to this address were reported as unwanted",
}


def suppressed(session: Session, address: str) -> Suppression | None:
    """The suppression of an address (in canonical form), or None."""
    return session.get(Suppression, address)


class SuppressionList:
    """The suppressed addresses, cached because each email checks them.

    The list is read again at most once a second and at least every ``MAX_CACHE_SECONDS``; in between, so rarely that
    reading takes no more than a hundredth of the time. A stale list delays a suppression by that long, but an address
    that is no longer suppressed is never refused: the reason is read from the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: frozenset[str] = frozenset()
        self._good_until = 0.0

    def suppression_reason(self, address: str) -> str | None:
        """Why an address in canonical form is suppressed; None if it is not."""
        began = time.monotonic()
        if began >= self._good_until:
            with self._reading() as connection:
                self._known = frozenset(connection.scalars(_ALL))
            took = time.monotonic() - began
            self._good_until = began + min(max(1.0, 100 * took), MAX_CACHE_SECONDS)
        if address not in self._known:
            return None
        with self._reading() as connection:
            return connection.scalar(_REASON, {"address": address})

    def _reading(self) -> Connection:
        return self._engine.execution_options(reading=True).connect()


_ALL = select(col(Suppression.address))
_REASON = select(col(Suppression.reason)).where(col(Suppression.address) == bindparam("address"))


def suppress(session: Session, address: str, reason: str, message: str | None) -> None:
    """Suppresses an address: its subscriptions are paused and their pending deliveries dropped."""
    row = {"address": address, "reason": reason, "since": now(), "message": (message or "")[:500] or None}
    session.execute(insert_or_ignore(session, Suppression), row)
    for subscription in subscriptions_of(session, address):
        if not subscription.paused:
            pause(subscription, f"suppressed: {REASON_TEXTS[reason]}")
            session.add(subscription)
        hold_deliveries(session, subscription.id, f"suppressed: {reason}")


def unsuppress(session: Session, address: str, signed_at: datetime) -> None:
    """Ends the suppression of an address if the confirmed email is newer than the suppression."""
    found = suppressed(session, address)
    # The timestamp of a token is in whole seconds.
    if found is not None and found.since < signed_at + timedelta(seconds=1):
        session.delete(found)
        session.flush()


def subscriptions_of(session: Session, address: str) -> list[Subscription]:
    """Every email subscription of an address, oldest first, whatever its case."""
    query = select(Subscription).where(
        col(Subscription.channel) == "email", func.lower(col(Subscription.target)) == address
    )
    return list(session.scalars(query.order_by(col(Subscription.created_at), col(Subscription.id))))


def hold_deliveries(session: Session, subscription_id: str, reason: str) -> None:
    """Holds the pending deliveries of a subscription; :func:`release_held_deliveries` finds them by ``reason``."""
    waiting = update(Delivery).where(
        col(Delivery.subscription_id) == subscription_id, col(Delivery.state) == str(DeliveryState.PENDING)
    )
    session.execute(waiting.values(state=str(DeliveryState.DEAD), error=reason))


def postpone_deliveries(session: Session, subscription: Subscription) -> None:
    """Moves the pending deliveries of a digest to the next one, after the digest was changed."""
    waiting = update(Delivery).where(
        col(Delivery.subscription_id) == subscription.id,
        col(Delivery.state) == str(DeliveryState.PENDING),
        col(Delivery.message).is_(None),
    )
    session.execute(waiting.values(due_at=subscription.digest_due_at or now()))


def release_held_deliveries(session: Session, subscription_id: str, reason: str) -> None:
    """Makes the deliveries held for ``reason`` pending again, unless another subscription's message included them."""
    twin = aliased(Delivery)
    delivered = select(col(twin.id)).where(
        col(twin.target_id) == col(Delivery.target_id),
        col(twin.release_id) == col(Delivery.release_id),
        col(twin.event) == col(Delivery.event),
        col(twin.state) == str(DeliveryState.SENT),
    )
    held = update(Delivery).where(
        col(Delivery.subscription_id) == subscription_id,
        col(Delivery.state) == str(DeliveryState.DEAD),
        col(Delivery.error) == reason,
        ~delivered.exists(),
    )
    session.execute(
        held.values(state=str(DeliveryState.PENDING), error=None), execution_options={"synchronize_session": False}
    )
