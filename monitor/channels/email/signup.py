"""Sign-up, confirmation, unsubscribe and undo."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.channels.email.addresses import AddressError, canonical, mailbox_of
from monitor.channels.email.confirmations import enqueue_confirmation, may_send_confirmation
from monitor.channels.email.suppression import hold_deliveries, release_held_deliveries, subscriptions_of, unsuppress
from monitor.channels.email.tokens import Claim
from monitor.db.engine import now, one_at_a_time, reading, transaction
from monitor.enums import BRIEF_UNITS, Digest
from monitor.models import (
    Subscription,
    Target,
    iso,
)
from monitor.notify.subscriptions import (
    BY_OPERATOR,
    SubscriptionCreate,
    SubscriptionError,
    TooManyTriggersError,
    next_digest,
    resume,
    subscribe,
    target_of,
    zone,
)
from monitor.notify.subscriptions import pause as pause_subscription
from monitor.releases.query import QueryError, parse_filter
from monitor.releases.triggers import parse_trigger

UNSUBSCRIBED = "unsubscribed"
PAUSED_BEFORE = "paused_before"
"""An option of a subscription that the operator had paused when its subscriber unsubscribed."""
MAX_FILTER_CHARS = 2_000
MAX_SUBSCRIPTIONS_PER_ADDRESS = 50
"""Subscriptions of one address."""
UNDO_WINDOW = timedelta(hours=24)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class AlertPreferences:
    """What a subscriber wants alerts about (a filter, or a trigger in ``when``), and how often."""

    filter: str = ""
    digest: Digest = Digest.IMMEDIATE
    timezone: str = "UTC"
    hour: int = 8
    when: str = ""

    def checked(self) -> AlertPreferences:
        """These preferences with filter and trigger normalized; raises SubscriptionError, which names the field."""
        for field, text in (("filter", self.filter), ("when", self.when)):
            what = "a filter" if field == "filter" else "a trigger"
            if len(text) > MAX_FILTER_CHARS:
                raise SubscriptionError(field, f"{what} can have at most {MAX_FILTER_CHARS} characters")
            if _CONTROL.search(text):
                raise SubscriptionError(field, f"{what} must not have control characters")
        if self.digest in BRIEF_UNITS and (self.filter.strip() or self.when.strip()):
            raise SubscriptionError("digest", "a brief covers all releases: leave filter and trigger empty")
        if self.filter.strip() and self.when.strip():
            raise SubscriptionError("when", "choose a filter or a trigger, not both")
        if not 0 <= self.hour <= 23:
            raise SubscriptionError("hour", f"hour {self.hour}: expected 0 to 23")
        zone(self.timezone)
        try:
            when = parse_trigger(self.when).normal if self.when.strip() else ""
            return replace(self, filter=parse_filter(self.filter).normal, when=when)
        except QueryError as error:
            raise SubscriptionError(getattr(error, "field", "filter"), str(error)) from None


def sign_up(engine: Engine, email: str, preferences: AlertPreferences, client: str) -> None:
    """Saves an unconfirmed subscription and queues its confirmation email.

    Beyond the limits of an address it saves nothing and returns the same, so that nobody learns whether an address is
    known. Raises SubscriptionError for invalid input, TooManyRequestsError beyond the client's limit.
    """
    try:
        address = canonical(email)
    except AddressError as error:
        raise SubscriptionError("email", str(error)) from None
    preferences = preferences.checked()
    with reading(engine) as session:
        # First checked without a lock, so that a flood of sign-ups does not block other writers.
        if not may_send_confirmation(session, address, client):
            return
    with suppress(TooManyTriggersError), transaction(engine) as session:
        local, domains, _ = mailbox_of(address)
        one_at_a_time(session, f"sign-up {local}@{domains[0]}")
        target = target_of(session, "email", address)
        session.scalars(select(Target).where(col(Target.id) == target.id).with_for_update()).one()
        if (
            may_send_confirmation(session, address, client)
            and len(subscriptions_of(session, address)) < MAX_SUBSCRIPTIONS_PER_ADDRESS
        ):
            enqueue_confirmation(
                session, save_subscription(session, address, preferences, confirmed=False), address, client
            )


def save_subscription(
    session: Session, address: str, preferences: AlertPreferences, *, confirmed: bool
) -> Subscription:
    """Saves a subscription of an address, or returns the one with the same filter and digest."""
    wanted = SubscriptionCreate(
        "email",
        address,
        preferences.filter,
        preferences.digest,
        preferences.timezone,
        preferences.hour,
        created_by="email",
        confirmed=confirmed,
        when=preferences.when,
    )
    found = subscribe(session, wanted)
    if not found.confirmed:
        # Until it is confirmed, a later sign-up changes the time of the digest.
        found.timezone, found.hour = preferences.timezone, preferences.hour
        session.add(found)
    return found


def confirm(session: Session, claim: Claim) -> Subscription | None:
    """Confirms a subscription; returns None if it no longer exists. Repeating it changes nothing."""
    found = session.get(Subscription, claim.subscription_id)
    if found is None:
        return None
    if _unsubscribed_after(found, claim.signed_at):
        return None
    unsuppress(session, found.target.lower(), claim.signed_at)
    if found.paused and found.paused_because != BY_OPERATOR:
        _resubscribe(session, found)
    if not found.confirmed:
        found.confirmed, found.digest_due_at = True, next_digest(found, now())
    session.add(found)
    return found


def _unsubscribed_after(subscription: Subscription, signed_at: datetime) -> bool:
    """Whether the subscriber unsubscribed after the email was signed: an old email must not resubscribe them."""
    ended_at = unsubscribed_at(subscription)
    return ended_at is not None and ended_at >= signed_at + timedelta(seconds=1)


def unsubscribe(session: Session, subscription_id: str) -> Subscription | None:
    """Ends alerts immediately, including pending ones; returns None if the subscription no longer exists."""
    found = session.get(Subscription, subscription_id)
    if found is None:
        return None
    if unsubscribed_at(found) is None:
        before = {PAUSED_BEFORE: BY_OPERATOR} if found.paused_because == BY_OPERATOR else {}
        pause_subscription(found, UNSUBSCRIBED)
        found.options = {**found.options, **before, UNSUBSCRIBED: iso(now())}
        session.add(found)
        hold_deliveries(session, found.id, UNSUBSCRIBED)
    return found


def undo_unsubscribe(session: Session, subscription_id: str) -> Subscription | None:
    """Resubscribes, and sends what was held since; returns None if it is too late.

    What the operator had paused, or has paused since, stays paused.
    """
    found = session.get(Subscription, subscription_id)
    if found is None:
        return None
    if unsubscribed_at(found) is not None:
        _resubscribe(session, found)
        if not found.paused:
            release_held_deliveries(session, found.id, UNSUBSCRIBED)
    return found


def _resubscribe(session: Session, subscription: Subscription) -> None:
    if BY_OPERATOR in {subscription.paused_because, subscription.options.get(PAUSED_BEFORE)}:
        pause_subscription(subscription, BY_OPERATOR)
    else:
        resume(subscription)
    ended = {UNSUBSCRIBED, PAUSED_BEFORE}
    subscription.options = {key: value for key, value in subscription.options.items() if key not in ended}
    session.add(subscription)


def unsubscribed_at(subscription: Subscription) -> datetime | None:
    """When the subscriber unsubscribed, or None."""
    text = subscription.options.get(UNSUBSCRIBED)
    return datetime.fromisoformat(text) if isinstance(text, str) else None
