"""Rows on standard output: a table on a terminal, JSON lines into a pipe, or as ``--format`` says."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.channels.words import count, flag, plain
from monitor.history.export import cell


class Format(StrEnum):
    """How rows come out."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


FormatOption = typer.Option(None, "--format", help="How rows come out (a table on a terminal, jsonl into a pipe).")

Row = dict[str, Any]


def write(rows: Iterable[Row], form: Format | None, columns: Sequence[str], heads: Sequence[str] | None = None) -> int:
    """Writes rows (dicts); a table shows ``columns``, every other form all keys. Returns how many there were."""
    chosen = form or (Format.TABLE if sys.stdout.isatty() else Format.JSONL)
    if chosen is Format.TABLE:
        return _table(rows, columns, heads or columns)
    if chosen is Format.CSV:
        return _csv(rows)
    return _json(rows, lines=chosen is Format.JSONL)


def _json(rows: Iterable[Row], *, lines: bool) -> int:
    number = 0
    for number, row in enumerate(rows, start=1):
        before = "" if lines else "[\n" if number == 1 else ",\n"
        sys.stdout.write(before + json.dumps(row, ensure_ascii=False) + ("\n" if lines else ""))
    if not lines:
        sys.stdout.write("\n]\n" if number else "[]\n")
    sys.stdout.flush()
    return number


def _csv(rows: Iterable[Row]) -> int:
    writer = None
    number = 0
    for number, row in enumerate(rows, start=1):  # noqa: B007
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({key: cell(value) for key, value in row.items()})
    sys.stdout.flush()
    return number


def _table(rows: Iterable[Row], columns: Sequence[str], heads: Sequence[str]) -> int:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="ellipsis", no_wrap=head != "what it says")
    number = 0
    for number, row in enumerate(rows, start=1):  # noqa: B007
        table.add_row(*(Text(_shown(key, row.get(key))) for key in columns))
    Console().print(table if number else Text("nothing", style="dim"))
    return number


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key == "origin":
        return f"{flag(value)} {value}"
    if key in {"params_total", "params_active"}:
        return count(value) or "–"
    if key == "foundation":
        return plain(value.get("repo_id"))
    if key.endswith("_at"):
        return str(value)[:16].replace("T", " ")
    return plain(", ".join(map(str, value)) if isinstance(value, list) else value)


RELEASE = (
    "released_at",
    "origin",
    "repo_id",
    "params_total",
    "params_active",
    "kind",
    "license",
    "openness",
    "foundation",
)
RELEASE_HEADS = ("released", "origin", "release", "size", "active", "kind", "licence", "openness", "built on")
