"""The public part of the history as an SQLite file to publish: nothing of subscribers, secrets or the program's own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from monitor import db
from monitor.files import make_private

PUBLIC = {
    "releases": "SELECT * FROM releases_view ORDER BY id",
    "launches": "SELECT id, publisher, family, name, first_at, last_at FROM launch ORDER BY id",
    "launch_members": "SELECT launch_id, id AS release_id FROM release WHERE launch_id IS NOT NULL AND NOT pending "
    "ORDER BY id",
    "changes": "SELECT c.id, c.release_id, c.at, c.field, CAST(c.before AS TEXT) AS before, "
    "CAST(c.after AS TEXT) AS after, c.event FROM change AS c "
    "JOIN release AS r ON r.id = c.release_id WHERE NOT r.pending ORDER BY c.id",
    "adoption": "SELECT a.release_id, a.day, a.downloads, a.likes, a.trending_rank, a.derivatives, "
    "a.downloads_all_time, a.hub_finetunes, a.hub_adapters, a.hub_merges, a.hub_quantized FROM adoption AS a "
    "JOIN release AS r ON r.id = a.release_id WHERE NOT r.pending ORDER BY a.release_id, a.day",
    "announcements": "SELECT id, lab, model, state, title, url, announced_at, release_id FROM announcement ORDER BY id",
}
"""The tables of a snapshot and what each holds. What is not named here is in none."""
AFTERWARDS = (
    "CREATE VIEW releases_view AS SELECT * FROM releases",
    "CREATE UNIQUE INDEX releases_id ON releases (id)",
    "CREATE INDEX releases_repo_id ON releases (repo_id)",
    "CREATE INDEX releases_released_at ON releases (released_at)",
    "CREATE INDEX changes_release_id ON changes (release_id)",
)
ROWS = 1_000


class SnapshotError(ValueError):
    """A snapshot that cannot be written: one line that names the file and the fix."""


def write_snapshot(engine: Engine, path: Path) -> dict[str, int]:
    """Writes the tables of ``PUBLIC`` into a new SQLite file; returns the rows of each.

    The file appears when it is complete, and is consistent as of one point in time. Raises SnapshotError.
    """
    if path.exists():
        raise SnapshotError(f"{path} exists: remove it, or name another file")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        make_private(part)
        with closing(sqlite3.connect(part, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode=OFF")
            counts = _copied(engine, target)
        os.link(part, path)  # not over a file that has appeared since
    except sqlite3.Error as error:
        raise SnapshotError(f"cannot write {path}: {error}") from None
    except FileExistsError:
        raise SnapshotError(f"{path} exists: remove it, or name another file") from None
    except OSError as error:
        raise SnapshotError(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return counts


def _copied(engine: Engine, target: sqlite3.Connection) -> dict[str, int]:
    counts = {}
    options: dict[str, Any] = {"reading": True, "stream_results": True, "yield_per": ROWS}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with engine.execution_options(**options).connect() as source:
        for table, query in PUBLIC.items():
            try:
                rows = source.execute(text(query))
            except DBAPIError as error:
                raise SnapshotError(f"cannot read {table}: {db.failure(error)}") from None
            names = list(rows.keys())
            target.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            put = f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names of ours
            counts[table] = 0
            target.execute("BEGIN")
            for some in rows.partitions(ROWS):
                target.executemany(put, [_plain(row) for row in some])
                counts[table] += len(some)
            target.execute("COMMIT")
    for statement in AFTERWARDS:
        target.execute(statement)
    return counts


def _plain(row: Sequence[Any]) -> list[Any]:
    return [_value(value) for value in row]


def _value(value: Any) -> Any:
    """Returns a value for SQLite: timestamps as in the embedded database, lists and objects as JSON."""
    if hasattr(value, "isoformat"):
        return db.sqlite_text(value)
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value
