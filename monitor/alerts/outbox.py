"""The outbox: deliveries are leased by target, sent, and marked. Nothing is lost, nothing told twice.

A worker leases a target (so its messages go one after the other, at the channel's pace), marks what it is about
to send, sends, and marks the end. Where it dies in between, the lease runs out and the next worker sends the same
message again under the same key, telling the channel that the first send is in doubt.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Engine, or_, select, update
from sqlmodel import Session, col

from monitor.alerts.subscriptions import pause
from monitor.db import now, reading, transaction
from monitor.models import Delivery, DeliveryState, Release, Subscription, Target
from monitor.vocabulary import Digest

LEASE = timedelta(seconds=60)
FLOOD = 5
"""Releases for one subscription at one moment from which on they become one grouped message."""
MOST = 100
"""Releases in one message at the most; more make a second one."""
ATTEMPTS = 12
"""Failed attempts after which a delivery is dead: with the back-off below, a little over a day."""


class SendError(Exception):
    """A channel could not send. ``permanent``: never will, to this target; ``in_doubt``: it may have arrived."""

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, in_doubt: bool = False
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.in_doubt = in_doubt


@dataclass(frozen=True, slots=True)
class Item:
    """One event of one release, in a message."""

    event: str
    release: Release


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is asked to send: one item alone, or several grouped (a flood, a digest).

    ``key`` is the same at every attempt. ``in_doubt``: an earlier attempt may have arrived. ``first_receipt``
    is that of the message which told of the release first, where this one is an update of it.
    """

    key: str
    subscription: Subscription
    items: tuple[Item, ...]
    in_doubt: bool = False
    first_receipt: str | None = None

    @property
    def target(self) -> str:
        """The address: a Slack channel, a mail address, a URL."""
        return self.subscription.target


class Channel(Protocol):
    """A way to tell someone. ``pace`` is the seconds between two messages to one target."""

    name: str
    pace: float

    def send(self, message: Message) -> str:
        """Sends and returns a receipt, or raises SendError."""


def work(engine: Engine, channels: Mapping[str, Channel], *, most: int = 1_000) -> int:
    """Sends what is due, target by target, until nothing is or ``most`` messages went; returns how many went."""
    sent = 0
    while sent < most:
        lease = _lease(engine, list(channels))
        if lease is None:
            break
        sent += _serve(engine, channels, lease)
    return sent


@dataclass(frozen=True, slots=True)
class _Lease:
    target_id: int
    key: str
    channel: str


def _lease(engine: Engine, channels: Sequence[str]) -> _Lease | None:
    """Leases the target that has waited longest and may be sent to now."""
    moment = now()
    with reading(engine) as session:
        # A look without a lock first: on SQLite an idle worker must not take the write lock every second.
        if session.scalars(_waiting(moment, channels)).first() is None:
            return None
    with transaction(engine) as session:
        target = session.scalars(_waiting(moment, channels).with_for_update(skip_locked=True, of=Target)).first()
        if target is None or target.id is None:
            return None
        target.lease, target.leased_until = secrets.token_hex(8), moment + LEASE
        session.add(target)
        return _Lease(target.id, target.lease, target.channel)


def _waiting(moment: datetime, channels: Sequence[str]):  # type: ignore[no-untyped-def]
    return (
        select(Target)
        .join(Delivery, col(Delivery.target_id) == col(Target.id))
        .where(
            col(Delivery.state) == str(DeliveryState.PENDING),
            col(Delivery.due_at) <= moment,
            col(Target.open_at) <= moment,
            col(Target.channel).in_(channels),
            or_(col(Target.leased_until).is_(None), col(Target.leased_until) <= moment),
        )
        .order_by(col(Delivery.due_at))
        .limit(1)
    )


def _serve(engine: Engine, channels: Mapping[str, Channel], lease: _Lease) -> int:
    """Sends what is due to the leased target, as long as its pace and our lease allow."""
    channel = channels[lease.channel]
    sent = 0
    deadline = now() + LEASE / 2
    while now() < deadline:
        message = _next_message(engine, lease)
        if message is None:
            break
        try:
            receipt = channel.send(message)
        except SendError as error:
            _failed(engine, lease, message, error)
            break
        _sent(engine, lease, message, receipt, channel.pace)
        sent += 1
        if channel.pace > 0:
            break
    _release(engine, lease)
    return sent


def _next_message(engine: Engine, lease: _Lease) -> Message | None:
    """Marks the next message of the target as under way, and gives it with all that it tells."""
    moment = now()
    with transaction(engine) as session:
        if not _still_ours(session, lease):
            return None
        due = (
            select(Delivery)
            .where(
                col(Delivery.target_id) == lease.target_id,
                col(Delivery.state) == str(DeliveryState.PENDING),
                col(Delivery.due_at) <= moment,
            )
            .order_by(col(Delivery.due_at), col(Delivery.id))
        )
        first = session.scalars(due.limit(1)).first()
        if first is None:
            return None
        subscription = session.get_one(Subscription, first.subscription_id)
        rows = _together(session, first, subscription, list(session.scalars(_alike(due, first).limit(MOST))))
        in_doubt = any(row.attempted_at is not None for row in rows)
        key = first.message or f"{subscription.id}-{first.id}"
        for row in rows:
            row.message, row.attempted_at, row.attempts = key, moment, row.attempts + 1
            session.add(row)
        items = tuple(Item(row.event, session.get_one(Release, row.release_id)) for row in rows)
        return Message(key, subscription, items, in_doubt, _first_receipt(session, first))


def _alike(due, first: Delivery):  # type: ignore[no-untyped-def]
    """What may travel with the first delivery: its own message's rest, or what no message carries yet."""
    query = due.where(col(Delivery.subscription_id) == first.subscription_id)
    if first.message is not None:
        return query.where(col(Delivery.message) == first.message)
    return query.where(col(Delivery.message).is_(None))


def _together(session: Session, first: Delivery, subscription: Subscription, rows: list[Delivery]) -> list[Delivery]:
    if first.message is not None:
        return rows
    if subscription.digest != Digest.IMMEDIATE:
        return rows
    releases = [row for row in rows if row.event == "release"]
    return releases if first.event == "release" and len(releases) >= FLOOD else [first]


def _first_receipt(session: Session, row: Delivery) -> str | None:
    if row.event == "release":
        return None
    told = select(col(Delivery.receipt)).where(
        col(Delivery.subscription_id) == row.subscription_id,
        col(Delivery.release_id) == row.release_id,
        col(Delivery.event) == "release",
    )
    return session.scalars(told).first()


def _still_ours(session: Session, lease: _Lease) -> bool:
    target = session.get(Target, lease.target_id)
    return target is not None and target.lease == lease.key


def _of(message: Message):  # type: ignore[no-untyped-def]
    return update(Delivery).where(
        col(Delivery.message) == message.key, col(Delivery.state) == str(DeliveryState.PENDING)
    )


def _sent(engine: Engine, lease: _Lease, message: Message, receipt: str, pace: float) -> None:
    moment = now()
    with transaction(engine) as session:
        session.execute(
            _of(message).values(
                state=str(DeliveryState.SENT), sent_at=moment, receipt=receipt, error=None, attempted_at=None
            )
        )
        if pace > 0:
            _open_at(session, lease, moment + timedelta(seconds=pace))


def _failed(engine: Engine, lease: _Lease, message: Message, error: SendError) -> None:
    moment = now()
    attempts = 1 if not message.items else _attempts(engine, message)
    wait = error.retry_after if error.retry_after is not None else backoff(attempts)
    dead = error.permanent or (attempts >= ATTEMPTS and error.retry_after is None)
    with transaction(engine) as session:
        values = {"error": str(error)[:500], "due_at": moment + timedelta(seconds=wait)}
        if not error.in_doubt:
            values["attempted_at"] = None
        if dead:
            values["state"] = str(DeliveryState.DEAD)
        session.execute(_of(message).values(**values))
        if error.retry_after is not None:
            _open_at(session, lease, moment + timedelta(seconds=error.retry_after))
        subscription = session.get(Subscription, message.subscription.id)
        if error.permanent and subscription is not None:
            pause(subscription, str(error)[:500])
            session.add(subscription)


def _attempts(engine: Engine, message: Message) -> int:
    with reading(engine) as session:
        return session.scalars(select(col(Delivery.attempts)).where(col(Delivery.message) == message.key)).first() or 1


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: 5, 10, 20 … up to 4 hours, each by up to a quarter more."""
    return float(min(5 * 2 ** (attempts - 1), 14_400)) * random.uniform(1.0, 1.25)  # noqa: S311  (no secret)


def _open_at(session: Session, lease: _Lease, moment: datetime) -> None:
    session.execute(update(Target).where(col(Target.id) == lease.target_id).values(open_at=moment))


def _release(engine: Engine, lease: _Lease) -> None:
    with transaction(engine) as session:
        ours = update(Target).where(col(Target.id) == lease.target_id, col(Target.lease) == lease.key)
        session.execute(ours.values(lease=None, leased_until=None))


def dead(session: Session) -> Iterator[dict[str, Any]]:
    """The deliveries that were given up, oldest first: id, subscription, target, repo_id, event, attempts, error."""
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
            "target": f"{subscription.channel} {subscription.target}",
            "repo_id": repo_id,
            "event": delivery.event,
            "attempts": delivery.attempts,
            "error": delivery.error,
        }


def resend(session: Session, delivery_ids: Sequence[int]) -> int:
    """Makes dead deliveries due again; returns how many were dead."""
    query = update(Delivery).where(col(Delivery.id).in_(delivery_ids), col(Delivery.state) == str(DeliveryState.DEAD))
    values = {"state": str(DeliveryState.PENDING), "due_at": now(), "attempts": 0, "error": None}
    return int(session.execute(query.values(**values)).rowcount)  # type: ignore[attr-defined]


def trial(subscription: Subscription) -> Message:
    """A marked test alert: a release that no Hub has."""
    release = Release(
        hub_id="test",
        repo_id="example/This-is-a-test-7B",
        namespace="example",
        name="This-is-a-test-7B",
        kind="base",
        params_total=7_000_000_000,
        params_active=7_000_000_000,
        size="small",
        license="apache-2.0",
        license_class="permissive",
        openness="open-weights",
        task="text-generation",
        first_seen_at=now(),
        released_at=now(),
        detected_via="test",
        status="live",
        facts_digest="",
    )
    return Message(f"test-{secrets.token_hex(6)}", subscription, (Item("release", release),))
