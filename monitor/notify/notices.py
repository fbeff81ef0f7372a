"""Notices: texts beyond release alerts (outages, models announced without weights), with an outbox of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol, TypeAlias, runtime_checkable

import structlog
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor import stopping
from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim_due
from monitor.models import Notice, Subscription
from monitor.notify.identity import notice_key
from monitor.notify.message import OutboxChannel, SendError
from monitor.notify.retries import verdict
from monitor.schedule import LEASE_SECONDS

log = structlog.get_logger(__name__)

DEFAULT_TITLE = "Hub Release Monitor"
BRIEF = "brief"
"""Key of a notice's data with a brief (its ``period``, and where it is), and of a subscription's options: the period
whose brief it was sent last."""
NoticeData: TypeAlias = Mapping[str, Any] | None


@runtime_checkable
class SupportsNotices(Protocol):
    """A channel that can send a text that is no release."""

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Sends it and returns a receipt, or raises SendError. ``in_doubt``: it may have been sent under this key.

        ``data``: the same for programs, for a channel that sends to programs.
        """


def send_notices(engine: Engine, channels: Mapping[str, OutboxChannel], *, most: int = 100) -> int:
    """Sends the notices that are due, at most ``most``; returns how many were sent."""
    sent = 0
    for _ in range(most):
        if stopping.requested():
            break
        with stopping.finishing():
            taken = _claim(engine)
            if taken is None:
                break
            sent += _send(engine, channels, *taken)
    return sent


def _claim(engine: Engine) -> tuple[Notice, Subscription] | None:
    """Claims the notice that has waited longest; returns it with its subscription."""
    ready = select(Notice).where(col(Notice.due_at) <= now()).order_by(col(Notice.due_at)).limit(1)
    rows = claim_due(engine, ready, lambda _attempt: LEASE_SECONDS["notice"])
    if not rows:
        return None
    with reading(engine) as session:
        subscription = session.get(Subscription, rows[0].subscription_id)
    # A subscription that has just been removed takes its notices with it.
    return (rows[0], subscription) if subscription is not None else None


def _send(engine: Engine, channels: Mapping[str, OutboxChannel], notice: Notice, subscription: Subscription) -> int:
    key = notice_key(subscription, notice.title, notice.text)
    receipt, error, retry_at, attempts = None, None, None, notice.attempts
    try:
        channel = channels.get(subscription.channel)
        if not isinstance(channel, SupportsNotices):
            raise SendError(f"{subscription.channel} is not set up, or takes no notices", permanent=channel is not None)
        if subscription.paused or not subscription.confirmed:
            raise SendError("the subscription is paused or not confirmed", permanent=True)
        title = notice.title or DEFAULT_TITLE
        receipt = channel.notify(subscription, title, notice.text, key, in_doubt=notice.attempts > 1, data=notice.data)
    except SendError as failure:
        error = str(failure)[:500]
        wait, postponed, dead = verdict(failure, attempts)
        retry_at, attempts = None if dead else now() + timedelta(seconds=wait), attempts - int(postponed)
        log.warning(
            "notice not sent", channel=subscription.channel, error=error, retry_at=retry_at and retry_at.isoformat()
        )
    with transaction(engine) as session:
        row = session.get_one(Notice, notice.id)
        row.due_at, row.error, row.receipt, row.attempts = retry_at, error, receipt, attempts
        row.sent_at = now() if error is None else None
        session.add(row)
    return int(error is None)
