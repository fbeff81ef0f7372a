"""Confirmation letters: limited, kept in a table until they went out, and sent from there by any worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor import stopping
from monitor.channels.email.suppression import suppressed
from monitor.channels.email.tokens import LASTS, Purpose
from monitor.channels.email.transport import Email
from monitor.db.engine import now, reading, transaction
from monitor.models import EmailConfirmation, Subscription
from monitor.notify.message import ChannelRateLimited, OutboxChannel, SendError
from monitor.notify.outbox import MAX_RUN_SECONDS
from monitor.notify.retries import backoff

log = structlog.get_logger(__name__)

APART = timedelta(minutes=10)
A_DAY = 5
"""Letters to one address in 24 hours; one where the address is suppressed."""
A_CLIENT = 20
"""Letters that one client address may ask for in an hour."""
LEASE = timedelta(seconds=60)
ATTEMPTS = 20
MOST = 1_000


class TooManyError(Exception):
    """One client asks for too many letters. ``wait``: seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__("too many sign-ups from here: try again in an hour")
        self.wait = wait


def may_ask(session: Session, address: str, client: str) -> bool:
    """Whether another letter to an address is within its limits. Raises TooManyError for a client beyond its own."""
    moment = now()
    asked = col(EmailConfirmation.created_at)
    recent = select(func.count()).where(col(EmailConfirmation.client) == client, asked > moment - timedelta(hours=1))
    if (session.scalar(recent) or 0) >= A_CLIENT:
        raise TooManyError(3_600)
    day = select(asked).where(col(EmailConfirmation.address) == address, asked > moment - timedelta(days=1))
    times = list(session.scalars(day))
    if any(time > moment - APART for time in times):
        return False
    return len(times) < (A_DAY if suppressed(session, address) is None else 1)


def ask(session: Session, subscription: Subscription, address: str, client: str) -> None:
    """Keeps a letter to be sent, in the transaction that keeps the subscription."""
    moment = now()
    session.add(
        EmailConfirmation(
            subscription_id=subscription.id, address=address, client=client, created_at=moment, due_at=moment
        )
    )


@dataclass(frozen=True, slots=True)
class _Due:
    number: int
    asked_at: datetime
    attempt: int
    subscription: Subscription | None


def send_confirmations(engine: Engine, channel: OutboxChannel | None) -> int:
    """Sends the confirmation letters that are due through the email channel; returns how many went.

    Without that channel they wait.
    """
    if not isinstance(channel, Email):
        return 0
    sent = 0
    deadline = time.monotonic() + MAX_RUN_SECONDS
    while sent < MOST and time.monotonic() < deadline and not stopping.requested():
        with stopping.finishing():
            due = _lease(engine)
            if due is None:
                return sent
            try:
                sent += _send(engine, channel, due)
            except ChannelRateLimited as not_yet:
                _put_back(engine, due, not_yet)
                return sent
    return sent


def _lease(engine: Engine) -> _Due | None:
    """The letter that has waited longest. Its due time moves on, so a worker that dies leaves it to another."""
    moment = now()
    waiting = select(EmailConfirmation).where(col(EmailConfirmation.due_at) <= moment)
    waiting = waiting.order_by(col(EmailConfirmation.due_at)).limit(1)
    with reading(engine) as session:
        if session.scalars(waiting).first() is None:
            return None
    with transaction(engine) as session:
        row = session.scalars(waiting.with_for_update(skip_locked=True)).first()
        if row is None or row.id is None:
            return None
        row.due_at, row.attempts = moment + LEASE, row.attempts + 1
        session.add(row)
        return _Due(row.id, row.created_at, row.attempts, session.get(Subscription, row.subscription_id))


def _send(engine: Engine, email: Email, due: _Due) -> int:
    if due.subscription is None:
        _mark(engine, due, error="the subscription is gone")
        return 0
    try:
        email.send_confirmation(due.subscription, due.asked_at)
    except ChannelRateLimited:
        raise
    except SendError as error:
        lasting = error.permanent or due.attempt >= ATTEMPTS
        again = None if lasting else now() + timedelta(seconds=backoff(due.attempt))
        log.warning("confirmation letter not sent", reason=str(error), again=again)
        _mark(engine, due, error=str(error)[:500], again=again)
        return 0
    _mark(engine, due)
    return 1


def _put_back(engine: Engine, due: _Due, not_yet: ChannelRateLimited) -> None:
    """Makes as if it had not been taken, but for the time when letters may go again."""
    with transaction(engine) as session:
        row = session.get(EmailConfirmation, due.number)
        if row is not None:
            row.due_at, row.attempts = now() + timedelta(seconds=not_yet.retry_after), row.attempts - 1
            session.add(row)


def _mark(engine: Engine, due: _Due, error: str | None = None, again: datetime | None = None) -> None:
    with transaction(engine) as session:
        row = session.get(EmailConfirmation, due.number)
        if row is not None:
            row.due_at, row.error = again, error
            row.sent_at = now() if error is None else None
            session.add(row)


def kept_for() -> timedelta:
    """How long a letter is remembered: as long as its link lasts."""
    return LASTS[Purpose.CONFIRM] or timedelta(days=2)
