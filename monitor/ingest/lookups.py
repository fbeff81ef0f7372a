"""Look-ups of single items during polls and sweeps: a base, one repository's details, an organization.

A failure concerns its own item only: it is kept, shown on /status, and retried with back-off until it succeeds; the
poll or sweep goes on without it. Failures of the Hub as a whole (no connection, its rate limit) are raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Engine, delete, func, select
from sqlmodel import Session, col

from monitor.db.engine import in_values, now, reading, transaction
from monitor.db.upsert import insert_or_ignore
from monitor.enums import LookupKind
from monitor.ingest.hub.responses import DisabledError, LookupFailedError
from monitor.models import FailedLookup, Poll
from monitor.schedule import BACKOFFS, MAX_LOOKUP_AGE_SECONDS

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")


class Lookups:
    """Look-ups of one kind, by name, with the back-off of those that failed."""

    def __init__(self, engine: Engine, kind: LookupKind, names: Iterable[str]) -> None:
        self._engine, self._kind = engine, kind
        self.over = False
        """Whether a look-up took so long that no other is made in this round."""
        names = list(dict.fromkeys(names))
        with reading(engine) as session:
            query = select(FailedLookup).where(col(FailedLookup.kind) == str(kind))
            rows = session.scalars(query.where(in_values(session, "failed_lookup.name", names))) if names else ()
            self._failed = {row.name: row for row in rows}

    def may(self, name: str) -> bool:
        """Whether ``name`` can be looked up now: it is not in back-off, and no other took too long in this round."""
        row = self._failed.get(name)
        return not self.over and (row is None or row.due_at <= now())

    def ask(self, name: str, look: Callable[[str], Answer], *, disabled: bool = False) -> Answer:
        """Returns ``look(name)``. Raises LookupFailedError where it fails, which is kept, or is in back-off.

        ``disabled``: DisabledError is an answer, so it is raised and not kept as a failure.
        """
        if not self.may(name):
            row = self._failed.get(name)
            raise LookupFailedError(row.error if row is not None else "skipped: another look-up took too long")
        try:
            found = look(name)
        except LookupFailedError as error:
            self.over = error.slow
            if disabled and isinstance(error, DisabledError):
                self.succeeded(name)
            else:
                self.failed(name, str(error))
            raise
        self.succeeded(name)
        return found

    def failed(self, name: str, error: str) -> None:
        """Keeps that the look-up of ``name`` failed, and when it is retried."""
        with transaction(self._engine) as session:
            first = {
                "kind": str(self._kind),
                "name": name,
                "failed_at": now(),
                "due_at": now(),
                "error": "",
                "failures": 0,
            }
            session.execute(insert_or_ignore(session, FailedLookup), first)
            row = session.get_one(FailedLookup, (str(self._kind), name), with_for_update=True)
            row.failures, row.error = row.failures + 1, error[:500]
            row.due_at = now() + timedelta(seconds=BACKOFFS["look-up"].seconds(row.failures))
            session.add(row)
        self._failed[name] = row
        report = log.warning if row.failures == 1 else log.info
        report("look-up failed, it is retried later", kind=str(self._kind), name=name, error=row.error)

    def succeeded(self, name: str) -> None:
        """Ends the back-off of ``name``."""
        if self._failed.pop(name, None) is not None:
            with transaction(self._engine) as session:
                forget(session, self._kind, [name])


def forget(session: Session, kind: LookupKind, names: Iterable[str]) -> None:
    """Ends the back-off of these names."""
    query = delete(FailedLookup).where(col(FailedLookup.kind) == str(kind))
    session.execute(query.where(col(FailedLookup.name).in_(list(names))))


def due(engine: Engine, kind: LookupKind, most: int) -> list[str]:
    """Returns names whose look-up is due, the longest overdue first; forgets those that have failed for too long."""
    at = now()
    query = select(FailedLookup).where(col(FailedLookup.kind) == str(kind), col(FailedLookup.due_at) <= at)
    with reading(engine) as session:
        rows = list(session.scalars(query.order_by(col(FailedLookup.due_at)).limit(most)))
    old = [row.name for row in rows if row.failed_at < at - timedelta(seconds=MAX_LOOKUP_AGE_SECONDS)]
    if old:
        with transaction(engine) as session:
            forget(session, kind, old)
    return [row.name for row in rows if row.name not in old]


def failing(session: Session) -> dict[str, int]:
    """Returns the number of failing look-ups, by kind."""
    counts = dict.fromkeys(map(str, LookupKind), 0)
    for kind, number in session.execute(select(col(FailedLookup.kind), func.count()).group_by(col(FailedLookup.kind))):
        counts[kind] = number
    return counts


def implausible(session: Session) -> list[tuple[str, str]]:
    """Returns (repository, date) of implausible dates in the last polls."""
    states = session.scalars(select(col(Poll.state)).order_by(col(Poll.name)))
    return sorted({pair for state in states for pair in (state.get("implausible") or {}).items()})


def latest(session: Session, most: int) -> list[FailedLookup]:
    """Returns failing look-ups, those with the most failures first."""
    query = select(FailedLookup).order_by(col(FailedLookup.failures).desc(), col(FailedLookup.name)).limit(most)
    return list(session.scalars(query))
