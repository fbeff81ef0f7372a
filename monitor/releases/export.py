"""The history as a file: CSV, JSON lines, Parquet; streamed, so that memory does not grow with the rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import islice
from typing import Any, BinaryIO

import orjson

from monitor.releases.schema import COLUMNS, FIELDS, column_kinds, release_object
from monitor.releases.search import SearchError
from monitor.text import without_control

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
ROWS_PER_CHUNK = 1_000


def cell(value: Any) -> str:
    """A value as a CSV cell: lists and objects as JSON, without control characters and formulas of spreadsheets."""
    if value is None:
        return ""
    if not isinstance(value, str):
        if isinstance(value, (int, float)):
            return str(value)
        value = json.dumps(value, ensure_ascii=False) if value and isinstance(value, (list, dict)) else str(value)
    text = without_control(value)
    return "'" + text if text[:1] in FORMULA_PREFIXES else text


FORMULA_PREFIXES = frozenset("=+-@\t\n＝＋－＠")


def flat(row: Any) -> dict[str, Any]:
    """The release object with its foundation spread over three columns, in the order of ``COLUMNS``."""
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field.columns == (field.name,):
            values[field.name] = field.read(row)
        else:
            values.update({name: getattr(row, name) for name in field.columns})
    return values


def as_csv(rows: Iterable[Any]) -> Iterator[bytes]:
    """CSV (RFC 4180, UTF-8), a chunk of lines at a time; the names of the columns come with the first."""
    source = iter(rows)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    while some := list(islice(source, ROWS_PER_CHUNK)):
        writer.writerows([cell(value) for value in flat(row).values()] for row in some)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    if text.tell():
        yield text.getvalue().encode()


def as_jsonl(rows: Iterable[Any]) -> Iterator[bytes]:
    """The release objects as JSON lines, a chunk of lines at a time."""
    source = iter(rows)
    while some := list(islice(source, ROWS_PER_CHUNK)):
        yield b"".join(orjson.dumps(release_object(row), option=orjson.OPT_APPEND_NEWLINE) for row in some)


PARQUET_MISSING = "Parquet needs pyarrow: pip install 'hub-release-monitor[parquet]'"


@cache
def has_parquet() -> bool:
    """Whether pyarrow, the extra ``parquet``, is installed; it is not imported for that."""
    return find_spec("pyarrow") is not None


def _arrow() -> Any:
    """pyarrow; raises SearchError without it."""
    if not has_parquet():
        raise SearchError("format", PARQUET_MISSING)
    import pyarrow

    return pyarrow


def write_parquet(rows: Iterable[Any], file: BinaryIO) -> int:
    """Writes Parquet into ``file``, a row group at a time; returns the rows. Raises SearchError without pyarrow."""
    pa = _arrow()
    from pyarrow import parquet

    arrow = {"integer": pa.int64(), "number": pa.float64(), "texts": pa.list_(pa.string())}
    kinds = column_kinds()
    schema = pa.schema([(name, arrow.get(kinds[name], pa.string())) for name in COLUMNS])
    number = 0
    source = iter(rows)
    with parquet.ParquetWriter(file, schema) as writer:
        while some := list(islice(source, 5 * ROWS_PER_CHUNK)):
            number += len(some)
            writer.write_table(pa.Table.from_pylist([as_parquet_values(row) for row in some], schema))
    return number


_TEXT = frozenset(name for name, kind in column_kinds().items() if kind not in {"integer", "number", "texts"})
"""Columns that are texts in Parquet."""


def as_parquet_values(row: Any) -> dict[str, Any]:
    """The values of a row as Parquet has them: lists of texts as lists, other lists and objects as JSON."""
    return {
        name: value
        if name not in _TEXT or value is None
        else json.dumps(value)
        if isinstance(value, (list, dict, bool))
        else str(value)
        for name, value in flat(row).items()
    }
