"""The outbox: deliveries are leased by target, sent, and marked. Nothing is lost, nothing told twice.

A worker leases targets (so the messages of each go one after the other, at the channel's pace), marks what it is
about to send, sends, and marks the end. Where it dies in between, the lease runs out and the next worker sends the
same message again under the same key, telling the channel that the first send is in doubt.

Targets are taken in batches, one message of each, because a transaction a letter costs more than the letter. A batch
grows while it takes less than ``QUICK`` and shrinks when it takes more: so a slow channel is served one target at
a time by each worker, and a crash leaves no more in doubt than what went in that time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Engine, Select, Table, bindparam, func, or_, select, update
from sqlmodel import Session, col

from monitor import stopping
from monitor.db.engine import UTCDateTime, now, reading, transaction
from monitor.enums import Digest, Event
from monitor.models import Delivery, DeliveryState, Launch, Release, Subscription, Target
from monitor.notify.identity import changes_told, event_id, message_key
from monitor.notify.message import ChannelRateLimited, Item, Message, OutboxChannel, SendError
from monitor.notify.retries import verdict
from monitor.notify.subscriptions import pause
from monitor.observability.tracing import span
from monitor.releases.counters import Key, count, delays

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
FLOOD = 5
"""Releases for one subscription at one moment from which on they become one grouped message."""
MOST = 100
"""Releases in one message at the most; more make a second one."""
QUICK = 0.2
"""Seconds that a batch should take."""
LONGEST = 1.0
"""Seconds after which a batch begins no other message: somebody else may be quicker."""
LARGEST = 64
"""Targets in a batch at the most."""
ENOUGH = 15.0
"""Seconds after which sending ends though more is due, so that a stop is not kept waiting; the next call goes on."""
PATIENCE, NAP = 2.0, 0.2
"""Seconds for which sending waits, with nothing leased, until a channel may send again, and between two looks."""


def work(
    engine: Engine, channels: Mapping[str, OutboxChannel], *, most: int = 1_000, digest: bool | None = None
) -> int:
    """Sends what is due until nothing is or ``most`` messages went; returns how many went.

    ``digest``: only digests, or only what is told at once; both where it is None.
    """
    sent, size = 0, 1
    closed: dict[str, float] = {}
    enough = time.monotonic() + ENOUGH
    while sent < most and (began := time.monotonic()) < enough and not stopping.requested():
        closed = {name: until for name, until in closed.items() if until > began}
        open_now = {name: channel for name, channel in channels.items() if name not in closed}
        with stopping.finishing():
            batch = _take(engine, open_now, min(size, most - sent), digest)
            went, pause_for = _serve(engine, channels, batch) if batch else (0, None)
        if batch:
            sent += went
            took = time.monotonic() - began
            size = min(2 * size, LARGEST) if took < QUICK / 2 else max(1, size // 2) if took > QUICK else size
            if pause_for is not None:
                closed[batch[0].message.subscription.channel], size = began + took + pause_for, max(1, went)
        elif closed and min(closed.values()) - began <= PATIENCE:
            time.sleep(min(min(closed.values()) - began, NAP))
        else:
            break
    return sent


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message under way, and the lease on its target."""

    target_id: int
    lease: str
    deliveries: tuple[int, ...]
    message: Message
    waited: float
    """Seconds since what it tells was due."""
    traces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended: with a receipt, with an error, or (neither) before it began."""

    taken: _Taken
    receipt: str | None = None
    error: SendError | None = None


# --- taking -----------------------------------------------------------------------------------------------


def _take(engine: Engine, channels: Mapping[str, OutboxChannel], size: int, digest: bool | None) -> list[_Taken]:
    """Leases up to ``size`` targets of one channel, and marks the next message of each as under way."""
    moment = now()
    with reading(engine) as session:
        # A look without a lock first: on SQLite an idle worker must not take the write lock every second.
        if session.scalars(_waiting(moment, channels, digest).limit(1)).first() is None:
            return []
    with transaction(engine) as session:
        waiting = _waiting(moment, channels, digest).limit(size).with_for_update(skip_locked=True, of=Target)
        targets = {target.id: target.channel for target in session.scalars(waiting)}
        first = next(iter(targets.values()), None)
        same = [ident for ident, channel in targets.items() if ident is not None and channel == first]
        if first is None or not same:
            return []
        lease = secrets.token_hex(8)
        taken = _messages(session, same, lease, moment, digest, channels[first])
        # Another worker may have sent what was due to a target before we had locked it: then there is nothing to lease.
        ids = [one.target_id for one in taken]
        leased = update(Target).where(col(Target.id).in_(ids)).values(lease=lease, leased_until=moment + LEASE)
        session.execute(leased, execution_options=_QUIET)
        return taken


_QUIET = {"synchronize_session": False}
"""The session holds none of the rows that a statement with this changes, or reads them no more."""


def _waiting(moment: datetime, channels: Collection[str], digest: bool | None):  # type: ignore[no-untyped-def]
    """The targets that may be sent to now, longest waiting first; one comes once for each of its deliveries."""
    return (
        select(Target)
        .join(Delivery, col(Delivery.target_id) == col(Target.id))
        .where(
            *_due(moment, digest),
            col(Target.open_at) <= moment,
            col(Target.channel).in_(channels),
            or_(col(Target.leased_until).is_(None), col(Target.leased_until) <= moment),
        )
        .order_by(col(Delivery.due_at))
    )


def _due(moment: datetime, digest: bool | None) -> tuple[ColumnElement[bool], ...]:
    due = col(Delivery.state) == str(DeliveryState.PENDING), col(Delivery.due_at) <= moment
    return due if digest is None else (*due, col(Delivery.digest).is_(digest))


def _messages(
    session: Session, targets: Sequence[int], lease: str, moment: datetime, digest: bool | None, channel: OutboxChannel
) -> list[_Taken]:
    """The next message of each target, with all that it tells, marked as under way."""
    most = MOST if channel.groups or digest is not False else 1
    firsts = _ranked(session, targets, moment, digest)
    waiting = _ranked(session, targets, moment, digest, most=most)
    subscriptions = _by_id(session, Subscription, {row.subscription_id for row in (*firsts, *waiting)})
    alike: dict[tuple[int, str | None], list[Delivery]] = {}
    for row in waiting:
        alike.setdefault((row.target_id, row.message), []).append(row)
    chosen = [
        _together(first, subscriptions, alike[first.target_id, first.message], groups=channel.groups)
        for first in firsts
    ]
    twins = _twins(session, chosen)
    told = [(*rows, *more) for rows, more in zip(chosen, twins, strict=True)]
    subscriptions |= _by_id(session, Subscription, {row.subscription_id for rows in twins for row in rows})
    releases = _by_id(session, Release, {row.release_id for rows in chosen for row in rows})
    changes = changes_told(session, {row.event for rows in chosen for row in rows})
    launches: dict[int | None, Launch] = _by_id(session, Launch, {row.launch_id for rows in chosen for row in rows})
    taken, marks = [], []
    for first, main, rows in zip(firsts, chosen, told, strict=True):
        items = _items(main, releases, changes)
        theirs = _in_order({row.subscription_id: subscriptions[row.subscription_id] for row in rows}, main)
        key = first.message or message_key(theirs[0], [item.id for item in items])
        subscription = _sent_for(key, theirs)
        since = min((row.attempted_at for row in rows if row.attempted_at is not None), default=None)
        launch = launches.get(_launch(main)) if subscription.digest == Digest.IMMEDIATE else None
        follows = launch is not None and (channel.can_edit or channel.can_thread)
        before = _told_before(session, first) if follows else []
        message = Message(
            key,
            subscription,
            items,
            in_doubt=since is not None,
            first_receipt=_receipt_to_answer(session, channel, before, main),
            since=since,
            launch=launch,
            launches={ident: launches[ident] for ident in {row.launch_id for row in main} if ident in launches},
            others=tuple(one for one in theirs if one is not subscription),
        )
        if (
            channel.can_edit
            and launch is not None
            and before
            and launch.settles_at > moment
            and _alone(session, before)
        ):
            # A member that a reply told, because the first message could not be edited then, stays there.
            said = [row for row in before if row.receipt == before[0].receipt]
            earlier = _by_id(session, Release, {row.release_id for row in said})
            message = replace(message, whole=_items(said, earlier, {}) + items)
        made_of = {row.id for row in main}
        for row in rows:
            # What this message tells as well is tried again with it, not when its own digest is due.
            due_at = row.due_at if row.id in made_of else first.due_at
            marks.append({"_id": row.id, "_message": key, "_moment": moment, "_digest": first.digest, "_due": due_at})
        ids = tuple(row.id for row in rows if row.id is not None)
        # What failed before is due later than it was: it has waited since it was written.
        begun = first.created_at if first.error else first.due_at
        traces = tuple(dict.fromkeys(row.trace for row in rows if row.trace))
        taken.append(_Taken(first.target_id, lease, ids, message, (moment - begun).total_seconds(), traces))
    if marks:
        session.connection().execute(_UNDER_WAY, marks)
    return taken


def _items(
    rows: Sequence[Delivery], releases: Mapping[int, Release], changes: Mapping[str, tuple[object, ...]]
) -> tuple[Item, ...]:
    """What these tell: an event that several subscriptions of a target wanted is one item."""
    events = dict.fromkeys((row.release_id, row.event) for row in rows)
    return tuple(
        Item(event, releases[ident], event_id(releases[ident], event, changes.get(event))) for ident, event in events
    )


def _in_order(subscriptions: Mapping[str, Subscription], main: Sequence[Delivery]) -> list[Subscription]:
    """The subscriptions of a message: those that it was made for before those that it tells as well, oldest first."""
    made_for = {row.subscription_id for row in main}
    return sorted(subscriptions.values(), key=lambda one: (one.id not in made_for, one.created_at, one.id))


def _sent_for(key: str, subscriptions: Sequence[Subscription]) -> Subscription:
    """The subscription that a message was made for, also at a later attempt; if it was removed, the next one."""
    return next((one for one in subscriptions if key.startswith(f"{one.id}-")), subscriptions[0])


def _twins(session: Session, chosen: Sequence[Sequence[Delivery]]) -> list[list[Delivery]]:
    """Deliveries of the same events to the same targets for other subscriptions: a target gets one message an event.

    Also those that were to wait for a digest: what is told at once is not told again.
    """
    taken = {row.id for rows in chosen for row in rows}
    places = {(row.target_id, row.release_id, row.event): number for number, rows in enumerate(chosen) for row in rows}
    query = select(Delivery).where(
        col(Delivery.target_id).in_({target for target, _, _ in places}),
        col(Delivery.state) == str(DeliveryState.PENDING),
        col(Delivery.message).is_(None),
        col(Delivery.release_id).in_({release for _, release, _ in places}),
    )
    found: list[list[Delivery]] = [[] for _ in chosen]
    for row in session.scalars(query.order_by(col(Delivery.id))):
        place = places.get((row.target_id, row.release_id, row.event))
        if place is not None and row.id not in taken:
            found[place].append(row)
    return found


def _ranked(
    session: Session, targets: Sequence[int], moment: datetime, digest: bool | None, *, most: int | None = None
) -> list[Delivery]:
    """Due deliveries to these targets, in order: the first of each, or ``most`` of what no message of it has yet.

    With the latter, all of its messages under way: these are sent again as a whole.
    """
    order = (col(Delivery.due_at), col(Delivery.id))
    apart = (col(Delivery.target_id),) if most is None else (col(Delivery.target_id), col(Delivery.message))
    rank = func.row_number().over(partition_by=apart, order_by=order).label("rank")
    ranked = (
        select(col(Delivery.id), rank).where(col(Delivery.target_id).in_(targets), *_due(moment, digest)).subquery()
    )
    enough = ranked.c.rank <= (most or 1)
    some = enough if most is None else or_(enough, col(Delivery.message).is_not(None))
    query = select(Delivery).join(ranked, ranked.c.id == col(Delivery.id)).where(some)
    return list(session.scalars(query.order_by(*order)))


def _by_id(session: Session, table: type[Any], ids: Collection[Any]) -> dict[Any, Any]:
    return {row.id: row for row in session.scalars(select(table).where(col(table.id).in_(ids)))}


def _together(
    first: Delivery, subscriptions: Mapping[str, Subscription], rows: list[Delivery], *, groups: bool
) -> list[Delivery]:
    """Deliveries to batch into the same message as ``first``: the rest of its message, or what no message has yet."""
    if first.message is not None:
        return rows
    how_often = subscriptions[first.subscription_id].digest
    rows = [row for row in rows if subscriptions[row.subscription_id].digest == how_often]
    if how_often != Digest.IMMEDIATE:
        return rows
    if first.event != Event.RELEASE or not groups:
        return [row for row in rows if (row.release_id, row.event) == (first.release_id, first.event)]
    releases = [row for row in rows if row.event == Event.RELEASE]
    stories = {(row.launch_id, None if row.launch_id else row.release_id) for row in releases}
    if len(stories) >= FLOOD:
        return releases
    same = (first.launch_id, None if first.launch_id else first.release_id)
    return [row for row in releases if (row.launch_id, None if row.launch_id else row.release_id) == same]


def _launch(rows: Sequence[Delivery]) -> int | None:
    """The launch that all of these are members of."""
    launches = {row.launch_id if row.event == Event.RELEASE else None for row in rows}
    return launches.pop() if len(launches) == 1 else None


def _of_target(row: Delivery) -> Select[Any]:
    """The subscriptions of a delivery's target: by them the indexes find what it was told of one release or launch."""
    return select(col(Subscription.id)).where(col(Subscription.target_id) == row.target_id)


def _told_before(session: Session, row: Delivery) -> list[Delivery]:
    """What this target was told of the same launch, outside digests, first message first."""
    if row.launch_id is None or row.event != Event.RELEASE:
        return []
    told = select(Delivery).where(
        col(Delivery.launch_id) == row.launch_id,
        col(Delivery.subscription_id).in_(_of_target(row)),
        col(Delivery.event) == str(Event.RELEASE),
        col(Delivery.state) == str(DeliveryState.SENT),
        col(Delivery.receipt).is_not(None),
        col(Delivery.digest).is_(False),
    )
    return list(session.scalars(told.order_by(col(Delivery.sent_at), col(Delivery.id))))


def _alone(session: Session, before: list[Delivery]) -> bool:
    """Whether the first message about a launch said nothing else, so that it can be edited."""
    others = select(col(Delivery.id)).where(
        col(Delivery.target_id) == before[0].target_id,
        col(Delivery.message) == before[0].message,
        or_(col(Delivery.launch_id).is_(None), col(Delivery.launch_id) != before[0].launch_id),
    )
    return session.scalars(others.limit(1)).first() is None


def _receipt_to_answer(
    session: Session, channel: OutboxChannel, before: Sequence[Delivery], rows: Sequence[Delivery]
) -> str | None:
    """The receipt of the message that this one updates: the first about its launch, or about its release."""
    if before:
        return before[0].receipt
    return _first_receipt(session, rows) if channel.can_thread else None


def _first_receipt(session: Session, rows: Sequence[Delivery]) -> str | None:
    """That of the message which told of a release first, where this is one change of it; several are no reply."""
    row = rows[0]
    if row.event == Event.RELEASE or len({(one.release_id, one.event) for one in rows}) > 1:
        return None
    told = select(col(Delivery.receipt)).where(
        col(Delivery.subscription_id).in_(_of_target(row)),
        col(Delivery.release_id) == row.release_id,
        col(Delivery.event) == str(Event.RELEASE),
        col(Delivery.receipt).is_not(None),
    )
    return session.scalars(told.order_by(col(Delivery.sent_at), col(Delivery.id))).first()


# --- sending ----------------------------------------------------------------------------------------------


def _serve(engine: Engine, channels: Mapping[str, OutboxChannel], batch: Sequence[_Taken]) -> tuple[int, float | None]:
    """Sends a batch and keeps how each ended; what it did not come to is put back.

    Returns how many went, and for how many seconds the channel sends nothing more, where it says so.
    """
    outcomes: list[_Outcome] = []
    under_way = 0
    pause_for = None
    began = time.monotonic()
    try:
        for one in batch:
            if time.monotonic() - began > LONGEST or stopping.requested():
                break
            under_way += 1
            outcomes.append(_attempt(channels[one.message.subscription.channel], one))
    except ChannelRateLimited as not_yet:
        under_way -= 1
        pause_for = not_yet.retry_after
    finally:
        # Also where something else than a SendError comes through: only the message that it hit keeps its lease.
        outcomes += [_Outcome(one) for one in batch[under_way:]]
        _settle(engine, channels, outcomes)
    return sum(outcome.receipt is not None for outcome in outcomes), pause_for


def _attempt(channel: OutboxChannel, taken: _Taken) -> _Outcome:
    try:
        with span(f"deliver {channel.name}", taken.traces[:5], items=len(taken.message.items)):
            return _Outcome(taken, receipt=channel.send(taken.message))
    except ChannelRateLimited:
        raise
    except SendError as error:
        return _Outcome(taken, error=error)


# --- settling ---------------------------------------------------------------------------------------------

_DELIVERY: Table = Delivery.__table__  # type: ignore[attr-defined]
_ONE = (_DELIVERY.c.id == bindparam("_id"),)
_ONE_PENDING = (*_ONE, _DELIVERY.c.state == str(DeliveryState.PENDING))
_UNDER_WAY = (
    update(_DELIVERY)
    .where(*_ONE)
    .values(
        message=bindparam("_message"),
        digest=bindparam("_digest"),
        due_at=bindparam("_due", type_=UTCDateTime()),
        # Where a doubt is left from an earlier attempt, it is since then that the channel is asked.
        attempted_at=func.coalesce(_DELIVERY.c.attempted_at, bindparam("_moment", type_=UTCDateTime())),
        attempts=_DELIVERY.c.attempts + 1,
    )
)
_SENT = (
    update(_DELIVERY)
    .where(*_ONE_PENDING)
    .values(
        state=str(DeliveryState.SENT),
        sent_at=bindparam("_moment"),
        receipt=bindparam("_receipt"),
        error=None,
        attempted_at=None,
    )
)


def _settle(engine: Engine, channels: Mapping[str, OutboxChannel], outcomes: Sequence[_Outcome]) -> None:
    """Keeps how each attempt ended, and gives the leases back, all in one transaction."""
    if not outcomes:
        return
    moment = now()
    sent = [
        {"_id": ident, "_receipt": outcome.receipt, "_moment": moment}
        for outcome in outcomes
        if outcome.receipt is not None
        for ident in outcome.taken.deliveries
    ]
    counts: list[dict[Key, float]] = []
    with transaction(engine) as session:
        if sent:
            session.connection().execute(_SENT, sent)
        for outcome in outcomes:
            if outcome.error is not None:
                dead = _failed(session, outcome.taken, outcome.error, moment)
                counts.append(_counted(outcome, "dead" if dead else "failed"))
            elif outcome.receipt is None:
                _put_back(session, outcome.taken)
            else:
                counts.append(_counted(outcome, "sent"))
                if (pace := channels[outcome.taken.message.subscription.channel].pace) > 0:
                    _open_at(session, outcome.taken, moment + timedelta(seconds=pace))
        ids = [outcome.taken.target_id for outcome in outcomes]
        ours = update(Target).where(col(Target.id).in_(ids), col(Target.lease) == outcomes[0].taken.lease)
        session.execute(ours.values(lease=None, leased_until=None), execution_options=_QUIET)
        count(session, *counts)
    for outcome in outcomes:
        _log(channels[outcome.taken.message.subscription.channel], outcome)


def _counted(outcome: _Outcome, end: str) -> dict[Key, float]:
    """What the metrics count: deliveries by channel and how the attempt ended, and how long those that went waited."""
    channel = outcome.taken.message.subscription.channel
    count: dict[Key, float] = {("deliveries", f"{channel} {end}"): len(outcome.taken.deliveries)}
    return count | delays("delivery_delay", channel, outcome.taken.waited) if end == "sent" else count


def _log(channel: OutboxChannel, outcome: _Outcome) -> None:
    """Logs how an attempt ended, with the trace ids of the observations that its deliveries came from."""
    message, error = outcome.taken.message, outcome.error
    words: dict[str, object] = {
        "channel": message.subscription.channel,
        "subscription": message.subscription.id,
        "key": message.key,
        "items": len(message.items),
        "trace": " ".join(outcome.taken.traces[:5]),
    }
    if error is not None:
        log.warning("not delivered", **words, error=str(error)[:500], permanent=error.permanent)
    elif outcome.receipt is not None and channel.logs_sent:
        log.info("delivered", **words, waited=round(outcome.taken.waited, 3))


def _failed(session: Session, taken: _Taken, error: SendError, moment: datetime) -> bool:
    """Keeps a failure and when it is tried again; True where it never will be."""
    rows = list(session.scalars(select(Delivery).where(*_pending(taken))))
    attempts = max((row.attempts for row in rows), default=1)
    wait, postponed, dead = verdict(error, attempts)
    for row in rows:
        row.attempts -= int(postponed)
        row.error, row.due_at = str(error)[:500], moment + timedelta(seconds=wait)
        # A doubt stays: that the second attempt surely failed says nothing about the first.
        if not (error.in_doubt or taken.message.in_doubt):
            row.attempted_at = None
        if dead:
            row.state = str(DeliveryState.DEAD)
        session.add(row)
    if error.retry_after is not None:
        _open_at(session, taken, moment + timedelta(seconds=wait))
    if error.permanent:
        ids = [one.id for one in taken.message.subscriptions]
        for subscription in session.scalars(select(Subscription).where(col(Subscription.id).in_(ids))):
            pause(subscription, str(error)[:500])
            session.add(subscription)
    return dead


def _put_back(session: Session, taken: _Taken) -> None:
    """Makes as if it had not been taken."""
    for row in session.scalars(select(Delivery).where(*_pending(taken))):
        row.attempts -= 1
        if not taken.message.in_doubt:
            row.attempted_at = None
        session.add(row)


def _pending(taken: _Taken) -> tuple[ColumnElement[bool], ...]:
    return col(Delivery.id).in_(taken.deliveries), col(Delivery.state) == str(DeliveryState.PENDING)


def _open_at(session: Session, taken: _Taken, moment: datetime) -> None:
    one = update(Target).where(col(Target.id) == taken.target_id).values(open_at=moment)
    session.execute(one, execution_options=_QUIET)
