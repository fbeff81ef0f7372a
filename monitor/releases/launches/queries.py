"""Queries of launches: found by a query, counted, with their members.

See docs/explanation/launches.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.enums import Kind, LicenseClass
from monitor.models import COUNTED, Launch, Release, iso
from monitor.releases.launches.facts import LaunchFacts, facts_of, frequent, precision_of, publisher_name
from monitor.releases.notable import merged
from monitor.releases.query import Query, to_tally
from monitor.releases.query.sql import COLUMNS
from monitor.releases.query.tree import All, Term
from monitor.releases.query.values import NONE
from monitor.releases.schema import training
from monitor.releases.search import SearchError, conditions


class LaunchWithMembers(NamedTuple):
    """A launch with its members, largest first: rows of the columns that are ``SHOWN``."""

    launch: Launch
    members: tuple[Any, ...]

    def as_json(self) -> dict[str, Any]:
        """The launch object that every surface serves (see docs/explanation/launches.md)."""
        return as_json(self.launch, self.members)


def as_json(launch: Launch, members: Sequence[Any]) -> dict[str, Any]:
    """A launch as an object: its name, when, its announcement, its facts, and its members with size and kind."""
    first = members[0] if members else None
    facts = facts_of(members)
    return {
        "id": launch.id,
        "name": launch.name,
        "family": launch.family,
        "publisher": launch.publisher,
        "publisher_name": publisher_name(launch.publisher),
        "lab": first.lab if first else None,
        "origin": first.origin if first else None,
        "released_at": iso(launch.first_at),
        "last_at": iso(launch.last_at),
        "settled": launch.settles_at <= now(),
        "announcement_url": _announcement_url(members),
        "notable": _reasons(members),
        **facts._asdict(),
        "repositories": len(members),
        "query": f"launch:{launch.id}",
        "members": [
            {
                "repo_id": row.repo_id,
                "kind": row.kind,
                "training": training(row),
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


def _announcement_url(members: Sequence[Any]) -> str | None:
    return next((row.announcement_url for row in members if row.announcement_url), None)


def _reasons(members: Sequence[Any]) -> list[Any]:
    return merged((row.notable, row.notable_score) for row in members)


def find_launches(
    session: Session, query: Query, *, limit: int = 100, before: tuple[datetime, int] | None = None
) -> tuple[list[LaunchWithMembers], str | None]:
    """Launches with a member that matches, newest first, each with all its members; the cursor of the next page."""
    rows, more = _newest(session, query, limit, before)
    return list(with_members(session, rows)), more


_NO_LICENSE = {str(LicenseClass.UNDECLARED): "no licence stated", str(LicenseClass.UNKNOWN): "licence not recognised"}


def _license_words(row: Any) -> str:
    if row.license and row.license != "other":
        return str(row.license)
    return _NO_LICENSE.get(row.license_class, str(row.license_class))


MAX_MEMBERS_READ = 50
"""Members of a launch that a list of launches reads, the largest of them."""


class LaunchSummary(NamedTuple):
    """A launch in a list: how many members it has, and the facts of the largest :data:`MAX_MEMBERS_READ` of them."""

    launch: Launch
    repositories: int
    members: tuple[Any, ...]
    facts: LaunchFacts

    @property
    def roots(self) -> list[str]:
        """The ids of what its members were built on."""
        return [one["repo_id"] for one in self.facts.built_on]

    @property
    def licenses(self) -> list[str]:
        """The licences of its members in words, the most frequent first: by class where the identifier says nothing."""
        return frequent(_license_words(row) for row in self.members)

    @property
    def origin(self) -> str | None:
        """The country of its publisher."""
        return self.members[0].origin if self.members else None

    @property
    def training(self) -> str | None:
        """How far its originals were trained, if all that is known of them is one stage."""
        found = {training(row) for row in self.members if row.kind == Kind.BASE}
        return found.pop() if len(found) == 1 else None

    @property
    def reasons(self) -> list[Any]:
        """Why it is notable, the strongest first."""
        return _reasons(self.members)

    @property
    def publisher_name(self) -> str:
        """The lab's name, else the namespace."""
        return publisher_name(self.launch.publisher)

    @property
    def announcement_url(self) -> str | None:
        """The first announcement of a member."""
        return _announcement_url(self.members)


def summarize_launches(
    session: Session,
    query: Query,
    *,
    limit: int = 100,
    before: tuple[datetime, int] | None = None,
    since: datetime | None = None,
) -> tuple[list[LaunchSummary], str | None]:
    """As :func:`find_launches`, with no more members than a list shows, however many a launch has.

    ``since``: only launches whose first member became public then or later.
    """
    rows, more = _newest(session, query, limit, before, since)
    launch = col(Release.launch_id)
    number = select(launch, func.count()).where(launch.in_([row.id for row in rows]), col(Release.pending).is_(False))
    of = {row[0]: int(row[1]) for row in session.execute(number.group_by(launch))}
    found = with_members(session, rows, most=MAX_MEMBERS_READ)
    return [
        LaunchSummary(one.launch, of.get(one.launch.id, 0), one.members, facts_of(one.members)) for one in found
    ], more


def _newest(
    session: Session,
    query: Query,
    limit: int,
    before: tuple[datetime, int] | None,
    since: datetime | None = None,
) -> tuple[list[Launch], str | None]:
    query_ = select(Launch).where(_has_member(session, query))
    if since is not None:
        query_ = query_.where(col(Launch.first_at) >= since)
    if before is not None:
        at, ident = before
        query_ = query_.where((col(Launch.first_at) < at) | ((col(Launch.first_at) == at) & (col(Launch.id) < ident)))
    newest = query_.order_by(col(Launch.first_at).desc(), col(Launch.id).desc()).limit(limit + 1)
    rows = list(session.scalars(newest))
    more = _cursor(rows[limit - 1].first_at, rows[limit - 1].id or 0) if len(rows) > limit else None
    return rows[:limit], more


def _has_member(session: Session, query: Query) -> ColumnElement[bool]:
    """That a launch has a member that matches: from the newest launch on, only those of a page are looked at."""
    _, _, *by_words = where = conditions(session, query)
    if _is_of_few(session, query):
        # By the index of notable releases: nearly every launch would be looked at for one that has a notable member.
        return col(Launch.id).in_(select(col(Release.launch_id)).where(col(Release.notable_score).is_not(None), *where))
    member = _members().where(*where)
    if by_words:
        return col(Launch.id).in_(member)  # SQLite would look them up for each launch
    return member.where(col(Release.launch_id) == col(Launch.id)).correlate(Launch).exists()


FEW_NOTABLE = 2_000
"""Notable releases up to which their launches are found from them, and not from the newest launch on."""


def _is_of_few(session: Session, query: Query) -> bool:
    """Whether a query wants a notable member, and few releases are notable."""
    items = query.root.items if isinstance(query.root, All) else (query.root,)
    if not any(isinstance(one, Term) and one.field == "notable" and NONE not in one.values for one in items):
        return False
    some = select(col(Release.id)).where(col(Release.notable_score).is_not(None)).limit(FEW_NOTABLE + 1).subquery()
    return int(session.scalar(select(func.count()).select_from(some)) or 0) <= FEW_NOTABLE


def _members() -> Select[Any]:
    return select(col(Release.launch_id)).where(col(Release.launch_id).is_not(None))


def _cursor(at: datetime, ident: int) -> str:
    return f"{iso(at)}~{ident}"


def parse_cursor(cursor: str) -> tuple[datetime, int]:
    """Where the page of a cursor begins. Raises SearchError for whatever was not given as one."""
    first_at, _, number = cursor.partition("~")
    try:
        at, ident = datetime.fromisoformat(first_at), int(number)
        if at.tzinfo is None or not 0 < ident < 2**63 or _cursor(at.astimezone(UTC), ident) != cursor:
            raise ValueError(cursor)
        return at, ident
    except (ValueError, OverflowError):
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
    "foundation_repo_id", "foundation_lab", "foundation_origin", "library", "tags", "evidence",
)  # fmt: skip
"""Columns of a member that launches are shown with."""


def with_members(session: Session, rows: Iterable[Launch], *, most: int | None = None) -> Iterator[LaunchWithMembers]:
    """These launches with all their members, or the ``most`` largest of each, largest first."""
    listed = list(rows)
    members: dict[int | None, list[Any]] = {}
    shown: list[Any] = [getattr(Release, name) for name in SHOWN]
    query = select(*shown).where(
        col(Release.launch_id).in_([row.id for row in listed]), col(Release.pending).is_(False)
    )
    if most is not None:
        query = query.where(col(Release.id).in_(_largest([row.id for row in listed], most)))
    for release in session.execute(query):
        members.setdefault(release.launch_id, []).append(release)
    for row in listed:
        some = members.get(row.id, [])
        yield LaunchWithMembers(row, tuple(sorted(some, key=lambda item: (-(item.params_total or 0), item.repo_id))))


def _largest(launches: Sequence[int | None], most: int) -> Select[Any]:
    """The ids of the largest members of each launch, by the index that holds all that decides."""
    order = func.coalesce(col(Release.params_total), 0).desc(), col(Release.id)
    rank = func.row_number().over(partition_by=col(Release.launch_id), order_by=order).label("rank")
    ranked = select(col(Release.id), rank).where(col(Release.launch_id).in_(launches), col(Release.pending).is_(False))
    some = ranked.subquery()
    return select(some.c.id).where(some.c.rank <= most)
