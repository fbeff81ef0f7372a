"""Reading the history: pages of releases by a query, in any order, each page at the cost of the first."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, false, or_, select
from sqlmodel import Session, col

from monitor.history.query import Query, to_sql
from monitor.models import Change, Release, iso
from monitor.vocabulary import Status

SORTS: dict[str, Any] = {
    "released": Release.released_at,
    "seen": Release.first_seen_at,
    "created": Release.created_at,
    "params": Release.params_total,
    "active": Release.params_active,
    "downloads": Release.downloads,
    "likes": Release.likes,
    "repo": Release.repo_id,
    "id": Release.id,
}
"""What releases can be sorted by: the largest or newest first, with a leading ``-`` the other way round."""

MOST = 1_000


class SearchError(ValueError):
    """A page that cannot be given: one line, with the parameter that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Page:
    """Some releases, and the cursor of the next page (None on the last)."""

    items: list[Release]
    next: str | None


def search(
    session: Session, query: Query, *, sort: str = "released", limit: int = 100, cursor: str | None = None
) -> Page:
    """One page of the releases that match. Raises SearchError for an unknown sort, limit or cursor."""
    if not 1 <= limit <= MOST:
        raise SearchError("limit", f"limit {limit}: 1 to {MOST} expected")
    column, descending = _sort(sort)
    statement = _ordered(matching(query), column, descending=descending)
    if cursor is not None:
        statement = statement.where(_after(column, *_decoded(cursor, sort), descending=descending))
    rows = list(session.scalars(statement.limit(limit + 1)))
    more = len(rows) > limit
    return Page(rows[:limit], _encoded(sort, rows[limit - 1]) if more else None)


def stream(session: Session, query: Query) -> Iterator[Release]:
    """All releases that match, oldest record first, a thousand at a time: memory does not grow with the rows."""
    last = 0
    while True:
        statement = matching(query).where(col(Release.id) > last).order_by(col(Release.id)).limit(MOST)
        rows: list[Release] = list(session.scalars(statement))
        yield from rows
        if len(rows) < MOST:
            return
        last = rows[-1].id or 0
        session.expunge_all()


def find(session: Session, repo_id: str) -> Release | None:
    """The release of this name; the newest of several, and under a former name the one that bore it."""
    by_name = select(Release).where(col(Release.repo_id) == repo_id)
    row = session.scalars(by_name.order_by(col(Release.status) == str(Status.GONE), col(Release.id).desc())).first()
    if row is not None:
        return row
    former = select(Change).where(col(Change.field) == "repo_id").order_by(col(Change.id).desc())
    for change in session.scalars(former.where(cast(Any, Change.before).as_string() == repo_id).limit(1)):
        return session.get(Release, change.release_id)
    return None


def matching(query: Query) -> Select[Any]:
    """The releases that match; placeholders that wait for their weights are none."""
    return select(Release).where(col(Release.pending).is_(False), to_sql(query))


def _sort(sort: str) -> tuple[ColumnElement[Any], bool]:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise SearchError(
            "sort", f"unknown sort {sort!r}: one of {', '.join(SORTS)} expected, with - the other way round"
        )
    # Names read from A to Z, everything else from the largest.
    column: ColumnElement[Any] = SORTS[name].expression
    return column, sort.startswith("-") == (name == "repo")


def _ordered(statement: Select[Any], column: ColumnElement[Any], *, descending: bool) -> Select[Any]:
    key = col(Release.id)
    if descending:
        return statement.order_by(column.desc().nulls_last(), key.desc())
    return statement.order_by(column.asc().nulls_last(), key.asc())


def _after(column: ColumnElement[Any], value: Any, key: int, *, descending: bool) -> ColumnElement[bool]:
    ident: Any = col(Release.id)
    beyond = ident < key if descending else ident > key
    if value is None:
        return and_(column.is_(None), beyond)
    further = column < value if descending else column > value
    nothing_known = column.is_(None) if column.key != "id" else false()
    return or_(further, and_(column == value, beyond), nothing_known)


def _encoded(sort: str, row: Release) -> str:
    value = getattr(row, SORTS[sort.removeprefix("-")].key)
    plain = iso(value) if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([sort, plain, row.id]).encode()).decode().rstrip("=")


def _decoded(cursor: str, sort: str) -> tuple[Any, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        kind, value, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if kind != sort or isinstance(key, bool) or not isinstance(key, int):
            raise ValueError("of another sort")
        return _typed(value, sort), key
    except (ValueError, TypeError, binascii.Error):
        raise SearchError("cursor", "this cursor does not belong to this query: begin again without one") from None


def _typed(value: Any, sort: str) -> Any:
    name = sort.removeprefix("-")
    if value is None:
        return None
    if name in {"released", "seen", "created"}:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a moment without a zone")
        return moment
    if name == "repo" and isinstance(value, str):
        return value
    if name != "repo" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    raise ValueError("of another type")
