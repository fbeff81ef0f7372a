"""Dead letters: deliveries that failed for good, listed and requeued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.models import Delivery, DeliveryState, Release, Subscription


def list_dead(session: Session) -> Iterator[dict[str, Any]]:
    """The dead deliveries, oldest first: id, subscription, channel, target, repo_id, event, attempts, error."""
    query = (
        select(Delivery, Subscription, col(Release.repo_id))
        .join(Subscription, col(Subscription.id) == col(Delivery.subscription_id))
        .join(Release, col(Release.id) == col(Delivery.release_id))
        .where(col(Delivery.state) == str(DeliveryState.DEAD))
        .order_by(col(Delivery.id))
    )
    for delivery, subscription, repo_id in session.execute(query):
        yield {
            "id": delivery.id,
            "subscription": subscription.id,
            "channel": subscription.channel,
            "target": subscription.target,
            "repo_id": repo_id,
            "event": delivery.event,
            "attempts": delivery.attempts,
            "error": delivery.error,
        }


def requeue(session: Session, delivery_ids: Sequence[int]) -> int:
    """Makes dead deliveries due again, with the rest of their messages; returns how many of ``delivery_ids`` were."""
    dead = col(Delivery.state) == str(DeliveryState.DEAD)
    chosen = col(Delivery.id).in_(delivery_ids)
    rows = session.execute(select(col(Delivery.target_id), col(Delivery.message)).where(chosen, dead)).all()
    messages = [message for _, message in rows if message is not None]
    same_message = and_(
        col(Delivery.target_id).in_({target for target, _ in rows}), col(Delivery.message).in_(messages)
    )
    values = {"state": str(DeliveryState.PENDING), "due_at": now(), "attempts": 0, "error": None}
    session.execute(update(Delivery).where(dead, or_(chosen, same_message)).values(**values))
    return len(rows)
