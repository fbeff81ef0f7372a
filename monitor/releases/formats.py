"""Which copies of a release came first, in each format that programs run; and the news of each first one.

Recording only queues what is new or has changed (:mod:`monitor.releases.format_queue`). A pass (:func:`find_formats`)
takes the queue in batches, one worker at a time: it notes of which release each repository is a copy, and brings the
formats of the releases concerned up to date. A look at a release costs the same however many copies it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic
from typing import Any

from sqlalchemy import Engine, Row, Table, bindparam, delete, func, insert, select, update
from sqlmodel import Session, col

from monitor.classify import NO_FILES, wire
from monitor.classify.bases import stated_bases
from monitor.classify.copies import is_further_work
from monitor.classify.memory import in_bytes, runs
from monitor.db.engine import in_values, let_others_write, now, reading, transaction
from monitor.enums import Event
from monitor.labs import Registry
from monitor.models import Change, FormatQueue, Release, ReleaseFormat
from monitor.releases import records
from monitor.releases.changes import PUBLIC
from monitor.releases.classification import BaseModelLookup
from monitor.releases.format_entries import COPIES, SEEN_AT, Copy, available_at, format_columns, is_trusted
from monitor.releases.recorder import MAX_NEWS_AGE, Enqueue, News
from monitor.releases.repository_files import load_files

BATCH_ROWS = 500
PASS_SECONDS = 120.0
"""After which a pass begins no further batch; the next one continues."""
_COPY: Table = ReleaseFormat.__table__  # type: ignore[attr-defined]
_QUEUE: Table = FormatQueue.__table__  # type: ignore[attr-defined]
_RELEASE: Table = Release.__table__  # type: ignore[attr-defined]
FIELD = "runnable "
"""How the field of a change begins that says that a format is there: ``runnable gguf``."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a pass: releases that were looked at, those whose formats changed, and the news."""

    seen: int = 0
    changed: int = 0
    news: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(self.seen + other.seen, self.changed + other.changed, self.news + other.news)


def find_formats(engine: Engine, enqueue: Enqueue, registry: Registry) -> Found:
    """Takes the queue to its end, or for PASS_SECONDS. Each batch is one transaction: the next pass continues."""
    done, until = Found(), monotonic() + PASS_SECONDS
    while monotonic() < until:
        with reading(engine) as session:
            waiting = session.scalars(select(col(FormatQueue.release_id)).limit(1)).first()
        if waiting is None:
            return done
        with transaction(engine) as session:
            found = _batch(session, enqueue, registry)
        done += found
        if not found.seen:
            return done
        let_others_write(engine)
    return done


def _batch(session: Session, enqueue: Enqueue, registry: Registry) -> Found:
    records.lock(session)  # one pass at a time; before the rows of releases, as whoever records takes it
    taken = session.execute(select(_QUEUE.c.id, _QUEUE.c.release_id).order_by(_QUEUE.c.id).limit(BATCH_ROWS)).all()
    if not taken:
        return Found()
    ids = sorted({row.release_id for row in taken})
    _look_at_own(session, ids)
    rows = session.execute(select(*_ROW).where(col(Release.id).in_(ids))).all()
    concerned = _note_copies(session, rows, registry)
    changed, news = _bring_up_to_date(session, concerned | {row.hub_id for row in rows})
    session.execute(delete(_QUEUE).where(_QUEUE.c.id.in_([row.id for row in taken])))
    session.flush()
    if news:
        enqueue(session, news)
    return Found(len(ids), changed, len(news))


_ROW = [
    getattr(Release, name)
    for name in (
        "id", "hub_id", "repo_id", "namespace", "lab", "kind", "lineage", "evidence", "status", "pending",
        "released_at", "released_precision", "first_seen_at", "own_formats", "own_memory", "formats", "format_words",
    )
]  # fmt: skip


def _look_at_own(session: Session, ids: Collection[int]) -> None:
    """Reads the formats of releases that were recorded before these were kept, from their stored facts."""
    columns = (
        col(Release.id),
        col(Release.hub_id),
        col(Release.repo_id),
        col(Release.facts),
        col(Release.params_total),
    )
    unread = session.execute(select(*columns).where(col(Release.id).in_(ids), col(Release.own_formats).is_(None))).all()
    files = load_files(session, {row.hub_id: row.repo_id for row in unread})
    values = []
    for row in unread:
        found = runs(wire.prepared(row.facts, files.get(row.hub_id, NO_FILES)), row.params_total)
        values.append(
            {"ident": row.id, "of_own": found.formats, "of_memory": found.memory, "of_bytes": in_bytes(found.memory)}
        )
    if values:
        put = update(_RELEASE).where(_RELEASE.c.id == bindparam("ident"))
        put = put.values(
            own_formats=bindparam("of_own"), own_memory=bindparam("of_memory"), memory_bytes=bindparam("of_bytes")
        )
        session.connection().execute(put, values)


# --- of which release a repository is a copy ----------------------------------------------------------------


def _note_copies(session: Session, rows: Sequence[Row[Any]], registry: Registry) -> set[str]:
    """Writes the copies among these; returns the ``_id`` of the releases that they are, or were, copies of.

    Copies that named one of these before it was known are linked with it.
    """
    names = {row.repo_id.lower(): row.hub_id for row in rows}
    waiting = select(_COPY.c.original).where(in_values(session, "release_format.original", names)).distinct()
    for name in list(session.scalars(waiting)):
        session.execute(update(_COPY).where(_COPY.c.original == name).values(original=names[name]))
    ids = [row.id for row in rows]
    before = select(_COPY.c.original).where(_COPY.c.release_id.in_(ids)).distinct()
    concerned = set(session.scalars(before))
    originals = _originals(session, [row for row in rows if row.kind in COPIES and row.lineage])
    values = []
    for row in rows:
        if row.id not in originals:
            continue
        key, namespace = originals[row.id]
        trusted = is_trusted(registry, row.namespace, namespace)
        public = row.status in PUBLIC and not row.pending
        values += [
            {"release_id": row.id, "format": name, "original": key, "at": available_at(row, of_it)[0],
             "is_trusted": trusted, "is_public": public}
            for name, of_it in (row.own_formats or {}).items()
        ]  # fmt: skip
        concerned.add(key)
    session.execute(delete(_COPY).where(_COPY.c.release_id.in_(ids)))
    if values:
        session.execute(insert(_COPY), values)
    return concerned


def _originals(session: Session, rows: Sequence[Row[Any]]) -> dict[int, tuple[str, str | None]]:
    """By id of a copy, (what it is a copy of, the namespace of that): its ``_id``, or its name while it is unknown.

    Only what a copy states counts, not what its name suggests; a copy of several releases at once is one of none.
    """
    if not rows:
        return {}
    facts = dict(
        tuple(row) for row in session.execute(
            select(col(Release.id), col(Release.facts)).where(col(Release.id).in_([row.id for row in rows]))
        )
    )  # fmt: skip
    named: dict[int, tuple[str, str | None]] = {}
    for row in rows:
        stated = stated_bases(facts[row.id])
        steps = row.lineage if not _is_guessed(row.evidence) else row.lineage[:1]
        if len(stated.ids) == 1 and not is_further_work(row.repo_id, steps[0]["repo_id"]):
            place = _original_step(steps)
            direct = stated.hub_ids.get(stated.ids[0].lower()) if place == 0 else None
            named[row.id] = steps[place]["repo_id"].lower(), direct
    known = _known(session, named.values())
    found: dict[int, tuple[str, str | None]] = {}
    for ident, (name, hub_id) in named.items():
        one = known.get(hub_id or "") or known.get(name)
        found[ident] = (one.hub_id, one.namespace) if one else (hub_id or name, name.partition("/")[0])
    return found


def _is_guessed(evidence: Mapping[str, Any]) -> bool:
    """Whether the ancestors of the stated base were read from names."""
    return any(reason.get("signal") == "name" for reason in evidence.get("foundation", ()))


def _original_step(steps: Sequence[Mapping[str, str]]) -> int:
    """The place in a copy's lineage of the first ancestor that is no copy itself."""
    place = 0
    for step, following in pairwise(steps):
        if following["relation"] not in COPIES or is_further_work(step["repo_id"], following["repo_id"]):
            break
        place += 1
    return place


def _known(session: Session, named: Iterable[tuple[str, str | None]]) -> dict[str, Row[Any]]:
    """Releases by ``_id`` and by name in lower case, a former name too; of several, the one that has it now."""
    wanted = {text for pair in named for text in pair if text is not None}
    if not wanted:
        return {}
    lookup = BaseModelLookup(session)
    lookup.prefetch(wanted)
    current = {text: info.repo_id.lower() for text in wanted if (info := lookup(text)) is not None}
    columns = (col(Release.hub_id), col(Release.repo_id), col(Release.namespace), col(Release.status))
    where = in_values(session, "lower(release.repo_id)", set(current.values()))
    found: dict[str, Row[Any]] = {}
    for row in session.execute(select(*columns).where(where).order_by(col(Release.id))):
        key = row.repo_id.lower()
        if key not in found or row.status in PUBLIC:
            found[key] = row
    return {text: found[name] for text, name in current.items() if name in found}


# --- formats of a release -----------------------------------------------------------------------------------


def _bring_up_to_date(session: Session, hub_ids: Collection[str]) -> tuple[int, list[News]]:
    """Writes the formats of these releases where they differ; returns how many did, and the news."""
    rows = session.execute(select(*_ROW).where(in_values(session, "release.hub_id", hub_ids))).all()
    copies = _first_copies(session, [row.hub_id for row in rows])
    differing: dict[int, dict[str, Any]] = {}
    for row in rows:
        found = format_columns(row, [copy for copy, _ in copies.get(row.hub_id, ())])
        if found["formats"] != row.formats or found["format_words"] != row.format_words:
            differing[row.id] = found
    runs_somehow = [
        row for row in rows if row.kind not in COPIES and not row.pending and (row.own_formats or row.hub_id in copies)
    ]
    formats = {row.id: differing.get(row.id, {"formats": row.formats})["formats"] for row in runs_somehow}
    missing = _unnoted(session, formats)
    if not differing and not missing:
        return 0, []
    wanted = select(Release).where(col(Release.id).in_({*differing, *missing})).order_by(col(Release.id))
    locked = session.scalars(wanted.with_for_update(key_share=True).execution_options(populate_existing=True))
    news = []
    for release in list(locked):
        ident = release.id or 0
        for name, value in differing.get(ident, {}).items():
            setattr(release, name, value)
        session.add(release)
        fresh = {copy.format: is_news for copy, is_news in reversed(copies.get(release.hub_id, ()))}
        for form in missing.get(ident, ()):
            news += _first(session, release, form, fresh)
    return len(differing), news


def _first_copies(session: Session, hub_ids: Collection[str]) -> dict[str, list[tuple[Copy, bool]]]:
    """By ``_id`` of a release, its first public copy of each format, of all and of trusted packagers, and whether each
    has just been seen for the first time, and not in a backfill; the first first."""
    if not hub_ids:
        return {}
    rank = func.row_number().over(
        partition_by=(_COPY.c.original, _COPY.c.format, _COPY.c.is_trusted), order_by=(_COPY.c.at, _COPY.c.release_id)
    )
    ranked = (
        select(_COPY, rank.label("rank"))
        .where(in_values(session, "release_format.original", hub_ids), _COPY.c.is_public)
        .subquery()
    )
    columns = [
        getattr(Release, name)
        for name in ("repo_id", "namespace", "lab", "released_at", "released_precision", "first_seen_at",
                     "is_backfilled", "own_formats")
    ]  # fmt: skip
    query = select(ranked.c.original, ranked.c.format, ranked.c.is_trusted, *columns)
    query = query.join_from(ranked, Release, col(Release.id) == ranked.c.release_id)
    query = query.where(ranked.c.rank == 1).order_by(ranked.c.at, ranked.c.release_id)
    recent = now() - MAX_NEWS_AGE
    found: dict[str, list[tuple[Copy, bool]]] = defaultdict(list)
    for row in session.execute(query):
        of_it = (row.own_formats or {}).get(row.format)
        if of_it is not None:
            at, precision = available_at(row, of_it)
            is_new = row.first_seen_at > recent or (SEEN_AT in of_it and at > recent)
            copy = Copy(row.format, at, precision, row.repo_id, row.namespace, row.lab, row.is_trusted, of_it)
            found[row.original].append((copy, is_new and not row.is_backfilled))
    return found


# --- news ---------------------------------------------------------------------------------------------------


def _unnoted(session: Session, formats: Mapping[int, Mapping[str, Any]]) -> dict[int, list[str]]:
    """By id of a release, the formats that it has now and no change says so yet."""
    ids = list(formats)
    if not ids:
        return {}
    fields = {f"{FIELD}{name}" for ident in ids for name in formats[ident]}
    query = select(col(Change.release_id), col(Change.field)).where(
        col(Change.release_id).in_(ids), col(Change.field).in_(fields)
    )
    noted = {(row[0], row[1].removeprefix(FIELD)) for row in session.execute(query)}
    missing = {ident: [name for name in formats[ident] if (ident, name) not in noted] for ident in ids}
    return {ident: names for ident, names in missing.items() if names}


def _first(session: Session, row: Release, form: str, fresh: Mapping[str, bool]) -> list[News]:
    """Notes that a release runs in a format, once and for all.

    It is news if the release was seen as news, and it, the copy or the file was seen for the first time within a day.
    """
    assert row.id is not None
    entry = row.formats[form]
    own = entry["repo_id"] == row.repo_id
    session.add(
        Change(
            release_id=row.id, at=now(), field=f"{FIELD}{form}", before=None, after=entry["repo_id"],
            reason="its own files" if own else "a copy", event=str(Event.RUNNABLE),
        )
    )  # fmt: skip
    recent = now() - MAX_NEWS_AGE
    added = (row.own_formats or {}).get(form, {}) if own else {}
    is_fresh = available_at(row, added)[0] > recent if SEEN_AT in added else fresh.get(form, False) and not own
    is_new = row.first_seen_at > recent or is_fresh
    if row.is_backfilled or row.status not in PUBLIC or not is_new:
        return []
    return [News(row, f"{Event.RUNNABLE}:{form}")]
