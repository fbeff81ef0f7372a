"""Debouncing: a change becomes an event once it has held for a while, so that flapping makes one event or none."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor.db.engine import now, reading, transaction
from monitor.models import Change, Release
from monitor.notify.matching import enqueue
from monitor.releases.changes import what_happened
from monitor.releases.recorder import News

DAY = timedelta(days=1)
REPEAT_FACTOR = 4
"""How many times longer a change has to hold for each earlier event of the same kind within a day."""
BATCH_CHANGES = 500


def publish_stable_changes(engine: Engine, delay: timedelta) -> int:
    """Makes the changes that have held for ``delay`` events and writes their deliveries; returns how many.

    A change that repeats an event of its release within a day has to hold four times as long each time, up to a day.
    """
    at = now()
    ready = select(Change).where(col(Change.waiting).is_(True), col(Change.at) <= at - delay)
    with reading(engine) as session:
        # First without a lock: nearly always nothing is waiting.
        if session.scalars(ready.limit(1)).first() is None:
            return 0
    news = []
    with transaction(engine) as session:
        locked = ready.order_by(col(Change.id)).limit(BATCH_CHANGES).with_for_update(skip_locked=True)
        for change in list(session.scalars(locked)):
            event = what_happened(change.field, change.since, change.after)
            if event is not None and change.at > at - _required_delay(session, change, str(event), delay, at):
                continue
            change.waiting, change.event = False, str(event) if event else None
            session.add(change)
            if event is not None:
                news.append(News(session.get_one(Release, change.release_id), f"{event}:{change.id}"))
        session.flush()
        enqueue(session, news)
    return len(news)


def _required_delay(session: Session, change: Change, event: str, delay: timedelta, at: datetime) -> timedelta:
    same = select(func.count()).where(
        col(Change.release_id) == change.release_id, col(Change.event) == event, col(Change.at) > at - DAY
    )
    times = session.scalar(same) or 0
    return min(DAY, delay * float(REPEAT_FACTOR ** min(times, 10)))
