"""Rows on standard output: a table on a terminal, JSON lines into a pipe, or as ``--format`` says."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.channels.formatting import count, flag, plain
from monitor.enums import kind_name
from monitor.files import open_private
from monitor.releases.export import cell


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


FormatOption = typer.Option(None, "--format", help="Output format (default: table on a terminal, jsonl in a pipe).")

Row = dict[str, Any]


def write(rows: Iterable[Row], form: Format | None, columns: Sequence[str], heads: Sequence[str] | None = None) -> int:
    """Writes rows (dicts); a table shows ``columns``, every other form all keys. Returns how many there were."""
    chosen = form or (Format.TABLE if sys.stdout.isatty() else Format.JSONL)
    if chosen is Format.TABLE:
        return _table(rows, columns, heads or columns)
    if chosen is Format.CSV:
        return _csv(rows)
    return _json(rows, lines=chosen is Format.JSONL)


@contextmanager
def complete_file(path: Path, mode: str, **options: Any) -> Iterator[Any]:
    """Opens a file for its owner alone, which appears only when it is complete. Raises BadParameter if it cannot be
    written."""
    unfinished = path.with_name(path.name + ".part")
    try:
        with open_private(unfinished, mode, **options) as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _json(rows: Iterable[Row], *, lines: bool) -> int:
    number = 0
    for number, row in enumerate(rows, start=1):
        before = "" if lines else "[\n" if number == 1 else ",\n"
        sys.stdout.write(before + _escaped(json.dumps(row, ensure_ascii=False)) + ("\n" if lines else ""))
    if not lines:
        sys.stdout.write("\n]\n" if number else "[]\n")
    sys.stdout.flush()
    return number


_INVISIBLE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON may hold as it is, and a terminal would act on."""


def _escaped(text: str) -> str:
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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


MIN_COLUMN_WIDTH = 24
"""Columns are shortened to this width before one is dropped."""


def _table(rows: Iterable[Row], columns: Sequence[str], heads: Sequence[str]) -> int:
    console = Console()
    cells = [[_shown(key, row.get(key)) for key in columns] for row in rows]
    if not cells:
        console.print(Text("no results", style="dim"))
        return 0
    widths = _fitting(
        [max(cell_len(row[place]) for row in (heads, *cells)) for place in range(len(heads))], console.width
    )
    shown = len(widths)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head, width in zip(heads, widths, strict=False):
        table.add_column(head, overflow="ellipsis", no_wrap=head != "reason", width=width)
    for row in cells:
        table.add_row(*map(Text, row[:shown]))
    console.print(table)
    if shown < len(heads):
        left = f"Columns that do not fit: {', '.join(heads[shown:])}. Use --format json to see all."
        console.print(Text(left, style="dim"))
    return len(cells)


def _fitting(natural: list[int], line: int) -> list[int]:
    """The widths of the columns that fit into a line of ``line`` characters, from the first; at least two."""
    widths = [min(MIN_COLUMN_WIDTH, width) for width in natural]
    while len(widths) > 2 and sum(widths) + 2 * (len(widths) - 1) > line:
        widths.pop()
    spare = max(0, line - sum(widths) - 2 * (len(widths) - 1))
    for place, width in enumerate(widths):
        more = min(spare, natural[place] - width)
        widths[place], spare = width + more, spare - more
    return widths


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "–"
    match key:
        case "origin":
            shown = f"{flag(value)} {value}"
        case "params_total" | "params_active" | "params_median":
            shown = count(value) or "–"
        case "share" | "share_of_known":
            shown = f"{value:.1%}"
        case "foundation":
            shown = plain(value.get("repo_id"))
        case "built_on":
            shown = plain(", ".join(str(one.get("repo_id")) for one in value)) or "–"
        case "kinds":
            shown = ", ".join(map(kind_name, value))
        case _ if key.endswith("_at"):
            shown = plain(value)[:16].replace("T", " ")
        case _:
            shown = plain(", ".join(map(str, value)) if isinstance(value, list) else value)
    return shown


RELEASE_COLUMNS = (
    "released_at",
    "origin",
    "repo_id",
    "params_total",
    "kind",
    "license",
    "params_active",
    "openness",
    "foundation",
)
RELEASE_HEADS = ("released", "from", "release", "size", "kind", "licence", "active", "openness", "built on")
