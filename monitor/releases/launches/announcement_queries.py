"""Queries of announced models: a list, and open launches against models without weights by month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session, col

from monitor.enums import Event
from monitor.labs import Registry
from monitor.models import Announcement, Release, iso
from monitor.releases.launches.announcements import as_release
from monitor.releases.query import Query, parse, to_predicate
from monitor.releases.query.tree import All, normalised
from monitor.releases.stats import between, stats


def list_announcements(
    session: Session,
    *,
    lab: str | None = None,
    state: str | None = None,
    month: str | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Returns announced models, newest first; ``month`` (``2026-05``, in UTC) is that of the announcement."""
    query = select(Announcement, col(Release.repo_id)).outerjoin(
        Release, col(Release.id) == col(Announcement.release_id)
    )
    if lab is not None:
        query = query.where(col(Announcement.lab) == lab)
    if state is not None:
        query = query.where(col(Announcement.state) == state)
    if month is not None:
        first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
        after = (first + timedelta(days=31)).replace(day=1)
        query = query.where(col(Announcement.announced_at) >= first, col(Announcement.announced_at) < after)
    newest = query.order_by(col(Announcement.announced_at).desc(), col(Announcement.id).desc()).limit(limit)
    return [
        {
            "lab": row.lab,
            "model": row.model,
            "state": row.state,
            "title": row.title,
            "url": row.url,
            "announced_at": iso(row.announced_at),
            "repo_id": repo_id,
        }
        for row, repo_id in session.execute(newest)
    ]


OPEN, CLOSED = "open", "announced only"
LAUNCHED = "launch:any -lab:none"
"""The query that matches what labs of the registry launched with public weights."""


def open_and_closed(session: Session, registry: Registry, query: Query) -> list[dict[str, Any]]:
    """Counts, per month, launches of the registry's labs with public weights and models that were only announced.

    Returns rows ``{month, access, count}`` of those that match ``query``, for every month from the first to the last.
    """
    counts: Counter[tuple[str, str]] = Counter()
    launched = Query(normalised(All((query.root, parse(LAUNCHED).root))))
    for row in stats(session, launched, ["month"], medians=False):
        if row["month"] is not None:
            counts[row["month"], OPEN] += row["launches"]
    holds = to_predicate(query)
    for announcement in _without_weights(session):
        if holds(as_release(announcement, registry), (Event.ANNOUNCED,)):
            counts[f"{announcement.announced_at:%Y-%m}", CLOSED] += 1
    months = between(sorted({month for (month, _), number in counts.items() if number}), "month")
    return [
        {"month": month, "access": access, "count": counts[month, access]}
        for month in months
        for access in (OPEN, CLOSED)
    ]


def _without_weights(session: Session) -> Iterable[Announcement]:
    """Yields models without weights: as of a past time, those whose release was not known then."""
    query = select(Announcement).outerjoin(Release, col(Release.id) == col(Announcement.release_id))
    query = query.where(or_(col(Release.id).is_(None), col(Release.pending).is_(True)))
    if "as_of" in session.info:
        query = query.where(col(Announcement.seen_at) <= session.info["as_of"])
    return session.scalars(query)
