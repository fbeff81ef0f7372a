"""Reading the history: pages of releases by a query, in any order, each page at the cost of the first."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import permutations
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from monitor.classify.repo_ids import HubURLError, reference
from monitor.db.engine import UTCDateTime
from monitor.enums import Status
from monitor.models import Change, Release, iso
from monitor.releases.query import Query, lookup, to_sql
from monitor.releases.query.tree import All, Term
from monitor.releases.query.values import DATES
from monitor.releases.schema import ASCENDING_SORTS, SORT_COLUMNS, SOURCES, release_object

SORTS: dict[str, Any] = {name: getattr(Release, column) for name, column in SORT_COLUMNS.items()}
"""What releases can be sorted by: the largest or newest first (names from A, ranks from 1), with a leading ``-`` the
other way round."""

MAX_PAGE_SIZE = 1_000


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
    """One page of the releases that match, without their facts. Raises SearchError for a wrong sort, limit or cursor.

    What has no value to sort by comes last.
    """
    found = _found(session, query, sort, limit, cursor)
    idents = [ident for ident, _ in found[:limit]]
    by_id = {row.id: row for row in session.scalars(_rows().where(col(Release.id).in_(idents)))}
    return Page([by_id[key] for key in idents if key in by_id], _following(found, sort, limit))


def release_page(
    session: Session, query: Query, *, sort: str = "released", limit: int = 100, cursor: str | None = None
) -> dict[str, Any]:
    """What :func:`search` finds, as the API tells it: ``{"items": [release objects], "next": cursor or None}``."""
    found = _found(session, query, sort, limit, cursor)
    idents = [ident for ident, _ in found[:limit]]
    rows = session.execute(_columns().where(col(Release.id).in_(idents)))
    by_id = {row.id: release_object(row) for row in rows}
    return {"items": [by_id[key] for key in idents if key in by_id], "next": _following(found, sort, limit)}


def _following(found: list[tuple[int, Any]], sort: str, limit: int) -> str | None:
    return _encoded(sort, *found[limit - 1]) if len(found) > limit else None


def _columns(*more: str) -> Select[Any]:
    """The columns that release objects and exports are made of, without the mapper."""
    names = dict.fromkeys(("id", *SOURCES, "evidence", *more))
    return select(*(getattr(Release, name) for name in names))


def _found(session: Session, query: Query, sort: str, limit: int, cursor: str | None) -> list[tuple[int, Any]]:
    """The number of each release of a page and what it is sorted by, in order; and of one more where there is one."""
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise SearchError("limit", f"limit {limit}: 1 to {MAX_PAGE_SIZE} expected")
    _sort(sort)
    after = _decoded(cursor, sort) if cursor is not None else None
    steady = after is None and not query.fields & {"", *DATES}  # what it means goes with neither time nor rows
    statements = _first(query, sort) if steady else _walks(sort, after, conditions(session, query, walked=True))
    found: list[tuple[int, Any]] = []
    for statement in statements:
        if len(found) <= limit:
            rows = session.connection().execute(statement, {"most": limit + 1 - len(found)})
            found += [(row[0], row[1]) for row in rows]
    return found


@lru_cache(maxsize=256)
def _first(query: Query, sort: str) -> list[Select[Any]]:
    """The walks of a first page, kept: to write them costs more than to run them."""
    return _walks(sort, None, [col(Release.pending).is_(False), to_sql(query)])


def _walks(sort: str, after: tuple[Any, int] | None, where: list[ColumnElement[bool]]) -> list[Select[Any]]:
    """Walks of indexes, one after the other, of :most rows each: a release's number, and what it is sorted by.

    With that, so that SQLite merges what is and what was in the order of an index.
    """
    column, descending = _sort(sort)
    columns: list[Any] = [col(Release.id), column]
    most: Any = bindparam("most", type_=Integer)
    return [
        _ordered(select(*columns).where(*stretch, *where), column, descending=descending).limit(most)
        for stretch in _stretches(column, after, descending=descending)
    ]


def _stretches(
    column: ColumnElement[Any], after: tuple[Any, int] | None, *, descending: bool
) -> list[list[ColumnElement[bool]]]:
    """What is walked one after the other: an index leads to the beginning of each, however many have the same value."""
    unknown = column.is_(None)
    if after is None:
        return [[column.is_not(None)], [unknown]]
    ident: Any = col(Release.id)
    beyond = ident < after[1] if descending else ident > after[1]
    if after[0] is None:
        return [[unknown, beyond]]
    # Not compared as one pair: SQLite would find the value by its index, and walk all that have it.
    value = literal(after[0], column.type)
    return [[column == value, beyond], [column < value if descending else column > value], [unknown]]


def stream(session: Session, query: Query) -> Iterator[Any]:
    """All releases that match, oldest record first, a thousand at a time: memory does not grow with the rows.

    They are rows that :func:`~monitor.releases.schema.release_object` takes.
    """
    last = 0
    some = _columns().where(*conditions(session, query)).order_by(col(Release.id))
    while True:
        rows = session.execute(some.where(col(Release.id) > last).limit(MAX_PAGE_SIZE)).all()
        yield from rows
        if len(rows) < MAX_PAGE_SIZE:
            return
        last = rows[-1].id


def matching(query: Query) -> Select[Any]:
    """The releases that match, in no order, to narrow further."""
    return select(Release).where(col(Release.pending).is_(False), to_sql(query))


def _rows() -> Select[Any]:
    return select(Release).options(defer(cast(Any, Release.facts)))


MAX_RARE_MATCHES, MAX_NARROWED_MATCHES = 3_000, 50_000
"""Numbers of matches in the text index of SQLite. Up to the first, the rows are looked up one by one. Up to the second,
an ordered walk skips rows that the text index does not list. Beyond it, the walk finds enough rows without."""


def conditions(session: Session, query: Query, *, walked: bool = False) -> list[ColumnElement[bool]]:
    """What holds for the releases that match; placeholders that wait for their weights are none.

    ``walked``: they are wanted in an order of which there are to be a few, so that its index should be walked.
    """
    found: list[ColumnElement[bool]] = [col(Release.pending).is_(False), to_sql(query)]
    sqlite = session.get_bind().dialect.name == "sqlite"
    expression = lookup(query, session.get_bind().dialect.name)
    if expression is None or "as_of" in session.info:  # the index of words is of today
        return found
    if not sqlite:  # PostgreSQL knows how common each word is, and weighs this itself.
        return [*found, indexed(session, expression)]
    some = text("SELECT count(*) FROM (SELECT 1 FROM release_words WHERE release_words MATCH :expression LIMIT :most)")
    number = session.execute(some, {"expression": expression, "most": MAX_NARROWED_MATCHES + 1}).scalar_one()
    if number <= MAX_NARROWED_MATCHES:
        found.append(indexed(session, expression, walked=walked and number > MAX_RARE_MATCHES))
    return found


def indexed(session: Session, expression: str, *, walked: bool = False) -> ColumnElement[bool]:
    """The condition that the text index matches ``expression``, which comes from :func:`lookup`."""
    if session.get_bind().dialect.name == "sqlite":
        match = text("SELECT rowid FROM release_words WHERE release_words MATCH :expression").bindparams(
            expression=expression
        )
        # A plus sign keeps SQLite from looking up what the index of words finds.
        ident: Any = literal_column("+release.id", Integer) if walked else col(Release.id)
        return cast(ColumnElement[bool], ident.in_(match.columns(column("rowid", Integer))))
    words = func.array_to_tsvector(func.string_to_array(func.btrim(col(Release.search_text)), literal_column("' '")))
    return words.op("@@")(sql_cast(expression, TSQUERY))


def recorded(session: Session, names: Iterable[str | None]) -> set[str]:
    """Those of some names of repositories, in lower case, that a release bears today: the others have no page here."""
    wanted = {name.lower() for name in names if name}
    bearing = select(func.lower(col(Release.repo_id))).where(func.lower(col(Release.repo_id)).in_(wanted))
    return set(session.scalars(bearing)) if wanted else set()


_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def pasted(session: Session, text: str) -> Release | None:
    """The release whose id, or whose page on the Hub, is all that a text says; None where it says anything else."""
    try:
        name = reference(text.strip()) or text.strip()
    except HubURLError:
        return None
    return find(session, name) if _ID.fullmatch(name) else None


MAX_NAMED_WORDS = 3
"""Words of a search that are looked for as a name, in any order."""


def namesake(session: Session, query: Query) -> Release | None:
    """The release whose name is just the words that a query searches for; of several, the one with the most likes.

    None as well where the words are too common for the index of words to narrow the search, and for the past.
    """
    items = query.root.items if isinstance(query.root, All) else (query.root,)
    phrases = [item.values[0] for item in items if isinstance(item, Term) and item.field == ""]
    if not 0 < len(phrases) <= MAX_NAMED_WORDS:
        return None
    where = conditions(session, query)
    if len(where) <= UNINDEXED_CONDITIONS:
        return None
    # The words of a name are parted by one sign each: "_" stands for any.
    named = [" ".join(order).replace(" ", "_") for order in permutations(phrases)]
    name = func.lower(col(Release.name))
    some = _rows().where(*where, or_(*(name.like(one) for one in named)))
    gone = col(Release.status) == str(Status.GONE)
    return session.scalars(
        some.order_by(gone, col(Release.likes).desc().nulls_last(), col(Release.id)).limit(1)
    ).first()


UNINDEXED_CONDITIONS = 2
"""Conditions of a search for which the text index is not used."""


def find(session: Session, repo_id: str) -> Release | None:
    """The release of this name, in any case; the newest of several, and under a former name the one that had it."""
    by_name = select(Release).where(func.lower(col(Release.repo_id)) == repo_id.lower())
    row = session.scalars(by_name.order_by(col(Release.status) == str(Status.GONE), col(Release.id).desc())).first()
    if row is not None:
        return row
    former = select(Change).where(col(Change.field) == "repo_id").order_by(col(Change.id).desc())
    written = func.lower(sql_cast(col(Change.before), Text)) == json.dumps(repo_id.lower())
    for change in session.scalars(former.where(written).limit(1)):
        return session.get(Release, change.release_id)
    return None


def _sort(sort: str) -> tuple[ColumnElement[Any], bool]:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise SearchError(
            "sort", f"unknown sort {sort!r}: one of {', '.join(SORTS)} expected, with - the other way round"
        )
    return SORTS[name].expression, sort.startswith("-") == (name in ASCENDING_SORTS)


def _ordered(statement: Select[Any], column: ColumnElement[Any], *, descending: bool) -> Select[Any]:
    key = col(Release.id)
    return statement.order_by(column.desc(), key.desc()) if descending else statement.order_by(column, key)


def _encoded(sort: str, ident: int, value: Any) -> str:
    is_timestamp = isinstance(SORTS[sort.removeprefix("-")].type, UTCDateTime)
    plain = iso(value) if is_timestamp else value
    return base64.urlsafe_b64encode(json.dumps([sort, plain, ident]).encode()).decode().rstrip("=")


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
    """A cursor's value as the sort's column has it. Raises ValueError for one of another type."""
    if value is None:
        return None
    if isinstance(SORTS[sort.removeprefix("-")].type, UTCDateTime):
        timestamp = datetime.fromisoformat(value)
        if timestamp.tzinfo is None:
            raise ValueError("a timestamp without a time zone")
        return timestamp
    kind = SORTS[sort.removeprefix("-")].type.python_type
    if type(value) is not kind or (kind is int and abs(value) >= 2**63):
        raise ValueError("of another type")
    return value
