"""What messages state beyond their items, read from the database: the same for every channel."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.db.engine import now, reading
from monitor.enums import Digest
from monitor.models import Change, FeedEntry, Release, Subscription
from monitor.notify.message import Message
from monitor.notify.notices import BRIEF, NoticeData
from monitor.notify.subscriptions import zone
from monitor.releases import outages
from monitor.releases.briefs.model import Brief
from monitor.releases.briefs.published import find_published
from monitor.releases.query import parse
from monitor.releases.search import matching

CHART_DAYS = 7
"""Days that the chart of a digest shows."""
DIGEST_SPANS = {
    Digest.HOURLY: timedelta(hours=1),
    Digest.DAILY: timedelta(days=1),
    Digest.WEEKLY: timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What the tables say about a message.

    ``changes``: by event (``relicensed:12``). ``entries``: announcements by URL. ``outage_note``: of a digest.
    """

    changes: Mapping[str, Change] = field(default_factory=dict)
    entries: Mapping[str, FeedEntry] = field(default_factory=dict)
    outage_note: str | None = None


def facts_of_message(engine: Engine, message: Message) -> MessageFacts:
    """The facts of a message; announcements only for a message about one release."""
    items = message.items or message.whole
    urls = {item.release.announcement_url for item in items if item.release.announcement_url}
    with reading(engine) as session:
        return MessageFacts(
            changes=changes_by_event(session, message),
            entries=_entries(session, urls) if len(items) == 1 else {},
            outage_note=outage_note(session, message.subscription),
        )


def _entries(session: Session, urls: Collection[str]) -> dict[str, FeedEntry]:
    rows = session.scalars(select(FeedEntry).where(col(FeedEntry.url).in_(urls))) if urls else ()
    return {row.url: row for row in rows if row.url}


def changes_by_event(session: Session, message: Message) -> dict[str, Change]:
    """The changes that the events of a message name (``relicensed:12``), by event."""
    events = {item.event: item.event.partition(":")[2] for item in message.items}
    numbers = {event: int(number) for event, number in events.items() if number.isdecimal()}
    if not numbers:
        return {}
    rows = session.scalars(select(Change).where(col(Change.id).in_(list(numbers.values()))))
    found = {row.id: row for row in rows}
    return {event: found[number] for event, number in numbers.items() if number in found}


def brief_of_notice(engine: Engine, data: NoticeData) -> Brief | None:
    """The brief that a notice is about; None for any other notice."""
    if not data or BRIEF not in data:
        return None
    with reading(engine) as session:
        return find_published(session, data[BRIEF]["period"])


def outage_note(session: Session, subscription: Subscription) -> str | None:
    """A sentence on when the Hub was not polled in the time that a digest covers.

    None if it was polled all the time, and for subscriptions without a digest.
    """
    span = DIGEST_SPANS.get(Digest(subscription.digest))
    return outages.outage_note(outages.outages_since(session, now() - span)) if span is not None else None


def matches_by_day(session: Session, subscription: Subscription) -> list[tuple[date, int]]:
    """(day, number of matching releases) of the last ``CHART_DAYS`` days, in the subscriber's time zone."""
    local = zone(subscription.timezone)
    today = now().astimezone(local).date()
    days = [today - timedelta(days=back) for back in reversed(range(CHART_DAYS))]
    released = col(Release.released_at)
    recent = matching(parse(subscription.filter)).where(released >= now() - timedelta(days=CHART_DAYS + 1))
    counts = dict.fromkeys(days, 0)
    for released_at in session.scalars(recent.with_only_columns(released)):
        day = released_at.astimezone(local).date() if released_at else None
        if day in counts:
            counts[day] += 1
    return list(counts.items())
