"""Records observations: writes releases, their changes and the deliveries about them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.classify import classify, wire
from monitor.classify.subject import has_weights
from monitor.dates import hub_time
from monitor.db.engine import in_values
from monitor.db.upsert import insert_new_rows, insert_or_ignore
from monitor.enums import Event, Kind, Observation, Precision, Status, Via
from monitor.labs import Registry
from monitor.models import Namespace, Poll, Release, ReleaseObservation
from monitor.models.search_text import build_search_text
from monitor.observability.tracing import spanned
from monitor.releases import records
from monitor.releases.changes import record_change
from monitor.releases.classification import BaseModelLookup, Classifications, classify_new
from monitor.releases.columns import hub_counts, release_columns, storable_count
from monitor.releases.corrections import active_corrections, apply_corrections
from monitor.releases.counters import Key, count, delays
from monitor.releases.format_entries import date_added, format_columns
from monitor.releases.format_queue import queue_formats
from monitor.releases.hub_facts import POPULARITY, StorableFacts, normalize
from monitor.releases.launches.announcements import link_earlier_announcements, mark_released
from monitor.releases.launches.grouping import WINDOW, assign, leaves_launch, member
from monitor.releases.providers import update_providers
from monitor.releases.repository_files import files_of


@dataclass(frozen=True, slots=True)
class News:
    """An event to notify subscribers of: a release, and what happened (``release``, or a change's event and id).

    ``line``: the threshold that it crossed (``downloads>=1M``), where it gained momentum.
    """

    release: Release
    event: str
    line: str = ""


Enqueue = Callable[[Session, Sequence[News]], int]
"""Writes the deliveries of some news in the same transaction; returns their number."""


@dataclass(slots=True)
class Recorded:
    """The result of recording observations; ``same`` counts those that changed nothing.

    ``new``: releases and placeholders that are news; ``learnt``: the number of backfilled ones.
    """

    new: list[Release] = field(default_factory=list)
    learnt: int = 0
    news: list[News] = field(default_factory=list)
    changed: list[Release] = field(default_factory=list)
    same: int = 0
    deliveries: int = 0

    def add(self, other: Recorded) -> None:
        """Adds what another recording did."""
        self.new += other.new
        self.learnt += other.learnt
        self.news += other.news
        self.changed += other.changed
        self.same += other.same
        self.deliveries += other.deliveries


TRACKED_COLUMNS = (
    "license", "license_class", "gated", "repo_id", "kind", "foundation_repo_id", "params_total", "params_active",
    "openness", "origin", "lab", "namespace",
)  # fmt: skip
"""Columns whose changes are recorded; :mod:`monitor.releases.changes` decides which of them are events."""


@spanned("record")
def record(
    session: Session,
    observations: Iterable[Observation],
    registry: Registry,
    enqueue: Enqueue,
    classifications: Classifications | None = None,
    window: timedelta = WINDOW,
) -> Recorded:
    """Writes what the observations show, and enqueues the news. Recording an observation again changes nothing.

    The caller owns the transaction: either all of it is written or none. ``classifications``: what
    :func:`classify_new` returned, where the observations were classified before; their facts are then read from these.
    ``window``: within which of each other a family's repositories are one launch.
    """
    batch = {observation.hub_id: observation for observation in observations}
    looked_at, done = list(batch.values()), Recorded()
    for hub_id in _unchanged(session, batch):
        del batch[hub_id]
        done.same += 1
    if any(registry.of(observation.repo_id.partition("/")[0]) for observation in batch.values()):
        records.lock(session)
    rows = _rows(session, batch, lock=classifications is None)
    new = [batch[key] for key in batch if key not in rows]
    found = classify_new(session, new, registry) if classifications is None else classifications
    added, inserted, superseded = _record_new(session, new, found, registry, window, done)
    _record_observations(session, [(row, batch[hub_id]) for hub_id, row in rows.items()])
    for hub_id, row in rows.items():
        observation = batch[hub_id]
        if classifications is not None:
            observation = observation._replace(facts=classifications[hub_id]["facts"])
        _record_again(session, row, observation, registry, done)
    arrived = [item.release for item in done.news if item.release.hub_id in rows and item.event == Event.RELEASE]
    launched = assign(session, [member(row.model_dump(), registry) for row in arrived], window)
    for row, launch in zip(arrived, launched, strict=True):
        row.launch_id = launch
    session.flush()
    # Also of those that are unchanged: who serves a model is no part of its repository.
    done.news += _first_served(session, looked_at)
    released = [item.release for item in done.news if item.event == Event.RELEASE]
    link_earlier_announcements(session, released)
    mark_released(session, released, notified=True)
    session.flush()
    changed = [row.hub_id for row in done.changed if row.hub_id in rows]
    moved = [*inserted, *superseded, *changed]
    records.refresh(session, moved, registry, fresh=inserted, reason="its classification changed")
    queue_formats(session, [*added, *superseded, *changed])
    if done.news:
        done.deliveries = enqueue(session, done.news)
    count(session, *_counted(done))
    return done


def record_providers(session: Session, observations: Iterable[Observation], enqueue: Enqueue) -> Recorded:
    """Writes who serves known releases, where only that was looked at, and enqueues the news."""
    done = Recorded(news=_first_served(session, observations))
    if done.news:
        done.deliveries = enqueue(session, done.news)
    return done


def _first_served(session: Session, observations: Iterable[Observation]) -> list[News]:
    return [News(release, event) for release, event in update_providers(session, observations)]


def _counted(done: Recorded) -> Iterator[dict[Key, float]]:
    """Yields the counts for the metrics: releases by source, and the delay after they may have become public."""
    yield {("releases", "history"): done.learnt}
    for item in done.news:
        if item.event == "release":
            row = item.release
            yield {("releases", row.detected_via): 1.0}
            since = row.released_after or row.released_at
            # It is not known when the weights of a placeholder came.
            if since is not None and since < row.first_seen_at:
                waited = (row.first_seen_at - since).total_seconds()
                yield delays("detection_delay", str(row.released_precision), waited)


_LISTED = {Via.CREATED, Via.MODIFIED}


def _unchanged(session: Session, batch: dict[str, Observation]) -> set[str]:
    """Returns those that a Hub-wide listing shows unchanged: most of every walk, found without reading the rows."""
    listed = {key: observation for key, observation in batch.items() if observation.via in _LISTED}
    if not listed:
        return set()
    columns = (col(Release.hub_id), col(Release.listed_digest), col(Release.detected_via), col(ReleaseObservation.via))
    query = select(*columns).outerjoin(ReleaseObservation)
    public = col(Release.status).in_([str(Status.LIVE), str(Status.RENAMED)])
    rows = session.execute(query.where(in_values(session, "release.hub_id", listed), public))
    seen_so = {hub_id: before for hub_id, before, *ways in rows if listed[hub_id].via in ways}
    return {hub_id for hub_id, before in seen_so.items() if before == normalize(listed[hub_id].facts).digest}


def mark_withdrawn(session: Session, row: Release, status: Status, at: datetime, reason: str) -> None:
    """Marks a release whose repository is no longer public; the row stays."""
    if row.status == status:
        return
    # If several workers see it at once, one records it: the others wait here, and find it recorded.
    session.refresh(row, ["status"], with_for_update=LOCK)
    if row.status == status:
        return
    record_change(session, row, "status", row.status, str(status), at, reason, notify=None if row.pending else True)
    row.status = str(status)
    session.add(row)
    queue_formats(session, [row.hub_id])


LOCK: Any = {"key_share": True}
"""FOR NO KEY UPDATE: whoever would change the same row waits; whoever writes its deliveries does not."""


def _rows(session: Session, hub_ids: Collection[str], *, lock: bool = False) -> dict[str, Release]:
    """Releases by their hub id. ``lock``: until the end of the transaction, so that one worker compares and notes."""
    if not hub_ids:
        return {}
    query = select(Release).where(in_values(session, "release.hub_id", hub_ids))
    if lock:
        query = query.order_by(col(Release.id)).with_for_update(**LOCK).execution_options(populate_existing=True)
    return {row.hub_id: row for row in session.scalars(query)}


# --- new repositories -----------------------------------------------------------------------------------


def _record_new(
    session: Session,
    observations: list[Observation],
    classifications: Classifications,
    registry: Registry,
    window: timedelta,
    done: Recorded,
) -> tuple[set[str], list[str], list[str]]:
    """Returns hub ids: of the new releases, of those that may be notable, and of those whose names these took."""
    if not observations:
        return set(), [], []
    rule = NewsRule(session, {observation.repo_id.partition("/")[0] for observation in observations})
    found = {observation.hub_id: observation for observation in observations}
    rows = [_new_row(found[key], classifications[key], rule) for key in classifications if key in found]
    superseded = _mark_superseded(session, rows)
    for row, launch in zip(rows, assign(session, [member(row, registry) for row in rows], window), strict=True):
        row["launch_id"] = launch
    # If another worker was faster, it wrote the same row and enqueued the news.
    inserted = insert_new_rows(session, Release.__table__, rows, "hub_id")  # type: ignore[attr-defined]
    rows = [row for row in rows if row["hub_id"] in inserted]
    done.learnt += sum(row["is_backfilled"] for row in rows)
    for new in _rows(session, [row["hub_id"] for row in rows if not row["is_backfilled"]]).values():
        done.new.append(new)
        if not new.pending:
            done.news.append(News(new, str(Event.RELEASE)))
    may_be_notable = [row["hub_id"] for row in rows if row["lab"] is not None or row["kind"] == Kind.BASE]
    return inserted, may_be_notable, superseded


def _new_row(observation: Observation, columns: dict[str, Any], rule: NewsRule) -> dict[str, Any]:
    created = columns["created_at"]
    news, after = rule.is_news(observation, created)
    when = (None, None, None) if columns["pending"] else _released(observation, created, after, news=news)
    row = columns | {
        "hub_id": observation.hub_id,
        "released_at": when[0],
        "released_after": when[1],
        "released_precision": when[2],
        "first_seen_at": observation.observed_at,
        "detected_via": str(observation.via),
        "status": str(Status.LIVE),
        "is_backfilled": not news,
        "search_text": build_search_text(columns["repo_id"], columns["lab"], columns["tags"]),
        "listed_digest": columns["facts_digest"] if observation.via in _LISTED else None,
    }
    return row | format_columns(SimpleNamespace(**row), ())


def _released(
    observation: Observation, created: datetime | None, after: datetime | None, *, news: bool
) -> tuple[datetime | None, datetime | None, str | None]:
    """Returns when it was released: (time, not before, precision)."""
    if observation.exact_at is not None:
        return observation.exact_at, observation.exact_at, str(Precision.EXACT)
    if news and after is not None:
        return observation.observed_at, min(after, observation.observed_at), str(Precision.WINDOW)
    return created, None, str(Precision.CREATED) if created else None


BEFORE_FIRST_WALK = timedelta(hours=1)
"""How far back a webhook's time counts as news while nothing has been walked yet."""


class NewsRule:
    """Decides between news and backfill, by since when each source has been watched."""

    def __init__(self, session: Session, namespaces: set[str]) -> None:
        query = select(col(Namespace.name), col(Namespace.swept_at)).where(
            in_values(session, "namespace.name", namespaces)
        )
        self._swept: dict[str, datetime | None] = {row.name: row.swept_at for row in session.execute(query)}
        poll = session.get(Poll, "created")
        self._since = hub_time(poll.state.get("since")) if poll else None
        self._walked = hub_time(poll.state.get("walked_at")) if poll else None

    def is_news(self, observation: Observation, created: datetime | None) -> tuple[bool, datetime | None]:
        """Returns (whether it is news, the latest time at which it was not public).

        News is what would be known already, had it been public before: it is in a namespace that was swept, it was
        created since the walks of new repositories began, or it became public since then.
        """
        if observation.is_backfilled:
            return False, None
        swept_at = self._swept.get(observation.repo_id.partition("/")[0])
        made_since = self._since is not None and created is not None and created > self._since
        bounds = [created] if created is not None else []
        if swept_at is not None:
            bounds.append(swept_at)
        if made_since and self._walked is not None:
            bounds.append(self._walked)
        since = self._since or observation.observed_at - BEFORE_FIRST_WALK
        turned_since = observation.exact_at is not None and observation.exact_at > since
        news = swept_at is not None or made_since or turned_since
        return news, max(bounds, default=None)


def _mark_superseded(session: Session, rows: list[dict[str, Any]]) -> list[str]:
    """Marks releases as gone whose name now belongs to a new repository: that is another release. Returns hub ids."""
    superseded = []
    names = {row["repo_id"]: row for row in rows}
    query = select(Release).where(in_values(session, "release.repo_id", names), col(Release.status) != str(Status.GONE))
    for old in session.scalars(query):
        new = names[old.repo_id]
        if old.hub_id != new["hub_id"]:
            mark_withdrawn(
                session, old, Status.GONE, new["first_seen_at"], "its name now belongs to another repository"
            )
            superseded.append(old.hub_id)
    return superseded


def _record_observations(session: Session, seen: Iterable[tuple[Release, Observation]]) -> None:
    """Writes by which further sources each release was observed, once for each source."""
    values = [
        {"release_id": row.id, "via": str(observation.via), "observed_at": observation.observed_at}
        for row, observation in seen
        if row.detected_via != observation.via
    ]
    if values:
        session.execute(insert_or_ignore(session, ReleaseObservation), values)


# --- known repositories ---------------------------------------------------------------------------------------


def _record_again(session: Session, row: Release, observation: Observation, registry: Registry, done: Recorded) -> None:
    assert row.id is not None
    now_known = normalize({**_outlasting(row.facts, observation.facts), **observation.facts})
    if observation.via in _LISTED:
        row.listed_digest = normalize(observation.facts).digest
        session.add(row)
    returned = row.status in {Status.GONE, Status.PRIVATE} and now_known.facts.get("private") is not True
    found = row.pending and has_weights(row.facts) is not False
    if found:
        promote_placeholder(row)
        if not row.is_backfilled and observation.observed_at - row.first_seen_at < MAX_NEWS_AGE:
            done.news.append(News(row, str(Event.RELEASE)))
    if now_known.digest == row.facts_digest and not returned and not found:
        done.same += 1
        if observation.via is Via.TRENDING:
            _update_popularity(row, now_known.facts)
        return
    was = row.status
    _reclassify(session, row, now_known, observation, registry, done)
    if returned:
        record_change(
            session,
            row,
            "status",
            was,
            str(Status.LIVE),
            observation.observed_at,
            str(observation.via),
            notify=_notifies(row, observation),
        )
        row.status = str(Status.LIVE)
    session.add(row)
    done.changed.append(row)


def _outlasting(before: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """Returns earlier facts that this observation did not request; not those of the files, if it saw the files."""
    if not isinstance(seen.get("siblings"), list):
        return before
    return {key: value for key, value in before.items() if key not in {"safetensors", "gguf"}}


def _update_popularity(row: Release, facts: dict[str, Any]) -> None:
    row.downloads, row.likes = storable_count(facts.get("downloads")), storable_count(facts.get("likes"))
    for name, number in hub_counts({**row.facts, **facts}).items():
        setattr(row, name, number)
    row.facts = {**row.facts, **{key: facts[key] for key in POPULARITY if key in facts}}


def _reclassify(
    session: Session, row: Release, known: StorableFacts, observation: Observation, registry: Registry, done: Recorded
) -> None:
    lookup, files = BaseModelLookup(session), files_of(session, row.hub_id, observation.repo_id)
    classification = classify(known.facts, registry, lookup, files=files, same_size=lookup.same_size)
    had_weights = has_weights(row.facts)
    before = {name: getattr(row, name) for name in TRACKED_COLUMNS}
    columns = release_columns(known.facts, classification)
    if not row.pending:
        had = wire.files(wire.read(row.facts))
        columns["own_formats"] = date_added(columns["own_formats"], row.own_formats, had, observation.observed_at)
    for name, value in apply_corrections(columns, active_corrections(session, [row]).get(row.id, ())).items():
        setattr(row, name, value)
    if leaves_launch(row, registry):
        row.launch_id = None
    row.facts, row.facts_digest = known.facts, known.digest
    changes = {name: old for name, old in before.items() if getattr(row, name) != old}
    when, reason = observation.observed_at, str(observation.via)
    notify = _notifies(row, observation)
    for name, old in changes.items():
        doubled = name == "license_class" and "license" in changes
        record_change(session, row, name, old, getattr(row, name), when, reason, notify=None if doubled else notify)
    if not row.pending and classification.has_weights is not None and had_weights is not classification.has_weights:
        record_change(session, row, "weights", had_weights, classification.has_weights, when, reason, notify=notify)
    if "repo_id" in changes:
        row.status = str(Status.RENAMED)
    if row.pending and classification.has_weights is not False:
        _promote_with_weights(session, row, observation, classification.has_weights, done)


def _notifies(row: Release, observation: Observation) -> bool | None:
    """Returns whether a change is an event with notifications; None for placeholders, which have no events."""
    return None if row.pending else not observation.is_backfilled


MAX_NEWS_AGE = timedelta(days=1)
"""How long after its first observation an overlooked release is still news."""


def promote_placeholder(row: Release) -> None:
    """Turns a placeholder into a release, where an older version did not recognise its weights."""
    row.pending = False
    if row.is_backfilled:
        row.released_at, row.released_after = row.created_at, None
        row.released_precision = str(Precision.CREATED) if row.created_at else None
    else:
        row.released_at, row.released_precision = row.first_seen_at, str(Precision.WINDOW)
        row.released_after = min(row.created_at or row.first_seen_at, row.first_seen_at)


def _promote_with_weights(
    session: Session, row: Release, observation: Observation, weights: bool | None, done: Recorded
) -> None:
    """Turns a placeholder into a release, because its weights, or files that may be weights, have come."""
    row.pending = False
    # A time before it was first observed empty is when it became public, not when its weights came.
    after = observation.exact_at is not None and observation.exact_at >= row.first_seen_at
    row.released_at = observation.exact_at if after else observation.observed_at
    row.released_after = row.first_seen_at
    row.released_precision = str(Precision.WINDOW)
    record_change(session, row, "weights", False, weights, observation.observed_at, str(observation.via), notify=False)
    if not observation.is_backfilled:
        row.is_backfilled = False
        done.news.append(News(row, str(Event.RELEASE)))
