"""Inserts that leave out what is there, on both dialects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session


def ignoring(session: Session, table: type[Any]) -> Any:
    """An insert into ``table`` that leaves out the rows that are already there."""
    make: Any = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement: Insert = make(table).on_conflict_do_nothing()
    return statement
