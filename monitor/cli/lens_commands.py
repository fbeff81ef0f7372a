"""The commands ``share`` and ``lenses``."""

from __future__ import annotations

from pathlib import Path

import typer

from monitor import db
from monitor.charts import Chart, of_shares
from monitor.cli.output import Format, FormatOption, write
from monitor.db import migrations
from monitor.releases.lenses import (
    chosen_lenses,
    load_lenses,
    measure_shares,
    parse_countries,
    read_lens,
    spread,
)
from monitor.releases.query import parse
from monitor.releases.revisions import as_of as known
from monitor.releases.revisions import parse_as_of
from monitor.service import Service
from monitor.settings import load

lenses = typer.Typer(no_args_is_help=True, help="Shows and checks lenses: the definitions of shares.")


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(epilog="Example: hub-monitor share CN,US 'released:2026' --lens all")(share)
    app.add_typer(lenses, name="lenses", epilog="Example: hub-monitor lenses show atom")


def share(
    countries: str = typer.Argument(..., help="Countries or regions, a comma between: CN,US."),
    query: str = typer.Argument("", help="Filter in the query language; default: all releases."),
    lens: str = typer.Option("all", help="A lens, several with commas, or all of them."),
    plot: Path = typer.Option(None, help="Also draw a chart into this .svg or .png file."),
    as_of: str = typer.Option(None, "--as-of", help="Show what was known at this time, or at the end of this day."),
    form: Format | None = FormatOption,
) -> None:
    """Shows the share of countries under each lens, and how far the lenses are apart."""
    service = Service(load())
    wanted, of, within = chosen_lenses(service.lenses, lens), parse_countries(countries, service.lenses), parse(query)
    if plot is not None and plot.suffix not in {".svg", ".png"}:
        raise typer.BadParameter(f"{plot.name}: the file name must end in .svg or .png")
    migrations.upgrade(service.engine)
    as_of_time = parse_as_of(as_of) if as_of else None
    with db.reading(service.engine) as session, known(session, as_of_time):
        shares = measure_shares(session, service.registry, service.lenses, wanted, of, within)
    if plot is not None:
        _plot(of_shares([(one.lens.title, one.share) for one in shares], f"Share of {' and '.join(of)}"), plot)
    rows = [one.as_json() for one in shares]
    write(rows, form, ("title", "share", "share_of_known", "n", "unknown"),
          ("lens", "share", "of known", "counted", "country unknown"))  # fmt: skip
    typer.echo(spread(shares), err=True)


def _plot(chart: Chart, path: Path) -> None:
    try:
        path.write_bytes(chart.svg().encode() if path.suffix == ".svg" else chart.png())
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}") from None


@lenses.command("list", epilog="Example: hub-monitor lenses list")
def list_lenses(form: Format | None = FormatOption) -> None:
    """Lists all lenses."""
    rows = [lens.as_json() for lens in load_lenses(load().lenses_dir).values()]
    write(rows, form, ("id", "title", "unit", "weight", "country", "scope"))


@lenses.command("show", epilog="Example: hub-monitor lenses show atom")
def show_lens(lens: str, form: Format | None = FormatOption) -> None:
    """Shows the definition of one lens."""
    found = chosen_lenses(load_lenses(load().lenses_dir), lens)
    write([one.as_json() for one in found], form,
          ("id", "title", "description", "scope", "unit", "weight", "country", "since", "until", "source"))  # fmt: skip


@lenses.command("check", epilog="Example: hub-monitor lenses check my-lens.toml")
def check(file: Path = typer.Argument(..., help="A lens file: TOML.")) -> None:
    """Validates a lens file; each error is named with its line and column."""
    found = read_lens(file)
    typer.echo(f"ok: {found.id}: {found.title}")
