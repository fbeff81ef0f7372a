"""The history as it was known at a moment: what every column was before it changed is read back.

Nothing is written when a release is first seen: its row is the newest state, and the table of
:class:`~monitor.models.ReleaseRevision` holds what each change replaced (written by :mod:`monitor.models.listeners`).
So ingestion and queries of the present cost nothing extra. To query the past, a transaction gets a view in place of
the table ``release``: the rows that have not changed since, and those that have, as they were. Every query of the
history is then answered as of that time.

What moves all the time (downloads, likes, places) is not kept by moment but by day: as of a moment it is what the
last whole day before it had.
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
from monitor.releases.retention import past_begins
from monitor.releases.search import SearchError

_RELEASE: Table = Release.__table__  # type: ignore[attr-defined]
_NAMES = [column.name for column in _RELEASE.columns]
_MOMENTS = {column.key for column in _RELEASE.columns if isinstance(column.type, UTCDateTime)}
_KNOWN = Table("release_known", MetaData(), *(Column(column.name, column.type) for column in _RELEASE.columns))


def parse_as_of(text_: str) -> datetime:
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

    The session's transaction is undone at the end, and with it the view. Raises SearchError for a moment of which what
    was known has been deleted.
    """
    if moment is None:
        yield
        return
    begins = past_begins(session)
    if begins is not None and moment < begins:
        raise SearchError("as_of", f"as_of {iso(moment)}: what was known before {iso(begins)} is no longer kept")
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
    run = session.connection().exec_driver_sql  # a text of ours alone, in which a colon names no parameter
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
    # By number, so that an index that knows nothing of when a release was seen still serves for all others.
    run(f"CREATE TEMP TABLE release_since (id BIGINT PRIMARY KEY){' ON COMMIT DROP' if postgresql else ''}")
    run(f"INSERT INTO release_since {changed} UNION {newer}")
    run("CREATE UNIQUE INDEX release_known_id ON release_known (id)")
    _undo(session, moment)
    if postgresql:
        run("ANALYZE release_known (id), release_since")
    of_now = ", ".join(_by_day(name, "r", home, moment) for name in _NAMES)
    of_then = ", ".join(_by_day(name, "k", home, moment) for name in _NAMES)
    unchanged = "NOT EXISTS (SELECT 1 FROM release_since AS s WHERE s.id = r.id)"
    views = {
        "release": f"SELECT {of_now} FROM {home}.release AS r WHERE {unchanged} "  # noqa: S608
        f"UNION ALL SELECT {of_then} FROM release_known AS k",
        "change": f"SELECT * FROM {home}.change WHERE at <= {literal}",  # noqa: S608
        "observation": f"SELECT * FROM {home}.observation WHERE observed_at <= {literal}",  # noqa: S608
        "adoption": f"SELECT * FROM {home}.adoption WHERE day < '{moment.date().isoformat()}'",  # noqa: S608
        "launch": f"SELECT * FROM {home}.launch WHERE opened_at <= {literal}",  # noqa: S608
        "announcement": _announced(home, literal),
    }
    for name, query in views.items():
        run(f'CREATE TEMP VIEW "{name}" AS {query}')
    session.expunge_all()


def _announced(home: str, literal: str) -> str:
    """Announcements that were read by then; one whose release was not known yet was only announced."""
    later = f"a.release_id IN (SELECT n.id FROM {home}.release AS n WHERE n.first_seen_at > {literal})"  # noqa: S608
    then = {
        "state": f"CASE WHEN {later} THEN 'announced' ELSE a.state END",
        "release_id": f"CASE WHEN {later} THEN NULL ELSE a.release_id END",
    }
    columns = [column.name for column in Announcement.__table__.columns]  # type: ignore[attr-defined]
    chosen = ", ".join(f'{then.get(name, f"a.{name}")} AS "{name}"' for name in columns)
    return f"SELECT {chosen} FROM {home}.announcement AS a WHERE a.seen_at <= {literal}"  # noqa: S608


def _by_day(name: str, table: str, home: str, moment: datetime) -> str:
    if name not in BY_DAY:
        return f'{table}."{name}" AS "{name}"'
    day = moment.date().isoformat()
    last = f"SELECT a.{name} FROM {home}.adoption AS a WHERE a.release_id = {table}.id AND a.day < '{day}'"  # noqa: S608
    return f'({last} ORDER BY a.day DESC LIMIT 1) AS "{name}"'


def _undo(session: Session, moment: datetime) -> None:
    """Makes the copied rows what they were: what has changed since is put back, alike changes together."""
    log = (
        select(col(ReleaseRevision.release_id), col(ReleaseRevision.before))
        .where(col(ReleaseRevision.at) > moment)
        .order_by(col(ReleaseRevision.release_id), col(ReleaseRevision.id))
        .execution_options(yield_per=5_000)
    )
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for ident, some in groupby(session.execute(log), key=lambda row: row[0]):
        columns = _values_before([row[1] for row in some])
        if columns:
            alike.setdefault(tuple(sorted(columns)), []).append({"_id": ident, **columns})
    connection = session.connection()
    for names, rows in alike.items():
        if connection.dialect.name == "postgresql":
            plain = [{name: as_json_value(value) for name, value in row.items()} for row in rows]
            connection.execute(_put_back_at_once(connection.dialect, names), {"rows": plain})
            continue
        put_back = update(_KNOWN).where(_KNOWN.c.id == bindparam("_id"))
        connection.execute(put_back.values({name: bindparam(name) for name in names}), rows)


def _put_back_at_once(dialect: Dialect, names: Sequence[str]) -> TextClause:
    """One statement for all of the rows: on PostgreSQL one for each takes many times as long."""
    types = ", ".join(f'"{name}" {_KNOWN.c[name].type.compile(dialect)}' for name in names)
    columns = ", ".join(f'"{name}" = v."{name}"' for name in names)
    put_back = text(
        f"UPDATE release_known AS k SET {columns} "  # noqa: S608 - names and types of our own columns
        f'FROM jsonb_to_recordset(:rows) AS v("_id" bigint, {types}) WHERE k.id = v."_id"'
    )
    return put_back.bindparams(bindparam("rows", type_=Json))


def _values_before(befores: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns as they were before the first of some changes, oldest first."""
    columns: dict[str, Any] = {}
    for before in befores:
        for name, value in before.items():
            columns.setdefault(name, datetime.fromisoformat(value) if name in _MOMENTS and value else value)
    return {name: value for name, value in columns.items() if name in _RELEASE.columns}
