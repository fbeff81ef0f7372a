"""What works are measured against, read from the database for :mod:`monitor.releases.notable`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import chain

from sqlalchemy import Select, Table, func, select
from sqlmodel import Session, col

from monitor.db.engine import in_values
from monitor.enums import Status
from monitor.labs import Registry
from monitor.models import Change, Namespace, NotableFill, NotableRecord, NotableWork, Release
from monitor.releases.announced import announced_times
from monitor.releases.ladders import LADDERS, Ladder, ladder_of, order, scopes_of
from monitor.releases.notable import Rung, Standing
from monitor.releases.paces import paces
from monitor.releases.works import Work

_Key = tuple[str, str]
"""What can be listed whole: ("lab", its id), ("country", its code) or ("all", "")."""
WORKS: Table = NotableWork.__table__  # type: ignore[attr-defined]
_RECORDS: Table = NotableRecord.__table__  # type: ignore[attr-defined]
_COLUMNS = tuple(WORKS.c[name] for name in Work._fields)
ENOUGH_LISTED = {"lab": 1.0, "country": 0.9, "all": 0.9}
"""Share of the watched namespaces, of a lab, a country or all, that must have been listed for a claim about these."""
MAX_EARLIER = 200
"""Works of the version before whose licences are compared."""


class Coverage:
    """Whose repositories have been listed whole: by the sweeps of the namespaces of labs."""

    def __init__(self, session: Session, registry: Registry) -> None:
        self._is_sample = registry.is_sample
        if session.scalar(_FILLING) is not None:
            self.whole: set[_Key] = set()
            return
        missing = _counted(registry, _unlisted(session, registry))
        self.whole = {key for key, number in _watched(registry).items() if _is_whole(key, missing[key], number)}

    @property
    def covers_all(self) -> bool:
        """Whether the releases of all labs are known."""
        return ("all", "") in self.whole

    def covers(self, ladder: Ladder, work: Work) -> bool:
        """Whether a ladder that this work is on misses nothing that should be known."""
        if self._is_sample and ladder.is_absence:
            return False
        of = {"lab": work.lab, "country": work.origin or "", "all": ""}[ladder.whole]
        return (ladder.whole, of) in self.whole


def turned_whole(session: Session, registry: Registry, namespace: str) -> set[_Key]:
    """What has been listed whole only now that a namespace was listed for the first time: its lab, its country, all."""
    unlisted = _unlisted(session, registry)
    if namespace in unlisted or session.scalar(_FILLING) is not None:
        return set()
    missing, watched = _counted(registry, unlisted), _watched(registry)
    return {
        key
        for key in _keys(registry, namespace)
        if key in watched
        and _is_whole(key, missing[key], watched[key])
        and not _is_whole(key, missing[key] + 1, watched[key])
    }


def _is_whole(key: _Key, missing: int, watched: int) -> bool:
    return missing <= (1 - ENOUGH_LISTED[key[0]]) * watched


@lru_cache(maxsize=4)
def _watched(registry: Registry) -> Counter[_Key]:
    """How many namespaces are watched of each lab, of each country, and of all."""
    return _counted(registry, registry.watched)


def _counted(registry: Registry, names: Iterable[str]) -> Counter[_Key]:
    return Counter(chain.from_iterable(_keys(registry, name) for name in names))


# Each first sweep of a namespace asks for those of all that are not listed yet.
@lru_cache(maxsize=4_096)
def _keys(registry: Registry, name: str) -> tuple[_Key, ...]:
    lab = registry.of(name)
    return ("lab", lab.id if lab else ""), ("country", (lab.origin if lab else None) or ""), ("all", "")


_FILLING = select(col(NotableFill.stage)).where(col(NotableFill.stage) == "works").limit(1)
_LAB_NAMESPACES = select(col(Namespace.name)).where(col(Namespace.lab).is_not(None))
_LISTED = _LAB_NAMESPACES.where(col(Namespace.swept_at).is_not(None))
_NOT_LISTED = _LAB_NAMESPACES.where(col(Namespace.swept_at).is_(None))
_NUMBER = select(func.count()).select_from(_LAB_NAMESPACES.subquery())


def _unlisted(session: Session, registry: Registry) -> set[str]:
    """The watched namespaces that no sweep has listed whole."""
    if session.scalar(_NUMBER) == len(registry.watched):
        return set(session.scalars(_NOT_LISTED))
    return set(registry.watched).difference(session.scalars(_LISTED))


def stored_works(session: Session, hub_ids: Collection[str]) -> dict[str, Work]:
    """The works with these hub ids, as they are stored."""
    rows = session.execute(_STORED.where(in_values(session, "notable_work.hub_id", hub_ids)))
    return {row[0]: Work(*row) for row in rows}


_STORED = select(*_COLUMNS)
_RUNGS = select(_RECORDS.c.scope, _RECORDS.c.known, _RECORDS.c.since, *_COLUMNS).join(
    WORKS, WORKS.c.hub_id == _RECORDS.c.hub_id
)


def stored_rungs(session: Session, scopes: Collection[str]) -> dict[str, list[tuple[Work, int, int | None]]]:
    """The rungs of these scopes in their order, each with the number of earlier works and the year of the first."""
    found: dict[str, list[tuple[Work, int, int | None]]] = {scope: [] for scope in scopes}
    rows = session.execute(_RUNGS.where(in_values(session, "notable_record.scope", scopes)))
    for scope, known, since, *values in rows:
        found[scope].append((Work(*values), known, since))
    for scope, items in found.items():
        ladder = ladder_of(scope)
        items.sort(key=lambda item: order(ladder, item[0]))
    return found


def standings(session: Session, works: Mapping[str, Work], registry: Registry) -> Iterator[tuple[Work, Standing]]:
    """Yields each of some stored works with what it is measured against."""
    coverage = Coverage(session, registry)
    ladders = _rungs(session, works, coverage)
    previous = _previous(session, works)
    fastest = paces(session, works) if coverage.covers_all else {}
    announced, withdrawn = announced_times(session, works), _withdrawn(session, works)
    for hub_id, work in works.items():
        lab, mine = registry.get(work.lab), ladders[hub_id]
        version = mine.get("lab-version")
        yield (
            work,
            Standing(
                lab_name=lab.name if lab is not None else work.lab,
                rungs=mine,
                previous=previous.get(hub_id) if coverage.covers(LADDERS["lab"], work) else None,
                earlier_version=_earlier_version(session, work, version.before if version else None),
                announced_at=announced.get(hub_id),
                withdrawn_at=withdrawn.get(hub_id),
                paces=fastest.get(hub_id, {}),
            ),
        )


def _rungs(session: Session, works: Mapping[str, Work], coverage: Coverage) -> dict[str, dict[str, Rung]]:
    """By hub id and ladder, the rungs that works are and of which enough is known."""
    found: dict[str, dict[str, Rung]] = defaultdict(dict)
    scopes = {scope for work in works.values() for scope in scopes_of(work)}
    for scope, items in stored_rungs(session, scopes).items():
        ladder, before = ladder_of(scope), None
        for work, known, since in items:
            if work.hub_id in works and known >= ladder.minimum and coverage.covers(ladder, work):
                found[work.hub_id][ladder.name] = Rung(before, known, since)
            before = work
    return found


def neighbours(*, before: bool) -> Select[tuple[str, str]]:
    """Selects the hub ids of works (``this``) and of the last release of the same lab before them, or the next."""
    this, other = WORKS.alias("this"), WORKS.alias("other")
    where = other.c.lab == this.c.lab, (other.c.at < this.c.at) if before else (other.c.at > this.c.at)
    place = other.c.at.desc() if before else other.c.at
    nearest = select(other.c.hub_id).where(*where).order_by(place, other.c.hub_id).limit(1).correlate(this)
    return select(this.c.hub_id, nearest.scalar_subquery()).select_from(this)


_PREVIOUS = neighbours(before=True)


def _previous(session: Session, works: Collection[str]) -> dict[str, Work]:
    """The release of the same lab before each work."""
    rows = session.execute(_PREVIOUS.where(in_values(session, "this.hub_id", works)))
    pairs = {row[0]: row[1] for row in rows if row[1] is not None}
    found = stored_works(session, set(pairs.values())) if pairs else {}
    return {hub_id: found[before] for hub_id, before in pairs.items()}


def _earlier_version(session: Session, work: Work, before: Work | None) -> tuple[Work, ...]:
    if before is None:
        return ()
    same = WORKS.c.lab == work.lab, WORKS.c.stem == work.stem, WORKS.c.version == before.version
    query = select(*_COLUMNS).where(*same, WORKS.c.at < work.at).order_by(WORKS.c.at, WORKS.c.hub_id)
    return tuple(Work(*row) for row in session.execute(query.limit(MAX_EARLIER)))


_WITHDRAWN = (
    select(col(Release.hub_id), func.max(col(Change.at)))
    .join(Change, (col(Change.release_id) == col(Release.id)) & (col(Change.field) == "status"))
    .where(col(Release.status).in_([str(Status.GONE), str(Status.PRIVATE)]))
    .group_by(col(Release.hub_id))
)


def _withdrawn(session: Session, works: Collection[str]) -> dict[str, datetime]:
    """When the repositories went that are not public now."""
    return {row[0]: row[1] for row in session.execute(_WITHDRAWN.where(in_values(session, "release.hub_id", works)))}
