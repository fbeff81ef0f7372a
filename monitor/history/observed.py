"""The history as it was known at a moment: what every column was before it changed is appended, and can be read back.

Nothing is written when a release is first seen: its row is the newest state, and :class:`~monitor.models.Observed`
holds what each change replaced. So ingestion and every question about the present cost what they would without it.
To ask about the past, a transaction gets a view in the place of the table ``release``: the rows that have not changed
since, and those that have, as they were. Every question that the history answers is then answered as of then.

What moves all the time (downloads, likes, places) is not kept by moment but by day: as of a moment it is what the
last whole day before it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Column, MetaData, Table, event, inspect, select, text
from sqlmodel import Session, col

from monitor.db import UTCDateTime, now
from monitor.history.search import SearchError
from monitor.models import Observed, Release, iso

BY_DAY = ("downloads", "likes", "derivatives", "trending_rank")
UNKEPT = frozenset({"id", "hub_id", "facts", "facts_digest", "listed_digest", "modified_at", "words", *BY_DAY})
"""Columns whose changes are not kept by moment: they are in no answer, or follow from others, or are kept by day."""
SOME = 500

_RELEASE: Table = Release.__table__  # type: ignore[attr-defined]
_KEPT = [column.key for column in _RELEASE.columns if column.key not in UNKEPT]
_NAMES = [column.name for column in _RELEASE.columns]
_MOMENTS = {column.key for column in _RELEASE.columns if isinstance(column.type, UTCDateTime)}
_KNOWN = Table("release_known", MetaData(), *(Column(column.name, column.type) for column in _RELEASE.columns))


# --- writing ----------------------------------------------------------------------------------------------


@event.listens_for(Session, "before_flush")
def _observe(session: Session, _context: Any, _instances: Any) -> None:
    """Appends what the columns of changed releases were, in the transaction that changes them."""
    moment = now()
    for row in session.dirty:
        if isinstance(row, Release) and row.id is not None:
            before = _before(row)
            if before:
                session.add(Observed(release_id=row.id, at=moment, before=before))


def _before(row: Release) -> dict[str, Any]:
    state = inspect(row)
    before = {}
    for name in _KEPT:
        if name not in state.dict:
            continue
        changed = state.attrs[name].history
        if changed.added and changed.deleted:
            (old,) = changed.deleted
            before[name] = iso(old) if isinstance(old, datetime) else old
    return before


# --- reading ----------------------------------------------------------------------------------------------


def moment_of(text_: str) -> datetime:
    """A day (its end) or a moment, as ``?as_of=`` takes it; raises SearchError, also for one that has not come."""
    try:
        moment = datetime.fromisoformat(text_)
    except ValueError:
        raise SearchError("as_of", f"as_of {text_!r}: a day or a moment expected, like 2026-01-31") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        moment = moment.astimezone(UTC)
        if len(text_) == 10:
            moment = datetime.combine(date.fromisoformat(text_) + timedelta(days=1), datetime.min.time(), UTC)
            if moment > now() >= moment - timedelta(days=1):
                moment = now()
    except (ValueError, OverflowError):
        raise SearchError("as_of", f"as_of {text_!r}: a day or a moment expected, like 2026-01-31") from None
    if moment > now():
        raise SearchError("as_of", f"as_of {text_!r}: a moment that has come expected")
    return moment


@contextmanager
def as_of(session: Session, moment: datetime | None) -> Iterator[None]:
    """Lets every question that this session asks be answered as it was known at ``moment``; None: as it is now.

    The session's transaction is undone at the end, and with it the view.
    """
    if moment is None:
        yield
        return
    driver: Any = session.connection().connection.driver_connection
    prepares = getattr(driver, "prepare_threshold", None)
    if hasattr(driver, "prepare_threshold"):
        driver.prepare_threshold = None  # a statement prepared before would still mean the table
    session.info["as_of"] = moment
    try:
        _show(session, moment)
        yield
    finally:
        session.rollback()
        session.info.pop("as_of", None)
        if hasattr(driver, "prepare_threshold"):
            driver.prepare_threshold = prepares


def _show(session: Session, moment: datetime) -> None:
    postgresql = session.get_bind().dialect.name == "postgresql"
    home = str(session.scalar(text("SELECT current_schema()"))) if postgresql else "main"
    literal = f"'{moment if postgresql else moment.replace(tzinfo=None).isoformat(' ', 'microseconds')}'"
    kind = "(LIKE {} ) ON COMMIT DROP" if postgresql else "AS SELECT * FROM {} WHERE 0"
    run = session.connection().exec_driver_sql  # a text of ours alone, in which a colon names no parameter
    run(f"CREATE TEMP TABLE release_known {kind.format(f'{home}.release')}")
    run("CREATE INDEX release_known_id ON release_known (id)")
    if postgresql:
        run("ALTER TABLE release_known ALTER COLUMN facts DROP NOT NULL")
    for rows in _rows_then(session, moment):
        session.execute(_KNOWN.insert(), rows)
    of_now = ", ".join(_by_day(name, "r", home, moment) for name in _NAMES)
    of_then = ", ".join(_by_day(name, "k", home, moment) for name in _NAMES)
    unchanged = "NOT EXISTS (SELECT 1 FROM release_known AS c WHERE c.id = r.id)"
    views = {
        "release": f"SELECT {of_now} FROM {home}.release AS r WHERE r.first_seen_at <= {literal} AND {unchanged} "  # noqa: S608
        f"UNION ALL SELECT {of_then} FROM release_known AS k",
        "change": f"SELECT * FROM {home}.change WHERE at <= {literal}",  # noqa: S608
    }
    for name, query in views.items():
        run(f'CREATE TEMP VIEW "{name}" AS {query}')
    session.expunge_all()


def _by_day(name: str, table: str, home: str, moment: datetime) -> str:
    if name not in BY_DAY:
        return f'{table}."{name}" AS "{name}"'
    day = moment.date().isoformat()
    last = f"SELECT a.{name} FROM {home}.adoption AS a WHERE a.release_id = {table}.id AND a.day < '{day}'"  # noqa: S608
    return f'({last} ORDER BY a.day DESC LIMIT 1) AS "{name}"'


def _rows_then(session: Session, moment: datetime) -> Iterator[list[dict[str, Any]]]:
    """The releases that have changed since, as they were, some at a time."""
    log = (
        select(col(Observed.release_id), col(Observed.before))
        .where(col(Observed.at) > moment)
        .order_by(col(Observed.release_id), col(Observed.id))
        .execution_options(yield_per=5_000)
    )
    groups = groupby(session.execute(log), key=lambda row: row[0])
    undone = ((ident, _undone([row[1] for row in some])) for ident, some in groups)
    columns = [column for column in _RELEASE.columns if column.name != "facts"]
    while batch := dict(islice(undone, SOME)):
        there = select(*columns).where(col(Release.id).in_(list(batch)), col(Release.first_seen_at) <= moment)
        rows = [{**row._asdict(), **batch[row.id], "facts": None} for row in session.execute(there)]
        if rows:
            yield rows


def _undone(befores: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns as they were before the first of some changes, oldest first."""
    columns: dict[str, Any] = {}
    for before in befores:
        for name, value in before.items():
            columns.setdefault(name, datetime.fromisoformat(value) if name in _MOMENTS and value else value)
    return {name: value for name, value in columns.items() if name in _RELEASE.columns}
