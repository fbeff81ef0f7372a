"""Announcements: an entry of a feed that links to a repository is that release's announcement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.models import FeedEntry, Release
from monitor.releases.changes import record_change

ANNOUNCEMENT_WINDOW = timedelta(days=45)
"""How long before its release an announcement may stand."""


def link_announcements(session: Session, links: Iterable[tuple[str, str]]) -> int:
    """Gives releases that are known the announcements that link to them: (repository, URL). The first one stays."""
    urls = dict(reversed(list(links)))
    query = select(Release).where(col(Release.repo_id).in_(list(urls)), col(Release.announcement_url).is_(None))
    rows = list(session.scalars(query)) if urls else []
    for row in rows:
        record_change(
            session, row, "announcement_url", None, urls[row.repo_id], now(), "feed", notify=not row.is_backfilled
        )
        row.announcement_url = urls[row.repo_id]
        session.add(row)
    return len(rows)


def link_earlier_announcements(session: Session, rows: Sequence[Release]) -> None:
    """Gives releases that are new the announcements that were there before them."""
    if not rows:
        return
    recent = col(FeedEntry.seen_at) >= now() - ANNOUNCEMENT_WINDOW
    entries = session.scalars(select(FeedEntry).where(recent).order_by(col(FeedEntry.id)))
    urls: dict[str, str] = {}
    for entry in entries:
        for repo_id in entry.repo_ids:
            urls.setdefault(repo_id, entry.url or "")
    for row in rows:
        url = urls.get(row.repo_id)
        if url:
            row.announcement_url = url
            stored = session.get(Release, row.id)
            if stored is not None and stored is not row:
                stored.announcement_url = url
