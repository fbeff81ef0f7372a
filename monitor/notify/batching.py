"""From due deliveries to messages: which of a target's deliveries go into its next message, and what it answers.

One message for each event and target, whichever subscriptions it matches; a launch, a flood and a digest are one
message each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, func, or_, select, update
from sqlmodel import Session, col

from monitor.db.engine import UTCDateTime
from monitor.enums import Digest, Event
from monitor.models import Delivery, DeliveryState, Launch, Release, Subscription
from monitor.notify.edits import edited_deliveries, has_message_ended, is_edit, named_in_message
from monitor.notify.identity import change_identities, event_id, message_key
from monitor.notify.message import Item, Message, OutboxChannel

FLOOD_RELEASES = 5
"""Releases for one subscription at the same time from which on they are grouped into one message."""
MAX_ITEMS = 100
"""Releases in one message; more need a second one."""

DELIVERY: Table = Delivery.__table__  # type: ignore[attr-defined]
ONE_DELIVERY = (DELIVERY.c.id == bindparam("_id"),)
_MARK = (
    update(DELIVERY)
    .where(*ONE_DELIVERY)
    .values(
        message=bindparam("_message"),
        digest=bindparam("_digest"),
        due_at=bindparam("_due", type_=UTCDateTime()),
        # If an earlier attempt is in doubt, the channel is asked about the time since that one.
        attempted_at=func.coalesce(DELIVERY.c.attempted_at, bindparam("_at", type_=UTCDateTime())),
        attempts=DELIVERY.c.attempts + 1,
    )
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that a worker has claimed, with the lease on its target. ``deliveries``: their ids.

    ``waited``: seconds since the message was due. ``traces``: trace ids of the observations that it comes from.
    """

    target_id: int
    lease: str
    deliveries: tuple[int, ...]
    message: Message
    waited: float
    traces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the messages of a batch are built from, by id."""

    subscriptions: Mapping[str, Subscription]
    releases: Mapping[int, Release]
    launches: Mapping[int | None, Launch]
    changes: Mapping[str, tuple[object, ...]]


def claim_messages(
    session: Session, targets: Sequence[int], lease: str, at: datetime, digest: bool | None, channel: OutboxChannel
) -> list[Claim]:
    """The next message of each of these targets of one channel; marks its deliveries as attempted at ``at``.

    ``digest``: only digests, or only immediate alerts; both if it is None.
    """
    max_items = MAX_ITEMS if channel.groups or digest is not False else 1
    firsts = _ranked(session, targets, at, digest)
    due = _ranked(session, targets, at, digest, max_items=max_items)
    subscriptions = _by_id(session, Subscription, {row.subscription_id for row in (*firsts, *due)})
    by_message: dict[tuple[int, str | None], list[Delivery]] = {}
    for row in due:
        by_message.setdefault((row.target_id, row.message), []).append(row)
    edited = edited_deliveries(session, (*firsts, *due))
    chosen = [
        _batch_edits(first, by_message[first.target_id, first.message], edited)
        if is_edit(first.event)
        else _batch_with(first, subscriptions, by_message[first.target_id, first.message], groups=channel.groups)
        for first in firsts
    ]
    twins = _same_events(session, chosen)
    rows = _Rows(
        subscriptions | _by_id(session, Subscription, {row.subscription_id for some in twins for row in some}),
        _by_id(session, Release, {row.release_id for some in chosen for row in some}),
        _by_id(session, Launch, {row.launch_id for some in chosen for row in some}),
        change_identities(session, {row.event for some in chosen for row in some}),
    )
    claims, marks = [], []
    for first, main, others in zip(firsts, chosen, twins, strict=True):
        deliveries = (*main, *others)
        if is_edit(first.event):
            message = _edit_message(session, main, edited.get(first.id), rows)
        else:
            message = _message(session, channel, at, main, deliveries, rows)
        # The deliveries of other subscriptions are retried with this message, not when their own digest is due.
        due_at = {row.id: row.due_at for row in main}
        marks += [
            {
                "_id": row.id,
                "_message": message.key,
                "_at": at,
                "_digest": first.digest,
                "_due": due_at.get(row.id, first.due_at),
            }
            for row in deliveries
        ]
        # A retry is due later than the first attempt was: it has waited since it was written.
        since = first.created_at if first.error else first.due_at
        traces = tuple(dict.fromkeys(row.trace for row in deliveries if row.trace))
        ids = tuple(row.id for row in deliveries if row.id is not None)
        claims.append(Claim(first.target_id, lease, ids, message, (at - since).total_seconds(), traces))
    if marks:
        session.connection().execute(_MARK, marks)
    return claims


def _message(
    session: Session,
    channel: OutboxChannel,
    at: datetime,
    main: Sequence[Delivery],
    deliveries: Sequence[Delivery],
    rows: _Rows,
) -> Message:
    """The message of ``main``; ``deliveries`` are these and the same events for other subscriptions of the target."""
    items = _items(main, rows.releases, rows.changes)
    matching = _ordered({row.subscription_id: rows.subscriptions[row.subscription_id] for row in deliveries}, main)
    key = main[0].message or message_key(matching[0], [item.id for item in items])
    subscription = _main_subscription(key, matching)
    since = min((row.attempted_at for row in deliveries if row.attempted_at is not None), default=None)
    launch = rows.launches.get(_launch_id(main)) if subscription.digest == Digest.IMMEDIATE else None
    follows = launch is not None and (channel.can_edit or channel.can_thread)
    before = _sent_before(session, main[0]) if follows else []
    message = Message(
        key,
        subscription,
        items,
        in_doubt=since is not None,
        first_receipt=before[0].receipt if before else _first_receipt(session, channel, main),
        since=since,
        launch=launch,
        launches={ident: rows.launches[ident] for ident in {row.launch_id for row in main} if ident in rows.launches},
        others=tuple(one for one in matching if one is not subscription),
    )
    open_launch = launch is not None and launch.settles_at > at
    if not (channel.can_edit and open_launch and before and _is_only_about_launch(session, before)):
        return message
    # A member that a reply named, because the first message could not be edited then, stays in that reply.
    named = [row for row in before if row.receipt == before[0].receipt]
    earlier = _by_id(session, Release, {row.release_id for row in named})
    return replace(message, whole=_items(named, earlier, {}) + items)


def _edit_message(session: Session, main: Sequence[Delivery], sent: Delivery | None, rows: _Rows) -> Message:
    """The message of ``sent`` with its items as they are now; one without items if there is no message to edit."""
    subscription = rows.subscriptions[main[0].subscription_id]
    ids = [event_id(rows.releases[row.release_id], row.event) for row in main]
    key = main[0].message or message_key(subscription, ids)
    if sent is None:
        return Message(key, subscription, ())
    named = named_in_message(session, sent)
    releases = _by_id(session, Release, {row.release_id for row in named})
    launches = _by_id(session, Launch, {row.launch_id for row in named})
    found = _by_id(session, Subscription, {row.subscription_id for row in named})
    matching = sorted(found.values(), key=lambda one: (one.created_at, one.id))
    subscription = _main_subscription(sent.message or "", matching)
    return Message(
        key,
        subscription,
        (),
        first_receipt=sent.receipt,
        launch=launches.get(_launch_id(named)) if subscription.digest == Digest.IMMEDIATE else None,
        whole=_items(named, releases, change_identities(session, {row.event for row in named})),
        launches=launches,
        others=tuple(one for one in matching if one is not subscription),
    )


def _items(
    rows: Sequence[Delivery], releases: Mapping[int, Release], changes: Mapping[str, tuple[object, ...]]
) -> tuple[Item, ...]:
    """The items of a message: an event that matched several subscriptions of a target is one item."""
    events = dict.fromkeys((row.release_id, row.event) for row in rows)
    return tuple(
        Item(event, releases[ident], event_id(releases[ident], event, changes.get(event))) for ident, event in events
    )


def _ordered(subscriptions: Mapping[str, Subscription], main: Sequence[Delivery]) -> list[Subscription]:
    """The subscriptions of a message: those of its ``main`` deliveries first, then the others; oldest first."""
    first = {row.subscription_id for row in main}
    return sorted(subscriptions.values(), key=lambda one: (one.id not in first, one.created_at, one.id))


def _main_subscription(key: str, subscriptions: Sequence[Subscription]) -> Subscription:
    """The subscription in the key of a message, so that a retry has the same; if it was removed, the next one."""
    return next((one for one in subscriptions if key.startswith(f"{one.id}-")), subscriptions[0])


def _same_events(session: Session, chosen: Sequence[Sequence[Delivery]]) -> list[list[Delivery]]:
    """Pending deliveries of the same events to the same targets, for other subscriptions, by position in ``chosen``.

    A target gets one message for each event. That includes deliveries that wait for a digest: what an immediate alert
    has named is not repeated there.
    """
    claimed = {row.id for rows in chosen for row in rows}
    positions = {
        (row.target_id, row.release_id, row.event): number
        for number, rows in enumerate(chosen)
        for row in rows
        if not is_edit(row.event)
    }
    query = select(Delivery).where(
        col(Delivery.target_id).in_({target for target, _, _ in positions}),
        col(Delivery.state) == str(DeliveryState.PENDING),
        col(Delivery.message).is_(None),
        col(Delivery.release_id).in_({release for _, release, _ in positions}),
    )
    found: list[list[Delivery]] = [[] for _ in chosen]
    for row in session.scalars(query.order_by(col(Delivery.id))):
        position = positions.get((row.target_id, row.release_id, row.event))
        if position is not None and row.id not in claimed:
            found[position].append(row)
    return found


def _ranked(
    session: Session, targets: Sequence[int], at: datetime, digest: bool | None, *, max_items: int | None = None
) -> list[Delivery]:
    """Due deliveries to these targets, in order: the first of each target, or its first ``max_items``.

    With ``max_items``, also all deliveries of messages that were attempted before: these are sent again as a whole.
    """
    order = (col(Delivery.due_at), col(Delivery.id))
    partition = (col(Delivery.target_id),) if max_items is None else (col(Delivery.target_id), col(Delivery.message))
    rank = func.row_number().over(partition_by=partition, order_by=order).label("rank")
    ranked = select(col(Delivery.id), rank).where(col(Delivery.target_id).in_(targets), *is_due(at, digest)).subquery()
    first = ranked.c.rank <= (max_items or 1)
    wanted = first if max_items is None else or_(first, col(Delivery.message).is_not(None))
    query = select(Delivery).join(ranked, ranked.c.id == col(Delivery.id)).where(wanted)
    return list(session.scalars(query.order_by(*order)))


def _by_id(session: Session, table: type[Any], ids: Collection[Any]) -> dict[Any, Any]:
    return {row.id: row for row in session.scalars(select(table).where(col(table.id).in_(ids)))}


def _batch_with(
    first: Delivery, subscriptions: Mapping[str, Subscription], rows: list[Delivery], *, groups: bool
) -> list[Delivery]:
    """Deliveries to batch into the same message as ``first``, of those that share its message or have none yet."""
    if first.message is not None:
        return rows
    digest = subscriptions[first.subscription_id].digest
    rows = [row for row in rows if subscriptions[row.subscription_id].digest == digest and not is_edit(row.event)]
    if digest != Digest.IMMEDIATE:
        return rows
    if first.event != Event.RELEASE or not groups:
        return [row for row in rows if (row.release_id, row.event) == (first.release_id, first.event)]
    releases = [row for row in rows if row.event == Event.RELEASE]
    if len({_group(row) for row in releases}) >= FLOOD_RELEASES:
        return releases
    return [row for row in releases if _group(row) == _group(first)]


def _batch_edits(first: Delivery, rows: list[Delivery], edited: Mapping[int | None, Delivery]) -> list[Delivery]:
    """The edits of the same message as ``first``: one shows what all of them are about."""
    sent = edited.get(first.id)
    if first.message is not None or sent is None:
        return rows if first.message is not None else [first]
    return [row for row in rows if (one := edited.get(row.id)) is not None and one.receipt == sent.receipt]


def _group(row: Delivery) -> tuple[int | None, int | None]:
    """(launch, release): the members of one launch have the same, every other release has its own."""
    return row.launch_id, None if row.launch_id else row.release_id


def _launch_id(rows: Sequence[Delivery]) -> int | None:
    """The launch that all of these are members of; None if there is none."""
    launches = {row.launch_id if row.event == Event.RELEASE else None for row in rows}
    return launches.pop() if len(launches) == 1 else None


def _subscriptions_of_target(row: Delivery) -> Select[Any]:
    """The subscriptions of a delivery's target: the indexes find earlier deliveries by them."""
    return select(col(Subscription.id)).where(col(Subscription.target_id) == row.target_id)


def _sent_before(session: Session, row: Delivery) -> list[Delivery]:
    """What was sent to this target about the same launch, outside digests; the first message first."""
    if row.launch_id is None or row.event != Event.RELEASE:
        return []
    sent = select(Delivery).where(
        col(Delivery.launch_id) == row.launch_id,
        col(Delivery.subscription_id).in_(_subscriptions_of_target(row)),
        col(Delivery.event) == str(Event.RELEASE),
        col(Delivery.state) == str(DeliveryState.SENT),
        col(Delivery.receipt).is_not(None),
        col(Delivery.digest).is_(False),
    )
    return list(session.scalars(sent.order_by(col(Delivery.sent_at), col(Delivery.id))))


def _is_only_about_launch(session: Session, before: list[Delivery]) -> bool:
    """Whether the first message about a launch names nothing else, so that it can be edited."""
    others = select(col(Delivery.id)).where(
        col(Delivery.target_id) == before[0].target_id,
        col(Delivery.message) == before[0].message,
        or_(col(Delivery.launch_id).is_(None), col(Delivery.launch_id) != before[0].launch_id),
    )
    return session.scalars(others.limit(1)).first() is None


def _first_receipt(session: Session, channel: OutboxChannel, rows: Sequence[Delivery]) -> str | None:
    """The receipt of the first message about a release, if this one is about one change of it and can answer."""
    row = rows[0]
    if not channel.can_thread or row.event == Event.RELEASE or len({(one.release_id, one.event) for one in rows}) > 1:
        return None
    sent = select(col(Delivery.receipt)).where(
        col(Delivery.subscription_id).in_(_subscriptions_of_target(row)),
        col(Delivery.release_id) == row.release_id,
        col(Delivery.event) == str(Event.RELEASE),
        col(Delivery.receipt).is_not(None),
    )
    return session.scalars(sent.order_by(col(Delivery.sent_at), col(Delivery.id))).first()


def is_due(at: datetime, digest: bool | None) -> tuple[ColumnElement[bool], ...]:
    """The conditions under which a delivery is due; ``digest`` as in :func:`claim_messages`."""
    due = col(Delivery.state) == str(DeliveryState.PENDING), col(Delivery.due_at) <= at, has_message_ended()
    return due if digest is None else (*due, col(Delivery.digest).is_(digest))
