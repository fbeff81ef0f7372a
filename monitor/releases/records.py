"""Records: keeps in step with each release which works were the first or the largest, and why releases are notable.

Called in the transaction that writes a release. What a release changes for others is recomputed with it: one that is
learnt late, or corrected, takes a record from those after it or gives it back. Only the rungs of the ladders are
stored (see :mod:`monitor.releases.ladders`), so a release costs the same however many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, select, text, update
from sqlmodel import Session, col

from monitor.db.engine import in_values
from monitor.db.upsert import conflict_aware_insert
from monitor.labs import Registry
from monitor.models import NotableRecord, NotableWork, Release
from monitor.releases.announced import Announced, namesakes, works_named
from monitor.releases.ladders import LADDERS, Ladder, key_of, ladder_of, rungs, scopes_of, value_of
from monitor.releases.notable import PAUSE, at_least, notable
from monitor.releases.notable_columns import write_notable
from monitor.releases.paces import paced
from monitor.releases.standings import WORKS, neighbours, standings, stored_rungs, stored_works, turned_whole
from monitor.releases.strangers import unknown_originals
from monitor.releases.works import COLUMNS, UNDATED, Work, work_of

MAX_COUNTED = 1_000
"""Earlier works of a scope that are counted; more are no better ground for a claim."""
_RECORD: Table = NotableRecord.__table__  # type: ignore[attr-defined]


def lock(session: Session) -> None:
    """Lets one transaction at a time decide on records. Taken before the rows of releases, so that none waits for it
    with a row that the other needs."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('notable'))"))


def refresh(
    session: Session,
    hub_ids: Collection[str],
    registry: Registry,
    *,
    fresh: Collection[str] = (),
    reason: str | None = None,
) -> None:
    """Brings records and reasons up to date with these releases, and with what they change for others.

    ``fresh``: those inserted in this transaction; ``reason``: why those that are not are looked at again, None: there
    were no reasons before, so that nothing is revised. The session must be flushed.
    """
    if not hub_ids:
        return
    after = _current(session, hub_ids, registry)
    stored = set(hub_ids) - set(fresh)
    before = stored_works(session, stored) if stored else {}
    if not before and not after:
        _write_strangers(session, hub_ids, registry, fresh if reason is not None else hub_ids, reason or "")
        return
    lock(session)
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    left = {key: work for key, work in before.items() if key in changed}
    joined = {key: work for key, work in after.items() if key in changed}
    affected = {*hub_ids, *(_climb(session, left, joined) if changed else ())}
    affected |= namesakes(session, (*left.values(), *joined.values())) | paced(session, changed.difference(fresh))
    evaluate(session, affected, registry, fresh if reason is not None else affected, reason or "")


def refresh_announced(session: Session, announcements: Collection[Announced], registry: Registry) -> None:
    """Brings up to date the reasons of the releases that bear the names of announcements that have just been read."""
    lock(session)
    affected = works_named(session, announcements)
    if affected:
        evaluate(session, affected, registry, (), "its announcement was read")


def refresh_paces(session: Session, hub_ids: Collection[str], registry: Registry) -> None:
    """Brings up to date the reasons that follow from how fast releases were adopted, after these reached a line.

    Under :func:`lock`.
    """
    affected = paced(session, hub_ids)
    if affected:
        evaluate(session, affected, registry, (), "adoption")


def evaluate(
    session: Session, hub_ids: Collection[str], registry: Registry, fresh: Collection[str], reason: str
) -> None:
    """Writes the reasons of these releases."""
    works = stored_works(session, hub_ids)
    found = {work.hub_id: notable(work, standing) for work, standing in standings(session, works, registry)}
    others = set(hub_ids).difference(works)
    if others:
        found |= _of_strangers(session, others, registry)
    write_notable(session, {key: found.get(key, []) for key in hub_ids}, fresh, reason)


def _write_strangers(
    session: Session, hub_ids: Collection[str], registry: Registry, fresh: Collection[str], reason: str
) -> None:
    """Writes the reasons of releases of no lab, which are compared with none."""
    found: dict[str, list[dict[str, Any]]] = {key: [] for key in hub_ids}
    write_notable(session, found | _of_strangers(session, hub_ids, registry), fresh, reason)


def _of_strangers(session: Session, hub_ids: Collection[str], registry: Registry) -> dict[str, list[dict[str, Any]]]:
    originals = unknown_originals(session, hub_ids, registry)
    return {work.hub_id: notable(work, standing) for work, standing in originals}


_CURRENT = select(*(getattr(Release, name) for name in COLUMNS)).where(
    col(Release.lab).is_not(None), col(Release.pending).is_(False)
)


def _current(session: Session, hub_ids: Collection[str], registry: Registry) -> dict[str, Work]:
    rows = session.execute(_CURRENT.where(in_values(session, "release.hub_id", hub_ids)))
    works = (work_of(row, registry) for row in rows)
    return {work.hub_id: work for work in works if work is not None}


# --- ladders ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Moves:
    """The works that leave a scope and those that join it; one that changes does both."""

    left: list[Work] = field(default_factory=list)
    joined: list[Work] = field(default_factory=list)

    @property
    def first_at(self) -> datetime:
        return min(work.at for work in (*self.left, *self.joined))


@dataclass(slots=True)
class _Changes:
    """The rows of ``notable_record`` to write, and the works whose reasons may differ."""

    gone: list[dict[str, Any]] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)
    counted: list[dict[str, Any]] = field(default_factory=list)
    affected: set[str] = field(default_factory=set)


def _climb(session: Session, left: Mapping[str, Work], joined: Mapping[str, Work]) -> set[str]:
    """Rebuilds the ladders that these works leave or join; returns the hub ids of works whose reasons may differ."""
    moves: dict[str, _Moves] = defaultdict(_Moves)
    for work in left.values():
        for scope in scopes_of(work):
            moves[scope].left.append(work)
    for work in joined.values():
        for scope in scopes_of(work):
            moves[scope].joined.append(work)
    ladders = stored_rungs(session, moves)
    changes = _Changes(affected=_followers(session, left))
    _write_works(session, left, joined)
    for scope, moved in moves.items():
        _rebuild(session, scope, moved, ladders[scope], changes)
    _write_records(session, changes)
    return changes.affected | _followers(session, joined)


def _rebuild(
    session: Session, scope: str, moved: _Moves, old: list[tuple[Work, int, int | None]], changes: _Changes
) -> None:
    ladder = ladder_of(scope)
    ids = {work.hub_id for work in (*moved.left, *moved.joined)}
    rest = [work for work, _, _ in old if work.hub_id not in ids]
    lost = [work for work, _, _ in old if work.hub_id in ids]
    heirs = [heir for work in lost for heir in _heirs(session, scope, work, rest)]
    new = rungs(ladder, {work.hub_id: work for work in (*rest, *heirs, *moved.joined)}.values())
    grounds = {work.hub_id: (known, since) for work, known, since in old if work.hub_id not in ids}
    was = _below([work for work, _, _ in old])
    for before, work in zip([None, *new], new, strict=False):
        key = {"scope": scope, "hub_id": work.hub_id}
        ground = grounds.pop(work.hub_id, None)
        known, since = _ground(session, scope, work, ground, moved)
        if ground is None:
            changes.made.append({**key, "known": known, "since": since})
        elif ground != (known, since):
            changes.counted.append({"in_scope": scope, "of": work.hub_id, "known": known, "since": since})
        same = ground is not None and _claimed(ladder, *ground) == _claimed(ladder, known, since)
        if not same or was.get(work.hub_id) != before or (ladder.name == "lab-version" and work.at >= moved.first_at):
            changes.affected.add(work.hub_id)
    changes.gone += [{"in_scope": scope, "of": hub_id} for hub_id in grounds]
    changes.affected |= grounds.keys()
    # The row of a work that is no more went with it.
    stay = {work.hub_id for work in new}
    kept = [work for work in lost if work.hub_id not in stay]
    changes.gone += [{"in_scope": scope, "of": work.hub_id} for work in kept]


def _claimed(ladder: Ladder, known: int, since: int | None) -> tuple[bool, int, int | None]:
    """What of a ground decides on a claim and is shown with it."""
    return known >= ladder.minimum, at_least(known), since


def _below(works: list[Work]) -> dict[str, Work | None]:
    """By hub id, the rung before."""
    return {work.hub_id: before for before, work in zip([None, *works], works, strict=False)}


def _heirs(session: Session, scope: str, lost: Work, rest: list[Work]) -> list[Work]:
    """The works that may be rungs now that one is none: greater than the rung before it, until the next rung."""
    ladder = ladder_of(scope)
    before = next((work for work in reversed(rest) if work.at <= lost.at), None)
    following = next((work for work in rest if work.at > lost.at), None)
    where = [*_members(scope), WORKS.c.at >= lost.at]
    where += [WORKS.c.at <= following.at] if following is not None else []
    query = select(*(WORKS.c[name] for name in Work._fields))
    if ladder.value is None:
        first = WORKS.c.at, func.coalesce(WORKS.c.params, 0).desc(), WORKS.c.hub_id
        return [Work(*row) for row in session.execute(query.where(*where).order_by(*first).limit(1))]
    where.append(WORKS.c[ladder.value] > (value_of(ladder, before) if before is not None else 0))
    if ladder.value == "is_open":
        query = query.order_by(WORKS.c.at, WORKS.c.params.desc(), WORKS.c.hub_id).limit(1)
    return [Work(*row) for row in session.execute(query.where(*where))]


def _members(scope: str) -> list[ColumnElement[bool]]:
    """That a work is in a scope and counts there."""
    ladder = ladder_of(scope)
    return [WORKS.c[name] == value for name, value in key_of(scope).items()] + [WORKS.c[ladder.counted].is_not(None)]


def _ground(
    session: Session, scope: str, work: Work, ground: tuple[int, int | None] | None, moved: _Moves
) -> tuple[int, int | None]:
    """(earlier works of the scope that are known, the year of the first): counted on where works have only joined."""
    ladder = ladder_of(scope)
    if ladder.minimum == 0:
        return 0, None
    earlier = [one.at for one in moved.joined if UNDATED < one.at < work.at]
    if ground is not None and not moved.left:
        years = [at.year for at in earlier] + ([ground[1]] if ground[1] is not None else [])
        return min(MAX_COUNTED, ground[0] + len(earlier)), min(years, default=None)
    if ground is not None and not earlier and all(one.at >= work.at for one in moved.left):
        return ground
    dated = WORKS.c.at > UNDATED, WORKS.c.at < work.at
    some = select(WORKS.c.at).where(*_members(scope), *dated).order_by(WORKS.c.at).limit(MAX_COUNTED)
    times = list(session.scalars(some))
    return len(times), times[0].year if times else None


def _followers(session: Session, works: Collection[str]) -> set[str]:
    """Hub ids of the releases that follow these stored works of their labs: a pause before them may be none.

    Of several at the same time all: each follows the same release.
    """
    if not works:
        return set()
    rows = session.execute(_FOLLOWING.where(in_values(session, "this.hub_id", works)))
    first = {row[1] for row in rows if row[1] is not None}
    return set(session.scalars(_AT_ONCE.where(in_values(session, "this.hub_id", first)))) if first else first


_THIS, _OTHER = WORKS.alias("this"), WORKS.alias("other")
_AT_ONCE = select(_OTHER.c.hub_id).join_from(_THIS, _OTHER, (_OTHER.c.lab == _THIS.c.lab) & (_OTHER.c.at == _THIS.c.at))
_FOLLOWING = neighbours(before=False)


def _write_works(session: Session, left: Mapping[str, Work], joined: Mapping[str, Work]) -> None:
    gone = left.keys() - joined.keys()
    if gone:
        session.execute(delete(NotableWork).where(in_values(session, "notable_work.hub_id", gone)))
    if joined:
        put = conflict_aware_insert(session, WORKS)
        changed = {name: put.excluded[name] for name in Work._fields if name != "hub_id"}
        put = put.on_conflict_do_update(index_elements=["hub_id"], set_=changed)
        session.execute(put, [work._asdict() for work in joined.values()])


def _write_records(session: Session, changes: _Changes) -> None:
    connection = session.connection()
    this = _RECORD.c.scope == bindparam("in_scope"), _RECORD.c.hub_id == bindparam("of")
    if changes.gone:
        connection.execute(delete(_RECORD).where(*this), changes.gone)
    if changes.made:
        put = conflict_aware_insert(session, _RECORD)
        counted = {name: put.excluded[name] for name in ("known", "since")}
        connection.execute(put.on_conflict_do_update(index_elements=["scope", "hub_id"], set_=counted), changes.made)
    if changes.counted:
        values: dict[str, Any] = {"known": bindparam("known"), "since": bindparam("since")}
        connection.execute(update(_RECORD).where(*this).values(values), changes.counted)


# --- when more of the history is known ---------------------------------------------------------------------


def listed_whole(session: Session, namespace: str, registry: Registry) -> None:
    """Writes the reasons that can be given now that a namespace has been listed for the first time."""
    lab = registry.of(namespace)
    if lab is None:
        return
    affected: set[str] = set()
    for whole, of in turned_whole(session, registry, namespace):
        if whole == "lab":
            affected |= _about_lab(session, of)
        names = [ladder.name for ladder in LADDERS.values() if ladder.whole == whole and whole != "lab"]
        for name in names:
            begin = f"{name}|{of}" if whole == "country" else name
            scope = col(NotableRecord.scope)
            same = (scope == begin) | scope.startswith(f"{begin}|", autoescape=True)
            affected |= set(session.scalars(select(col(NotableRecord.hub_id)).where(same)))
        affected |= paced(session) if whole == "all" else set()
    if affected:
        lock(session)
        evaluate(session, affected, registry, (), "the history of its lab or country became known")


def _about_lab(session: Session, lab: str) -> set[str]:
    """Hub ids of the works of a lab that may be notable: rungs, and those after a pause."""
    query = select(WORKS.c.hub_id, WORKS.c.at).where(WORKS.c.lab == lab).order_by(WORKS.c.at, WORKS.c.hub_id)
    rows = session.execute(query).all()
    late = {hub_id for (_, before), (hub_id, at) in pairwise(rows) if at - before >= PAUSE}
    rung = select(_RECORD.c.hub_id).join(WORKS, WORKS.c.hub_id == _RECORD.c.hub_id).where(WORKS.c.lab == lab)
    return late.union(session.scalars(rung))
