"""The one writer of the history: sightings go in, releases and their deliveries are written, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select
from sqlmodel import Session, col

from monitor.classify import classify
from monitor.classify.subject import has_weights
from monitor.dates import hub_time
from monitor.db.engine import among
from monitor.db.upsert import ignoring as ignoring  # noqa: PLC0414 - for those who write beside the history
from monitor.db.upsert import insert_absent
from monitor.enums import Event, Precision, Sighting, Status, Via
from monitor.labs import Registry
from monitor.models import Namespace, Poll, Release, Sighted
from monitor.models.search_text import searchable
from monitor.observability.tracing import spanned
from monitor.releases.changes import note
from monitor.releases.classification import History, Judgements, judge
from monitor.releases.columns import bounded, judged
from monitor.releases.corrections import corrected, of
from monitor.releases.counters import Key, count, delays
from monitor.releases.hub_facts import POPULARITY, Kept, kept
from monitor.releases.launches.announcement_links import expected
from monitor.releases.launches.announcements import fulfil
from monitor.releases.launches.grouping import WINDOW, assign, member


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell: a release, and what happened to it (``release``, or a change's word and number).

    ``line``: the one that it crossed (``downloads>=1M``), where it gained momentum.
    """

    release: Release
    event: str
    line: str = ""


Tell = Callable[[Session, Sequence[News]], int]
"""Writes the deliveries of some news into the same transaction; returns how many."""


@dataclass(slots=True)
class Recorded:
    """What recording some sightings did: nothing at all for those in ``same``.

    ``new`` are releases and placeholders that were not there before; ``learnt`` counts those that are history.
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


KEPT = (
    "license", "license_class", "gated", "repo_id", "kind", "foundation_repo_id", "params_total", "params_active",
    "openness", "origin", "lab", "namespace",
)  # fmt: skip
"""Columns of which every change is kept; which of them are events, :mod:`monitor.releases.changes` says."""


@spanned("record")
def record(
    session: Session,
    sightings: Iterable[Sighting],
    registry: Registry,
    tell: Tell,
    judgements: Judgements | None = None,
    window: timedelta = WINDOW,
) -> Recorded:
    """Writes what the sightings say and what has to be told of it. The same sighting again changes nothing.

    The caller owns the transaction: either all of it is written or none. ``judgements``: of :func:`judge`, where the
    sightings were judged before (while others were written); what they saw is then read from these.
    ``window``: within which of each other a family's repositories are one launch.
    """
    batch = {sighting.hub_id: sighting for sighting in sightings}
    done = Recorded()
    for hub_id in _unchanged(session, batch):
        del batch[hub_id]
        done.same += 1
    rows = _rows(session, batch, lock=judgements is None)
    new = [batch[key] for key in batch if key not in rows]
    found = judge(session, new, registry) if judgements is None else judgements
    _record_new(session, new, found, registry, window, done)
    _sighted(session, [(row, batch[hub_id]) for hub_id, row in rows.items()])
    for hub_id, row in rows.items():
        sighting = batch[hub_id]
        if judgements is not None:
            sighting = sighting._replace(facts=orjson.loads(judgements[hub_id]["facts"]))
        _record_again(session, row, sighting, registry, done)
    arrived = [item.release for item in done.news if item.release.hub_id in rows and item.event == Event.RELEASE]
    launched = assign(session, [member(row.model_dump(), registry) for row in arrived], window)
    for row, launch in zip(arrived, launched, strict=True):
        row.launch_id = launch
    session.flush()
    released = [item.release for item in done.news if item.event == Event.RELEASE]
    expected(session, released)
    fulfil(session, released, told=True)
    if done.news:
        done.deliveries = tell(session, done.news)
    count(session, *_counted(done))
    return done


def _counted(done: Recorded) -> Iterator[dict[Key, float]]:
    """What the metrics count: releases by what saw them, and how long after they can have turned public."""
    yield {("releases", "history"): done.learnt}
    for item in done.news:
        if item.event == "release":
            row = item.release
            yield {("releases", row.detected_via): 1.0}
            since = row.released_after or row.released_at
            # Of a placeholder whose weights came it is not known when they did.
            if since is not None and since < row.first_seen_at:
                waited = (row.first_seen_at - since).total_seconds()
                yield delays("detection_delay", str(row.released_precision), waited)


_LISTED = {Via.CREATED, Via.MODIFIED}


def _unchanged(session: Session, batch: dict[str, Sighting]) -> set[str]:
    """Those that a hub-wide listing shows just as it did before: most of every walk, found without reading them."""
    listed = {key: sighting for key, sighting in batch.items() if sighting.via in _LISTED}
    if not listed:
        return set()
    columns = (col(Release.hub_id), col(Release.listed_digest), col(Release.detected_via), col(Sighted.via))
    query = select(*columns).outerjoin(Sighted)
    public = col(Release.status).in_([str(Status.LIVE), str(Status.RENAMED)])
    rows = session.execute(query.where(among(session, "release.hub_id", listed), public))
    seen_so = {hub_id: before for hub_id, before, *ways in rows if listed[hub_id].via in ways}
    return {hub_id for hub_id, before in seen_so.items() if before == kept(listed[hub_id].facts).digest}


def vanished(session: Session, row: Release, status: Status, at: datetime, because: str) -> None:
    """Marks a release whose repository is no longer public; its history stays."""
    if row.status == status:
        return
    # Of several workers that see it at once, one notes it: the others wait here, and find it noted.
    session.refresh(row, ["status"], with_for_update=LOCK)
    if row.status == status:
        return
    note(session, row, "status", row.status, str(status), at, because, tell=None if row.pending else True)
    row.status = str(status)
    session.add(row)


LOCK: Any = {"key_share": True}
"""FOR NO KEY UPDATE: whoever would change the same row waits; whoever writes its deliveries does not."""


def _rows(session: Session, hub_ids: Collection[str], *, lock: bool = False) -> dict[str, Release]:
    """Releases by their hub id. ``lock``: until the end of the transaction, so that one worker compares and notes."""
    if not hub_ids:
        return {}
    query = select(Release).where(among(session, "release.hub_id", hub_ids))
    if lock:
        query = query.order_by(col(Release.id)).with_for_update(**LOCK).execution_options(populate_existing=True)
    return {row.hub_id: row for row in session.scalars(query)}


# --- what was not known -----------------------------------------------------------------------------------


def _record_new(
    session: Session,
    sightings: list[Sighting],
    judgements: Judgements,
    registry: Registry,
    window: timedelta,
    done: Recorded,
) -> None:
    if not sightings:
        return
    watch = _Watch(session, {sighting.repo_id.partition("/")[0] for sighting in sightings})
    found = {sighting.hub_id: sighting for sighting in sightings}
    rows = [_first(found[key], judgements[key], watch) for key in judgements if key in found]
    _supersede(session, rows)
    for row, launch in zip(rows, assign(session, [member(row, registry) for row in rows], window), strict=True):
        row["launch_id"] = launch
    # Where another worker was faster, what it wrote is the same, and it is told by that one.
    inserted = insert_absent(session, Release.__table__, rows, "hub_id")  # type: ignore[attr-defined]
    rows = [row for row in rows if row["hub_id"] in inserted]
    done.learnt += sum(row["history"] for row in rows)
    for new in _rows(session, [row["hub_id"] for row in rows if not row["history"]]).values():
        done.new.append(new)
        if not new.pending:
            done.news.append(News(new, str(Event.RELEASE)))


def _first(sighting: Sighting, columns: dict[str, Any], watch: _Watch) -> dict[str, Any]:
    created = columns["created_at"]
    news, after = watch.judge(sighting, created)
    when = (None, None, None) if columns["pending"] else _released(sighting, created, after, news=news)
    return columns | {
        "hub_id": sighting.hub_id,
        "released_at": when[0],
        "released_after": when[1],
        "released_precision": when[2],
        "first_seen_at": sighting.seen_at,
        "detected_via": str(sighting.via),
        "status": str(Status.LIVE),
        "history": not news,
        "words": searchable(columns["repo_id"], columns["lab"], orjson.loads(columns["tags"])),
        "listed_digest": columns["facts_digest"] if sighting.via in _LISTED else None,
    }


def _released(
    sighting: Sighting, created: datetime | None, after: datetime | None, *, news: bool
) -> tuple[datetime | None, datetime | None, str | None]:
    """When it was released: (moment, not before, precision)."""
    if sighting.exact_at is not None:
        return sighting.exact_at, sighting.exact_at, str(Precision.EXACT)
    if news and after is not None:
        return sighting.seen_at, min(after, sighting.seen_at), str(Precision.WINDOW)
    return created, None, str(Precision.CREATED) if created else None


BEFORE_FIRST_WALK = timedelta(hours=1)
"""How far back a webhook is believed where nothing has been walked yet."""


class _Watch:
    """Since when whom has been watched: what decides between news and history."""

    def __init__(self, session: Session, namespaces: set[str]) -> None:
        query = select(col(Namespace.name), col(Namespace.swept_at)).where(among(session, "namespace.name", namespaces))
        self._swept: dict[str, datetime | None] = {row.name: row.swept_at for row in session.execute(query)}
        poll = session.get(Poll, "created")
        self._since = hub_time(poll.state.get("since")) if poll else None
        self._walked = hub_time(poll.state.get("walked_at")) if poll else None

    def judge(self, sighting: Sighting, created: datetime | None) -> tuple[bool, datetime | None]:
        """(whether it is news, the last moment at which it was not public).

        News is what we would have known, had it been public before: it is in a namespace that has been swept,
        it was made since we walk all that is made, or it turned public since then.
        """
        if sighting.history:
            return False, None
        swept_at = self._swept.get(sighting.repo_id.partition("/")[0])
        made_since = self._since is not None and created is not None and created > self._since
        bounds = [created] if created is not None else []
        if swept_at is not None:
            bounds.append(swept_at)
        if made_since and self._walked is not None:
            bounds.append(self._walked)
        since = self._since or sighting.seen_at - BEFORE_FIRST_WALK
        turned_since = sighting.exact_at is not None and sighting.exact_at > since
        news = swept_at is not None or made_since or turned_since
        return news, max(bounds, default=None)


def _supersede(session: Session, rows: list[dict[str, Any]]) -> None:
    """A repository deleted and made again under its name is another release: the first one is gone."""
    names = {row["repo_id"]: row for row in rows}
    query = select(Release).where(among(session, "release.repo_id", names), col(Release.status) != str(Status.GONE))
    for old in session.scalars(query):
        new = names[old.repo_id]
        if old.hub_id != new["hub_id"]:
            vanished(session, old, Status.GONE, new["first_seen_at"], "its name now belongs to another repository")


def _sighted(session: Session, seen: Iterable[tuple[Release, Sighting]]) -> None:
    """Keeps by which other ways than the first each was seen, once for each way."""
    values = [
        {"release_id": row.id, "via": str(sighting.via), "seen_at": sighting.seen_at}
        for row, sighting in seen
        if row.detected_via != sighting.via
    ]
    if values:
        session.execute(ignoring(session, Sighted), values)


# --- what was known ---------------------------------------------------------------------------------------


def _record_again(session: Session, row: Release, sighting: Sighting, registry: Registry, done: Recorded) -> None:
    assert row.id is not None
    now_known = kept({**_outlasting(row.facts, sighting.facts), **sighting.facts})
    if sighting.via in _LISTED:
        row.listed_digest = kept(sighting.facts).digest
        session.add(row)
    returned = row.status in {Status.GONE, Status.PRIVATE} and now_known.facts.get("private") is not True
    found = row.pending and has_weights(row.facts) is not False
    if found:
        overlooked(row)
        if not row.history and sighting.seen_at - row.first_seen_at < LATEST_NEWS:
            done.news.append(News(row, str(Event.RELEASE)))
    if now_known.digest == row.facts_digest and not returned and not found:
        done.same += 1
        if sighting.via is Via.TRENDING:
            _count(row, now_known.facts)
        return
    was = row.status
    _rejudge(session, row, now_known, sighting, registry, done)
    if returned:
        note(
            session,
            row,
            "status",
            was,
            str(Status.LIVE),
            sighting.seen_at,
            str(sighting.via),
            tell=_tell(row, sighting),
        )
        row.status = str(Status.LIVE)
    session.add(row)
    done.changed.append(row)


def _outlasting(before: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """What was known before and this look did not ask for; where it saw the files, what they hold is not old news."""
    if not isinstance(seen.get("siblings"), list):
        return before
    return {key: value for key, value in before.items() if key not in {"safetensors", "gguf"}}


def _count(row: Release, facts: dict[str, Any]) -> None:
    row.downloads, row.likes = bounded(facts.get("downloads")), bounded(facts.get("likes"))
    row.facts = {**row.facts, **{key: facts[key] for key in POPULARITY if key in facts}}


def _rejudge(
    session: Session, row: Release, known: Kept, sighting: Sighting, registry: Registry, done: Recorded
) -> None:
    judgement = classify(known.facts, registry, History(session))
    had_weights = has_weights(row.facts)
    before = {name: getattr(row, name) for name in KEPT}
    columns = judged(known.facts, judgement)
    for name, value in corrected(columns, of(session, [row]).get(row.id, ())).items():
        setattr(row, name, value)
    row.facts, row.facts_digest = known.facts, known.digest
    changes = {name: old for name, old in before.items() if getattr(row, name) != old}
    when, because = sighting.seen_at, str(sighting.via)
    tell = _tell(row, sighting)
    for name, old in changes.items():
        doubled = name == "license_class" and "license" in changes
        note(session, row, name, old, getattr(row, name), when, because, tell=None if doubled else tell)
    if not row.pending and judgement.has_weights is not None and had_weights is not judgement.has_weights:
        note(session, row, "weights", had_weights, judgement.has_weights, when, because, tell=tell)
    if "repo_id" in changes:
        row.status = str(Status.RENAMED)
    if row.pending and judgement.has_weights is not False:
        _arrived(session, row, sighting, judgement.has_weights, done)


def _tell(row: Release, sighting: Sighting) -> bool | None:
    """Whether a change is to be told; None: what happens to a placeholder is no event."""
    return None if row.pending else not sighting.history


LATEST_NEWS = timedelta(days=1)
"""How long after its first sight an overlooked release is still told as new."""


def overlooked(row: Release) -> None:
    """Makes a release of what was kept as a placeholder by an older version, which took its weights for none."""
    row.pending = False
    if row.history:
        row.released_at, row.released_after = row.created_at, None
        row.released_precision = str(Precision.CREATED) if row.created_at else None
    else:
        row.released_at, row.released_precision = row.first_seen_at, str(Precision.WINDOW)
        row.released_after = min(row.created_at or row.first_seen_at, row.first_seen_at)


def _arrived(session: Session, row: Release, sighting: Sighting, weights: bool | None, done: Recorded) -> None:
    """A placeholder's weights are there, or what may be weights: now it is a release."""
    row.pending = False
    # A moment before it was first seen empty is when it turned public, not when its weights came.
    after = sighting.exact_at is not None and sighting.exact_at >= row.first_seen_at
    row.released_at = sighting.exact_at if after else sighting.seen_at
    row.released_after = row.first_seen_at
    row.released_precision = str(Precision.WINDOW)
    note(session, row, "weights", False, weights, sighting.seen_at, str(sighting.via), tell=False)
    if not sighting.history:
        row.history = False
        done.news.append(News(row, str(Event.RELEASE)))
