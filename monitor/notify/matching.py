"""From news to deliveries: each distinct filter is matched once, and the database adds its subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, Select, Text, TextClause, and_, case, func, literal, or_, select
from sqlmodel import Session, col

from monitor.db.engine import UTCDateTime, in_values, now
from monitor.db.upsert import insert_or_ignore
from monitor.enums import BRIEF_UNITS, UPDATES, Event, event_of
from monitor.labs import Registry
from monitor.models import Announcement, Change, Delivery, DeliveryState, Id, Launch, Notice, Release, Subscription
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
_FILTER_COLUMN = "subscription.filter"
_COUNTED = {"preserve_rowcount": True}


def enqueue(session: Session, news: Sequence[News], launch_waits: LaunchWaits | None = None) -> int:
    """Writes a delivery for each subscription that wants one of these; returns how many are new.

    A filter that names events (``event:gated``) matches only these, of a renamed release also under its former names.
    Any other filter matches releases; its subscribers
    also get the later changes of the releases that they were notified of.

    ``launch_waits``: the targets whose immediate alerts wait until a launch is complete; without it none does.
    """
    advance_due_digests(session, now())
    matchers = _active_matchers(session)
    filters = list(matchers)
    naming_events = [text for text in filters if matchers[text].names_events]
    others = [text for text in filters if not matchers[text].names_events]
    waits = launch_waits or {}
    written = 0
    for item in news:
        events = _event_names(item)
        candidates = filters if Event.RELEASE in events else naming_events
        matching = [text for text in candidates if matchers[text].holds(item.release, events)]
        if Event.RELEASE not in events:
            rest = {text: matchers[text] for text in set(candidates) - set(matching)}
            matching += _matching_former_names(session, item, events, rest)
        if matching:
            written += _fan_out(session, item, waits, in_values(session, _FILTER_COLUMN, matching))
        if event_of(item.event) in UPDATES and others:
            notified = col(Subscription.id).in_(_notified_of(item))
            written += _fan_out(session, item, waits, notified, in_values(session, _FILTER_COLUMN, others))
    return written


def _matching_former_names(
    session: Session, item: News, events: tuple[str, ...], matchers: Mapping[str, _Matcher]
) -> list[str]:
    """Those of the filters that match a changed release under a name that it had before."""
    naming = [text for text in matchers if "repo:" in text or "namespace:" in text]
    if not naming:
        return []
    of_it = (col(Change.release_id) == item.release.id, col(Change.field) == "repo_id")
    renames = select(col(Change.before)).where(*of_it)
    former = [_renamed(item.release, name) for name in session.scalars(renames) if isinstance(name, str)]
    return [text for text in sorted(naming) if any(matchers[text].holds(row, events) for row in former)]


def _renamed(release: Release, repo_id: str) -> Release:
    """A copy of a release under another name, which is not stored."""
    namespace, _, name = repo_id.rpartition("/")
    return Release(**release.model_dump() | {"repo_id": repo_id, "namespace": namespace, "name": name})


def enqueue_announcements(session: Session, rows: Iterable[Announcement], registry: Registry) -> int:
    """Writes a notice of each announced model without weights for subscriptions with ``event:announced``.

    Such a model is matched as a release of which only the name and the lab are known. Returns how many are new.
    """
    matchers = _active_matchers(session)
    naming_events = [text for text, matcher in matchers.items() if matcher.names_events]
    written = 0
    for row in rows:
        matching = [
            text for text in naming_events if matchers[text].holds(as_release(row, registry), (Event.ANNOUNCED,))
        ]
        if matching:
            written += _notices(session, row, registry, matching)
    return written


def _notices(session: Session, row: Announcement, registry: Registry, filters: Sequence[str]) -> int:
    advance_due_digests(session, at := now())
    lab = registry.get(row.lab)
    title = plain(f"{lab.name if lab else row.lab} announced {row.model}")[:150]
    texts = (
        plain(row.title or "")[:300],
        row.url,
        "Its weights are not public yet. If they are released, that alert links to this announcement.",
    )
    chosen = select(
        col(Subscription.id),
        literal("\n".join(line for line in texts if line), Text()),
        literal(at, UTCDateTime()),
        func.coalesce(col(Subscription.digest_due_at), literal(at, UTCDateTime())),
        literal(0),
        literal(title, Text()),
        literal(row.id, Id),
    ).where(*_active(), in_values(session, _FILTER_COLUMN, filters))
    columns = ("subscription_id", "text", "created_at", "due_at", "attempts", "title", "announcement_id")
    written = session.execute(
        insert_or_ignore(session, Notice).from_select(columns, chosen), execution_options=_COUNTED
    )
    return int(written.rowcount)  # type: ignore[attr-defined]


def _event_names(item: News) -> tuple[str, ...]:
    """The values of ``event:`` and ``crossed:`` that match this item."""
    word = event_of(item.event)
    if item.line:
        return word, item.line
    if word is Event.RUNNABLE:
        return word, item.event
    return (word, Event.LAUNCH) if word is Event.RELEASE and item.release.launch_id is not None else (word,)


def _notified_of(item: News) -> Select[Any]:
    return select(col(Delivery.subscription_id)).where(
        col(Delivery.release_id) == item.release.id, col(Delivery.event) == str(Event.RELEASE)
    )


def _active() -> tuple[ColumnElement[bool], ...]:
    return (
        col(Subscription.confirmed).is_(True),
        col(Subscription.paused).is_(False),
        col(Subscription.operator).is_(False),
        col(Subscription.when).is_(None),
        col(Subscription.digest).not_in(list(BRIEF_UNITS)),
    )


def _fan_out(session: Session, item: News, launch_waits: LaunchWaits, *wanted: ColumnElement[bool] | TextClause) -> int:
    at = now()
    chosen = select(
        col(Subscription.id),
        col(Subscription.target_id),
        literal(item.release.id),
        literal(item.release.launch_id, Id),
        literal(item.event),
        literal(str(DeliveryState.PENDING)),
        literal(at, UTCDateTime()),
        func.coalesce(col(Subscription.digest_due_at), _due(session, item, at, launch_waits)),
        literal(0),
        col(Subscription.digest_due_at).is_not(None),
        literal(trace(), Text()),
    ).where(*_active(), *wanted)
    statement = insert_or_ignore(session, Delivery).from_select(list(_COLUMNS), chosen)
    return int(session.execute(statement, execution_options={"preserve_rowcount": True}).rowcount)  # type: ignore[attr-defined]


def subscribed_thresholds(session: Session) -> set[str]:
    """The thresholds (``downloads>=1M``) that active subscriptions name in ``crossed:``."""
    naming = col(Subscription.filter).contains("crossed:")
    texts = session.scalars(select(col(Subscription.filter)).where(*_active(), naming).distinct())
    return {line for text in texts for line in (_known.get(text) or _matcher(text)).thresholds}


def _due(session: Session, item: News, at: datetime, launch_waits: LaunchWaits) -> ColumnElement[datetime]:
    """When an immediate alert is due: now, or for targets that wait when its launch is complete."""
    at_once: ColumnElement[datetime] = literal(at, UTCDateTime())
    launch = session.get(Launch, item.release.launch_id) if item.release.launch_id is not None else None
    if launch is None or event_of(item.event) is not Event.RELEASE or launch.settles_at <= at:
        return at_once
    waits = [
        and_(col(Subscription.channel) == channel, col(Subscription.target).startswith(prefix, autoescape=True))
        for channel, prefixes in launch_waits.items()
        for prefix in prefixes
    ]
    return case((or_(*waits), literal(launch.settles_at, UTCDateTime())), else_=at_once) if waits else at_once


class _Matcher(NamedTuple):
    """A filter as a predicate. ``names_events``: whether it names events; ``thresholds``: of ``crossed:``."""

    holds: Predicate
    names_events: bool
    thresholds: frozenset[str] = frozenset()


_known: dict[str, _Matcher] = {}
"""The matchers of the filters in use, all of them: parsing one takes 0.3 ms, and matching it 1 µs."""


def _active_matchers(session: Session) -> dict[str, _Matcher]:
    """The distinct filters of active subscriptions, with their matchers; those of others are forgotten."""
    global _known  # noqa: PLW0603 - replaced as a whole, so that threads see one or the other
    known = _known
    texts = session.scalars(select(col(Subscription.filter)).where(*_active()).distinct())
    _known = {text: known.get(text) or _matcher(text) for text in texts}
    return _known


def _matcher(text: str) -> _Matcher:
    try:
        query = parse(text)
    except QueryError as error:
        # Stored by a version that could parse it; it must not keep other subscriptions from their alerts.
        log.warning("stored filter cannot be parsed", filter=text, error=str(error))
        return _Matcher(lambda *_: False, names_events=True)
    crossed = frozenset(query.values("crossed"))
    return _Matcher(to_predicate(query), query.names("event") or bool(crossed), crossed)
