"""The command ``uptake``."""

from __future__ import annotations

from pathlib import Path

import typer

from monitor import db
from monitor.charts import of_uptake
from monitor.cli.output import Format, FormatOption, write
from monitor.cli.query import AsOf, save_chart
from monitor.db import migrations
from monitor.releases.query import parse
from monitor.releases.revisions import as_of as known
from monitor.releases.revisions import parse_as_of
from monitor.releases.stats import COLUMNS
from monitor.releases.uptake import RELATIONS, uptake
from monitor.service import Service
from monitor.settings import load


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command("uptake", epilog="Example: hub-monitor uptake 'kind:base origin:CN,US' --by origin")(uptake_command)


def uptake_command(
    query: str = typer.Argument("", help="Filter of the models that others built on; default: all originals."),
    by: str = typer.Option("", help=f"Compare by one of {', '.join(COLUMNS)}."),
    relation: str = typer.Option("", help=f"Only derivatives of this kind: {', '.join(RELATIONS)}."),
    days: int = typer.Option(365, min=1, help="Days since release."),
    plot: Path = typer.Option(None, help="Also draw a chart into this .svg or .png file."),
    as_of: str = AsOf,
    form: Format | None = FormatOption,
) -> None:
    """Shows how fast derivatives come: their mean number by days since the release of their root."""
    engine = Service(load()).engine
    wanted = parse(query)
    if plot is not None and plot.suffix not in {".svg", ".png"}:
        raise typer.BadParameter(f"{plot.name}: the file name must end in .svg or .png")
    migrations.upgrade(engine)
    as_of_time = parse_as_of(as_of) if as_of else None
    with db.reading(engine) as session, known(session, as_of_time):
        found = uptake(session, wanted, by, relation=relation, days=days)
    if plot is not None:
        save_chart(of_uptake(found.rows, by, relation), plot)
    names = (by,) if by else ()
    columns = (*names, "day", "derivatives", "new", "releases")
    write(found.rows, form, columns, (*names, "day", "derivatives per release", "new", "releases"))
    typer.echo(f"hub-monitor: {found.in_words()}", err=True)
