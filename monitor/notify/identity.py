"""Ids by which a receiver recognizes a repeated message: derived from what happened, never from row numbers.

After a backup was restored, row numbers repeat, so an id made of one could name another event. These ids follow from
the subscription's own random id, the release's permanent ``_id`` on the Hub, and the event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from monitor.enums import event_of
from monitor.models import Change, Release, Subscription


def event_id(release: Release, event: str, change: object = None) -> str:
    """The id of an event of a release: 24 hexadecimal digits, the same for all subscriptions and attempts.

    ``change`` distinguishes events of the same kind (:func:`change_identities`).
    """
    word = event if change is None else str(event_of(event))
    return _digest([release.hub_id, word, change])


def message_key(subscription: Subscription, event_ids: Iterable[str]) -> str:
    """The key of a message: the subscription that it is sent for, and a hash of its events."""
    return f"{subscription.id}-{_digest(sorted(event_ids))}"


def notice_key(subscription: Subscription, title: str | None, text: str) -> str:
    """The key of a notice: the same for one subscription only if title and text are the same."""
    return f"notice-{subscription.id}-{_digest([title, text])}"


def change_identities(session: Session, events: Iterable[str]) -> dict[str, tuple[object, ...]]:
    """What distinguishes the changes that events name (``relicensed:12``): field, old value, new value, and a number.

    The number counts the events of that kind for the release, so that a value which returns is another event.
    """
    numbers = {event: int(number) for event in events if (number := event.partition(":")[2]).isdecimal()}
    if not numbers:
        return {}
    earlier = aliased(Change)
    count = (
        select(func.count())
        .where(
            col(earlier.release_id) == col(Change.release_id),
            col(earlier.event) == col(Change.event),
            col(earlier.id) <= col(Change.id),
        )
        .scalar_subquery()
    )
    rows = session.execute(select(Change, count).where(col(Change.id).in_(set(numbers.values()))))
    found = {row.id: (row.field, row.since, row.after, nth) for row, nth in rows}
    return {event: found[number] for event, number in numbers.items() if number in found}


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(orjson.dumps(parts, default=str)).hexdigest()[:24]
