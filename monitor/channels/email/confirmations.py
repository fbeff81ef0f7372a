"""Confirmation emails: rate limited, queued in a table, and sent from there by any worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Engine, func, or_, select
from sqlmodel import Session, col

from monitor import stopping
from monitor.channels.email.addresses import mailbox_of
from monitor.channels.email.suppression import suppressed
from monitor.channels.email.tokens import TOKEN_LIFETIMES, Purpose
from monitor.channels.email.transport import Email
from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim_due
from monitor.models import EmailConfirmation, Subscription
from monitor.notify.message import ChannelRateLimited, OutboxChannel, SendError
from monitor.notify.outbox import MAX_RUN_SECONDS
from monitor.notify.retries import backoff
from monitor.schedule import CONFIRMATION_INTERVAL_SECONDS, LEASE_SECONDS

log = structlog.get_logger(__name__)

MAX_PER_ADDRESS_PER_DAY = 5
"""Confirmation emails to one address in 24 hours; a suppressed address gets one."""
MAX_PER_CLIENT_PER_HOUR = 20
"""Confirmation emails that one client address can request in an hour."""
MAX_PER_HOUR = 500
"""Confirmation emails that all clients together can request in an hour."""
MAX_ATTEMPTS = 20
MAX_PER_RUN = 1_000


class TooManyRequestsError(Exception):
    """One client, or all together, request too many emails. ``wait_seconds``: time until they can try again."""

    def __init__(self, wait_seconds: int, message: str = "too many sign-ups from your network; try again in an hour"):
        super().__init__(message)
        self.wait_seconds = wait_seconds


def may_send_confirmation(session: Session, address: str, client: str) -> bool:
    """Whether another confirmation email to an address is within the limits of its mailbox.

    Raises TooManyRequestsError for a client that is beyond its own limit, or where all together are beyond theirs.
    """
    timestamp = now()
    asked = col(EmailConfirmation.created_at)
    everybody = select(func.count()).where(asked > timestamp - timedelta(hours=1))
    if (session.scalar(everybody) or 0) >= MAX_PER_HOUR:
        raise TooManyRequestsError(600, "too many sign-ups; try again later")
    recent = select(func.count()).where(col(EmailConfirmation.client) == client, asked > timestamp - timedelta(hours=1))
    if (session.scalar(recent) or 0) >= MAX_PER_CLIENT_PER_HOUR:
        raise TooManyRequestsError(3_600)
    day = select(asked).where(_same_mailbox(address), asked > timestamp - timedelta(days=1))
    times = list(session.scalars(day))
    if any(time > timestamp - timedelta(seconds=CONFIRMATION_INTERVAL_SECONDS) for time in times):
        return False
    return len(times) < (MAX_PER_ADDRESS_PER_DAY if suppressed(session, address) is None else 1)


def _same_mailbox(address: str) -> ColumnElement[bool]:
    """The condition that a confirmation went to the mailbox of an address, however its local part is written."""
    local, domains, dots = mailbox_of(address)
    column: Any = col(EmailConfirmation.address)
    if not dots:
        column, domains = func.replace(column, ".", ""), tuple(domain.replace(".", "") for domain in domains)
    tagged = (column.startswith(f"{local}+", autoescape=True) & column.endswith(f"@{domain}") for domain in domains)
    return or_(*(column == f"{local}@{domain}" for domain in domains), *tagged)


def enqueue_confirmation(session: Session, subscription: Subscription, address: str, client: str) -> None:
    """Queues a confirmation email, in the transaction that saves the subscription."""
    timestamp = now()
    session.add(
        EmailConfirmation(
            subscription_id=subscription.id, address=address, client=client, created_at=timestamp, due_at=timestamp
        )
    )


@dataclass(frozen=True, slots=True)
class _Due:
    number: int
    asked_at: datetime
    attempt: int
    subscription: Subscription | None


def send_confirmations(engine: Engine, channel: OutboxChannel | None) -> int:
    """Sends the confirmation emails that are due through the email channel; returns how many were sent.

    Without that channel they stay queued.
    """
    if not isinstance(channel, Email):
        return 0
    sent = 0
    deadline = time.monotonic() + MAX_RUN_SECONDS
    while sent < MAX_PER_RUN and time.monotonic() < deadline and not stopping.requested():
        with stopping.finishing():
            due = _claim_next(engine)
            if due is None:
                return sent
            try:
                sent += _send(engine, channel, due)
            except ChannelRateLimited as not_yet:
                _release_claim(engine, due, not_yet)
                return sent
    return sent


def _claim_next(engine: Engine) -> _Due | None:
    """Claims the email that has waited longest."""
    ready = select(EmailConfirmation).where(col(EmailConfirmation.due_at) <= now())
    ready = ready.order_by(col(EmailConfirmation.due_at)).limit(1)
    rows = claim_due(engine, ready, lambda _attempt: LEASE_SECONDS["confirmation"])
    if not rows:
        return None
    row = rows[0]
    with reading(engine) as session:
        return _Due(row.id, row.created_at, row.attempts, session.get(Subscription, row.subscription_id))


def _send(engine: Engine, email: Email, due: _Due) -> int:
    if due.subscription is None:
        _record_result(engine, due, error="the subscription was deleted")
        return 0
    try:
        email.send_confirmation(due.subscription, due.asked_at)
    except ChannelRateLimited:
        raise
    except SendError as error:
        lasting = error.permanent or due.attempt >= MAX_ATTEMPTS
        again = None if lasting else now() + timedelta(seconds=backoff(due.attempt))
        log.warning("confirmation email failed", reason=str(error), again=again)
        _record_result(engine, due, error=str(error)[:500], again=again)
        return 0
    _record_result(engine, due)
    return 1


def _release_claim(engine: Engine, due: _Due, not_yet: ChannelRateLimited) -> None:
    """Releases the claim without counting an attempt; the email is due when the rate limit allows it."""
    with transaction(engine) as session:
        row = session.get(EmailConfirmation, due.number)
        if row is not None:
            row.due_at, row.attempts = now() + timedelta(seconds=not_yet.retry_after), row.attempts - 1
            session.add(row)


def _record_result(engine: Engine, due: _Due, error: str | None = None, again: datetime | None = None) -> None:
    with transaction(engine) as session:
        row = session.get(EmailConfirmation, due.number)
        if row is not None:
            row.due_at, row.error = again, error
            row.sent_at = now() if error is None else None
            session.add(row)


def retention() -> timedelta:
    """How long confirmation emails are kept: as long as their link is valid."""
    return TOKEN_LIFETIMES[Purpose.CONFIRM] or timedelta(days=2)
