"""Notices with the brief of the last week or month: one for each subscriber, once it is published.

Whoever moves a subscription to its next brief writes the notice in the same transaction, with the row locked. So two
beats, or ten workers, send each brief once.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.db.engine import now, transaction
from monitor.db.leases import any_ready, locked
from monitor.enums import BRIEF_UNITS
from monitor.models import Notice, PublishedBrief, Subscription, iso
from monitor.notify.notices import BRIEF
from monitor.notify.subscriptions import next_digest
from monitor.releases.briefs.model import newest_published
from monitor.releases.briefs.published import as_published
from monitor.releases.briefs.text import to_summary

log = structlog.get_logger(__name__)

BATCH_SUBSCRIPTIONS = 200


def enqueue_briefs(engine: Engine, public_url: str) -> int:
    """Writes the notices that are due; returns how many."""
    due = col(Subscription.digest_due_at)
    ready = (
        select(Subscription)
        .where(
            due <= now(),
            col(Subscription.digest).in_(list(BRIEF_UNITS)),
            col(Subscription.confirmed).is_(True),
            col(Subscription.paused).is_(False),
        )
        .order_by(due, col(Subscription.id))
        .limit(BATCH_SUBSCRIPTIONS)
    )
    written = 0
    while any_ready(engine, ready):
        with transaction(engine) as session:
            rows = locked(session, ready)
            written += sum(_notify(session, row, public_url) for row in rows)
        if not rows:
            break  # other workers are writing them
    if written:
        log.info("briefs to send", notices=written)
    return written


def _notify(session: Session, subscription: Subscription, public_url: str) -> bool:
    """Writes the notice for a subscription, unless it had this brief already, and sets when the next one is due."""
    at = now()
    period = newest_published(BRIEF_UNITS[subscription.digest], at).name
    published = session.get(PublishedBrief, period)
    subscription.digest_due_at = next_digest(subscription, at)
    session.add(subscription)
    if published is None or subscription.options.get(BRIEF) == period:
        return False
    subscription.options = {**subscription.options, BRIEF: period}
    brief = as_published(published)
    page = f"{public_url}/brief/{period}"
    where = {"period": period, "as_of": iso(brief.as_of), "url": page, "json": f"{public_url}/api/v1/brief/{period}"}
    notice = Notice(subscription_id=subscription.id, title=brief.title, text=to_summary(brief, page), created_at=at)
    notice.due_at, notice.data = at, {BRIEF: where}
    session.add(notice)
    return True
