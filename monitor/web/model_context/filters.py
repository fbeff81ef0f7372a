"""Filters, and why they match a release or do not."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.enums import BRIEF_UNITS
from monitor.models import Change, Release, Subscription
from monitor.releases.query import Query, QueryError, explain, parse
from monitor.releases.query.describe import describe
from monitor.web.model_context.answers import Explained, Part

MAX_SUBSCRIPTIONS = 200


def explained_filter(session: Session, query: Query, release: Release, at: datetime | None, **about: str) -> Explained:
    """A filter in words, with the parts that hold of a release."""
    recorded = select(Change).where(col(Change.release_id) == release.id)
    changes = list(session.scalars(recorded)) if query.names("changed") else []
    parts = [Part(text=text, holds=holds) for text, holds in explain(query, release, at, changes)]
    matches = all(part.holds for part in parts)
    return Explained(filter=query.normal, words=describe(query), matches=matches, parts=parts, **about)


def filters_of_subscriptions(session: Session, release: Release, at: datetime | None) -> list[Explained]:
    """The filters of active subscriptions to releases, those that match first; never their targets."""
    query = select(Subscription).where(
        col(Subscription.confirmed).is_(True),
        col(Subscription.paused).is_(False),
        col(Subscription.operator).is_(False),
        col(Subscription.when).is_(None),
        col(Subscription.digest).not_in(list(BRIEF_UNITS)),
    )
    found = []
    for one in session.scalars(query.order_by(col(Subscription.created_at), col(Subscription.id))):
        try:
            wanted = parse(one.filter)
        except QueryError:  # stored by another version
            continue
        about = {"subscription": one.id, "channel": one.channel, "digest": str(one.digest)}
        found.append(explained_filter(session, wanted, release, at, **about))
    return sorted(found, key=lambda item: not item.matches)[:MAX_SUBSCRIPTIONS]
