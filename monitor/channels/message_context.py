"""What messages say beyond their items, looked up in the history: the same for every channel."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.enums import Digest
from monitor.models import Change, Release, Subscription
from monitor.notify.message import Message
from monitor.notify.subscriptions import zone
from monitor.releases.coverage import blind, honest
from monitor.releases.query import parse
from monitor.releases.search import matching

DAYS = 7


def changes_of(session: Session, message: Message) -> dict[str, Change]:
    """The changes that the events of a message name (``relicensed:12``), by event."""
    events = {item.event: item.event.partition(":")[2] for item in message.items}
    numbers = {event: int(number) for event, number in events.items() if number.isdecimal()}
    if not numbers:
        return {}
    rows = session.scalars(select(Change).where(col(Change.id).in_(list(numbers.values()))))
    found = {row.id: row for row in rows}
    return {event: found[number] for event, number in numbers.items() if number in found}


SPANS = {Digest.HOURLY: timedelta(hours=1), Digest.DAILY: timedelta(days=1), Digest.WEEKLY: timedelta(days=7)}


def unseen(session: Session, subscription: Subscription) -> str | None:
    """What a digest must say of its time: when the Hub was not seen; None where it was, and for who is told at once."""
    span = SPANS.get(Digest(subscription.digest))
    return honest(blind(session, now() - span)) if span is not None else None


def week(session: Session, subscription: Subscription) -> list[tuple[date, int]]:
    """(day, releases that match) of the last seven days, in the subscriber's zone."""
    local = zone(subscription.timezone)
    today = now().astimezone(local).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    moment = col(Release.released_at)
    some = matching(parse(subscription.filter)).where(moment >= now() - timedelta(days=DAYS + 1))
    counts = dict.fromkeys(days, 0)
    for released_at in session.scalars(some.with_only_columns(moment)):
        day = released_at.astimezone(local).date() if released_at else None
        if day in counts:
            counts[day] += 1
    return list(counts.items())
