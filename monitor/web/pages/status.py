"""How the monitor itself is: each source, the Hub's rate limit, what waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import case, func, or_, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.ingest import lookups
from monitor.ingest.hub.rate_limiter import FILES
from monitor.ingest.repository_files import MAX_FAILURES, count_unread, latest_given_up
from monitor.models import Delivery, DeliveryState, Feed, Namespace, Poll, Subscription, WebhookEvent
from monitor.notify.trigger_health import trigger_counts, trigger_delay
from monitor.releases.outages import failing_polls, token_refused
from monitor.web.api import Present, service_of
from monitor.web.render import page

router = APIRouter()
MAX_ROWS = 50
MAX_TRIGGER_DELAY_SECONDS = 300.0
"""Triggers are evaluated once a minute; one that is overdue for longer is shown as late."""
MAX_COUNTED_ROWS = 10_000
"""Rows that are counted one by one; more are "more than"."""

_FEEDS = (
    select(Feed)
    .order_by(col(Feed.failures).desc(), col(Feed.error).is_(None), col(Feed.stale_since).is_(None), col(Feed.url))
    .limit(200)
)
"""Failing feeds first, then those with another problem, then stale ones."""


@router.get("/status", response_class=HTMLResponse)
def status(request: Request, session: Present) -> HTMLResponse:
    """How each source goes, what is left of the rate limit, and what waits to be sent."""
    service = service_of(request)
    current_time = now()
    spaces = list(session.scalars(select(Namespace).order_by(col(Namespace.name))))
    swept = [space for space in spaces if space.swept_at is not None]
    polls = list(session.scalars(select(Poll).order_by(col(Poll.name))))
    limit = timedelta(seconds=3 * service.settings.hub_interval)
    context: dict[str, Any] = {
        "hub_requests_left": service.rate_limiter.left(),
        "share": service.settings.hub_requests_per_window,
        "file_allowance": service.rate_limiter.left(FILES),
        "file_share": service.rate_limiter.files_per_window,
        "files": count_unread(session),
        "given_up": latest_given_up(session, MAX_ROWS),
        "attempts": MAX_FAILURES,
        "polls": polls,
        "token_refused": token_refused(session),
        "late": failing_polls(session, service.settings.hub_interval),
        "namespaces": len(spaces),
        "swept": len(swept),
        "overdue": sum(space.due_at < current_time - limit for space in spaces),
        "oldest": min((space.swept_at for space in swept if space.swept_at), default=None),
        "newest": max((space.swept_at for space in swept if space.swept_at), default=None),
        "failing": sum(lookups.failing(session).values()),
        "lookups": lookups.latest(session, MAX_ROWS),
        "implausible": lookups.implausible(session)[:MAX_ROWS],
        "troubled": [space for space in spaces if space.error][:MAX_ROWS],
        "feeds": list(session.scalars(_FEEDS)),
        "hints": session.scalar(select(func.count()).select_from(WebhookEvent)) or 0,
        "waiting": _some(session, DeliveryState.PENDING),
        "due": session.scalar(
            select(func.min(col(Delivery.due_at))).where(col(Delivery.state) == str(DeliveryState.PENDING))
        ),
        "dead": _some(session, DeliveryState.DEAD),
        "sent": _some(session, DeliveryState.SENT, since=current_time - timedelta(days=1)),
        "subscriptions": _subscriptions(session),
        "triggers": trigger_counts(session),
        "trigger_delay": trigger_delay(session).total_seconds(),
        "trigger_limit": MAX_TRIGGER_DELAY_SECONDS,
        "now": current_time,
    }
    return page(request, "status_now" if "hx-request" in request.headers else "status", **context)


def _some(session: Session, state: DeliveryState, *, since: datetime | None = None) -> str:
    """How many deliveries are in a state, counted as far as ten thousand."""
    some = select(col(Delivery.id)).where(col(Delivery.state) == str(state))
    if since is not None:
        some = some.where(col(Delivery.due_at) >= since)
    count = session.scalar(select(func.count()).select_from(some.limit(MAX_COUNTED_ROWS + 1).subquery())) or 0
    return f"more than {MAX_COUNTED_ROWS:,}" if count > MAX_COUNTED_ROWS else f"{count:,}"


def _subscriptions(session: Session) -> list[tuple[str, int, int]]:
    """(channel, how many, of which paused or not confirmed) of each channel."""
    still = or_(col(Subscription.paused), ~col(Subscription.confirmed))
    idle = func.sum(case((still, 1), else_=0))
    query = select(col(Subscription.channel), func.count(), idle).group_by(col(Subscription.channel))
    return [(channel, count, int(paused or 0)) for channel, count, paused in session.execute(query)]
