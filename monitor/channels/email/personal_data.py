"""Personal data: export, deletion on request, and deletion of what has expired."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, delete, select
from sqlmodel import Session, col

from monitor.channels.email import bounce_policy
from monitor.channels.email.confirmations import retention
from monitor.channels.email.signup import UNDO_WINDOW, UNSUBSCRIBED, unsubscribed_at
from monitor.channels.email.suppression import subscriptions_of
from monitor.db.engine import now, transaction
from monitor.models import Delivery, EmailBounce, EmailConfirmation, Release, Subscription, Suppression, Target, iso
from monitor.notify.subscriptions import remove


def delete_personal_data(session: Session, address: str) -> int:
    """Deletes everything about an address except its suppression; returns the number of subscriptions."""
    found = subscriptions_of(session, address)
    for subscription in found:
        remove(session, subscription)
    session.flush()
    session.execute(delete(EmailConfirmation).where(col(EmailConfirmation.address) == address))
    session.execute(delete(EmailBounce).where(col(EmailBounce.address) == address))
    _drop_targets(session, {subscription.target_id for subscription in found})
    return len(found)


def _drop_targets(session: Session, ids: set[int]) -> None:
    used = select(col(Subscription.target_id))
    session.execute(delete(Target).where(col(Target.id).in_(ids), col(Target.id).not_in(used)))


def delete_expired(engine: Engine) -> int:
    """Deletes expired personal data; returns the number of deleted subscriptions.

    These are subscriptions that were never confirmed or ended more than a day ago, and confirmation emails and bounces
    that no limit counts any more.
    """
    timestamp = now()
    with transaction(engine) as session:
        session.execute(delete(EmailConfirmation).where(col(EmailConfirmation.created_at) < timestamp - retention()))
        session.execute(delete(EmailBounce).where(col(EmailBounce.at) < timestamp - bounce_policy.WINDOW))
        asked = set(session.scalars(select(col(EmailConfirmation.subscription_id))))
        query = select(Subscription).where(
            col(Subscription.channel) == "email",
            (col(Subscription.confirmed).is_(False)) | (col(Subscription.paused_because) == UNSUBSCRIBED),
        )
        over = [row for row in session.scalars(query) if _is_expired(row, asked, timestamp)]
        for row in over:
            remove(session, row)
        session.flush()
        _drop_targets(session, {row.target_id for row in over})
        return len(over)


def _is_expired(subscription: Subscription, asked: set[str], timestamp: datetime) -> bool:
    if subscription.id in asked:
        return False  # its confirmation link is still valid
    ended_at = unsubscribed_at(subscription)
    return not subscription.confirmed if ended_at is None else ended_at < timestamp - UNDO_WINDOW


def export_personal_data(session: Session, address: str) -> dict[str, object]:
    """Everything stored about an address."""
    keys = ("id", "filter", "when", "digest", "timezone", "hour", "confirmed", "paused", "paused_because", "created_by")
    emails = select(EmailConfirmation).where(col(EmailConfirmation.address) == address)
    bounces = select(EmailBounce).where(col(EmailBounce.address) == address)
    found = session.get(Suppression, address)
    mine = subscriptions_of(session, address)
    deliveries = (
        select(Delivery, col(Release.repo_id))
        .join(Release, col(Release.id) == col(Delivery.release_id))
        .where(col(Delivery.subscription_id).in_([row.id for row in mine]))
        .order_by(col(Delivery.id))
    )
    return {
        "address": address,
        "subscriptions": [
            {key: getattr(row, key) for key in keys} | {"created_at": iso(row.created_at)} for row in mine
        ],
        "letters": [
            {
                "subscription": row.subscription_id,
                "repo_id": repo_id,
                "event": row.event,
                "state": row.state,
                "sent_at": iso(row.sent_at),
            }
            for row, repo_id in session.execute(deliveries)
        ],
        "confirmation_letters": [
            {"asked_at": iso(row.created_at), "sent_at": iso(row.sent_at)} for row in session.scalars(emails)
        ],
        "bounces": [
            {"kind": row.kind, "status": row.status, "says": row.message, "at": iso(row.at)}
            for row in session.scalars(bounces)
        ],
        "suppressed": found and {"why": found.reason, "since": iso(found.since), "says": found.message},
    }
