"""Queries of launches: found by a query, counted, with their members.

See docs/explanation/launches.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlmodel import Session, col

from monitor.classify.originals import strip_packaging
from monitor.db.engine import now
from monitor.models import COUNTED, Launch, Release, iso
from monitor.releases.notable import merged
from monitor.releases.query import Query, to_tally
from monitor.releases.query.sql import COLUMNS
from monitor.releases.search import SearchError, conditions


class LaunchWithMembers(NamedTuple):
    """A launch with its members, largest first: rows of the columns that are ``SHOWN``."""

    launch: Launch
    members: tuple[Any, ...]

    def as_json(self) -> dict[str, Any]:
        """The launch object that every surface serves (see docs/explanation/launches.md)."""
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
        "notable": merged((row.notable, row.notable_score) for row in members),
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
    rest = name[len(strip_packaging(name)) :].strip("-_.").lower()
    return rest or None


def find_launches(
    session: Session, query: Query, *, limit: int = 100, before: tuple[datetime, int] | None = None
) -> tuple[list[LaunchWithMembers], str | None]:
    """Launches with a member that matches, newest first, each with all its members; the cursor of the next page."""
    rows, more = _newest(session, query, limit, before)
    return list(with_members(session, rows)), more


class LaunchSummary(NamedTuple):
    """A launch by its numbers: of its members how many, and the parameters of the largest."""

    launch: Launch
    repositories: int
    origin: str | None
    params_total: int | None


def summarize_launches(
    session: Session, query: Query, *, limit: int = 100, before: tuple[datetime, int] | None = None
) -> tuple[list[LaunchSummary], str | None]:
    """As :func:`find_launches`, without the members: an index holds all columns that are shown."""
    rows, more = _newest(session, query, limit, before)
    launch = col(Release.launch_id)
    numbers = func.count(), func.max(col(Release.origin)), func.max(col(Release.params_total))
    members = select(launch, *numbers).where(launch.in_([row.id for row in rows]), col(Release.pending).is_(False))
    of = {row[0]: tuple(row)[1:] for row in session.execute(members.group_by(launch))}
    return [LaunchSummary(row, *of.get(row.id, (0, None, None))) for row in rows], more


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


def parse_cursor(cursor: str) -> tuple[datetime, int]:
    """Where the page of a cursor begins. Raises SearchError."""
    first_at, _, ident = cursor.partition("~")
    try:
        at = datetime.fromisoformat(first_at)
        if at.tzinfo is None or not 0 < int(ident) < 2**63:
            raise ValueError(cursor)
        return at, int(ident)
    except ValueError:
        raise SearchError("cursor", "this cursor does not belong to launches: begin again without one") from None


def get_launch(session: Session, ident: int) -> LaunchWithMembers | None:
    """One launch."""
    row = session.get(Launch, ident) if 0 < ident < 2**63 else None
    return next(with_members(session, [row]), None) if row is not None else None


_HELD = {"launch", *(field for field, column in COLUMNS.items() if column.key in {"released_at", *COUNTED})}
"""Fields of which the index of launched releases holds whatever can be asked."""


def count_launches(session: Session, query: Query) -> tuple[int, int] | None:
    """(launches with a member that matches, members that match): counted apart, and never one for the other.

    None where no index can answer: reading every launched release would take too long for two numbers.
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
    "notable", "notable_score",
)  # fmt: skip
"""Columns of a member that launches are shown with."""


def with_members(session: Session, rows: Iterable[Launch]) -> Iterator[LaunchWithMembers]:
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
        yield LaunchWithMembers(row, tuple(sorted(some, key=lambda item: (-(item.params_total or 0), item.repo_id))))
