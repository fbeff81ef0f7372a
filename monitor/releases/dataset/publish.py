"""Writes the data set into a directory: only files whose content changed get other bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine
from sqlmodel import Session

from monitor import __version__
from monitor.dates import iso
from monitor.db.engine import now
from monitor.releases.dataset.metadata import describe
from monitor.releases.dataset.staging import DatasetError, FileEntry, Staging, begin, is_same, read_manifest
from monitor.releases.dataset.tables import (
    BATCH_ROWS,
    CHANGES,
    TABLES,
    Column,
    Table,
    as_text,
    change_rows,
    last_settled_change,
)
from monitor.releases.parquet import arrow_type, column_arrow_type
from monitor.releases.registry_versions import registry_at

SETTLED_AFTER = timedelta(hours=1)
"""Changes that are younger are left for the next run: what a transaction still writes may have a smaller number."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a run did: files written and removed, and the rows of each table."""

    written: list[str]
    removed: list[str]
    files: int
    rows: dict[str, int]


def publish(engine: Engine, folder: Path, *, license_id: str | None = None) -> Published:
    """Writes the data set of now. Raises DatasetError, or OSError where the directory cannot be written.

    ``license_id``: the licence that its metadata states. Everything is read in one transaction.
    """
    arrow = _arrow()
    staging = begin(folder)
    before = read_manifest(folder)
    at = now()
    options: dict[str, Any] = {"reading": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with engine.execution_options(**options).connect() as connection:
        last = last_settled_change(connection, at - SETTLED_AFTER)
        for table in TABLES:
            _write_table(arrow, connection, staging, table, last)
        through = _write_log(connection, staging, before, last)
        with Session(bind=connection) as session:
            registry = registry_at(session, at)
    counts = _counts(staging)
    for path, content in describe(staging.entries, license_id).items():
        with staging.file(path) as (file, _):
            file.write(content)
    about = {"as_of": iso(at), "generator": f"hub-release-monitor {__version__}", "registry": registry}
    staging.commit({**about, "changes_through": through})
    return Published(staging.written, staging.removed, len(staging.entries), counts)


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DatasetError("publish needs pyarrow: pip install 'hub-release-monitor[parquet]'") from None
    return pyarrow


def _counts(staging: Staging) -> dict[str, int]:
    counts = {table.name: 0 for table in TABLES}
    for entry in staging.entries:
        folder, _, name = entry.path.partition("/")
        if folder == "data":
            counts[name.partition("/")[0]] += entry.rows or 0
    return counts


def _write_table(arrow: Any, connection: Connection, staging: Staging, table: Table, last: int) -> None:
    schema = arrow.schema([(one.name, _arrow_type(arrow, one)) for one in table.columns])
    texts = [(one.name, one.kind == "json") for one in table.columns if one.kind in {"text", "json"}]
    for month, bounds in table.months(connection, last):
        rows = iter(table.rows(connection, bounds, last))
        first = list(islice(rows, BATCH_ROWS))
        if not first:
            continue
        # The same rows make the same bytes: the file has no time in it, and its encoder is pinned.
        with (
            staging.file(f"data/{table.name}/{month}.parquet") as (file, info),
            arrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            number = 0
            for some in _batches(first, rows):
                for row in some:
                    for name, is_json in texts:
                        row[name] = as_text(row[name], is_json=is_json)
                writer.write_table(arrow.Table.from_pylist(some, schema))
                number += len(some)
                info["rows"] = number


def _arrow_type(arrow: Any, column: Column) -> Any:
    """The type of a column: of one of releases, that of exports."""
    simple = {"integer": int, "number": float, "time": datetime, "text": str, "json": str}
    if column.kind in simple:
        return arrow_type(arrow, simple[column.kind])
    return column_arrow_type(arrow, column.name)


def _batches(first: list[dict[str, Any]], rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    yield first
    while some := list(islice(rows, BATCH_ROWS)):
        yield some


# --- the log of changes -----------------------------------------------------------------------------------


def _write_log(connection: Connection, staging: Staging, before: dict[str, Any] | None, last: int) -> int:
    """Appends the changes since the last run to the log, a file a month; returns the number of the last one."""
    through = int(before["changes_through"]) if before else 0
    kept = {one["path"]: one for one in before["files"] if one["path"].startswith("log/")} if before else {}
    for month, bounds in CHANGES.months(connection, last):
        path = f"log/{month}.jsonl"
        old = kept.pop(path, None)
        rows = list(islice(found := change_rows(connection, bounds, last, after=through), BATCH_ROWS))
        if old is None and not rows:
            continue
        if old is not None:
            _check_log(staging.folder, old)
        if not rows and old is not None:
            staging.entries.append(_entry(old))
            continue
        with staging.file(path) as (file, info):
            info["rows"] = old["rows"] if old else 0
            if old is not None:
                with (staging.folder / path).open("rb") as source:
                    shutil.copyfileobj(source, file)
            for some in _batches(rows, found):
                file.writelines(_lines(some))
                info["rows"] = (info["rows"] or 0) + len(some)
    # Months whose changes the database has deleted since: the log keeps them.
    for old in kept.values():
        _check_log(staging.folder, old)
        staging.entries.append(_entry(old))
    return max(through, last)


def _lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps({**row, "at": iso(row["at"])}, option=orjson.OPT_APPEND_NEWLINE)


def _entry(old: dict[str, Any]) -> FileEntry:
    return FileEntry(old["path"], old["sha256"], old["bytes"], old["rows"])


def _check_log(folder: Path, old: dict[str, Any]) -> None:
    if not is_same(folder, _entry(old)):
        raise DatasetError(f"{folder / old['path']} is not as it was published: restore it, or name another directory")
