"""The outbox: a worker claims targets, sends one message to each, and finishes. No alert is lost or sent twice.

A claim is a lease on a target, so the messages of each target go one after the other, at the channel's pace. Before
sending, the worker marks the deliveries of the message; afterwards it stores how the attempt ended. If it dies in
between, the lease expires and the next worker sends the same message again under the same key, and tells the channel
that the first attempt is in doubt.

Targets are claimed in batches, one message for each, because a transaction for each message costs more than the
message. A batch grows while it takes less than ``BATCH_SECONDS`` and shrinks when it takes more: a slow channel is
served one target at a time by each worker, and a crash leaves in doubt only what was sent in that time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, Engine, bindparam, select, update
from sqlmodel import Session, col

from monitor import stopping
from monitor.db.engine import now, transaction
from monitor.db.leases import any_ready, locked, unleased
from monitor.models import Delivery, DeliveryState, Subscription, Target
from monitor.notify.batching import DELIVERY, ONE_DELIVERY, Claim, claim_messages, is_due
from monitor.notify.message import ChannelRateLimited, OutboxChannel, SendError
from monitor.notify.retries import verdict
from monitor.notify.subscriptions import pause
from monitor.observability.tracing import span
from monitor.releases.counters import Key, count, delays
from monitor.schedule import LEASE_SECONDS

log = structlog.get_logger(__name__)

BATCH_SECONDS = 0.2
"""How long a batch should take."""
MAX_BATCH_SECONDS = 1.0
"""After this time a batch starts no further message: another worker may be faster."""
MAX_BATCH_TARGETS = 64
MAX_RUN_SECONDS = 15.0
"""After this time sending ends though more is due, so that a shutdown does not wait; the next call continues."""
MAX_PAUSE_SECONDS = 2.0
"""How long sending waits, without a claim, for a channel that is rate limited; after that the next call continues."""
PAUSE_STEP_SECONDS = 0.2
"""How long one step of such a wait takes: in between, other channels are served."""


def send_due(
    engine: Engine, channels: Mapping[str, OutboxChannel], *, max_messages: int = 1_000, digest: bool | None = None
) -> int:
    """Sends what is due until nothing is left or ``max_messages`` were sent; returns how many were sent.

    ``digest``: only digests, or only immediate alerts; both if it is None.
    """
    sent, size = 0, 1
    rate_limited: dict[str, float] = {}
    end = time.monotonic() + MAX_RUN_SECONDS
    while sent < max_messages and (began := time.monotonic()) < end and not stopping.requested():
        rate_limited = {name: until for name, until in rate_limited.items() if until > began}
        open_now = {name: channel for name, channel in channels.items() if name not in rate_limited}
        with stopping.finishing():
            batch = _claim(engine, open_now, min(size, max_messages - sent), digest)
            number, pause_seconds = _send_batch(engine, channels, batch) if batch else (0, None)
        if batch:
            sent += number
            took = time.monotonic() - began
            size = _next_size(size, took)
            if pause_seconds is not None:
                rate_limited[batch[0].message.subscription.channel] = began + took + pause_seconds
                size = max(1, number)
        elif rate_limited and (wait := min(rate_limited.values()) - began) <= MAX_PAUSE_SECONDS:
            time.sleep(min(wait, PAUSE_STEP_SECONDS))
        else:
            break
    return sent


def _next_size(size: int, took: float) -> int:
    """Targets in the next batch, after one of ``size`` took ``took`` seconds."""
    if took < BATCH_SECONDS / 2:
        return min(2 * size, MAX_BATCH_TARGETS)
    return max(1, size // 2) if took > BATCH_SECONDS else size


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended: with a receipt, with an error, or (neither) before it began."""

    claim: Claim
    receipt: str | None = None
    error: SendError | None = None


# --- claim ------------------------------------------------------------------------------------------------


def _claim(engine: Engine, channels: Mapping[str, OutboxChannel], size: int, digest: bool | None) -> list[Claim]:
    """Claims up to ``size`` targets of one channel; returns the next message of each, marked as attempted."""
    at = now()
    waiting = _waiting(at, channels, digest)
    if not any_ready(engine, waiting):
        return []
    with transaction(engine) as session:
        targets = {target.id: target.channel for target in locked(session, waiting.limit(size), of=Target)}
        first = next(iter(targets.values()), None)
        same = [ident for ident, channel in targets.items() if ident is not None and channel == first]
        if first is None or not same:
            return []
        lease = secrets.token_hex(8)
        claims = claim_messages(session, same, lease, at, digest, channels[first])
        # Another worker may have sent what was due to a target before it was locked here: then there is no claim.
        ids = [claim.target_id for claim in claims]
        until = at + timedelta(seconds=LEASE_SECONDS["delivery"])
        leased = update(Target).where(col(Target.id).in_(ids)).values(lease=lease, leased_until=until)
        session.execute(leased, execution_options=_NO_SYNC)
        return claims


_NO_SYNC = {"synchronize_session": False}
"""For statements that change rows which the session does not hold, or does not read again."""


def _waiting(at: datetime, channels: Collection[str], digest: bool | None):  # type: ignore[no-untyped-def]
    """The targets that may be sent to now, longest waiting first; each appears once for each of its deliveries."""
    return (
        select(Target)
        .join(Delivery, col(Delivery.target_id) == col(Target.id))
        .where(
            *is_due(at, digest),
            col(Target.open_at) <= at,
            col(Target.channel).in_(channels),
            unleased(Target, at),
        )
        .order_by(col(Delivery.due_at))
    )


# --- send ------------------------------------------------------------------------------------------------


def _send_batch(
    engine: Engine, channels: Mapping[str, OutboxChannel], batch: Sequence[Claim]
) -> tuple[int, float | None]:
    """Sends a batch and stores how each attempt ended; claims that were not attempted are released.

    Returns how many messages were sent, and for how many seconds the channel is rate limited, if it is.
    """
    outcomes: list[_Outcome] = []
    attempted = 0
    pause_seconds = None
    began = time.monotonic()
    try:
        for one in batch:
            if time.monotonic() - began > MAX_BATCH_SECONDS or stopping.requested():
                break
            attempted += 1
            outcomes.append(_send(channels[one.message.subscription.channel], one))
    except ChannelRateLimited as limit:
        attempted -= 1
        pause_seconds = limit.retry_after
    finally:
        # Also for an exception other than SendError: only the message that raised it keeps its lease.
        outcomes += [_Outcome(one) for one in batch[attempted:]]
        _finish(engine, channels, outcomes)
    return sum(outcome.receipt is not None for outcome in outcomes), pause_seconds


def _send(channel: OutboxChannel, claim: Claim) -> _Outcome:
    if not (claim.message.items or claim.message.whole):
        return _Outcome(claim, receipt="")  # an edit of a message that was never sent
    try:
        with span(f"deliver {channel.name}", claim.traces[:5], items=len(claim.message.items)):
            return _Outcome(claim, receipt=channel.send(claim.message))
    except ChannelRateLimited:
        raise
    except SendError as error:
        return _Outcome(claim, error=error)


# --- finish -----------------------------------------------------------------------------------------------

_SENT = (
    update(DELIVERY)
    .where(*ONE_DELIVERY, DELIVERY.c.state == str(DeliveryState.PENDING))
    .values(
        state=str(DeliveryState.SENT),
        sent_at=bindparam("_at"),
        receipt=bindparam("_receipt"),
        error=None,
        attempted_at=None,
    )
)


def _finish(engine: Engine, channels: Mapping[str, OutboxChannel], outcomes: Sequence[_Outcome]) -> None:
    """Stores how each attempt ended and releases the leases, all in one transaction."""
    if not outcomes:
        return
    at = now()
    sent = [
        {"_id": ident, "_receipt": outcome.receipt, "_at": at}
        for outcome in outcomes
        if outcome.receipt is not None
        for ident in outcome.claim.deliveries
    ]
    counts: list[dict[Key, float]] = []
    with transaction(engine) as session:
        if sent:
            session.connection().execute(_SENT, sent)
        for outcome in outcomes:
            if outcome.error is not None:
                dead = _store_failure(session, outcome.claim, outcome.error, at)
                counts.append(_counters(outcome, "dead" if dead else "failed"))
            elif outcome.receipt is None:
                _release_claim(session, outcome.claim)
            else:
                counts.append(_counters(outcome, "sent"))
                if (pace := channels[outcome.claim.message.subscription.channel].pace) > 0:
                    _set_open_at(session, outcome.claim, at + timedelta(seconds=pace))
        ids = [outcome.claim.target_id for outcome in outcomes]
        ours = update(Target).where(col(Target.id).in_(ids), col(Target.lease) == outcomes[0].claim.lease)
        session.execute(ours.values(lease=None, leased_until=None), execution_options=_NO_SYNC)
        count(session, *counts)
    for outcome in outcomes:
        _log(channels[outcome.claim.message.subscription.channel], outcome)


DELIVERY_ENDS = ("sent", "failed", "dead")
"""How an attempt can end, as metrics count it."""


def _counters(outcome: _Outcome, end: str) -> dict[Key, float]:
    """What metrics count: deliveries by channel and how the attempt ended, and how long sent ones had waited."""
    channel = outcome.claim.message.subscription.channel
    count: dict[Key, float] = {("deliveries", f"{channel} {end}"): len(outcome.claim.deliveries)}
    return count | delays("delivery_delay", channel, outcome.claim.waited) if end == "sent" else count


def _log(channel: OutboxChannel, outcome: _Outcome) -> None:
    """Logs how an attempt ended, with the trace ids of the observations that its deliveries came from."""
    message, error = outcome.claim.message, outcome.error
    fields: dict[str, object] = {
        "channel": message.subscription.channel,
        "subscription": message.subscription.id,
        "key": message.key,
        "items": len(message.items),
        "trace": " ".join(outcome.claim.traces[:5]),
    }
    if error is not None:
        log.warning("delivery failed", **fields, error=str(error)[:500], permanent=error.permanent)
    elif outcome.receipt is not None and channel.logs_sent:
        log.info("delivered" if message.items else "edited", **fields, waited=round(outcome.claim.waited, 3))


def _store_failure(session: Session, claim: Claim, error: SendError, at: datetime) -> bool:
    """Stores a failure and when it is retried; returns whether the deliveries are dead letters now."""
    rows = list(session.scalars(select(Delivery).where(*_pending(claim))))
    attempts = max((row.attempts for row in rows), default=1)
    wait, postponed, dead = verdict(error, attempts)
    for row in rows:
        row.attempts -= int(postponed)
        row.error, row.due_at = str(error)[:500], at + timedelta(seconds=wait)
        # A doubt remains: that the second attempt failed for sure says nothing about the first.
        if not (error.in_doubt or claim.message.in_doubt):
            row.attempted_at = None
        if dead:
            row.state = str(DeliveryState.DEAD)
        session.add(row)
    if error.retry_after is not None:
        _set_open_at(session, claim, at + timedelta(seconds=wait))
    if error.permanent:
        ids = [one.id for one in claim.message.subscriptions]
        for subscription in session.scalars(select(Subscription).where(col(Subscription.id).in_(ids))):
            pause(subscription, str(error)[:500])
            session.add(subscription)
    return dead


def _release_claim(session: Session, claim: Claim) -> None:
    """Releases the claim without counting an attempt."""
    for row in session.scalars(select(Delivery).where(*_pending(claim))):
        row.attempts -= 1
        if not claim.message.in_doubt:
            row.attempted_at = None
        session.add(row)


def _pending(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return col(Delivery.id).in_(claim.deliveries), col(Delivery.state) == str(DeliveryState.PENDING)


def _set_open_at(session: Session, claim: Claim, at: datetime) -> None:
    one = update(Target).where(col(Target.id) == claim.target_id).values(open_at=at)
    session.execute(one, execution_options=_NO_SYNC)
