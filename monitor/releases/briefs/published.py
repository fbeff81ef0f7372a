"""Briefs are published a day after their period: from then on their text is kept, and corrections are listed below it.

Only the newest periods are published, and only those of whose end this monitor has records: of earlier ones a brief is
made whenever it is read, from what is known then.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor.db.engine import now, reading, transaction
from monitor.db.upsert import insert_or_ignore
from monitor.models import PublishedBrief, Release
from monitor.releases.briefs.corrections import with_corrections
from monitor.releases.briefs.model import Brief, BriefPeriod, named_period, newest_published, restored, stored
from monitor.releases.briefs.sections import make_brief
from monitor.releases.query.periods import period_before
from monitor.releases.retention import past_begins
from monitor.releases.revisions import as_of
from monitor.releases.search import SearchError

log = structlog.get_logger(__name__)

UNITS = ("week", "month")
MAX_LATE = 4
"""Weeks or months back that are published late, after a time in which nothing ran."""


def brief_of(session: Session, period: BriefPeriod, at: datetime) -> Brief:
    """The brief of a period: as it was published by ``at``, with what was corrected since; else as known at ``at``.

    ``session`` answers as of ``at``.
    """
    return published_by(session, period, at) or make_brief(session, period, at)


def published_by(session: Session, period: BriefPeriod, at: datetime) -> Brief | None:
    """A brief that was published by ``at``, with what was corrected since; None where it was not.

    A session that answers as of ``at`` is needed for the past alone.
    """
    row = session.get(PublishedBrief, period.name)
    if row is None or row.published_at > at:
        return None
    return with_corrections(session, as_published(row), at)


def as_published(row: PublishedBrief) -> Brief:
    """A brief as it was published."""
    return restored(named_period(row.period), row.as_of, row.published_at, row.content)


def find_published(session: Session, period: str) -> Brief | None:
    """The brief of a period as it was published; None where it was not."""
    row = session.get(PublishedBrief, period)
    return as_published(row) if row is not None else None


def published_briefs(session: Session, limit: int, *, before: str | None = None) -> list[PublishedBrief]:
    """The published briefs, of the newest times first. ``before``: only those after this one in that order.

    Raises SearchError where ``before`` is no period of a published brief.
    """
    at, period = col(PublishedBrief.as_of), col(PublishedBrief.period)
    query = select(PublishedBrief).order_by(at.desc(), period.desc()).limit(limit)
    if before is not None:
        last = session.get(PublishedBrief, before)
        if last is None:
            raise SearchError("cursor", "this cursor does not belong to briefs: begin again without one")
        query = query.where((at < last.as_of) | ((at == last.as_of) & (period < last.period)))
    return list(session.scalars(query))


def publish_due(engine: Engine) -> list[str]:
    """Publishes what is due; returns the names of its periods."""
    at = now()
    with reading(engine) as session:
        due = _due(session, at)
    return [period.name for period in due if _publish(engine, period)]


def _due(session: Session, at: datetime) -> list[BriefPeriod]:
    known = set(session.scalars(select(col(PublishedBrief.period))))
    newest = [newest_published(unit, at) for unit in UNITS]
    if all(period.name in known for period in newest):
        return []
    first, begins = session.scalar(select(func.min(col(Release.first_seen_at)))), past_begins(session)
    found = []
    for period in newest:
        for _ in range(MAX_LATE):
            lost = begins is not None and period.published_from < begins
            if period.name in known or first is None or first >= period.end or lost:
                break
            found.append(period)
            period = named_period(period_before(period.name))  # noqa: PLW2901 - one further back
    return found


def _publish(engine: Engine, period: BriefPeriod) -> bool:
    """Keeps the brief as of its time; False where another worker was faster."""
    with reading(engine) as session, as_of(session, period.published_from):
        brief = make_brief(session, period, period.published_from)
    row = PublishedBrief(period=period.name, as_of=brief.as_of, published_at=now(), content=stored(brief))
    with transaction(engine) as session:
        write = insert_or_ignore(session, PublishedBrief).returning(col(PublishedBrief.period))
        done = session.connection().execute(write, row.model_dump()).scalar() is not None
    if done:
        log.info("brief published", period=period.name)
    return done
