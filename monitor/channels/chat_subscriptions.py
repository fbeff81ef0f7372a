"""What people do with a chat's subscriptions by commands: the same in every chat service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor.db.engine import reading
from monitor.enums import BRIEF_UNITS
from monitor.labs import Registry
from monitor.models import Delivery, DeliveryState, Release, Subscription
from monitor.notify.forecast import Forecast, forecast
from monitor.notify.subscriptions import change
from monitor.releases.query import Query, explain, parse
from monitor.releases.query.tree import All, Term, normalised, written
from monitor.releases.search import matching
from monitor.releases.suggest import suggestions
from monitor.settings import Settings

MAX_PREVIEW_RELEASES, MAX_SEARCH_RELEASES = 5, 10


@dataclass(frozen=True, slots=True)
class MatchPreview:
    """The number of matching releases, the newest of them, and suggestions if there are none."""

    count: int
    newest: tuple[Release, ...]
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a subscription got a release or not: its terms with whether each holds, and the status of its delivery."""

    subscription: Subscription
    terms: tuple[tuple[str, bool], ...]
    status: str


def select_subscription(some: Sequence[Subscription], word: str) -> Subscription | None:
    """Returns a subscription by its id or its number in the list; None if there is none."""
    if word.isdecimal() and 1 <= int(word[:6]) <= len(some):
        return some[int(word[:6]) - 1]
    return next((one for one in some if one.id == word), None)


def preview_filter(engine: Engine, settings: Settings, query: Query) -> Forecast:
    """Returns the preview of a filter: its matches of the last 30 days."""
    with reading(engine, timeout=settings.query_timeout) as session:
        return forecast(session, query, MAX_PREVIEW_RELEASES)


def search_releases(engine: Engine, settings: Settings, registry: Registry, query: Query) -> MatchPreview:
    """Returns the matches of a query in the whole history."""
    some = matching(query)
    with reading(engine, timeout=settings.query_timeout) as session:
        number = session.scalar(select(func.count()).select_from(some.subquery())) or 0
        newest = some.order_by(col(Release.released_at).desc().nulls_last(), col(Release.id).desc()).limit(
            MAX_SEARCH_RELEASES
        )
        hints = suggestions(session, query, registry) if number == 0 else []
        return MatchPreview(number, tuple(session.scalars(newest)), tuple(hints))


def describe_schedule(subscription: Subscription) -> str:
    """``daily at 08:00 (Europe/Paris)``."""
    if subscription.digest in {"daily", "weekly"}:
        day = "Mondays " if subscription.digest == "weekly" else ""
        return f"{subscription.digest}, {day}at {subscription.hour:02d}:00 ({subscription.timezone})"
    if subscription.digest in BRIEF_UNITS:
        unit = BRIEF_UNITS[subscription.digest]
        return f"every {unit} at {subscription.hour:02d}:00 ({subscription.timezone})"
    return {"immediate": "immediately"}.get(subscription.digest, subscription.digest)


def reasons_for(session: Session, some: Sequence[Subscription], release: Release) -> list[Reason]:
    """Why each subscription with a filter got a release, or did not."""
    return [
        Reason(one, tuple(explain(parse(one.filter), release)), _delivery_status(session, one, release))
        for one in some
        if one.when is None
    ]


def _delivery_status(session: Session, subscription: Subscription, release: Release) -> str:
    """Describes the delivery of a release to a subscription, or why there is none."""
    query = select(Delivery).where(
        col(Delivery.subscription_id) == subscription.id,
        col(Delivery.release_id) == release.id,
        col(Delivery.event) == "release",
    )
    row = session.scalars(query).first()
    if row is not None:
        waiting = f"due {row.due_at:%-d %b %H:%M} UTC" + (f" after {row.error[:200]}" if row.error else "")
        dead = f"failed: {(row.error or 'unknown reason')[:200]}"
        sent = f"sent {row.sent_at:%-d %b %H:%M} UTC" if row.sent_at else "sent"
        return {DeliveryState.SENT: sent, DeliveryState.DEAD: dead}.get(DeliveryState(row.state), waiting)
    if not all(holds for _, holds in explain(parse(subscription.filter), release)):
        return "does not match"
    if release.is_backfilled:
        return "matches, but was published before monitoring started"
    if release.first_seen_at < subscription.created_at:
        return "matches, but was first seen before this subscription was created"
    if release.pending:
        return "matches; the alert is sent when its weights are published"
    return "matches now, but did not match when it was first seen (or the subscription was paused)"


# --- filters ----------------------------------------------------------------------------------------------


def add_term(subscription: Subscription, term: str) -> None:
    """Adds a term to a filter unless it is there. Raises QueryError if the result is invalid or too long.

    A subscription with a trigger has no filter and stays as it is.
    """
    if subscription.when is not None:
        return
    typed = subscription.typed or subscription.filter
    both = normalised(All((parse(typed).root, parse(term).root)))
    appended = f"{typed} {term}".strip()
    if Query(both).normal != subscription.filter:
        # A term appended to an OR would bind to its last operand only.
        change(subscription, filter=appended if parse(appended).root == both else f"({typed}) {term}")


def remove_term(subscription: Subscription, term: str) -> bool:
    """Removes a term from a filter; returns whether it was there."""
    root, wanted = parse(subscription.filter).root, parse(term).root
    items = root.items if isinstance(root, All) else (root,)
    if wanted not in items:
        return False
    typed = subscription.typed.replace(f" {term}", "")
    kept = Query(All(tuple(item for item in items if item != wanted))).normal
    same = parse(typed).normal == parse(kept).normal
    change(subscription, filter=typed if same else kept)
    return True


def lab_term(registry: Registry, word: str) -> str:
    """Returns ``lab:qwen`` for a known lab (by id, name or namespace), else ``namespace:…``."""
    wanted = word.strip().strip('"“”').partition("/")[0]
    labs = tuple(lab.id for lab in registry.named(wanted))
    if labs:
        return written(Term("lab", ":", labs), inside=True)
    return written(Term("namespace", ":", (wanted.lower(),)), inside=True)
