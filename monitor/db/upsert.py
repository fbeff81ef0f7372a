"""Inserts that leave out what is there, on both dialects: of a few rows, and of many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import NoneType
from typing import Any

import orjson
import psycopg
from orjson import Fragment
from sqlalchemy import JSON, Dialect, Insert, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine
from sqlmodel import Session

from monitor.db.engine import UTCDateTime, sqlite_text


def insert_or_ignore(session: Session, table: type[Any]) -> Any:
    """An insert into ``table`` that leaves out the rows that are already there."""
    make: Any = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement: Insert = make(table).on_conflict_do_nothing()
    return statement


def insert_absent(session: Session, table: Table, rows: list[dict[str, Any]], key: str) -> set[str]:
    """Inserts many rows (each with the same columns) at once, leaving out what is there; the keys that were inserted.

    On SQLite the caller holds the write lock, and gives only rows that it did not find. What goes into a column of
    JSON may be its text already.
    """
    if not rows:
        return set()
    session.flush()
    if session.get_bind().dialect.name == "sqlite":
        _by_parameters(session, table, rows)
    elif len(rows) < _MANY or not _by_copy(session, table, rows):
        return _by_document(session, table, rows, key)
    return {row[key] for row in rows}


# --- PostgreSQL -------------------------------------------------------------------------------------------

_MANY = 50
_JSONB = "\x01"
"""The version that stands before a document's text where it is sent in binary: the only one there is."""
_SENT_AS = {"jsonb": "text", "float": "float8"}
"""How the driver writes what it knows by another name, or would write anew."""


def _by_copy(session: Session, table: Table, rows: list[dict[str, Any]]) -> bool:
    """Copies the rows, in little more than half of the time of any insert; nothing where one of them is there.

    COPY knows no conflict. There is one only where another worker has just written the same.
    """
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table.name} ({_listed(session, rows[0])}) FROM STDIN (FORMAT BINARY)"
    kinds = [table.c[name].type.compile(connection.dialect).lower() for name in rows[0]]
    documents = [place for place, kind in enumerate(kinds) if kind == "jsonb"]
    try:
        with connection.begin_nested(), driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_SENT_AS.get(kind, kind) for kind in kinds])
            for row in rows:
                values = list(row.values())
                for place in documents:
                    value = values[place]
                    if value is not None:
                        values[place] = _JSONB + (value if isinstance(value, str) else orjson.dumps(value).decode())
                copy.write_row(values)
    except psycopg.errors.UniqueViolation:
        return False
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error, dialect=connection.dialect) from error
    return True


def _by_document(session: Session, table: Table, rows: list[dict[str, Any]], key: str) -> set[str]:
    """Inserts rows as one JSON document: PostgreSQL unpacks that faster than a client can bind so many parameters."""
    names = _listed(session, rows[0])
    source = f"SELECT {names} FROM jsonb_populate_recordset(NULL::{table.name}, CAST(:rows AS jsonb))"  # noqa: S608
    statement = f"INSERT INTO {table.name} ({names}) {source} ON CONFLICT DO NOTHING RETURNING {key}"
    texts = [name for name in rows[0] if isinstance(table.c[name].type, JSON)]
    whole = [row | {name: Fragment(row[name]) for name in texts if isinstance(row[name], str)} for row in rows]
    return set(session.scalars(text(statement), {"rows": orjson.dumps(whole).decode()}))


# --- SQLite -----------------------------------------------------------------------------------------------

_PARAMETERS = 32_766
"""Of one statement, as SQLite takes them. Before each that a trigger follows, it writes the index of words down as it
stands: row by row, that took longer than all else together."""


def _by_parameters(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    dialect = session.get_bind().dialect
    columns = zip(*[row.values() for row in rows], strict=True)
    values = [_bound(column, table.c[name].type, dialect) for name, column in zip(rows[0], columns, strict=True)]
    marks = f"({', '.join('?' * len(values))})"
    at_once = _PARAMETERS // len(values)
    for start in range(0, len(rows), at_once):
        some = min(at_once, len(rows) - start)
        bound: list[Any] = [None] * (some * len(values))
        for place, column in enumerate(values):
            bound[place :: len(values)] = column[start : start + some]
        every = ", ".join([marks] * some)
        statement = f"INSERT INTO {table.name} ({_listed(session, rows[0])}) VALUES {every} ON CONFLICT DO NOTHING"  # noqa: S608
        session.connection().exec_driver_sql(statement, tuple(bound))


def _bound(column: Sequence[Any], type_: TypeEngine[Any], dialect: Dialect) -> Sequence[Any]:
    """The values of a column as SQLite's driver takes them: as their type binds them, which takes longer for many."""
    kinds = set(map(type, column)) - {str, int, NoneType}
    if kinds == {datetime} and isinstance(type_, UTCDateTime):
        # Each once: many were seen at the same moment.
        texts = {value: value and sqlite_text(value) for value in set(column)}
        return [texts[value] for value in column]
    bind = type_.dialect_impl(dialect).bind_processor(dialect) if kinds else None
    if bind is None:
        return column
    return [value if value is None or isinstance(value, str) else bind(value) for value in column]


def _listed(session: Session, names: Iterable[str]) -> str:
    return ", ".join(map(session.get_bind().dialect.identifier_preparer.quote, names))
