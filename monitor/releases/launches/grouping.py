"""Which launch a release belongs to: repositories of one publisher and one family, public close to each other.

Two members belong together where they became public within the settle window of each other (of history, where only
the day of making is known, within :data:`REACH`), or in a chain of such steps: so that neither the order nor the
timing in which they are seen makes a difference. A launch that a late member joins to another becomes one with it.

A derivative by a publisher that is no lab never forms or joins a launch: it counts for its base. The exception is one
whose root is that publisher's own launched model. A publisher's own packed copy belongs to the launch of what it was
made of, whenever it comes. See docs/explanation/launches.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, Table, bindparam, delete, insert, literal, select, text, tuple_, update
from sqlmodel import Session, col

from monitor.classify.originals import lab_of
from monitor.db.engine import UTCDateTime, in_values, now
from monitor.enums import Kind
from monitor.labs import Registry
from monitor.models import Delivery, Json, Launch, Release, ReleaseRevision
from monitor.releases.launches.family import common_name, family_of

WINDOW = timedelta(hours=1)
REACH = timedelta(days=3)
"""Between two backfilled members: a lab creates the repositories of one launch over days, in private."""
_COPIES = {str(Kind.QUANTIZED), str(Kind.CONVERSION)}
_DERIVED = {*_COPIES, str(Kind.FINETUNE), str(Kind.ADAPTER), str(Kind.MERGE)}
_TRAINED = {str(Kind.FINETUNE), str(Kind.MERGE)}

_Key = tuple[str, str]


class Member(NamedTuple):
    """What a release brings to a launch.

    ``copy_of``: the repository of the same publisher that it is a copy of. ``root``: the publisher's own model without
    whose launch it belongs to none; None for most.
    """

    repo_id: str
    publisher: str
    family: str
    name: str
    at: datetime
    is_backfilled: bool
    copy_of: str | None
    root: str | None = None


def member(row: Mapping[str, Any], registry: Registry) -> Member | None:
    """The member that a release (its columns) is; None for a placeholder and for a stranger's derivative.

    A lab of the registry that trains further on another's base launches a work of its own; a repackager launches
    nothing but bases. Of history, only what labs of the registry published is grouped.
    """
    if row["pending"] or (row["is_backfilled"] and not row["lab"]):
        return None
    publisher = registry.of(row["namespace"])
    if publisher is not None and publisher.repackager and row["kind"] != Kind.BASE:
        return None
    root = None
    if row["lab"] is None and row["kind"] in _DERIVED:
        root = _own_root(row)
        if root is None:
            return None
    elif not (_own(row) or _trained_by_a_lab(row, registry)):
        return None
    parent = row["lineage"][0]["repo_id"] if row["lineage"] and row["kind"] in _COPIES else None
    return Member(
        repo_id=row["repo_id"],
        publisher=row["lab"] or row["namespace"],
        family=family_of(row["name"]),
        name=row["name"],
        at=row["released_at"] or row["first_seen_at"],
        is_backfilled=row["is_backfilled"],
        copy_of=parent if parent and _namespace(parent) == row["namespace"] else None,
        root=root,
    )


_READ = (
    "repo_id", "namespace", "name", "lab", "kind", "lineage", "foundation_repo_id", "foundation_lab", "pending",
    "is_backfilled", "released_at", "first_seen_at",
)  # fmt: skip


def leaves_launch(row: Release, registry: Registry) -> bool:
    """Whether a release turned out to be a derivative by a publisher that is no lab, and so belongs to no launch."""
    if row.launch_id is None or row.lab is not None:
        return False
    return member({name: getattr(row, name) for name in _READ}, registry) is None


def _own_root(row: Mapping[str, Any]) -> str | None:
    """The model of the same namespace that it goes back to; None if that is another's, unknown or itself."""
    root: str | None = row["foundation_repo_id"]
    return root if root and root != row["repo_id"] and _namespace(root) == row["namespace"] else None


def _own(row: Mapping[str, Any]) -> bool:
    """Whether it is a work of its publisher's own: no derivative, or one of its own works."""
    if row["kind"] not in _DERIVED:
        return True
    if row["lineage"] and _namespace(row["lineage"][0]["repo_id"]) == row["namespace"]:
        return True
    if row["foundation_repo_id"] is None:
        return row["lab"] is not None and row["kind"] not in _COPIES
    return row["lab"] is not None and row["foundation_lab"] == row["lab"]


def _trained_by_a_lab(row: Mapping[str, Any], registry: Registry) -> bool:
    return row["kind"] in _TRAINED and lab_of(registry.of(row["namespace"])) is not None


def _namespace(repo_id: str) -> str:
    return repo_id.partition("/")[0]


def assign(session: Session, members: Sequence[Member | None], window: timedelta = WINDOW) -> list[int | None]:
    """The launch of each of these, new ones made, joined ones widened or made one; None for none."""
    wanted = [one for one in members if one is not None]
    if not wanted:
        return [None] * len(members)
    session.flush()
    _lock(session, {(one.publisher, one.family) for one in wanted if not one.is_backfilled})
    launches = _Launches(session, wanted, window)
    for one in sorted(wanted, key=_order):
        launches.place(one)
    launches.write()
    placed = [launches.of.get(one.repo_id) if one is not None else None for one in members]
    return [launch.id if launch is not None else None for launch in placed]


def _order(one: Member) -> tuple[bool, bool, datetime, str]:
    """Originals before what is made of them."""
    return one.root is not None, one.copy_of is not None, one.at, one.repo_id


def _lock(session: Session, keys: set[_Key]) -> None:
    """One at a time decides on a family: two workers that see two members at once must not make two launches."""
    if keys and session.get_bind().dialect.name == "postgresql":
        names = sorted(f"{publisher}/{family}" for publisher, family in keys)
        lock = "SELECT pg_advisory_xact_lock(hashtext(name)) FROM (SELECT unnest(CAST(:names AS text[])) AS name) AS n"
        session.execute(text(lock), {"names": names})


_LAUNCH: Table = Launch.__table__  # type: ignore[attr-defined]
_MOVABLE = ("name", "first_at", "last_at", "opened_at", "settles_at", "is_backfilled")
"""Columns that change while members join."""
_COLUMNS = ("publisher", "family", *_MOVABLE)
_INSERT = insert(_LAUNCH).returning(_LAUNCH.c.id, sort_by_parameter_order=True)
_UPDATE = (
    update(_LAUNCH).where(_LAUNCH.c.id == bindparam("launch")).values({name: bindparam(name) for name in _MOVABLE})
)


@dataclass(slots=True, eq=False)
class _Launch:
    """A launch while it is decided on. ``id``: None until it is written.

    Light, and written with others at once: a page of history moves two hundred of them.
    """

    id: int | None
    publisher: str
    family: str
    name: str
    first_at: datetime
    last_at: datetime
    opened_at: datetime
    settles_at: datetime
    is_backfilled: bool
    moved: bool = False

    def reaches(self, one: Member, window: timedelta) -> bool:
        reach = REACH if self.is_backfilled and one.is_backfilled else window
        return self.first_at - reach <= one.at <= self.last_at + reach

    def add(self, one: Member) -> None:
        """Widens it, so that it holds this member."""
        name = self.name if self.name in {self.family, one.name} else common_name(self.name, one.name) or self.family
        wider = one.at < self.first_at or one.at > self.last_at
        if wider or name != self.name or (self.is_backfilled and not one.is_backfilled):
            self.first_at, self.last_at = min(self.first_at, one.at), max(self.last_at, one.at)
            self.is_backfilled, self.name, self.moved = self.is_backfilled and one.is_backfilled, name, True

    def merge(self, other: _Launch) -> None:
        """Widens it by another one, which is no more."""
        self.first_at, self.last_at = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        self.opened_at = min(self.opened_at, other.opened_at)
        self.settles_at = max(self.settles_at, other.settles_at)
        self.name = self.family if other.name == other.family else common_name(self.name, other.name) or self.family
        self.is_backfilled, self.moved = self.is_backfilled and other.is_backfilled, True


class _Launches:
    """The launches that some members may belong to, and those that these make; ``of``: by repository, once placed."""

    def __init__(self, session: Session, wanted: Sequence[Member], window: timedelta) -> None:
        self.of: dict[str, _Launch] = {}
        self._session, self._window = session, window
        self._by_id: dict[int, _Launch] = {}
        self._new: list[_Launch] = []
        self._there: dict[_Key, list[_Launch]] = {}
        for row in _reachable(session, wanted):
            self._there.setdefault((row.publisher, row.family), []).append(self._known(row))
        names = {name for one in wanted for name in (one.copy_of, one.root) if name is not None}
        self._originals = {row.repo_id: self._known(row) for row in _launched(session, names)}

    def _known(self, row: Row[Any]) -> _Launch:
        values = (row.id, row.publisher, row.family, row.name, row.first_at, row.last_at, row.opened_at)
        return self._by_id.setdefault(row.id, _Launch(*values, row.settles_at, row.is_backfilled))

    def place(self, one: Member) -> None:
        """Finds the launch of a member; those of what others are made of are placed before."""
        if one.root is not None and one.root not in self.of and one.root not in self._originals:
            return
        original = self.of.get(one.copy_of or "") or self._originals.get(one.copy_of or "")
        launch = original or self._joined(one)
        launch.add(one)
        self.of[one.repo_id] = launch

    def _joined(self, one: Member) -> _Launch:
        """The launch that reaches to a member, made where there is none; where there are several, these become one."""
        launches = self._there.setdefault((one.publisher, one.family), [])
        reached = [launch for launch in launches if launch.reaches(one, self._window)]
        if not reached:
            return self._opened(one, launches)
        # A launch that subscribers know keeps its id.
        kept, *others = sorted(reached, key=lambda launch: (launch.id is None, launch.first_at, launch.id or 0))
        for other in others:
            launches.remove(other)
            self._merge(kept, other)
        return kept

    def _opened(self, one: Member, launches: list[_Launch]) -> _Launch:
        opened = now()
        settles = opened if one.is_backfilled else opened + self._window
        made = _Launch(None, one.publisher, one.family, one.name, one.at, one.at, opened, settles, one.is_backfilled)
        launches.append(made)
        self._new.append(made)
        return made

    def _merge(self, kept: _Launch, other: _Launch) -> None:
        kept.merge(other)
        for known in (self.of, self._originals):
            known.update({name: kept for name, launch in known.items() if launch is other})
        if other.id is None:
            self._new.remove(other)
            return
        del self._by_id[other.id]
        theirs = col(Release.launch_id) == other.id
        moved = select(col(Release.id), literal(now(), UTCDateTime()), literal({"launch_id": other.id}, Json))
        was = insert(ReleaseRevision).from_select(["release_id", "at", "before"], moved.where(theirs))
        self._session.execute(was)
        for table in (Release, Delivery):
            moving = update(table).where(col(table.launch_id) == other.id)
            self._session.execute(moving.values(launch_id=kept.id))
        self._session.execute(delete(Launch).where(col(Launch.id) == other.id))

    def write(self) -> None:
        """Inserts the new launches and updates those that moved."""
        session = self._session
        if self._new:
            rows = [{name: getattr(launch, name) for name in _COLUMNS} for launch in self._new]
            for launch, ident in zip(self._new, session.execute(_INSERT, rows).scalars(), strict=True):
                launch.id = ident
        moved = [launch for launch in self._by_id.values() if launch.moved]
        if moved:
            rows = [{"launch": launch.id} | {name: getattr(launch, name) for name in _MOVABLE} for launch in moved]
            session.connection().execute(_UPDATE, rows)
        for held in session.identity_map.values():
            if isinstance(held, Launch):
                session.expire(held)


def _reachable(session: Session, members: Sequence[Member]) -> Iterable[Row[Any]]:
    """Returns the launches of the members' families that end late enough."""
    first = min(one.at for one in members) - max(WINDOW, REACH)
    keys = sorted({(one.publisher, one.family) for one in members})
    theirs = tuple_(_LAUNCH.c.publisher, _LAUNCH.c.family).in_(keys)
    query = select(_LAUNCH).where(theirs, _LAUNCH.c.last_at >= first - timedelta(days=1))
    return session.execute(query.order_by(_LAUNCH.c.id))


def _launched(session: Session, repo_ids: set[str]) -> Iterable[Row[Any]]:
    """The launches of repositories, each with its ``repo_id``."""
    if not repo_ids:
        return ()
    query = select(col(Release.repo_id), _LAUNCH).join(_LAUNCH, _LAUNCH.c.id == col(Release.launch_id))
    return session.execute(query.where(in_values(session, "release.repo_id", repo_ids)))
