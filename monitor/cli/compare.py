"""The command ``compare``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from monitor import db
from monitor.channels.formatting import plain
from monitor.cli.output import Format, FormatOption, write
from monitor.compare.claims import Claim, SourceError
from monitor.compare.matching import Compared, compare
from monitor.compare.sources import SOURCES, read_source
from monitor.compare.store import store
from monitor.db import migrations
from monitor.models import Comparison
from monitor.service import Service
from monitor.settings import load

MAX_ERRORS_SHOWN = 20
_COLUMNS = ("outcome", "name", "repo_id", "reason", "lag_days", "disagreements", "where")


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command("compare", epilog="Example: hub-monitor compare atom metadata/organization_regions.csv")(
        compare_command
    )


def compare_command(
    source: str = typer.Argument(..., help=f"Whose data: {', '.join(SOURCES)}."),
    path: Path = typer.Argument(..., metavar="FILE", help="A file, or a folder of them."),
    column: list[str] = typer.Option(
        [], "--column", metavar="FIELD=COLUMN", help="For csv: which column a field is in (repeat the option)."
    ),
    every: bool = typer.Option(False, "--all", help="Print what was found and agrees, too."),
    form: Format | None = FormatOption,
) -> None:
    """Compares the history with a reference data set: what it misses, and where both disagree."""
    mapping = {}
    for text in column:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--column {text}: FIELD=COLUMN expected, like repo_id=model_id")
        mapping[name] = value
    service = Service(load())
    if not path.exists():
        raise SourceError(f"{path}: no such file")
    migrations.upgrade(service.engine)
    errors: list[SourceError] = []
    with db.reading(service.engine) as session:
        found = list(compare(session, _claims(source, path, mapping, errors), service.registry))
    with db.transaction(service.engine) as session:
        made = store(session, source, path.name, found, len(errors))
    write((one.as_json() for one in _shown(found, every=every)), form, _COLUMNS)
    for error in errors[:MAX_ERRORS_SHOWN]:
        print(f"hub-monitor: {plain(error)}", file=sys.stderr)
    print(f"hub-monitor: {_summary(made)}", file=sys.stderr)
    if errors:
        raise typer.Exit(1)


def _claims(source: str, path: Path, mapping: dict[str, str], errors: list[SourceError]) -> Iterator[Claim]:
    for one in read_source(source, path, mapping):
        if isinstance(one, SourceError):
            errors.append(one)
        else:
            yield one


def _shown(found: list[Compared], *, every: bool) -> Iterator[Compared]:
    return (one for one in found if every or one.outcome == "missed" or one.disagreements)


def _summary(made: Comparison) -> str:
    recall = f"{made.recall:.1%}" if made.recall is not None else "unknown"
    lag = f"{made.median_lag_days:+.1f} days" if made.median_lag_days is not None else "unknown"
    parts = (
        f"{made.claims} claims: {made.found} found, {made.missed} missed, {made.out_of_scope} closed",
        f"recall {recall}",
        f"their dates against ours, median: {lag}",
        f"{made.disagreements} disagreements",
        *([f"{made.unreadable} rows not read"] if made.unreadable else []),
    )
    return "; ".join(parts)
