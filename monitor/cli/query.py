"""Commands that read the recorded releases: ``releases``, ``stats`` and ``export``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor import db
from monitor.charts import Chart, of_stats, over_time_title
from monitor.cli.output import RELEASE_COLUMNS, RELEASE_HEADS, Format, FormatOption, complete_file, write
from monitor.db import migrations
from monitor.enums import MEASURE_NAMES
from monitor.models import Release
from monitor.releases.export import FORMATS, as_csv, as_jsonl
from monitor.releases.listed import listed_in
from monitor.releases.parquet import write_parquet
from monitor.releases.query import Query, parse
from monitor.releases.revisions import as_of as known
from monitor.releases.revisions import parse_as_of
from monitor.releases.schema import release_object
from monitor.releases.search import SORTS, find_by_name, find_pasted, search, stream
from monitor.releases.stats import DIMENSIONS, dimensions, zone
from monitor.releases.suggest import suggestions
from monitor.releases.sums import SUMS, summed
from monitor.releases.totals import sums
from monitor.service import Service
from monitor.settings import load

AsOf = typer.Option(None, "--as-of", help="Show what was known at this time, or at the end of this day.")


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(epilog="Example: hub-monitor releases 'origin:CN params:>=30B kind:base' --limit 20")(releases)
    app.command("stats", epilog="Example: hub-monitor stats 'kind:base' --by month,origin")(stats_command)
    app.command(epilog="Example: hub-monitor export 'origin:CN' -o cn.csv")(export)


def releases(
    query: str = typer.Argument("", help="Filter in the query language; default: all releases."),
    sort: str = typer.Option("released", help=f"{', '.join(SORTS)}; a leading - reverses the order."),
    limit: int = typer.Option(50, min=1, help="Maximum number of releases."),
    as_of: str = AsOf,
    form: Format | None = FormatOption,
) -> None:
    """Searches the recorded releases."""
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
        named = find_pasted(session, query) or (find_by_name(session, wanted) if sort == "released" else None)
        if named is not None:
            rows = [release_object(named), *(row for row in rows if row["repo_id"] != named.repo_id)][:limit]
        empty = None if rows else _why_empty(service, session, wanted)
    write(rows, form, RELEASE_COLUMNS, RELEASE_HEADS)
    if empty:
        typer.echo(empty, err=True)


def _why_empty(service: Service, session: Session, query: Query) -> str:
    """Explains an empty result: the query, how many releases there are, and suggestions."""
    there = session.scalar(select(func.count()).select_from(Release).where(col(Release.pending).is_(False))) or 0
    where = db.masked(service.engine)
    if there == 0:
        line = f"{where} holds no releases yet: run hub-monitor up, poll or backfill, or set MONITOR_DATABASE_URL"
        if "MONITOR_DATABASE_URL" not in os.environ:
            line += " (the demo uses a temporary database of its own)"
        return f"hub-monitor: nothing found: {line}"
    line = (
        f"hub-monitor: nothing found: none of the {there:,} releases in {where} matches {query.normal or 'everything'}"
    )
    return "\n".join([line, *suggestions(session, query, service.registry)])


def stats_command(
    query: str = typer.Argument("", help="Filter in the query language; default: all releases."),
    by: str = typer.Option(..., help=f"One or two of {', '.join(DIMENSIONS)}."),
    tz: str = typer.Option("UTC", help="Time zone of months, weeks and days, like Europe/Paris."),
    median: bool = typer.Option(None, help="Compute medians; default: if at most 20,000 releases match."),
    plot: Path = typer.Option(None, help="Also draw a chart into this .svg or .png file."),
    share: bool = typer.Option(False, help="Draw the chart in percent."),
    total: str = typer.Option("", "--sum", help=f"Sum one of {', '.join(SUMS)}, with shares of the sum."),
    meaning: str = typer.Option(
        "released", "--time", help="What periods mean: released in it; stock: the sum at its end; growth: within it."
    ),
    as_of: str = AsOf,
    form: Format | None = FormatOption,
) -> None:
    """Counts releases and launches by one or two dimensions, with shares and sums of downloads and more."""
    engine = Service(load()).engine
    wanted, names, value = parse(query), dimensions(by), summed(total)
    zone(tz)
    if plot is not None and plot.suffix not in {".svg", ".png"}:
        raise typer.BadParameter(f"{plot.name}: the file name must end in .svg or .png")
    migrations.upgrade(engine)
    as_of_time = parse_as_of(as_of) if as_of else None
    with db.reading(engine) as session, known(session, as_of_time):
        rows = sums(session, wanted, names, tz=tz, medians=median, value=value, meaning=meaning)
    if plot is not None:
        shown = f"{value}_growth" if meaning == "growth" else value
        save_chart(of_stats(rows, names, shown, over_time_title(value, names, meaning), share=share), plot)
    if meaning == "growth":
        columns: tuple[str, ...] = (f"{value}_growth", "recounted", "share", value, "count", "unknown")
        heads: tuple[str, ...] = (
            MEASURE_NAMES[f"{value}_growth"], "recounted", "share", MEASURE_NAMES[total], "releases", "unknown",
        )  # fmt: skip
    elif total:
        columns = (value, "share", "count", "unknown")
        heads = (MEASURE_NAMES[total], "share", "releases", "unknown")
    elif meaning == "stock":
        columns, heads = ("count", "share"), ("releases", "share")
    else:
        columns = ("count", "share", "launches", "params_total", "params_known", "params_median")
        heads = ("releases", "share", "launches", "parameters", "known", "median")
    if listed_in(names):  # a release counts in each of its values: what shares are of is in no sum of the rows
        place = columns.index("share") + 1
        columns = (*columns[:place], "of", *columns[place:])
        heads = (*heads[:place], "of", *heads[place:])
    write(rows, form, (*names, *columns), (*names, *heads))


def save_chart(chart: Chart, path: Path) -> None:
    """Draws a chart into a file whose name ends in .svg or .png."""
    try:
        path.write_bytes(chart.svg().encode() if path.suffix == ".svg" else chart.png())
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}") from None


def export(
    query: str = typer.Argument("", help="Filter in the query language; default: all releases."),
    output: Path = typer.Option(..., "-o", "--output", help="A .csv, .jsonl or .parquet file."),
    as_of: str = AsOf,
) -> None:
    """Exports releases to a CSV, JSON lines or Parquet file, which appears only when complete."""
    service = Service(load())
    engine = service.engine
    wanted = parse(query)
    kind = output.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise typer.BadParameter(f"{output.name}: the file name must end in .csv, .jsonl or .parquet")
    migrations.upgrade(engine)
    as_of_time = parse_as_of(as_of) if as_of else None
    about = service.export_metadata(wanted, as_of_time)
    with complete_file(output, "wb") as file, db.reading(engine) as session, known(session, as_of_time):
        rows = stream(session, wanted)
        if kind == "parquet":
            write_parquet(about.passed(rows), file, about.values)
        else:
            file.writelines(as_csv(rows) if kind == "csv" else as_jsonl(rows))
