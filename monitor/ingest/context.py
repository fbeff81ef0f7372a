"""What polls, sweeps, webhook events and feeds share: their context, and steps that each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from monitor.db.engine import in_values, now, transaction
from monitor.enums import Observation, Status, Via
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import HubRateLimiter, RateLimited
from monitor.ingest.hub.responses import (
    Facts,
    HubError,
)
from monitor.labs import Registry
from monitor.models import Namespace, Poll, Release
from monitor.releases import records
from monitor.releases.launches.grouping import WINDOW
from monitor.releases.recorder import Enqueue, Recorded, mark_withdrawn
from monitor.schedule import FILE_WAIT_SECONDS, sweep_backoff

log = structlog.get_logger(__name__)

RESERVED_SHARE = 0.2
"""The part of the rate limit that is kept for polls and requested sweeps: routine sweeps stop when it is reached."""


@dataclass(frozen=True, slots=True)
class IngestContext:
    """The database, the Hub and its rate limiter, the registry of labs, and how alerts are enqueued."""

    engine: Engine
    hub: Hub
    rate_limiter: HubRateLimiter
    registry: Registry
    enqueue: Enqueue
    """Writes the deliveries of news."""
    hub_interval: float
    launch_window: timedelta = WINDOW
    file_wait_seconds: float = FILE_WAIT_SECONDS
    """How long an alert waits for the files of its release."""
    editing_channels: Collection[str] = ()
    """Channels whose sent messages are edited when the files of a release have been read."""
    file_threads: int = 8
    """How many files are read side by side."""
    notify_worker: Callable[[str], None] = field(default=lambda _task: None)
    """Called with ``deliver`` after deliveries were written, so that a worker sends them at once."""


PUBLIC_STATUSES = {str(Status.LIVE), str(Status.RENAMED)}


def observation(facts: Facts, via: Via) -> Observation:
    return Observation(hub_id=facts["_id"], repo_id=facts["id"], facts=facts, via=via, observed_at=now())


def mark_gone(session: Session, registry: Registry, reasons: Mapping[str, str]) -> list[Release]:
    """Marks public releases as withdrawn; ``reasons`` by hub id. Returns the releases that were public."""
    if not reasons:
        return []
    records.lock(session)
    query = select(Release).where(
        in_values(session, "release.hub_id", reasons), col(Release.status).in_(PUBLIC_STATUSES)
    )
    rows = list(session.scalars(query))
    for row in rows:
        mark_withdrawn(session, row, Status.GONE, now(), reasons[row.hub_id])
    session.flush()
    records.refresh(session, [row.hub_id for row in rows], registry, reason="it was withdrawn")
    return rows


def is_limit_low(context: IngestContext) -> bool:
    return context.rate_limiter.left() <= RESERVED_SHARE * context.rate_limiter.per_window


@contextmanager
def recording_failure(context: IngestContext, table: type[Poll] | type[Namespace], name: str) -> Iterator[None]:
    """Records a failure with the row, returns its lease, sets the back-off of a namespace, and raises it again."""
    try:
        yield
    except (HubError, RateLimited) as error:
        with transaction(context.engine) as session:
            row: Any = session.get_one(table, name)
            row.leased_until = None
            if isinstance(error, HubError):
                row.failures, row.error = row.failures + 1, str(error)[:500]
            if isinstance(row, Namespace) and isinstance(error, HubError):
                row.due_at = now() + sweep_backoff(row.failures, context.hub_interval)
            session.add(row)
        raise
    except DBAPIError:
        # The disk is full, say. If this can be written the next turn tries again, else when the lease has run out.
        with suppress(DBAPIError), transaction(context.engine) as session:
            session.get_one(table, name).leased_until = None
        raise


def log_recorded(context: IngestContext, done: Recorded, what: str) -> None:
    if done.new or done.learnt or done.changed:
        log.info("recorded", by=what, new=len(done.new), history=done.learnt, changed=len(done.changed))
    if done.deliveries:
        context.notify_worker("deliver")
