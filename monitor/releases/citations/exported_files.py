"""Exported files compared with the database: CSV, JSON lines and Parquet, row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.db.engine import in_values, reading
from monitor.enums import Gated, Status
from monitor.models import Release
from monitor.releases.citations.differences import MATCHES, SOURCES, Causes, Difference, Why
from monitor.releases.export import cell, flat
from monitor.releases.parquet import as_parquet_values, read_parquet_values
from monitor.releases.query import parse
from monitor.releases.revisions import as_of as known
from monitor.releases.schema import COLUMNS, FIELDS, release_object
from monitor.releases.search import find, stream

BATCH_ROWS = 1_000
MAX_LINE_BYTES = 4 << 20
COUNTS = frozenset({
    "downloads", "downloads_all_time", "likes", "derivatives", "derivatives_by_kind", "derivatives_source",
    "hub_finetunes", "hub_adapters", "hub_merges", "hub_quantized", "trending_rank",
})  # fmt: skip
"""Columns that are not compared: they change every day."""
NOT_COMPARED = COUNTS | {"notable", "evidence", "origin_evidence"}
"""Those, and what explains other values."""

FileRow = Mapping[str, Any]


class FileError(ValueError):
    """A file that cannot be compared: one line that names it, the place and the fix."""


@dataclass(slots=True)
class Outcome:
    """What a comparison found: rows of the file, those that are the same, and the releases that were met."""

    rows: int = 0
    same: int = 0
    met: set[int] = field(default_factory=set)


def compare_file(
    engine: Engine, path: Path, at: datetime | None, query: str | None, outcome: Outcome
) -> Iterator[Difference]:
    """Yields how a file differs from what was known at ``at`` (None: now); counts into ``outcome``.

    With a ``query`` (``""``: everything), releases that match it and are missing from the file differ, too. Raises
    FileError.
    """
    read, written = FORMS.get(path.suffix, (None, None))
    if read is None or written is None:
        raise FileError(f"{path.name}: the file name must end in {', '.join(FORMS)}")
    rows = _checked(read(path), path)
    with reading(engine) as past, reading(engine) as present, known(past, at):
        while some := list(islice(rows, BATCH_ROWS)):
            outcome.rows += len(some)
            yield from _compared(past, present, some, written, outcome)
        if query is not None:
            for row in stream(past, parse(query)):
                if row.id not in outcome.met:
                    yield Difference(row.repo_id, MATCHES, False, True, str(Why.OTHER), None, "not in the file")


def _checked(rows: Iterator[FileRow], path: Path) -> Iterator[FileRow]:
    """The rows, of which each must have a name and no columns but those of exports."""
    for number, row in enumerate(rows, start=1):
        surplus = [str(name) for name in row if name not in _NAMES]
        if surplus or not isinstance(row.get("repo_id"), str):
            expected = f"{surplus[0][:60]!r} is no column of an export" if surplus else "a repo_id expected"
            raise FileError(f"{path.name}, row {number}: {expected}")
        # Versions up to 0.2 wrote `false`.
        yield {**row, "gated": str(Gated.NO)} if row.get("gated") in (False, "false") else row


_NAMES = frozenset({*COLUMNS, *(one.name for one in FIELDS)})


def _compared(
    past: Session, present: Session, rows: Sequence[FileRow], written: Callable[[Any], FileRow], outcome: Outcome
) -> Iterator[Difference]:
    some = select(Release).where(in_values(past, "release.repo_id", [row["repo_id"] for row in rows]))
    held: dict[str, list[Release]] = {}
    for release in past.scalars(some.where(col(Release.pending).is_(False))):
        held.setdefault(release.repo_id, []).append(release)
    differing: list[tuple[FileRow, Release, FileRow, list[str]]] = []
    for row in rows:
        candidates = held.get(row["repo_id"]) or [found for found in [_renamed(past, row["repo_id"])] if found]
        if not candidates:
            yield Difference(row["repo_id"], MATCHES, True, False, str(Why.OTHER), None, "not known here at that time")
            continue
        # A name may have belonged to several repositories, one after the other.
        choices = [(release, written(release)) for release in candidates]
        release, values, names = min(
            ((one, its, _unlike(row, its)) for one, its in choices),
            key=lambda item: (len(item[2]), item[0].status == Status.GONE),
        )
        outcome.met.add(release.id or 0)
        outcome.same += not names
        if names:
            differing.append((row, release, values, names))
    causes = Causes(present, [release.id or 0 for _, release, _, _ in differing], None)
    for row, release, values, names in differing:
        for name in names:
            source = _COLUMN_OF.get(name, name)
            yield Difference(row["repo_id"], name, row[name], values[name], *causes.of(release.id or 0, source))


_COLUMN_OF = {"foundation": "foundation_repo_id", "suspected_foundation": "suspected_repo_id", **SOURCES}
"""Columns that stand for fields with several."""


def _renamed(session: Session, repo_id: str) -> Release | None:
    found = find(session, repo_id)
    return found if found is not None and not found.pending else None


def _unlike(row: FileRow, values: FileRow) -> list[str]:
    return [name for name, value in row.items() if name not in NOT_COMPARED and value != values[name]]


# --- formats ----------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> Iterator[FileRow]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restkey="more cells than the head has")
        try:
            yield from reader
        except csv.Error as error:
            raise FileError(f"{path.name}, line {reader.line_num}: {error}") from None


def _read_jsonl(path: Path) -> Iterator[FileRow]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                row = None
            if not isinstance(row, dict):
                raise FileError(f"{path.name}, line {number}: a JSON object expected")
            yield row


def _read_parquet(path: Path) -> Iterator[FileRow]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError:
        raise FileError("Parquet needs pyarrow: pip install 'hub-release-monitor[parquet]'") from None
    try:
        file = parquet.ParquetFile(path)
    except ArrowInvalid as error:
        raise FileError(f"{path.name} is no Parquet file: {str(error).splitlines()[0]}") from None
    with file:
        for batch in file.iter_batches(BATCH_ROWS):
            yield from map(read_parquet_values, batch.to_pylist())


def _csv_values(row: Any) -> FileRow:
    return {name: cell(value) for name, value in flat(row).items()}


def _json_values(row: Any) -> FileRow:
    """Both the fields of release objects and the columns that the rows of citations have."""
    values: dict[str, Any] = flat(row) | release_object(row)
    with suppress(TypeError):
        return json.loads(json.dumps(values))  # type: ignore[no-any-return]
    return values


FORMS: dict[str, tuple[Callable[[Path], Iterator[FileRow]], Callable[[Any], FileRow]]] = {
    ".csv": (_read_csv, _csv_values),
    ".jsonl": (_read_jsonl, _json_values),
    ".parquet": (_read_parquet, as_parquet_values),
}
"""How a file is read, and how a release would stand in it, by the end of its name."""
