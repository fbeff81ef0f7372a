"""The past as it was known at a given time, read from the old values of changed columns.

Nothing is written when a release is first seen: its row is the newest state, and the table of
:class:`~monitor.models.ReleaseRevision` holds what each change replaced (written by :mod:`monitor.models.listeners`).
So ingestion and queries of the present cost nothing extra. To query the past, a transaction gets a view in place of
the table ``release``: the rows that have not changed since, and those that have, as they were. Every query of the
history is then answered as of that time.

Numbers that change all the time (downloads, likes, ranks) are kept by day, not by revision: as of a given time they
are those of the last whole day before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Column, Dialect, MetaData, Table, TextClause, bindparam, select, text, update
from sqlmodel import Session, col

from monitor.db.engine import UTCDateTime, now
from monitor.models import Announcement, Json, Release, ReleaseRevision, iso
from monitor.models.listeners import BY_DAY, as_json_value
from monitor.models.search_text import build_search_text
from monitor.releases.retention import past_begins
from monitor.releases.search import SearchError

_RELEASE: Table = Release.__table__  # type: ignore[attr-defined]
_NAMES = [column.name for column in _RELEASE.columns]
_TIMESTAMPS = {column.key for column in _RELEASE.columns if isinstance(column.type, UTCDateTime)}
_KNOWN = Table("release_known", MetaData(), *(Column(column.name, column.type) for column in _RELEASE.columns))


def parse_as_of(value: str) -> datetime:
    """Returns the time of ``?as_of=``, a day (its end) or a timestamp; raises SearchError, also for the future."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise SearchError("as_of", f"as_of {value!r}: a day or a timestamp expected, like 2026-01-31") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    try:
        at = at.astimezone(UTC)
        if len(value) == 10:
            at = datetime.combine(date.fromisoformat(value) + timedelta(days=1), datetime.min.time(), UTC)
            if at > now() >= at - timedelta(days=1):
                at = now()
    except (ValueError, OverflowError):
        raise SearchError("as_of", f"as_of {value!r}: a day or a timestamp expected, like 2026-01-31") from None
    if at > now():
        raise SearchError("as_of", f"as_of {value!r}: a time that is not in the future expected")
    return at


@contextmanager
def as_of(session: Session, at: datetime | None) -> Iterator[None]:
    """Makes every query of this session answer as of the time ``at``; None: as of now.

    The session's transaction is rolled back at the end, and the views with it. Raises SearchError for a time whose
    revisions were deleted.
    """
    if at is None:
        yield
        return
    begins = past_begins(session)
    if begins is not None and at < begins:
        raise SearchError("as_of", f"as_of {iso(at)}: the past before {iso(begins)} was deleted")
    driver: Any = session.connection().connection.driver_connection
    prepares = getattr(driver, "prepare_threshold", None)
    if hasattr(driver, "prepare_threshold"):
        driver.prepare_threshold = None  # a statement prepared before would still mean the table
    session.info["as_of"] = at
    try:
        _show(session, at)
        yield
    finally:
        session.rollback()
        session.info.pop("as_of", None)
        if hasattr(driver, "prepare_threshold"):
            driver.prepare_threshold = prepares


def _show(session: Session, at: datetime) -> None:
    postgresql = session.get_bind().dialect.name == "postgresql"
    home = str(session.scalar(text("SELECT current_schema()"))) if postgresql else "main"
    literal = f"'{at if postgresql else at.replace(tzinfo=None).isoformat(' ', 'microseconds')}'"
    run = session.connection().exec_driver_sql  # constant text, in which a colon names no parameter
    # Of the same types as the table: else SQLite would not look through the view below.
    kind = "(LIKE {}) ON COMMIT DROP" if postgresql else "AS SELECT * FROM {} WHERE 0"
    run(f"CREATE TEMP TABLE release_known {kind.format(f'{home}.release')}")
    if postgresql:
        run("ALTER TABLE release_known ALTER COLUMN facts DROP NOT NULL")
    names = ", ".join("NULL" if name == "facts" else f'r."{name}"' for name in _NAMES)
    into = ", ".join(f'"{name}"' for name in _NAMES)
    changed = f"SELECT o.release_id FROM {home}.release_revision AS o WHERE o.at > {literal}"  # noqa: S608
    newer = f"SELECT n.id FROM {home}.release AS n WHERE n.first_seen_at > {literal}"  # noqa: S608
    run(
        f"INSERT INTO release_known ({into}) SELECT {names} FROM {home}.release AS r "  # noqa: S608
        f"WHERE r.first_seen_at <= {literal} AND r.id IN ({changed})"
    )
    # By id, so that an index without first_seen_at still serves for all other rows.
    run(f"CREATE TEMP TABLE release_since (id BIGINT PRIMARY KEY){' ON COMMIT DROP' if postgresql else ''}")
    run(f"INSERT INTO release_since {changed} UNION {newer}")
    run("CREATE UNIQUE INDEX release_known_id ON release_known (id)")
    _undo(session, at)
    if postgresql:
        run("ANALYZE release_known (id), release_since")
    of_now = ", ".join(_by_day(name, "r", home, at) for name in _NAMES)
    of_then = ", ".join(_by_day(name, "k", home, at) for name in _NAMES)
    unchanged = "NOT EXISTS (SELECT 1 FROM release_since AS s WHERE s.id = r.id)"
    views = {
        "release": f"SELECT {of_now} FROM {home}.release AS r WHERE {unchanged} "  # noqa: S608
        f"UNION ALL SELECT {of_then} FROM release_known AS k",
        "change": f"SELECT * FROM {home}.change WHERE at <= {literal}",  # noqa: S608
        "observation": f"SELECT * FROM {home}.observation WHERE observed_at <= {literal}",  # noqa: S608
        "adoption": f"SELECT * FROM {home}.adoption WHERE day < '{at.date().isoformat()}'",  # noqa: S608
        "launch": f"SELECT * FROM {home}.launch WHERE opened_at <= {literal}",  # noqa: S608
        "announcement": _announced(home, literal),
    }
    for name, query in views.items():
        run(f'CREATE TEMP VIEW "{name}" AS {query}')
    session.expunge_all()


def _announced(home: str, literal: str) -> str:
    """Selects the announcements read by then; one whose release was not known yet was only announced."""
    later = f"a.release_id IN (SELECT n.id FROM {home}.release AS n WHERE n.first_seen_at > {literal})"  # noqa: S608
    then = {
        "state": f"CASE WHEN {later} THEN 'announced' ELSE a.state END",
        "release_id": f"CASE WHEN {later} THEN NULL ELSE a.release_id END",
    }
    columns = [column.name for column in Announcement.__table__.columns]  # type: ignore[attr-defined]
    chosen = ", ".join(f'{then.get(name, f"a.{name}")} AS "{name}"' for name in columns)
    return f"SELECT {chosen} FROM {home}.announcement AS a WHERE a.seen_at <= {literal}"  # noqa: S608


def _by_day(name: str, table: str, home: str, at: datetime) -> str:
    if name not in BY_DAY:
        return f'{table}."{name}" AS "{name}"'
    day = at.date().isoformat()
    last = f"SELECT a.{name} FROM {home}.adoption AS a WHERE a.release_id = {table}.id AND a.day < '{day}'"  # noqa: S608
    return f'({last} ORDER BY a.day DESC LIMIT 1) AS "{name}"'


def _undo(session: Session, at: datetime) -> None:
    """Restores the copied rows: puts the old values back, rows with the same columns together."""
    log = (
        select(col(ReleaseRevision.release_id), col(ReleaseRevision.before))
        .where(col(ReleaseRevision.at) > at)
        .order_by(col(ReleaseRevision.release_id), col(ReleaseRevision.id))
        .execution_options(yield_per=5_000)
    )
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for ident, some in groupby(session.execute(log), key=lambda row: row[0]):
        columns = _values_before([row[1] for row in some])
        if columns:
            alike.setdefault(tuple(sorted(columns)), []).append({"_id": ident, **columns})
    for names, rows in alike.items():
        _put_back(session, names, rows)
    _put_back(session, ("search_text",), list(_searched(session, alike)))


def _put_back(session: Session, names: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """Writes these columns of the copied rows, each named by its ``_id``."""
    connection = session.connection()
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        plain = [{name: as_json_value(value) for name, value in row.items()} for row in rows]
        connection.execute(_put_back_at_once(connection.dialect, names), {"rows": plain})
        return
    put_back = update(_KNOWN).where(_KNOWN.c.id == bindparam("_id"))
    connection.execute(put_back.values({name: bindparam(name) for name in names}), rows)


_SEARCHED = ("repo_id", "lab", "tags")
"""Columns from which the text follows that bare words are searched in."""


def _searched(session: Session, alike: dict[tuple[str, ...], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yields the search text of the copied rows whose names, lab or tags were others then."""
    moved = {row["_id"] for names, rows in alike.items() if not set(_SEARCHED).isdisjoint(names) for row in rows}
    if moved:
        for row in session.execute(select(_KNOWN.c.id, *(_KNOWN.c[name] for name in _SEARCHED))):
            if row.id in moved:
                yield {"_id": row.id, "search_text": build_search_text(row.repo_id, row.lab, row.tags)}


def _put_back_at_once(dialect: Dialect, names: Sequence[str]) -> TextClause:
    """Returns one statement for all rows: on PostgreSQL one statement a row takes many times as long."""
    types = ", ".join(f'"{name}" {_KNOWN.c[name].type.compile(dialect)}' for name in names)
    columns = ", ".join(f'"{name}" = v."{name}"' for name in names)
    put_back = text(
        f"UPDATE release_known AS k SET {columns} "  # noqa: S608 - names and types of our own columns
        f'FROM jsonb_to_recordset(:rows) AS v("_id" bigint, {types}) WHERE k.id = v."_id"'
    )
    return put_back.bindparams(bindparam("rows", type_=Json))


def _values_before(befores: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the values before the first of some changes, oldest first."""
    columns: dict[str, Any] = {}
    for before in befores:
        for name, value in before.items():
            columns.setdefault(name, datetime.fromisoformat(value) if name in _TIMESTAMPS and value else value)
    return {name: value for name, value in columns.items() if name in _RELEASE.columns}
