"""Inserts that respect what is already there, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

PAGE_ROWS = {"sqlite": 500, "postgresql": 20}
"""Rows of one statement. On SQLite each statement flushes the index of search text, so few rows at a time are slow;
on PostgreSQL the driver parses each statement's text, and takes 20 rows of releases in half the time of 500."""


def conflict_aware_insert(session: Session, table: type[Any] | Table) -> Any:
    """Returns the dialect's own insert into ``table``, which has ``on_conflict_do_update`` and ``…_do_nothing``."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def insert_or_ignore(session: Session, table: type[Any] | Table) -> Any:
    """Returns an insert into ``table`` that skips rows which are already there."""
    return conflict_aware_insert(session, table).on_conflict_do_nothing()


def insert_new_rows(session: Session, table: Table, rows: list[dict[str, Any]], key: str) -> set[Any]:
    """Inserts rows with the same columns and skips those already there; returns ``key`` of the inserted ones."""
    if not rows:
        return set()
    session.flush()
    statement = insert_or_ignore(session, table).returning(table.c[key])
    options = {"insertmanyvalues_page_size": PAGE_ROWS[session.get_bind().dialect.name]}
    return set(session.connection().execute(statement, rows, execution_options=options).scalars())
