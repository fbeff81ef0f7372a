"""Engine, session and the differences between the two dialects, and nothing else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import BindParameter, DateTime, Dialect, Engine, TextClause, bindparam, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session

from monitor import masking
from monitor.db.cancellation import current
from monitor.files import make_private


class DatabaseError(RuntimeError):
    """The database cannot be used: one line that says why and what to do."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware timestamp in UTC on both databases (SQLite stores no time zone of its own).

    Accepts aware datetimes only: a naive one raises ValueError instead of being assumed to be in some zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return _utc(value).replace(tzinfo=None) if dialect.name == "sqlite" else _utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"a datetime without a time zone: {value!r}")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def sqlite_text(value: datetime) -> str:
    """Returns a timestamp as :class:`UTCDateTime` stores it on SQLite; raises ValueError for a naive one."""
    return _utc(value).isoformat(" ", "microseconds").removesuffix("+00:00")


def now() -> datetime:
    """Returns the current time in UTC."""
    return datetime.now(UTC)


def _read_json(value: Any) -> Any:
    # SQLite keeps a JSON number as a number.
    return value if isinstance(value, (int, float)) else orjson.loads(value)


_JSON: dict[str, Any] = {
    "hide_parameters": True,  # of errors: they may be addresses and tokens
    "json_serializer": lambda value: orjson.dumps(value).decode(),
    "json_deserializer": _read_json,
}


def make_engine(url: str) -> Engine:
    """Returns an engine for ``url``, set up so that threads and processes can share it."""
    return _engine(url, ())


def separate_engine(engine: Engine, *, size: int, overflow: int) -> Engine:
    """Returns another engine on the same database with its own pool: ``size`` connections, at most ``overflow`` more.

    Its users wait for a connection only because of each other. A database in memory has one engine, because no other
    could see its content.
    """
    if _in_memory(engine):
        return engine
    url = engine.url.render_as_string(hide_password=False)
    return _engine(url, (), pool_size=size, max_overflow=overflow, pool_timeout=POOL_TIMEOUT_SECONDS)


POOL_TIMEOUT_SECONDS = 10
"""How long a request waits for a connection of such a pool."""


def _in_memory(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite" and engine.url.database in {None, "", ":memory:"}


@contextmanager
def bulk_write_engine(engine: Engine) -> Iterator[Engine]:
    """Yields an engine for bulk writes of data that can be fetched again: commits do not wait for the disk.

    After a power failure the last commits may be lost, each as a whole; nothing is lost when a process ends. SQLite
    checkpoints its log every 64 MB instead of 4, because every batch changes the same indexes.
    """
    if _in_memory(engine):
        yield engine  # what is in it no other engine sees
        return
    sqlite = engine.dialect.name == "sqlite"
    made = _engine(engine.url.render_as_string(hide_password=False), _BULK_SQLITE if sqlite else _BULK_POSTGRESQL)
    try:
        yield made
    finally:
        made.dispose()


_SQLITE = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=30000",
    "PRAGMA cache_size=-8192",
    "PRAGMA temp_store=MEMORY",
)
_BULK_SQLITE = ("PRAGMA synchronous=NORMAL", "PRAGMA wal_autocheckpoint=16000", "PRAGMA cache_size=-65536")
_BULK_POSTGRESQL = ("SET LOCAL synchronous_commit TO off",)
"""For each transaction: behind a pooler a connection's own setting would be left to whoever comes next."""


def _engine(url: str, further: tuple[str, ...], **pool: int) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, **_JSON | pool)
        event.listen(engine, "do_connect", _make_private_file)
        event.listen(engine, "connect", partial(_set_up, (*_SQLITE, *further)))
        event.listen(engine, "begin", _sqlite_begin)
        event.listen(engine, "before_cursor_execute", _before_statement)
        return engine
    patience = {"connect_timeout": 10}
    pool = {"pool_size": 10, "max_overflow": 20} | pool
    engine = create_engine(url, pool_pre_ping=True, connect_args=patience, **_JSON | pool)
    event.listen(engine, "begin", _postgresql_begin)
    event.listen(engine, "before_cursor_execute", _before_statement)
    for end in ("commit", "rollback"):
        event.listen(engine, end, _postgresql_end)
    event.listen(engine, "do_connect", _without_prepared_statements)
    if further:
        event.listen(engine, "begin", partial(_begin_with, further))
    return engine


def _make_private_file(_dialect: Any, _record: Any, args: Any, _options: Any) -> None:
    """Makes a new database readable by its owner alone; SQLite gives ``-wal`` and ``-shm`` the same rights."""
    path = args[0] if args else ""
    if path and not str(path).startswith((":memory:", "file:")):
        # Where that fails, SQLite says why.
        with suppress(OSError):
            make_private(Path(path))


def _without_prepared_statements(_dialect: Any, _record: Any, _args: Any, options: dict[str, Any]) -> None:
    """Heeds ``prepare_threshold=none`` in the URL: a pooler in transaction mode hands a statement that one client
    prepared to another."""
    if options.get("prepare_threshold") == "none":
        options["prepare_threshold"] = None


def _begin_with(statements: tuple[str, ...], connection: Any) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _set_up(statements: tuple[str, ...], connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        # The driver's own implicit BEGIN is deferred: two writers that read first would then fail with
        # "database is locked" however long they wait. We begin ourselves, see _sqlite_begin.
        connection.isolation_level = None
    for statement in statements:
        connection.execute(statement)
    connection.commit()


def _sqlite_begin(connection: Any) -> None:
    options = connection.get_execution_options()
    guard = _Guard(options.get("timeout"), each=options.get("timeout_each", False))
    # Also undone here: the connection may have served a transaction with a limit before.
    driver = connection.connection.driver_connection
    driver.set_progress_handler(guard.ends if guard.watches else None, _STEPS)
    connection.info[_GUARD] = guard
    connection.exec_driver_sql("BEGIN" if options.get("reading", False) else "BEGIN IMMEDIATE")


_GUARD = "guard"
_STEPS = 1_000_000
"""Of SQLite's virtual machine (some 10 ms) between two looks at the clock."""


class QueryCancelledError(DatabaseError):
    """The client of a request has disconnected, so its next query is not run."""


class _Guard:
    """When a transaction, or each of its statements, ends before it is done."""

    def __init__(self, seconds: float | None, *, each: bool = False) -> None:
        self.cancellation = current()
        self.watches = seconds is not None or self.cancellation is not None
        self._seconds, self._each = seconds, each
        self._until = None if seconds is None else time.monotonic() + seconds

    def before_statement(self) -> None:
        """Raises QueryCancelledError if nobody waits for the result."""
        if self.cancellation is not None and self.cancellation.requested:
            raise QueryCancelledError("the client has disconnected")
        if self._each and self._seconds is not None:
            self._until = time.monotonic() + self._seconds

    def ends(self) -> bool:
        """Whether what SQLite runs is to end now."""
        if self.cancellation is not None and self.cancellation.requested:
            return True
        return self._until is not None and time.monotonic() > self._until


def _before_statement(connection: Any, *_: Any) -> None:
    guard = connection.info.get(_GUARD)
    if guard is not None:
        guard.before_statement()


def _postgresql_begin(connection: Any) -> None:
    seconds = connection.get_execution_options().get("timeout")
    connection.info[_GUARD] = guard = _Guard(None)
    if guard.cancellation is not None:
        guard.cancellation.add(connection.connection.driver_connection)
    if seconds is not None:
        # For this transaction alone, so that it holds behind a pooler, too.
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1_000))}")


def _postgresql_end(connection: Any) -> None:
    if connection.invalidated:
        return
    guard = connection.info.pop(_GUARD, None)
    if guard is not None and guard.cancellation is not None:
        guard.cancellation.discard(connection.connection.driver_connection)


def timed_out(error: DBAPIError) -> bool:
    """Whether a statement was given up: it took longer than the ``timeout`` of :func:`reading`, or nobody waits."""
    code = getattr(error.orig, "sqlite_errorcode", None) or getattr(error.orig, "sqlstate", None)
    return code in {sqlite3.SQLITE_INTERRUPT, "57014"}


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose work is committed as one at the end, or not at all. Never hold it across a network call."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


WRITE_PAUSE_SECONDS = 0.15


def let_others_write(engine: Engine) -> None:
    """Waits between two transactions of long work, so that others get their turn on SQLite.

    SQLite keeps no queue of writers: one that waits tries every 0.1 s, and finds the lock taken again by whoever begins
    a transaction right after the last. PostgreSQL locks rows only, and returns at once.
    """
    if engine.dialect.name == "sqlite":
        time.sleep(WRITE_PAUSE_SECONDS)


@contextmanager
def reading(engine: Engine, *, timeout: float | None = None) -> Iterator[Session]:
    """A session that only reads: on SQLite it takes no write lock.

    ``timeout``: seconds after which a statement (PostgreSQL) or the transaction (SQLite) fails: see :func:`timed_out`.
    An engine with the execution option ``timeout_each`` applies it to each statement on SQLite, too. Within
    :func:`monitor.db.cancellation.cancelled_by` it also fails when it is cancelled.
    """
    options = {"reading": True} | ({} if timeout is None else {"timeout": timeout})
    with Session(engine.execution_options(**options), expire_on_commit=False) as session:
        yield session


def one_at_a_time(session: Session, name: str) -> None:
    """Makes transactions that give the same ``name`` run one after the other. On SQLite all that write do so."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def refresh_statistics(engine: Engine) -> None:
    """Updates the statistics by which SQLite chooses between indexes; PostgreSQL updates its own.

    Reads some hundreds of rows of each index: less than a second at a million releases, whose shares under all lenses
    take 0.5 s with statistics and 4 s without.
    """
    if engine.dialect.name != "sqlite":
        return
    with transaction(engine) as session:
        session.execute(text("PRAGMA analysis_limit = 400"))
        session.execute(text("ANALYZE"))


class CommitVersion:
    """A value that changes with every commit to a database.

    On SQLite it holds a separate connection, whose counter of others' commits is read in microseconds; close it.
    """

    def __init__(self, engine: Engine) -> None:
        self.quick = engine.dialect.name == "sqlite"
        self._engine = engine
        self._connection: sqlite3.Connection | None = None
        self._connected = 0

    def state(self) -> object:
        """Returns a value that stays the same while nothing is committed; None where that cannot be known."""
        try:
            return self._counter() if self.quick else self._snapshot()
        except (sqlite3.Error, DBAPIError):
            self.close()
            return None

    def _counter(self) -> object:
        path = self._engine.url.database
        if not path or path == ":memory:":
            return None
        if self._connection is None:
            place = f"{Path(path).absolute().as_uri()}?mode=rw"  # never makes the file
            self._connection = sqlite3.connect(place, uri=True, check_same_thread=False, isolation_level=None)
            self._connected += 1  # each counts for itself
        return self._connected, self._connection.execute("PRAGMA data_version").fetchone()[0]

    def _snapshot(self) -> object:
        # Which transactions a reader sees: it changes when a commit becomes visible, not when it is written.
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            return connection.exec_driver_sql("SELECT pg_current_snapshot()::text").scalar_one()

    def close(self) -> None:
        """Closes the connection; the next :meth:`state` opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def in_values(session: Session, column: str, values: Iterable[str]) -> TextClause:
    """Returns the condition that a column (``table.name``) holds one of these texts, as one parameter.

    So the statement is compiled once; compiling five hundred parameters takes longer than the query itself.
    """
    some: BindParameter[str] = bindparam("some", orjson.dumps(list(values)).decode(), unique=True)
    if session.get_bind().dialect.name == "sqlite":
        return text(f"{column} IN (SELECT value FROM json_each(:some))").bindparams(some)  # noqa: S608 - a name of ours
    return text(f"{column} = ANY(ARRAY(SELECT jsonb_array_elements_text(CAST(:some AS jsonb))))").bindparams(some)


@contextmanager
def translate_errors(engine: Engine) -> Iterator[None]:
    """Raises a driver's error as a DatabaseError that names the database and the fix."""
    try:
        yield
    except DBAPIError as error:
        where = f"cannot use the database {masked(engine)}"
        raise DatabaseError(f"{where}: {_reason(error)}; see MONITOR_DATABASE_URL") from None


def failure(error: DBAPIError) -> str:
    """Returns one line about an error in the middle of work: the reason, and what to do where that is known."""
    reason = _reason(error)
    return reason if reason == _FULL else f"the database failed: {reason}"


def _reason(error: DBAPIError) -> str:
    code = getattr(error.orig, "sqlite_errorcode", None) or getattr(error.orig, "sqlstate", None)
    if code in _NO_ROOM:
        return _FULL
    return next(iter(str(error.orig).strip().splitlines()), type(error).__name__)


_FULL = "the disk of the database is full: make room there; nothing is lost, and work goes on when there is room"
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, "53100"}
"""How SQLite and PostgreSQL (disk_full) say so."""


def masked(engine: Engine) -> str:
    """The database's URL without its secrets."""
    return masking.masked(engine.url.render_as_string(hide_password=False))
