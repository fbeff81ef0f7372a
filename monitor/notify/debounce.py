"""Changes are told once they have held for a while: what flaps is told once, or not at all."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor.db.engine import now, reading, transaction
from monitor.models import Change, Release
from monitor.notify.matching import enqueue
from monitor.releases.changes import what_happened
from monitor.releases.recorder import News

POLLS = 3
"""Hub intervals for which a change has to hold."""
DAY = timedelta(days=1)
PATIENCE = 4
"""How many times longer it has to hold for each time that the same was told within a day."""
_SOME = 500


def publish_stable_changes(engine: Engine, delay: timedelta) -> int:
    """Makes events of the changes that have held for ``delay``, and writes their deliveries; returns how many events.

    The same event of one release again within a day has to hold four times as long each time, up to a day.
    """
    moment = now()
    ready = select(Change).where(col(Change.waiting).is_(True), col(Change.at) <= moment - delay)
    with reading(engine) as session:
        # A look without a lock first: nearly always nothing waits.
        if session.scalars(ready.limit(1)).first() is None:
            return 0
    news = []
    with transaction(engine) as session:
        locked = ready.order_by(col(Change.id)).limit(_SOME).with_for_update(skip_locked=True)
        for change in list(session.scalars(locked)):
            event = what_happened(change.field, change.since, change.after)
            if event is not None and change.at > moment - _needed(session, change, str(event), delay, moment):
                continue
            change.waiting, change.event = False, str(event) if event else None
            session.add(change)
            if event is not None:
                news.append(News(session.get_one(Release, change.release_id), f"{event}:{change.id}"))
        session.flush()
        enqueue(session, news)
    return len(news)


def _needed(session: Session, change: Change, event: str, delay: timedelta, moment: datetime) -> timedelta:
    same = select(func.count()).where(
        col(Change.release_id) == change.release_id, col(Change.event) == event, col(Change.at) > moment - DAY
    )
    times = session.scalar(same) or 0
    return min(DAY, delay * float(PATIENCE ** min(times, 10)))
