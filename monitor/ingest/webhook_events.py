"""The events that the Hub POSTed, each followed by a look at the repository itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select
from sqlmodel import Session, col

from monitor.dates import plausible_hub_time
from monitor.db.engine import now, reading, transaction
from monitor.enums import Status, Via
from monitor.ingest.context import (
    IngestContext,
    log_recorded,
    observation,
)
from monitor.ingest.hub.rate_limiter import AllowanceSpent
from monitor.ingest.hub.responses import (
    DisabledError,
    HubError,
    LookupFailedError,
    public,
)
from monitor.models import Hint, Release
from monitor.observability.logging import traced
from monitor.observability.tracing import span
from monitor.releases.recorder import Recorded, mark_withdrawn, record

log = structlog.get_logger(__name__)


def process_webhook_events(context: IngestContext, most: int = 50) -> Recorded:
    """Looks at what the Hub's webhook spoke of: the newest word of each repository, asked of the Hub itself."""
    total = Recorded()
    for hints in _lease_events(context, most):
        try:
            ident = hints[-1].trace
            with traced(ident), span("hint", [ident] if ident else ()):
                _process(context, hints, total)
        except (HubError, AllowanceSpent) as error:
            log.warning("hint not followed, it is tried again", repo_id=hints[-1].repo_id, error=str(error))
            if not isinstance(error, LookupFailedError):
                break
    log_recorded(context, total, "webhook")
    return total


def _lease_events(context: IngestContext, most: int) -> list[list[Hint]]:
    """Hints that are due, by repository, oldest first; leased by being put off."""
    moment = now()
    waiting = select(Hint).where(col(Hint.due_at) <= moment).order_by(col(Hint.id)).limit(most)
    with reading(context.engine) as session:
        if session.scalars(waiting.limit(1)).first() is None:
            return []
    by_repo: dict[str, list[Hint]] = {}
    with transaction(context.engine) as session:
        for row in session.scalars(waiting.with_for_update(skip_locked=True)):
            row.attempts += 1
            row.due_at = moment + timedelta(seconds=15 * 2 ** min(row.attempts, 8))
            session.add(row)
            by_repo.setdefault(row.repo_id, []).append(row)
    return list(by_repo.values())


def _process(context: IngestContext, hints: list[Hint], total: Recorded) -> None:
    last = hints[-1]
    try:
        facts = context.hub.detail(last.repo_id)
    except DisabledError:
        facts = None
    with transaction(context.engine) as session:
        if facts is not None and public(facts):
            seen = observation(facts, Via.WEBHOOK)._replace(
                exact_at=_public_since(hints, plausible_hub_time(facts.get("createdAt")))
            )
            done = record(session, [seen], context.registry, context.enqueue, window=context.launch_window)
            total.add(done)
        else:
            _record_withdrawal(session, last)
        session.execute(delete(Hint).where(col(Hint.id).in_([row.id for row in hints])))


def _public_since(hints: Sequence[Hint], created: datetime | None) -> datetime | None:
    """When the repository turned public, by the first event that says so; None where none does.

    One that was created public turned public when it was created, whenever its event came.
    """
    for row in hints:
        if row.exact_at is not None:
            return created if row.action == "create" and created is not None else row.exact_at
    return None


def _record_withdrawal(session: Session, last: Hint) -> None:
    """The Hub shows nothing under this name: deleted or private, as the webhook said."""
    same = col(Release.hub_id) == last.hub_id if last.hub_id else col(Release.repo_id) == last.repo_id
    for row in session.scalars(select(Release).where(same)):
        if row.repo_id == last.repo_id:
            status = Status.GONE if last.action == "delete" or last.private is False else Status.PRIVATE
            mark_withdrawn(session, row, status, last.received_at, str(Via.WEBHOOK))
