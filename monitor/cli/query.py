"""Commands that ask the history."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor import db
from monitor.charts import of_stats
from monitor.cli.output import RELEASE_COLUMNS, RELEASE_HEADS, Format, FormatOption, write
from monitor.db import migrations
from monitor.models import Release
from monitor.releases.export import FORMATS, as_csv, as_jsonl, write_parquet
from monitor.releases.query import Query, parse
from monitor.releases.revisions import as_of as known
from monitor.releases.revisions import parse_as_of
from monitor.releases.schema import release_object
from monitor.releases.search import SORTS, namesake, pasted, search, stream
from monitor.releases.stats import DIMENSIONS, dimensions, stats, zone
from monitor.releases.suggest import suggestions
from monitor.service import Service
from monitor.settings import load

AsOf = typer.Option(None, "--as-of", help="Show what was known at this time, or at the end of this day.")


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command(epilog="Example: hub-monitor releases 'origin:CN params:>=30B kind:base' --limit 20")(releases)
    app.command("stats", epilog="Example: hub-monitor stats 'kind:base' --by month,origin")(stats_command)
    app.command(epilog="Example: hub-monitor export 'origin:CN' -o cn.csv")(export)


def releases(
    query: str = typer.Argument("", help="What to find, in the query language; everything without it."),
    sort: str = typer.Option("released", help=f"{', '.join(SORTS)}; a - before it reverses."),
    limit: int = typer.Option(50, min=1, help="How many at the most."),
    as_of: str = AsOf,
    form: Format | None = FormatOption,
) -> None:
    """Queries the history of releases."""
    service = Service(load())
    engine = service.engine
    wanted = parse(query)
    migrations.upgrade(engine)
    as_of_time = parse_as_of(as_of) if as_of else None
    rows: list[dict[str, Any]] = []
    cursor = None
    with db.reading(engine) as session, known(session, as_of_time):
        while len(rows) < limit:
            page = search(session, wanted, sort=sort, limit=min(1_000, limit - len(rows)), cursor=cursor)
            rows += [release_object(row) for row in page.items]
            cursor = page.next
            if cursor is None:
                break
        named = pasted(session, query) or (namesake(session, wanted) if sort == "released" else None)
        if named is not None:
            rows = [release_object(named), *(row for row in rows if row["repo_id"] != named.repo_id)][:limit]
        empty = None if rows else _why_empty(service, session, wanted)
    write(rows, form, RELEASE_COLUMNS, RELEASE_HEADS)
    if empty:
        typer.echo(empty, err=True)


def _why_empty(service: Service, session: Session, query: Query) -> str:
    """Why nothing came out: what was asked, how much there is to find, and what may have been meant."""
    there = session.scalar(select(func.count()).select_from(Release).where(col(Release.pending).is_(False))) or 0
    where = db.masked(service.engine)
    if there == 0:
        line = f"{where} holds no releases yet: run hub-monitor up, poll or backfill, or set MONITOR_DATABASE_URL"
        if "MONITOR_DATABASE_URL" not in os.environ:
            line += " (the demo keeps its own database, which ends with it)"
        return f"hub-monitor: nothing found: {line}"
    line = (
        f"hub-monitor: nothing found: none of the {there:,} releases in {where} matches {query.normal or 'everything'}"
    )
    return "\n".join([line, *suggestions(session, query, service.registry)])


def stats_command(
    query: str = typer.Argument("", help="What to count, in the query language; everything without it."),
    by: str = typer.Option(..., help=f"One or two of {', '.join(DIMENSIONS)}."),
    tz: str = typer.Option("UTC", help="The zone of months, weeks and days, like Europe/Paris."),
    median: bool = typer.Option(None, help="Medians; unless said, where few enough match."),
    plot: Path = typer.Option(None, help="Draws a chart of it into this .svg or .png file as well."),
    as_of: str = AsOf,
    form: Format | None = FormatOption,
) -> None:
    """Counts releases and the launches that they are of, sums their parameters, and says their median."""
    engine = Service(load()).engine
    wanted, names = parse(query), dimensions(by)
    zone(tz)
    if plot is not None and plot.suffix not in {".svg", ".png"}:
        raise typer.BadParameter(f"{plot.name}: a name that ends in .svg or .png expected")
    migrations.upgrade(engine)
    as_of_time = parse_as_of(as_of) if as_of else None
    with db.reading(engine) as session, known(session, as_of_time):
        rows = stats(session, wanted, names, tz=tz, medians=median)
    if plot is not None:
        _plot(rows, names, plot)
    columns = ("count", "launches", "params_total", "params_known", "params_median")
    write(rows, form, (*names, *columns), (*names, "releases", "launches", "parameters", "known", "median"))


def _plot(rows: list[dict[str, Any]], names: list[str], path: Path) -> None:
    chart = of_stats(rows, names)
    try:
        path.write_bytes(chart.svg().encode() if path.suffix == ".svg" else chart.png())
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}") from None


def export(
    query: str = typer.Argument("", help="What to export, in the query language; everything without it."),
    output: Path = typer.Option(..., "-o", "--output", help="A .csv, .jsonl or .parquet file."),
    as_of: str = AsOf,
) -> None:
    """Writes releases to a file; it appears whole, or not at all."""
    engine = Service(load()).engine
    wanted = parse(query)
    kind = output.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise typer.BadParameter(f"{output.name}: a name that ends in .csv, .jsonl or .parquet expected")
    migrations.upgrade(engine)
    as_of_time = parse_as_of(as_of) if as_of else None
    unfinished = output.with_name(output.name + ".part")
    try:
        with unfinished.open("wb") as file, db.reading(engine) as session, known(session, as_of_time):
            rows = stream(session, wanted)
            if kind == "parquet":
                write_parquet(rows, file)
            else:
                file.writelines(as_csv(rows) if kind == "csv" else as_jsonl(rows))
        unfinished.replace(output)
    except OSError as error:
        raise typer.BadParameter(f"cannot write {output}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)
