"""Leases: rows that one worker holds until a time, so that workers share the work and none is lost when one dies.

A row is held in one of two ways. Tables with a column ``leased_until`` are held until then or until the worker gives
them back. Queues (webhook events, notices, confirmation emails, repository files) have no such column: their ``due_at``
moves on, and the worker that finishes a row says that it is due no more.

On PostgreSQL workers skip rows that another has locked (``FOR UPDATE SKIP LOCKED``). On SQLite the write lock of the
transaction does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, or_, update
from sqlmodel import Session, SQLModel, col

from monitor.db.engine import now, reading, transaction


def unleased(table: Any, at: datetime) -> ColumnElement[bool]:
    """The condition that no worker holds a row of ``table``."""
    return or_(col(table.leased_until).is_(None), col(table.leased_until) <= at)


def any_ready(engine: Engine, ready: Select[Any]) -> bool:
    """Whether ``ready`` selects anything, without a lock: an idle worker must not take SQLite's write lock."""
    with reading(engine) as session:
        return session.execute(ready.limit(1)).first() is not None


def locked(session: Session, ready: Select[Any], *, of: Any = None) -> list[Any]:
    """The rows of ``ready``, locked until the transaction ends, without those that another transaction has locked.

    ``of``: the table to lock, where ``ready`` joins several.
    """
    return list(session.scalars(ready.with_for_update(skip_locked=True, of=of)))


def claim(
    engine: Engine, ready: Select[Any], seconds: float, change: Callable[[Any], object] = lambda _row: None
) -> list[Any]:
    """Leases the rows of ``ready`` for ``seconds`` and returns them. ``ready`` must ask for :func:`unleased`.

    ``change`` is applied to each row in the same transaction.
    """

    def lease(row: Any) -> None:
        row.leased_until = now() + timedelta(seconds=seconds)
        change(row)

    return _change_all(engine, ready, lease)


def claim_due(engine: Engine, ready: Select[Any], seconds: Callable[[int], float]) -> list[Any]:
    """Counts an attempt for each row of ``ready`` and makes it due again later; returns the rows.

    ``ready`` must ask for ``due_at``; ``seconds`` returns for an attempt (1, 2, …) when the row is due again.
    """

    def count(row: Any) -> None:
        row.attempts += 1
        row.due_at = now() + timedelta(seconds=seconds(row.attempts))

    return _change_all(engine, ready, count)


def claim_regular(engine: Engine, ready: Select[Any], seconds: float) -> list[Any]:
    """Makes each row of ``ready`` due again after ``seconds``, whatever becomes of it; returns the rows.

    For what is done again and again. ``ready`` must ask for ``due_at``.
    """

    def postpone(row: Any) -> None:
        row.due_at = now() + timedelta(seconds=seconds)

    return _change_all(engine, ready, postpone)


def _change_all(engine: Engine, ready: Select[Any], change: Callable[[Any], object]) -> list[Any]:
    if not any_ready(engine, ready):
        return []
    with transaction(engine) as session:
        rows = locked(session, ready)
        for row in rows:
            change(row)
            session.add(row)
        return rows


def give_back(session: Session, table: Any, keys: Sequence[Any]) -> None:
    """Ends the leases on the rows of ``table`` with these primary keys (of one column)."""
    key = next(iter(table.__table__.primary_key))
    session.execute(update(table).where(key.in_(keys)).values(leased_until=None))


def give_back_all(session: Session) -> None:
    """Ends every lease in the database: for a process that knows that no other works on it."""
    for table in SQLModel.metadata.tables.values():
        if "leased_until" in table.columns:
            session.execute(update(table).where(table.c.leased_until.is_not(None)).values(leased_until=None))
