"""The history as a file: CSV and JSON lines here, Parquet in :mod:`monitor.releases.parquet`; streamed, so that memory
does not grow with the rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from monitor.releases.schema import COLUMNS, FIELDS, release_object
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
