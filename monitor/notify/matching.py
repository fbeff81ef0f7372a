"""From news to deliveries: each distinct filter is asked once, the database fans out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, Select, Text, TextClause, and_, case, func, literal, or_, select
from sqlmodel import Session, col

from monitor.db.engine import UTCDateTime, in_values, now
from monitor.db.upsert import insert_or_ignore
from monitor.enums import UPDATES, Event, event_of
from monitor.labs import Registry
from monitor.models import Announcement, Delivery, DeliveryState, Id, Launch, Notice, Subscription
from monitor.notify.message import LaunchWaits
from monitor.notify.subscriptions import advance_due_digests
from monitor.observability.logging import trace
from monitor.releases.launches.announcements import as_release
from monitor.releases.query import Predicate, QueryError, parse, to_predicate
from monitor.releases.recorder import News
from monitor.text import plain

log = structlog.get_logger(__name__)

_COLUMNS = (
    "subscription_id", "target_id", "release_id", "launch_id", "event", "state", "created_at", "due_at",
    "attempts", "digest", "trace",
)  # fmt: skip
_FILTER = "subscription.filter"
_COUNTED = {"preserve_rowcount": True}


def enqueue(session: Session, news: Sequence[News], launch_waits: LaunchWaits | None = None) -> int:
    """Writes a delivery for each subscription that wants one of these; returns how many are new.

    ``launch_waits``: the targets whose immediate alerts wait until a launch is complete; without it none does.

    A filter that names events (``event:gated``) says itself what it wants to hear. The others hear of releases, and
    of what happens later to those that they were told of.
    """
    advance_due_digests(session, now())
    filters = list(session.scalars(select(col(Subscription.filter)).where(*_active()).distinct()))
    choosy = [text for text in filters if _matcher(text).names_events]
    others = [text for text in filters if not _matcher(text).names_events]
    waits = launch_waits or {}
    written = 0
    for item in news:
        happened = _happened(item)
        candidates = filters if Event.RELEASE in happened else choosy
        matching = [text for text in candidates if _matcher(text).holds(item.release, happened)]
        if matching:
            written += _fan_out(session, item, waits, in_values(session, _FILTER, matching))
        if event_of(item.event) in UPDATES and others:
            notified = col(Subscription.id).in_(_told(item))
            written += _fan_out(session, item, waits, notified, in_values(session, _FILTER, others))
    return written


def tell_announced(session: Session, rows: Iterable[Announcement], registry: Registry) -> int:
    """Writes a notice of each model that was announced without weights, for whoever asks for ``event:announced``.

    Such a model is matched as a release of which only its name and its lab are known. Returns how many are new.
    """
    filters = session.scalars(select(col(Subscription.filter)).where(*_active()).distinct())
    choosy = [text for text in filters if _matcher(text).names_events]
    written = 0
    for row in rows:
        matching = [text for text in choosy if _matcher(text).holds(as_release(row, registry), (Event.ANNOUNCED,))]
        if matching:
            written += _notices(session, row, registry, matching)
    return written


def _notices(session: Session, row: Announcement, registry: Registry, filters: Sequence[str]) -> int:
    advance_due_digests(session, moment := now())
    lab = registry.get(row.lab)
    title = plain(f"{lab.name if lab else row.lab} announced {row.model}")[:150]
    lines = (
        plain(row.title or "")[:300],
        row.url,
        "Its weights are not public; a message about its release names this.",
    )
    chosen = select(
        col(Subscription.id),
        literal("\n".join(line for line in lines if line), Text()),
        literal(moment, UTCDateTime()),
        func.coalesce(col(Subscription.digest_due_at), literal(moment, UTCDateTime())),
        literal(0),
        literal(title, Text()),
        literal(row.id, Id),
    ).where(*_active(), in_values(session, _FILTER, filters))
    columns = ("subscription_id", "text", "created_at", "due_at", "attempts", "title", "announcement_id")
    written = session.execute(
        insert_or_ignore(session, Notice).from_select(columns, chosen), execution_options=_COUNTED
    )
    return int(written.rowcount)  # type: ignore[attr-defined]


def _happened(item: News) -> tuple[str, ...]:
    """The words that ``event:`` finds."""
    word = event_of(item.event)
    if item.line:
        return word, item.line
    return (word, Event.LAUNCH) if word is Event.RELEASE and item.release.launch_id is not None else (word,)


def _told(item: News) -> Select[Any]:
    return select(col(Delivery.subscription_id)).where(
        col(Delivery.release_id) == item.release.id, col(Delivery.event) == str(Event.RELEASE)
    )


def _active() -> tuple[ColumnElement[bool], ...]:
    return (
        col(Subscription.confirmed).is_(True),
        col(Subscription.paused).is_(False),
        col(Subscription.operator).is_(False),
    )


def _fan_out(session: Session, item: News, launch_waits: LaunchWaits, *wanted: ColumnElement[bool] | TextClause) -> int:
    moment = now()
    chosen = select(
        col(Subscription.id),
        col(Subscription.target_id),
        literal(item.release.id),
        literal(item.release.launch_id, Id),
        literal(item.event),
        literal(str(DeliveryState.PENDING)),
        literal(moment, UTCDateTime()),
        func.coalesce(col(Subscription.digest_due_at), _due(session, item, moment, launch_waits)),
        literal(0),
        col(Subscription.digest_due_at).is_not(None),
        literal(trace(), Text()),
    ).where(*_active(), *wanted)
    statement = insert_or_ignore(session, Delivery).from_select(list(_COLUMNS), chosen)
    return int(session.execute(statement, execution_options={"preserve_rowcount": True}).rowcount)  # type: ignore[attr-defined]


def lines(session: Session) -> set[str]:
    """The lines (``downloads>=1M``) whose crossing some active subscription asks for."""
    naming = col(Subscription.filter).contains("crossed:")
    texts = session.scalars(select(col(Subscription.filter)).where(*_active(), naming).distinct())
    return {line for text in texts for line in _matcher(text).lines}


def _due(session: Session, item: News, moment: datetime, launch_waits: LaunchWaits) -> ColumnElement[datetime]:
    """When an immediate alert is due: now, or for targets that wait when its launch is complete."""
    at_once: ColumnElement[datetime] = literal(moment, UTCDateTime())
    launch = session.get(Launch, item.release.launch_id) if item.release.launch_id is not None else None
    if launch is None or event_of(item.event) is not Event.RELEASE or launch.settles_at <= moment:
        return at_once
    waits = [
        and_(col(Subscription.channel) == channel, col(Subscription.target).startswith(prefix, autoescape=True))
        for channel, prefixes in launch_waits.items()
        for prefix in prefixes
    ]
    return case((or_(*waits), literal(launch.settles_at, UTCDateTime())), else_=at_once) if waits else at_once


class _Matcher(NamedTuple):
    """A filter as a predicate; ``names_events``: it says itself which events it wants, ``lines``: to be crossed."""

    holds: Predicate
    names_events: bool
    lines: frozenset[str] = frozenset()


@lru_cache(maxsize=10_000)
def _matcher(text: str) -> _Matcher:
    try:
        query = parse(text)
    except QueryError as error:
        # Kept by a version that read it; one filter must not stop what all the others are told.
        log.warning("a filter that cannot be read matches nothing", filter=text, error=str(error))
        return _Matcher(lambda *_: False, names_events=True)
    crossed = frozenset(query.values("crossed"))
    return _Matcher(to_predicate(query), query.names("event") or bool(crossed), crossed)
