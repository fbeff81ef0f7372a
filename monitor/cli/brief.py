"""The command ``brief``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import typer

from monitor import db
from monitor.db import migrations
from monitor.releases.briefs.model import Brief, brief_period
from monitor.releases.briefs.published import brief_of, published_by
from monitor.releases.briefs.text import to_html, to_markdown
from monitor.releases.revisions import as_of as known
from monitor.releases.revisions import parse_as_of
from monitor.service import Service
from monitor.settings import load

WRITERS: dict[str, Callable[[Brief, str], str]] = {
    ".md": to_markdown,
    ".html": to_html,
    ".json": lambda brief, _site: orjson.dumps(brief.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n",
}
"""The forms of a brief, by the end of the file's name; the first is that of standard output."""


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(epilog="Example: hub-monitor brief --week 2026-W48 -o brief.md")(brief)


def brief(
    week: str = typer.Option(None, help="An ISO week, like 2026-W48; default: the last finished week."),
    month: str = typer.Option(None, help="A month instead, like 2026-11."),
    output: Path = typer.Option(None, "-o", "--output", help="A .md, .html or .json file; default: Markdown, printed."),
    as_of: str = typer.Option(None, "--as-of", help="Show what was known at this time, or at the end of this day."),
) -> None:
    """Writes the brief of a week or a month: what came out, from where, and what changed."""
    if week and month:
        raise typer.BadParameter("--week and --month: only one of them expected")
    form = output.suffix if output is not None else ".md"
    if form not in WRITERS:
        raise typer.BadParameter(f"{form or output}: the file name must end in {', '.join(WRITERS)}")
    service = Service(load())
    at = parse_as_of(as_of) if as_of else db.now()
    period = brief_period(week or month or "last-week", at)
    if (week and "W" not in period.name) or (month and "W" in period.name):
        raise typer.BadParameter(f"{period.name}: --week takes a week, --month a month")
    migrations.upgrade(service.engine)
    with db.reading(service.engine) as session:
        found = None if as_of else published_by(session, period, at)
        if found is None:
            with known(session, at):
                found = brief_of(session, period, at)
    text = WRITERS[form](found, service.settings.public_url)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise typer.BadParameter(f"cannot write {output}: {error.strerror}") from None
