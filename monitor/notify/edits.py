"""Edits of sent messages: when a release is known better, the message that announced it is changed, not repeated.

An edit is a delivery with an event of its own, ``updated:`` and a time, so it goes through the outbox like a message:
done once, retried after a failure, taken over from a worker that died. Only channels that can edit get any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, not_, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.db.upsert import insert_or_ignore
from monitor.enums import Event
from monitor.models import Delivery, DeliveryState, Release, Subscription, Target
from monitor.observability.logging import trace

MAX_EDIT_AGE = timedelta(days=1)
"""Older messages are not edited: nobody looks at them again."""
_PREFIX = "updated:"


def is_edit(event: str) -> bool:
    """Whether a delivery with this event edits an earlier message."""
    return event.startswith(_PREFIX)


def enqueue_edits(session: Session, releases: Iterable[Release], channels: Collection[str]) -> int:
    """Writes an edit of each message of these ``channels`` that announced one of ``releases``; returns how many.

    A message counts from its first attempt on: a worker may be sending the earlier state right now. What has not been
    attempted shows the new state anyway.
    """
    ids = [row.id for row in releases]
    if not ids or not channels:
        return 0
    at = now()
    sent = and_(
        col(Delivery.state) == str(DeliveryState.SENT),
        col(Delivery.receipt).is_not(None),
        col(Delivery.sent_at) > at - MAX_EDIT_AGE,
    )
    query = (
        select(Delivery)
        .join(Target, col(Target.id) == col(Delivery.target_id))
        .join(Subscription, col(Subscription.id) == col(Delivery.subscription_id))
        .where(
            col(Delivery.release_id).in_(ids),
            col(Delivery.event) == str(Event.RELEASE),
            col(Delivery.message).is_not(None),
            or_(col(Delivery.state) == str(DeliveryState.PENDING), sent),
            col(Target.channel).in_(channels),
            col(Subscription.paused).is_(False),
        )
        .order_by(col(Delivery.id))
    )
    messages = {(row.target_id, row.receipt or row.message): row for row in reversed(list(session.scalars(query)))}
    edits = [
        {
            "subscription_id": row.subscription_id,
            "target_id": row.target_id,
            "release_id": row.release_id,
            "event": f"{_PREFIX}{at.isoformat()}",
            "state": str(DeliveryState.PENDING),
            "created_at": at,
            "due_at": at,
            "attempts": 0,
            "digest": False,
            "trace": trace(),
        }
        for row in messages.values()
    ]
    if edits:
        session.execute(insert_or_ignore(session, Delivery), edits)
    return len(edits)


def has_message_ended() -> ColumnElement[bool]:
    """The condition under which an edit may be claimed: the message that it changes is no longer to be sent."""
    release = aliased(Delivery)
    pending = select(col(release.id)).where(
        col(release.subscription_id) == col(Delivery.subscription_id),
        col(release.release_id) == col(Delivery.release_id),
        col(release.event) == str(Event.RELEASE),
        col(release.state) == str(DeliveryState.PENDING),
    )
    return or_(not_(col(Delivery.event).startswith(_PREFIX)), ~pending.exists())


def edited_deliveries(session: Session, rows: Iterable[Delivery]) -> dict[int | None, Delivery]:
    """For each edit among ``rows``, by its id, the delivery whose message it changes, if that has a receipt."""
    edits = {row.id: (row.subscription_id, row.release_id) for row in rows if is_edit(row.event)}
    if not edits:
        return {}
    query = select(Delivery).where(
        col(Delivery.subscription_id).in_({subscription for subscription, _ in edits.values()}),
        col(Delivery.release_id).in_({release for _, release in edits.values()}),
        col(Delivery.event) == str(Event.RELEASE),
        col(Delivery.receipt).is_not(None),
    )
    sent = {(row.subscription_id, row.release_id): row for row in session.scalars(query)}
    return {ident: sent[key] for ident, key in edits.items() if key in sent}


def named_in_message(session: Session, sent: Delivery) -> list[Delivery]:
    """The deliveries that the message of ``sent`` names, in the order in which it names them."""
    query = select(Delivery).where(
        col(Delivery.target_id) == sent.target_id,
        col(Delivery.state) == str(DeliveryState.SENT),
        col(Delivery.receipt) == sent.receipt,
        not_(col(Delivery.event).startswith(_PREFIX)),
    )
    return list(session.scalars(query.order_by(col(Delivery.sent_at), col(Delivery.due_at), col(Delivery.id))))
