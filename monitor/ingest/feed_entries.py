"""Processing of new entries of lab feeds: announcements, and sweeps that they request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlmodel import col

from monitor.db.engine import now, transaction
from monitor.ingest.context import (
    IngestContext,
)
from monitor.ingest.feeds.reader import NewEntry
from monitor.ingest.sweeps import request_sweeps
from monitor.models import FeedEntry
from monitor.notify.matching import enqueue_announcements
from monitor.releases import records
from monitor.releases.launches.announcements import link_announcements, record_announcements, select_news

log = structlog.get_logger(__name__)


def process_feed_entries(context: IngestContext, entries: Sequence[NewEntry]) -> None:
    """Stores the announcements in new entries, and requests sweeps of the namespaces of their labs."""
    with transaction(context.engine) as session:
        # From the table, not from ``entries``: what a first read brought announces too, and so does what was read
        # just before a crash.
        recent = select(FeedEntry).where(col(FeedEntry.seen_at) >= now() - timedelta(hours=1))
        rows = list(session.scalars(recent.order_by(col(FeedEntry.id))))
        if rows:
            records.lock(session)
        link_announcements(session, [(repo_id, row.url) for row in rows for repo_id in row.repo_ids if row.url])
        fresh = select_news(session, record_announcements(session, context.registry, rows), rows)
        enqueue_announcements(session, fresh, context.registry)
    labs = {lab.id: lab for entry in entries for lab in context.registry.labs_of_feed(entry.feed_url)}
    request_sweeps(context, sorted({name for lab in labs.values() for name in lab.namespaces}))
