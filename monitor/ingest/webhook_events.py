"""Processing of the events that the Hub POSTs: each repository they name is looked up."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime

import structlog
from sqlalchemy import delete, select
from sqlmodel import Session, col

from monitor.dates import plausible_hub_time
from monitor.db.engine import now, transaction
from monitor.db.leases import claim_due
from monitor.enums import Status, Via
from monitor.ingest import repository_files
from monitor.ingest.context import (
    IngestContext,
    log_recorded,
    observation,
)
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import (
    DisabledError,
    Facts,
    HubError,
    LookupFailedError,
    public,
)
from monitor.labs import Registry
from monitor.models import Release, WebhookEvent
from monitor.observability.logging import traced
from monitor.observability.tracing import span
from monitor.releases import records
from monitor.releases.recorder import Recorded, mark_withdrawn, record
from monitor.schedule import BACKOFFS

log = structlog.get_logger(__name__)


EVENT_THREADS = 16
"""Repositories that are looked up side by side: those of one launch come together, and each waits for the Hub."""


def process_webhook_events(context: IngestContext, most: int = 50) -> Recorded:
    """Looks up the repositories that waiting webhook events name, and records what the Hub answers."""
    total = Recorded()
    claimed = _claim_events(context, most)
    if not claimed:
        return total
    threads = min(EVENT_THREADS, len(claimed))
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="webhook-event") as pool:
        running = {pool.submit(copy_context().run, _process, context, events): events for events in claimed}
        for run in running:
            if run.cancelled():
                continue
            try:
                total.add(run.result())
            except (HubError, RateLimited) as error:
                log.warning("webhook event deferred", repo_id=running[run][-1].repo_id, error=str(error))
                if not isinstance(error, LookupFailedError):
                    pool.shutdown(wait=False, cancel_futures=True)
    log_recorded(context, total, "webhook")
    return total


def _claim_events(context: IngestContext, most: int) -> list[list[WebhookEvent]]:
    """Claims the due events; returns them by repository, oldest first."""
    ready = select(WebhookEvent).where(col(WebhookEvent.due_at) <= now()).order_by(col(WebhookEvent.id)).limit(most)
    by_repo: dict[str, list[WebhookEvent]] = {}
    for row in claim_due(context.engine, ready, BACKOFFS["webhook event"].seconds):
        by_repo.setdefault(row.repo_id, []).append(row)
    return list(by_repo.values())


def _process(context: IngestContext, events: list[WebhookEvent]) -> Recorded:
    """Looks up the repository that these events name. Raises HubError and RateLimited: they stay for a later run."""
    ident = events[-1].trace
    with traced(ident), span("webhook event", [ident] if ident else ()):
        return _record(context, events, _look_up(context, events[-1].repo_id))


def _look_up(context: IngestContext, repo_id: str) -> Facts | None:
    """What the Hub shows of a repository, with its files read if it is news; None where it shows nothing."""
    try:
        facts = context.hub.detail(repo_id)
    except DisabledError:
        return None
    if facts is None or not public(facts):
        return None
    repository_files.read_new(context, [facts], Via.WEBHOOK)
    return facts


def _record(context: IngestContext, events: list[WebhookEvent], facts: Facts | None) -> Recorded:
    done = Recorded()
    with transaction(context.engine) as session:
        if facts is not None:
            seen = observation(facts, Via.WEBHOOK)._replace(
                exact_at=_public_since(events, plausible_hub_time(facts.get("createdAt")))
            )
            done = record(session, [seen], context.registry, context.enqueue, window=context.launch_window)
        else:
            _record_withdrawal(session, context.registry, events[-1])
        session.execute(delete(WebhookEvent).where(col(WebhookEvent.id).in_([row.id for row in events])))
    return done


def _public_since(events: Sequence[WebhookEvent], created: datetime | None) -> datetime | None:
    """Returns when the repository turned public, by the first event that says so; None where none does.

    One that was created public turned public when it was created, whenever its event came.
    """
    for row in events:
        if row.exact_at is not None:
            return created if row.action == "create" and created is not None else row.exact_at
    return None


def _record_withdrawal(session: Session, registry: Registry, last: WebhookEvent) -> None:
    """Marks a repository that the Hub does not show: deleted or private, as the event said."""
    records.lock(session)
    same = col(Release.hub_id) == last.hub_id if last.hub_id else col(Release.repo_id) == last.repo_id
    for row in session.scalars(select(Release).where(same)):
        if row.repo_id == last.repo_id:
            status = Status.GONE if last.action == "delete" or last.private is False else Status.PRIVATE
            mark_withdrawn(session, row, status, last.received_at, str(Via.WEBHOOK))
            session.flush()
            records.refresh(session, [row.hub_id], registry, reason="it was withdrawn")
