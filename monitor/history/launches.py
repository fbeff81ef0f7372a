"""Launches: repositories of one publisher and one family that become public close to each other are one event.

Two members belong together where they became public within the settle window of each other (of history, where only
the day of making is known, within :data:`REACH`), or in a chain of such steps: so that neither the order nor the
timing in which they are seen makes a difference. A launch that a late member joins to another becomes one with it.

A stranger's derivative never forms or joins a launch: it counts for its base. A publisher's own packed copy belongs
to the launch of what it was made of, whenever it comes. See docs/launches.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Select, delete, func, insert, literal, select, text, update
from sqlmodel import Session, col

from monitor.classify.originals import lab_of, unpacked
from monitor.db import UTCDateTime, among, now
from monitor.history.family import common_name, family_of
from monitor.history.query import Query, to_tally
from monitor.history.query.sql import COLUMNS
from monitor.history.search import SearchError, conditions
from monitor.labs import Registry
from monitor.models import COUNTED, Delivery, Json, Launch, Observed, Release, iso
from monitor.vocabulary import Kind

WINDOW = timedelta(hours=1)
REACH = timedelta(days=3)
"""Between two members of history: what a lab prepares in private it makes over days."""
_COPIES = {str(Kind.QUANTIZED), str(Kind.CONVERSION)}
_DERIVED = {*_COPIES, str(Kind.FINETUNE), str(Kind.ADAPTER), str(Kind.MERGE)}
_TRAINED = {str(Kind.FINETUNE), str(Kind.MERGE)}

_Key = tuple[str, str]


class Member(NamedTuple):
    """What a release brings to a launch; ``copy_of``: the repository of the same publisher that it is a copy of."""

    repo_id: str
    publisher: str
    family: str
    name: str
    at: datetime
    history: bool
    copy_of: str | None


def member(row: Mapping[str, Any], registry: Registry) -> Member | None:
    """The member that a release (its columns) is; None for a placeholder, and for a stranger's derivative.

    A lab of the registry that trains further on another's base launches a work of its own; a repackager launches
    nothing but bases. Of history, only what labs of the registry published is grouped.
    """
    if row["pending"] or (row["history"] and not row["lab"]):
        return None
    publisher = registry.of(row["namespace"])
    if publisher is not None and publisher.repackager and row["kind"] != Kind.BASE:
        return None
    if not (_own(row) or _trained_by_a_lab(row, registry)):
        return None
    parent = row["lineage"][0]["repo_id"] if row["lineage"] and row["kind"] in _COPIES else None
    return Member(
        repo_id=row["repo_id"],
        publisher=row["lab"] or row["namespace"],
        family=family_of(row["name"]),
        name=row["name"],
        at=row["released_at"] or row["first_seen_at"],
        history=row["history"],
        copy_of=parent if parent and _namespace(parent) == row["namespace"] else None,
    )


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
    """The launch of each of these, new ones made, joined ones widened or made one; None for None."""
    wanted = [one for one in members if one is not None]
    if not wanted:
        return [None] * len(members)
    _lock(session, {(one.publisher, one.family) for one in wanted if not one.history})
    open_launches = _there(session, wanted)
    originals = _originals(session, wanted)
    chosen_for: dict[str, Launch] = {}
    for one in sorted(wanted, key=lambda item: (item.copy_of is not None, item.at, item.repo_id)):
        original = chosen_for.get(one.copy_of or "") or originals.get(one.copy_of or "")
        chosen, gone = (original, []) if original else _joined(session, open_launches, one, window)
        for known in (chosen_for, originals) if gone else ():
            known.update({name: chosen for name, launch in known.items() if launch in gone})
        _widen(chosen, one)
        chosen_for[one.repo_id] = chosen
    session.flush()
    return [chosen_for[one.repo_id].id if one is not None else None for one in members]


def _lock(session: Session, keys: set[_Key]) -> None:
    """One at a time decides on a family: two workers that see two members at once must not make two launches."""
    if keys and session.get_bind().dialect.name == "postgresql":
        names = sorted(f"{publisher}/{family}" for publisher, family in keys)
        lock = "SELECT pg_advisory_xact_lock(hashtext(name)) FROM (SELECT unnest(CAST(:names AS text[])) AS name) AS n"
        session.execute(text(lock), {"names": names})


_OF_KEYS = {
    "sqlite": "(publisher, family) IN "
    "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys))",
    "postgresql": "(publisher, family) IN "
    "(SELECT value ->> 0, value ->> 1 FROM json_array_elements(CAST(:keys AS json)))",
}
"""One parameter for all the keys of a page: as lists of parameters they cost more to write than to answer."""


def _there(session: Session, members: Sequence[Member]) -> dict[_Key, list[Launch]]:
    first = min(one.at for one in members) - max(WINDOW, REACH)
    keys = orjson.dumps(sorted({(one.publisher, one.family) for one in members})).decode()
    theirs = text(_OF_KEYS[session.get_bind().dialect.name]).bindparams(keys=keys)
    query = select(Launch).where(theirs, col(Launch.last_at) >= first - timedelta(days=1))
    found: dict[_Key, list[Launch]] = {}
    for row in session.scalars(query.order_by(col(Launch.id))):
        found.setdefault((row.publisher, row.family), []).append(row)
    return found


def _originals(session: Session, members: Sequence[Member]) -> dict[str, Launch]:
    """The launches of what these are copies of."""
    names = {one.copy_of for one in members if one.copy_of is not None}
    if not names:
        return {}
    query = select(col(Release.repo_id), Launch).join(Launch, col(Launch.id) == col(Release.launch_id))
    return {row[0]: row[1] for row in session.execute(query.where(among(session, "release.repo_id", names)))}


def _joined(
    session: Session, open_launches: dict[_Key, list[Launch]], one: Member, window: timedelta
) -> tuple[Launch, list[Launch]]:
    """The launch that reaches to this member, made where there is none; and those that became one with it."""
    launches = open_launches.setdefault((one.publisher, one.family), [])
    reached = [row for row in launches if _reaches(row, one, window)]
    if not reached:
        opened = now()
        settles = opened if one.history else opened + window
        made = Launch(
            publisher=one.publisher, family=one.family, name=one.name, first_at=one.at, last_at=one.at,
            opened_at=opened, settles_at=settles, history=one.history,
        )  # fmt: skip
        session.add(made)
        launches.append(made)
        return made, []
    reached.sort(key=lambda row: (row.first_at, row.id or 0))
    for other in reached[1:]:
        _merge(session, reached[0], other)
        launches.remove(other)
    return reached[0], reached[1:]


def _reaches(row: Launch, one: Member, window: timedelta) -> bool:
    reach = REACH if row.history and one.history else window
    return row.first_at - reach <= one.at <= row.last_at + reach


def _widen(row: Launch, one: Member) -> None:
    widened = {
        "first_at": min(row.first_at, one.at),
        "last_at": max(row.last_at, one.at),
        "history": row.history and one.history,
        "name": _shared(row, one.name),
    }
    for column, value in widened.items():  # to set what is there already costs as much as a change
        if getattr(row, column) != value:
            setattr(row, column, value)


def _shared(row: Launch, name: str) -> str:
    """What a launch is called when a member of this name has come to it."""
    if row.name in {row.family, name}:
        return row.name
    return common_name(row.name, name) or row.family


def _merge(session: Session, kept: Launch, other: Launch) -> None:
    session.flush()
    kept.first_at, kept.last_at = min(kept.first_at, other.first_at), max(kept.last_at, other.last_at)
    kept.opened_at, kept.settles_at = min(kept.opened_at, other.opened_at), max(kept.settles_at, other.settles_at)
    kept.history = kept.history and other.history
    kept.name = kept.family if other.name == other.family else common_name(kept.name, other.name) or kept.family
    moved = select(col(Release.id), literal(now(), UTCDateTime()), literal({"launch_id": other.id}, Json))
    was = insert(Observed).from_select(["release_id", "at", "before"], moved.where(col(Release.launch_id) == other.id))
    session.execute(was)
    for table in (Release, Delivery):
        session.execute(update(table).where(col(table.launch_id) == other.id).values(launch_id=kept.id))
    session.expunge(other)
    session.execute(delete(Launch).where(col(Launch.id) == other.id))


# --- reading ----------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """A launch with its members, largest first: rows of the columns that are ``SHOWN``."""

    launch: Launch
    members: tuple[Any, ...]

    def as_json(self) -> dict[str, Any]:
        """The launch object that every surface serves (see docs/launches.md)."""
        return as_json(self.launch, self.members)


def as_json(launch: Launch, members: Sequence[Any]) -> dict[str, Any]:
    """A launch as an object: its name, when, its announcement, and its members with size, kind and precision."""
    first = members[0] if members else None
    return {
        "id": launch.id,
        "name": launch.name,
        "family": launch.family,
        "publisher": launch.publisher,
        "lab": first.lab if first else None,
        "origin": first.origin if first else None,
        "released_at": iso(launch.first_at),
        "last_at": iso(launch.last_at),
        "settled": launch.settles_at <= now(),
        "announcement_url": next((row.announcement_url for row in members if row.announcement_url), None),
        "repositories": len(members),
        "query": f"launch:{launch.id}",
        "members": [
            {
                "repo_id": row.repo_id,
                "kind": row.kind,
                "size": row.size,
                "params_total": row.params_total,
                "params_active": row.params_active,
                "precision": precision_of(row.name),
                "license": row.license,
                "status": row.status,
            }
            for row in members
        ],
    }


def precision_of(name: str) -> str | None:
    """The packing that a name states, in lower case: ``fp8``, ``gguf``, ``awq``; None where it states none."""
    rest = name[len(unpacked(name)) :].strip("-_.").lower()
    return rest or None


def found(
    session: Session, query: Query, *, limit: int = 100, before: tuple[datetime, int] | None = None
) -> tuple[list[Told], str | None]:
    """Launches with a member that matches, newest first, each with all its members; the cursor of the next page."""
    rows, more = _newest(session, query, limit, before)
    return list(told(session, rows)), more


class Brief(NamedTuple):
    """A launch by its numbers: of its members how many, and the parameters of the largest."""

    launch: Launch
    repositories: int
    origin: str | None
    params_total: int | None


def brief(
    session: Session, query: Query, *, limit: int = 100, before: tuple[datetime, int] | None = None
) -> tuple[list[Brief], str | None]:
    """As :func:`found`, without the members: an index has all that is told of them."""
    rows, more = _newest(session, query, limit, before)
    launch = col(Release.launch_id)
    numbers = func.count(), func.max(col(Release.origin)), func.max(col(Release.params_total))
    members = select(launch, *numbers).where(launch.in_([row.id for row in rows]), col(Release.pending).is_(False))
    of = {row[0]: tuple(row)[1:] for row in session.execute(members.group_by(launch))}
    return [Brief(row, *of.get(row.id, (0, None, None))) for row in rows], more


def _newest(
    session: Session, query: Query, limit: int, before: tuple[datetime, int] | None
) -> tuple[list[Launch], str | None]:
    query_ = select(Launch).where(_has_member(session, query))
    if before is not None:
        at, ident = before
        query_ = query_.where((col(Launch.first_at) < at) | ((col(Launch.first_at) == at) & (col(Launch.id) < ident)))
    newest = query_.order_by(col(Launch.first_at).desc(), col(Launch.id).desc()).limit(limit + 1)
    rows = list(session.scalars(newest))
    more = f"{iso(rows[limit - 1].first_at)}~{rows[limit - 1].id}" if len(rows) > limit else None
    return rows[:limit], more


def _has_member(session: Session, query: Query) -> ColumnElement[bool]:
    """That a launch has a member that matches: from the newest launch on, only those of a page are looked at."""
    _, _, *by_words = where = conditions(session, query)
    member = _members().where(*where)
    if by_words:
        return col(Launch.id).in_(member)  # SQLite would look them up for each launch
    return member.where(col(Release.launch_id) == col(Launch.id)).correlate(Launch).exists()


def _members() -> Select[Any]:
    return select(col(Release.launch_id)).where(col(Release.launch_id).is_not(None))


def begins(cursor: str) -> tuple[datetime, int]:
    """Where the page of a cursor begins. Raises SearchError."""
    moment, _, ident = cursor.partition("~")
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or not 0 < int(ident) < 2**63:
            raise ValueError(cursor)
        return at, int(ident)
    except ValueError:
        raise SearchError("cursor", "this cursor does not belong to launches: begin again without one") from None


def one(session: Session, ident: int) -> Told | None:
    """One launch."""
    row = session.get(Launch, ident) if 0 < ident < 2**63 else None
    return next(told(session, [row]), None) if row is not None else None


_HELD = {"launch", *(field for field, column in COLUMNS.items() if column.key in {"released_at", *COUNTED})}
"""Fields of which the index of launched releases holds whatever can be asked."""


def counts(session: Session, query: Query) -> tuple[int, int] | None:
    """(launches with a member that matches, members that match): counted apart, and never one for the other.

    None where no index tells: to read all that was ever launched would take longer than anyone waits for two numbers.
    """
    if not query.fields <= _HELD and to_tally(query) is None:
        return None
    matching = _members().where(*conditions(session, query)).group_by(col(Release.launch_id))
    some = matching.with_only_columns(func.count().label("members")).subquery()
    row = session.execute(select(func.count(), func.coalesce(func.sum(some.c.members), 0))).one()
    return int(row[0]), int(row[1])


SHOWN = (
    "repo_id", "namespace", "name", "lab", "origin", "kind", "size", "params_total", "params_active", "license",
    "license_class", "openness", "gated", "task", "status", "announcement_url", "launch_id",
)  # fmt: skip
"""Columns of a member that launches are shown with."""


def told(session: Session, rows: Iterable[Launch]) -> Iterator[Told]:
    """These launches with all their members, largest first."""
    listed = list(rows)
    members: dict[int | None, list[Any]] = {}
    shown: list[Any] = [getattr(Release, name) for name in SHOWN]
    query = select(*shown).where(
        col(Release.launch_id).in_([row.id for row in listed]), col(Release.pending).is_(False)
    )
    for release in session.execute(query):
        members.setdefault(release.launch_id, []).append(release)
    for row in listed:
        some = members.get(row.id, [])
        yield Told(row, tuple(sorted(some, key=lambda item: (-(item.params_total or 0), item.repo_id))))
