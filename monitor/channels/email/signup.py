"""Signing up, confirming, unsubscribing, and the undoing of that."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, select
from sqlmodel import Session, col

from monitor.channels.email.addresses import AddressError, canonical
from monitor.channels.email.confirmations import enqueue_confirmation, may_send_confirmation, retention
from monitor.channels.email.suppression import hold_deliveries, release_held_deliveries, subscriptions_of, unsuppress
from monitor.channels.email.tokens import Claim
from monitor.db.engine import now, reading, transaction
from monitor.enums import Digest
from monitor.models import (
    Delivery,
    EmailBounce,
    EmailConfirmation,
    Release,
    Subscription,
    Suppression,
    Target,
    iso,
)
from monitor.notify.subscriptions import (
    SubscriptionCreate,
    SubscriptionError,
    next_digest,
    resume,
    subscribe,
    target_of,
    zone,
)
from monitor.notify.subscriptions import pause as pause_subscription
from monitor.notify.subscriptions import remove as remove_subscription
from monitor.releases.query import QueryError, parse

UNSUBSCRIBED = "unsubscribed"
OPERATOR = "by the operator"
"""A pause that readers cannot end."""
MAX_FILTER_CHARS = 2_000
MAX_SUBSCRIPTIONS_PER_ADDRESS = 50
"""Subscriptions of one address."""
UNDO_WINDOW = timedelta(hours=24)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class AlertPreferences:
    """What a reader wants to be told, and when."""

    filter: str = ""
    digest: Digest = Digest.IMMEDIATE
    timezone: str = "UTC"
    hour: int = 8

    def checked(self) -> AlertPreferences:
        """These terms, the filter in its normal form; raises SubscriptionError, which names the field."""
        if len(self.filter) > MAX_FILTER_CHARS:
            raise SubscriptionError("filter", f"a filter has {MAX_FILTER_CHARS} characters at the most")
        if _CONTROL.search(self.filter):
            raise SubscriptionError("filter", "a filter has no control characters")
        if not 0 <= self.hour <= 23:
            raise SubscriptionError("hour", f"hour {self.hour}: 0 to 23 expected")
        zone(self.timezone)
        try:
            return replace(self, filter=parse(self.filter).normal)
        except QueryError as error:
            raise SubscriptionError("filter", str(error)) from None


def sign_up(engine: Engine, email: str, terms: AlertPreferences, client: str) -> None:
    """Keeps an unconfirmed subscription and the email that asks for its confirmation.

    Beyond the limits of an address nothing is kept and nothing is said: the answer must not tell what we know of
    an address. Raises SubscriptionError for what cannot be, TooManyRequestsError for a client that asks too often.
    """
    try:
        address = canonical(email)
    except AddressError as error:
        raise SubscriptionError("email", str(error)) from None
    terms = terms.checked()
    with reading(engine) as session:
        # A look without a lock: a flood of sign-ups must not hold up those who write.
        if not may_send_confirmation(session, address, client):
            return
    with transaction(engine) as session:
        target = target_of(session, "email", address)
        session.scalars(select(Target).where(col(Target.id) == target.id).with_for_update()).one()
        if (
            may_send_confirmation(session, address, client)
            and len(subscriptions_of(session, address)) < MAX_SUBSCRIPTIONS_PER_ADDRESS
        ):
            enqueue_confirmation(session, save_subscription(session, address, terms, confirmed=False), address, client)


def save_subscription(session: Session, address: str, terms: AlertPreferences, *, confirmed: bool) -> Subscription:
    """Keeps a subscription of an address; one with the same filter and digest is that one."""
    wanted = SubscriptionCreate(
        "email",
        address,
        terms.filter,
        terms.digest,
        terms.timezone,
        terms.hour,
        created_by="email",
        confirmed=confirmed,
    )
    found = subscribe(session, wanted)
    if not found.confirmed:
        # Of two wishes that differ in their hour alone, the later one counts until it is confirmed.
        found.timezone, found.hour = terms.timezone, terms.hour
        session.add(found)
    return found


def confirm(session: Session, claim: Claim) -> Subscription | None:
    """Begins to tell; None where the subscription is gone. A second time changes nothing."""
    found = session.get(Subscription, claim.subscription_id)
    if found is None:
        return None
    if _unsubscribed_after(found, claim.signed_at):
        return None
    unsuppress(session, found.target.lower(), claim.signed_at)
    if found.paused and found.paused_because != OPERATOR:
        _again(session, found)
    if not found.confirmed:
        found.confirmed, found.digest_due_at = True, next_digest(found, now())
    session.add(found)
    return found


def _unsubscribed_after(subscription: Subscription, signed_at: datetime) -> bool:
    """Whether its reader left after the email was written: an old email does not bring them back."""
    left = unsubscribed_at(subscription)
    return left is not None and left >= signed_at + timedelta(seconds=1)


def unsubscribe(session: Session, subscription_id: str) -> Subscription | None:
    """Stops telling, at once and for what was waiting too; None where the subscription is gone already."""
    found = session.get(Subscription, subscription_id)
    if found is None:
        return None
    if unsubscribed_at(found) is None:
        pause_subscription(found, UNSUBSCRIBED)
        found.options = {**found.options, UNSUBSCRIBED: iso(now())}
        session.add(found)
        hold_deliveries(session, found.id, UNSUBSCRIBED)
    return found


def undo_unsubscribe(session: Session, subscription_id: str) -> Subscription | None:
    """Takes an unsubscription back, with what was kept back since; None where it is too late."""
    found = session.get(Subscription, subscription_id)
    if found is None:
        return None
    if unsubscribed_at(found) is not None:
        _again(session, found)
        release_held_deliveries(session, found.id, UNSUBSCRIBED)
    return found


def _again(session: Session, subscription: Subscription) -> None:
    resume(subscription)
    subscription.options = {key: value for key, value in subscription.options.items() if key != UNSUBSCRIBED}
    session.add(subscription)


def unsubscribed_at(subscription: Subscription) -> datetime | None:
    """When its reader unsubscribed."""
    text = subscription.options.get(UNSUBSCRIBED)
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def delete_personal_data(session: Session, address: str) -> int:
    """Deletes everything about an address, but that it must not be written to; returns how many subscriptions."""
    found = subscriptions_of(session, address)
    for subscription in found:
        remove_subscription(session, subscription)
    session.flush()
    session.execute(delete(EmailConfirmation).where(col(EmailConfirmation.address) == address))
    session.execute(delete(EmailBounce).where(col(EmailBounce.address) == address))
    _drop_targets(session, {subscription.target_id for subscription in found})
    return len(found)


def _drop_targets(session: Session, ids: set[int]) -> None:
    used = select(col(Subscription.target_id))
    session.execute(delete(Target).where(col(Target.id).in_(ids), col(Target.id).not_in(used)))


def delete_expired(engine: Engine) -> int:
    """Deletes what is no longer needed; returns how many subscriptions.

    That is: what was never confirmed, what was left more than a day ago, emails and reports that no limit counts
    any more.
    """
    moment = now()
    with transaction(engine) as session:
        session.execute(delete(EmailConfirmation).where(col(EmailConfirmation.created_at) < moment - retention()))
        session.execute(delete(EmailBounce).where(col(EmailBounce.at) < moment - timedelta(days=30)))
        asked = set(session.scalars(select(col(EmailConfirmation.subscription_id))))
        query = select(Subscription).where(
            col(Subscription.channel) == "email",
            (col(Subscription.confirmed).is_(False)) | (col(Subscription.paused_because) == UNSUBSCRIBED),
        )
        over = [row for row in session.scalars(query) if _is_expired(row, asked, moment)]
        for row in over:
            remove_subscription(session, row)
        session.flush()
        _drop_targets(session, {row.target_id for row in over})
        return len(over)


def _is_expired(subscription: Subscription, asked: set[str], moment: datetime) -> bool:
    if subscription.id in asked:
        return False  # an email that would bring it back may still be answered
    left = unsubscribed_at(subscription)
    return not subscription.confirmed if left is None else left < moment - UNDO_WINDOW


def export_personal_data(session: Session, address: str) -> dict[str, object]:
    """Everything that is kept about an address."""
    keys = ("id", "filter", "digest", "timezone", "hour", "confirmed", "paused", "paused_because", "created_by")
    emails = select(EmailConfirmation).where(col(EmailConfirmation.address) == address)
    bounces = select(EmailBounce).where(col(EmailBounce.address) == address)
    found = session.get(Suppression, address)
    mine = subscriptions_of(session, address)
    told = (
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
            for row, repo_id in session.execute(told)
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
