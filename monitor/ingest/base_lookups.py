"""Bases that the Hub had no answer for, asked for again."""

from __future__ import annotations

import structlog
from sqlalchemy import select
from sqlmodel import col

from monitor.db.engine import transaction
from monitor.enums import LookupKind, Via
from monitor.ingest import lookups, repository_files
from monitor.ingest.base_models import MAX_BASES_PER_POLL, fetch_ancestors, fetch_bases
from monitor.ingest.context import (
    IngestContext,
    log_recorded,
    observation,
)
from monitor.models import Release
from monitor.releases.reclassify import reclassify_releases
from monitor.releases.recorder import Recorded, record

log = structlog.get_logger(__name__)


def retry_base_lookups(context: IngestContext) -> Recorded:
    """Asks once more for bases that the Hub had no answer for; classifies anew what was built on those that come."""
    names = lookups.due(context.engine, LookupKind.BASE, MAX_BASES_PER_POLL)
    # Each has been answered, or is kept as failed, before the next is asked for: nothing is asked for twice.
    found = fetch_bases(context.engine, context.hub, context.rate_limiter, names, MAX_BASES_PER_POLL, set())
    if not found:
        return Recorded()
    deeper = fetch_ancestors(context.engine, context.hub, context.rate_limiter, context.registry, found)
    repository_files.enqueue_bases(context, [*deeper, *found])
    observations = [observation(item, Via.CREATED) for item in (*deeper, *found)]
    with transaction(context.engine) as session:
        done = record(session, observations, context.registry, context.enqueue, window=context.launch_window)
        session.flush()
        roots = [item["id"] for item in found]
        built = select(Release).where(col(Release.foundation_repo_id).in_(roots), col(Release.repo_id).not_in(roots))
        reclassify_releases(
            session, list(session.scalars(built.limit(MAX_RECLASSIFIED))), context.registry, "its base was found"
        )
    log_recorded(context, done, "look-ups")
    return done


MAX_RECLASSIFIED = 1_000
"""Releases that are classified anew at once, for a base that was found; `reclassify` does the rest."""
