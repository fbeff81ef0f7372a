"""Searches the history: pages of releases by a query, in any order. A deep page takes no longer than the first."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    column,
    func,
    literal,
    literal_column,
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
from monitor.models import NAME_WORDS, Change, Release, iso
from monitor.releases.query import Query, lookup, to_sql
from monitor.releases.query.tree import All, Term
from monitor.releases.query.values import DATES
from monitor.releases.schema import ASCENDING_SORTS, SORT_COLUMNS, SOURCES, release_object

SORTS: dict[str, Any] = {name: getattr(Release, column) for name, column in SORT_COLUMNS.items()}
"""Sort keys: the largest or newest first (names from A, ranks from 1); a leading ``-`` reverses the order."""

MAX_PAGE_SIZE = 1_000


class SearchError(ValueError):
    """An invalid sort, limit or cursor: one line; ``field`` is the parameter that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Page:
    """A page of releases, and the cursor of the next page (None on the last)."""

    items: list[Release]
    next: str | None


def search(
    session: Session, query: Query, *, sort: str = "released", limit: int = 100, cursor: str | None = None
) -> Page:
    """Returns one page of matching releases, without their facts; those without a value to sort by come last.

    Raises SearchError for an invalid sort, limit or cursor.
    """
    found = _page_keys(session, query, sort, limit, cursor)
    idents = [ident for ident, _ in found[:limit]]
    by_id = {row.id: row for row in session.scalars(_select_rows().where(col(Release.id).in_(idents)))}
    return Page([by_id[key] for key in idents if key in by_id], _next_cursor(found, sort, limit))


def release_page(
    session: Session, query: Query, *, sort: str = "released", limit: int = 100, cursor: str | None = None
) -> dict[str, Any]:
    """Returns the page of :func:`search` as the API does: ``{"items": [release objects], "next": cursor or None}``."""
    found = _page_keys(session, query, sort, limit, cursor)
    idents = [ident for ident, _ in found[:limit]]
    rows = session.connection().execute(select_columns().where(col(Release.id).in_(idents)))
    # Some seventy attributes are read of each: of a namespace that takes a third of the time that it takes of a row.
    names = list(rows.keys())
    plain = (SimpleNamespace(**dict(zip(names, row, strict=True))) for row in rows)
    by_id = {row.id: release_object(row) for row in plain}
    return {"items": [by_id[key] for key in idents if key in by_id], "next": _next_cursor(found, sort, limit)}


def _next_cursor(found: list[tuple[int, Any]], sort: str, limit: int) -> str | None:
    return _encode_cursor(sort, *found[limit - 1]) if len(found) > limit else None


def select_columns(*more: str) -> Select[Any]:
    """Selects the columns of release objects and exports as plain rows."""
    names = dict.fromkeys(("id", *SOURCES, "evidence", *more))
    return select(*(getattr(Release, name) for name in names))


def _page_keys(session: Session, query: Query, sort: str, limit: int, cursor: str | None) -> list[tuple[int, Any]]:
    """Returns (id, sort value) of each release of a page, in order, and of the next release if there is one."""
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise SearchError("limit", f"limit {limit}: 1 to {MAX_PAGE_SIZE} expected")
    _sort(sort)
    after = _decode_cursor(cursor, sort) if cursor is not None else None
    # Its SQL depends on neither the time nor the rows, which decide whether the text index helps.
    searches_text = lookup(query, session.get_bind().dialect.name) is not None
    is_cacheable = after is None and not searches_text and query.fields.isdisjoint(DATES)
    if is_cacheable:
        statements = _first_page_walks(query, sort)
    else:
        statements = _index_walks(sort, after, conditions(session, query, walked=True))
    found: list[tuple[int, Any]] = []
    for statement in statements:
        if len(found) <= limit:
            rows = session.connection().execute(statement, {"most": limit + 1 - len(found)})
            found += [(row[0], row[1]) for row in rows]
    return found


@lru_cache(maxsize=256)
def _first_page_walks(query: Query, sort: str) -> list[Select[Any]]:
    """Returns the statements of a first page, cached because building them takes longer than running them."""
    return _index_walks(sort, None, [col(Release.pending).is_(False), to_sql(query)])


def _index_walks(sort: str, after: tuple[Any, int] | None, where: list[ColumnElement[bool]]) -> list[Select[Any]]:
    """Returns statements for (id, sort value) of :most rows, to be run in turn, each in the order of an index.

    The sort value is selected so that SQLite merges current and past rows in the order of an index.
    """
    column, descending = _sort(sort)
    columns: list[Any] = [col(Release.id), column]
    most: Any = bindparam("most", type_=Integer)
    return [
        _order(select(*columns).where(*condition, *where), column, descending=descending).limit(most)
        for condition in _index_ranges(column, after, descending=descending)
    ]


def _index_ranges(
    column: ColumnElement[Any], after: tuple[Any, int] | None, *, descending: bool
) -> list[list[ColumnElement[bool]]]:
    """Returns the conditions of consecutive index ranges, so that many equal values do not slow down a page."""
    unknown = column.is_(None)
    if after is None:
        return [[column.is_not(None)], [unknown]]
    ident: Any = col(Release.id)
    beyond = ident < after[1] if descending else ident > after[1]
    if after[0] is None:
        return [[unknown, beyond]]
    # Not compared as a row value: SQLite would find the value by its index, and walk all rows that have it.
    value = literal(after[0], column.type)
    return [[column == value, beyond], [column < value if descending else column > value], [unknown]]


def stream(
    session: Session, query: Query, columns: Iterable[str] | None = None, *where: ColumnElement[bool]
) -> Iterator[Any]:
    """Yields all matching releases, by id, read a thousand at a time so that memory does not grow with the rows.

    Each is a row that :func:`~monitor.releases.schema.release_object` accepts, or has only these ``columns`` and its
    id: evidence takes longer to read than all others. ``where``: further conditions.
    """
    last = 0
    chosen = select_columns() if columns is None else select(*(getattr(Release, name) for name in ("id", *columns)))
    some = chosen.where(*conditions(session, query), *where).order_by(col(Release.id))
    while True:
        rows = session.execute(some.where(col(Release.id) > last).limit(MAX_PAGE_SIZE)).all()
        yield from rows
        if len(rows) < MAX_PAGE_SIZE:
            return
        last = rows[-1].id


def matching(query: Query) -> Select[Any]:
    """Selects the matching releases, in no order."""
    return select(Release).where(col(Release.pending).is_(False), to_sql(query))


def _select_rows() -> Select[Any]:
    return select(Release).options(defer(cast(Any, Release.facts)))


@dataclass(frozen=True, slots=True)
class TextIndexUse:
    """Numbers of matches in the text index of SQLite, measured at a million releases.

    Up to ``rare``, the rows are looked up one by one. Up to ``narrowed``, an ordered walk skips rows that the text
    index does not list. Beyond it, the walk finds enough rows without.
    """

    rare: int
    narrowed: int


FOR_A_PAGE = TextIndexUse(3_000, 50_000)
FOR_A_THOUSAND = TextIndexUse(6_000, 150_000)


def conditions(
    session: Session, query: Query, *, walked: bool = False, use: TextIndexUse | None = None
) -> list[ColumnElement[bool]]:
    """Returns the conditions of matching releases, which exclude placeholders that wait for their weights.

    ``walked``: only the first rows in some order are needed, so the index of that order should be walked. ``use``: else
    that for a page.
    """
    use = use or FOR_A_PAGE
    found: list[ColumnElement[bool]] = [col(Release.pending).is_(False), to_sql(query)]
    sqlite = session.get_bind().dialect.name == "sqlite"
    expression = lookup(query, session.get_bind().dialect.name)
    if expression is None or "as_of" in session.info:  # the text index has no past
        return found
    if not sqlite:  # PostgreSQL has statistics of words, and decides by itself; it adds up those of alternatives
        few = _few_matches(session, expression, use.rare) if " | " in expression else None
        return [*found, indexed(session, expression) if few is None else _is_one_of(few)]
    some = text("SELECT count(*) FROM (SELECT 1 FROM release_words WHERE release_words MATCH :expression LIMIT :most)")
    number = session.execute(some, {"expression": expression, "most": use.narrowed + 1}).scalar_one()
    if number <= use.narrowed:
        found.append(indexed(session, expression, walked=walked and number > use.rare))
    return found


def _few_matches(session: Session, expression: str, most: int) -> list[int] | None:
    """Returns the ids of what PostgreSQL's text index finds; None for more than ``most``.

    The planner would take a hundred rare words for a common one, and walk all releases in the order of the page.
    """
    session.execute(text("SET LOCAL enable_seqscan = off"))
    matching = select(col(Release.id)).where(indexed(session, expression)).limit(most + 1)
    found = [int(row[0]) for row in session.execute(matching)]
    session.execute(text("SET LOCAL enable_seqscan TO DEFAULT"))
    return found if len(found) <= most else None


def _is_one_of(idents: list[int]) -> ColumnElement[bool]:
    return col(Release.id) == any_(literal(idents, ARRAY(BigInteger)))


def indexed(session: Session, expression: str, *, walked: bool = False) -> ColumnElement[bool]:
    """The condition that the text index matches ``expression``, which comes from :func:`lookup`."""
    if session.get_bind().dialect.name == "sqlite":
        match = text("SELECT rowid FROM release_words WHERE release_words MATCH :expression").bindparams(
            expression=expression
        )
        # A plus sign keeps SQLite from looking up each row that the text index finds.
        ident: Any = literal_column("+release.id", Integer) if walked else col(Release.id)
        return cast(ColumnElement[bool], ident.in_(match.columns(column("rowid", Integer))))
    words = func.array_to_tsvector(func.string_to_array(func.btrim(col(Release.search_text)), literal_column("' '")))
    return words.op("@@")(sql_cast(expression, TSQUERY))


def recorded_ids(session: Session, names: Iterable[str | None]) -> set[str]:
    """Returns the repository ids, in lower case, that have a release, and so a page, in this database."""
    wanted = {name.lower() for name in names if name}
    found = select(func.lower(col(Release.repo_id))).where(func.lower(col(Release.repo_id)).in_(wanted))
    return set(session.scalars(found)) if wanted else set()


_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def find_pasted(session: Session, text: str) -> Release | None:
    """Returns the release if a text is just its id or the URL of a page on the Hub; otherwise None."""
    try:
        name = reference(text.strip()) or text.strip()
    except HubURLError:
        return None
    return find(session, name) if _ID.fullmatch(name) else None


MAX_NAMED_WORDS = 3
"""Maximum words of a query that are searched for as a name, in any order."""


def find_by_name(session: Session, query: Query) -> Release | None:
    """Returns the release whose name consists of the words of a query; of several, the one with the most likes.

    Also None for queries of the past.
    """
    items = query.root.items if isinstance(query.root, All) else (query.root,)
    phrases = [item.values[0] for item in items if isinstance(item, Term) and item.field == ""]
    if not 0 < len(phrases) <= MAX_NAMED_WORDS or "as_of" in session.info:
        return None
    names = {" ".join(order) for order in permutations(phrases)}
    gone = col(Release.status) == str(Status.GONE)
    some = _select_rows().where(literal_column(NAME_WORDS).in_(names), col(Release.pending).is_(False), to_sql(query))
    return session.scalars(
        some.order_by(gone, col(Release.likes).desc().nulls_last(), col(Release.id)).limit(1)
    ).first()


def find(session: Session, repo_id: str) -> Release | None:
    """Returns the release with this id, in any letter case, current or former; the newest of several."""
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
            "sort", f"unknown sort {sort!r}: one of {', '.join(SORTS)} expected, a leading - reverses the order"
        )
    return SORTS[name].expression, sort.startswith("-") == (name in ASCENDING_SORTS)


def _order(statement: Select[Any], column: ColumnElement[Any], *, descending: bool) -> Select[Any]:
    key = col(Release.id)
    return statement.order_by(column.desc(), key.desc()) if descending else statement.order_by(column, key)


def _encode_cursor(sort: str, ident: int, value: Any) -> str:
    is_timestamp = isinstance(SORTS[sort.removeprefix("-")].type, UTCDateTime)
    plain = iso(value) if is_timestamp else value
    return base64.urlsafe_b64encode(json.dumps([sort, plain, ident]).encode()).decode().rstrip("=")


def _decode_cursor(cursor: str, sort: str) -> tuple[Any, int]:
    """Returns (sort value, id) of a cursor. Raises SearchError for whatever :func:`_encode_cursor` does not return."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        kind, value, ident = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if kind != sort or type(ident) is not int or not 0 < ident < 2**63:
            raise ValueError("a cursor of another sort")
        value = _cursor_value(value, sort)
        if _encode_cursor(sort, ident, value) != cursor:
            raise ValueError("not as it was given")
        return value, ident
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise SearchError("cursor", "this cursor belongs to another query: start again without a cursor") from None


def _cursor_value(value: Any, sort: str) -> Any:
    """Returns a cursor's value with the type of the sort's column. Raises ValueError for what it cannot hold."""
    if value is None:
        return None
    if isinstance(SORTS[sort.removeprefix("-")].type, UTCDateTime):
        timestamp = datetime.fromisoformat(value)
        if timestamp.tzinfo is None:
            raise ValueError("a timestamp without a time zone")
        return timestamp.astimezone(UTC)
    kind = SORTS[sort.removeprefix("-")].type.python_type
    if type(value) is not kind or (kind is int and abs(value) >= 2**63):
        raise ValueError("of another type")
    if kind is str and ("\x00" in value or not value.isprintable()):
        raise ValueError("no text of a database")
    return value
