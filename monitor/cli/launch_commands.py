"""Commands for launches and corrections: ``launches``, ``announcements``, ``review`` and ``correct``."""

from __future__ import annotations

import sys

import typer

from monitor import db
from monitor.cli.output import Format, FormatOption, write
from monitor.db import migrations
from monitor.releases.corrections import parse_correction
from monitor.releases.launches.announcement_queries import list_announcements
from monitor.releases.launches.queries import find_launches
from monitor.releases.query import parse
from monitor.releases.reclassify import correct_release
from monitor.releases.review import review as doubtful
from monitor.releases.search import find
from monitor.service import Service
from monitor.settings import load

LAUNCH_COLUMNS = (
    "released_at", "origin", "publisher_name", "name", "repositories", "kinds", "licenses", "built_on", "formats",
    "tasks",
)  # fmt: skip
REVIEW_COLUMNS = ("repo_id", "doubts", "origin", "origin_confidence", "kind", "params_total", "likes")
ANNOUNCEMENT_COLUMNS = ("announced_at", "lab", "model", "state", "repo_id", "url")
CHANGE_COLUMNS = ("repo_id", "field", "before", "after")


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(epilog="Example: hub-monitor launches 'origin:CN released:30d'")(launches)
    app.command(epilog="Example: hub-monitor announcements --state announced")(announcements)
    app.command(epilog="Example: hub-monitor review --limit 20")(review)
    app.command(
        epilog="Example: hub-monitor correct deepseek-ai/DeepSeek-V3 params_total=671B --because 'its paper says so'"
    )(correct)


def launches(
    query: str = typer.Argument("", help="Only launches with a matching release; default: all launches."),
    limit: int = typer.Option(50, min=1, max=1_000, help="Maximum number of rows."),
    form: Format | None = FormatOption,
) -> None:
    """Lists launches: repositories of one publisher and family that were released together."""
    engine = Service(load()).engine
    wanted = parse(query)
    migrations.upgrade(engine)
    with db.reading(engine) as session:
        rows = [one.as_json() for one in find_launches(session, wanted, limit=limit)[0]]
    write(rows, form, LAUNCH_COLUMNS)


def announcements(
    lab: str | None = typer.Option(None, help="Only of this lab."),
    state: str | None = typer.Option(None, help="announced or released."),
    limit: int = typer.Option(50, min=1, max=1_000, help="Maximum number of rows."),
    form: Format | None = FormatOption,
) -> None:
    """Lists models that labs announced, and whether their weights were released."""
    engine = Service(load()).engine
    migrations.upgrade(engine)
    with db.reading(engine) as session:
        rows = list_announcements(session, lab=lab, state=state, limit=limit)
    write(rows, form, ANNOUNCEMENT_COLUMNS)


def review(
    limit: int = typer.Option(50, min=1, max=1_000, help="Maximum number of rows."),
    form: Format | None = FormatOption,
) -> None:
    """Lists releases with uncertain values (origin, size, kind), most popular first."""
    engine = Service(load()).engine
    migrations.upgrade(engine)
    with db.reading(engine) as session:
        rows = doubtful(session, limit)
    write(rows, form, REVIEW_COLUMNS)


def correct(
    repo_id: str = typer.Argument(help="Repository id of the release, current or former."),
    values: list[str] = typer.Argument(help="One or more field=value; the value none means unknown."),
    because: str = typer.Option(..., help="Reason, shown as evidence for the value."),
    undo: bool = typer.Option(False, "--undo", help="Remove the corrections of these fields instead."),
    form: Format | None = FormatOption,
) -> None:
    """Corrects values of a release by hand; corrections outrank all other evidence."""
    wanted = (
        [(text.partition("=")[0], None) for text in values] if undo else [parse_correction(text) for text in values]
    )
    service = Service(load())
    migrations.upgrade(service.engine)
    with db.transaction(service.engine) as session:
        row = find(session, repo_id)
        if row is None:
            raise typer.BadParameter(f"there is no release {repo_id}")
        changed = correct_release(session, row, wanted, because, service.registry, undo=undo)
    number = write((item._asdict() for item in changed), form, CHANGE_COLUMNS)
    print(f"{number} values changed", file=sys.stderr)
