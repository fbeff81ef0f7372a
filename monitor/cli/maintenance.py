"""Commands that repeat work: ``reclassify`` and ``resend``."""

from __future__ import annotations

import sys

import typer

from monitor import db
from monitor.channels.sealed_targets import shown_target
from monitor.cli.output import Format, FormatOption, write
from monitor.db import migrations
from monitor.notify.dead_letters import list_dead, requeue
from monitor.releases.reclassify import reclassify as reclassify_all
from monitor.service import Service
from monitor.settings import load

CHANGE_COLUMNS = ("repo_id", "field", "before", "after")
DEAD_DELIVERY_COLUMNS = ("id", "subscription", "target", "repo_id", "event", "attempts", "error")


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(epilog="Example: hub-monitor reclassify --dry-run --format csv")(reclassify)
    app.command(epilog="Example: hub-monitor resend --all")(resend)


def reclassify(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only list what would change."),
    form: Format | None = FormatOption,
) -> None:
    """Classifies all releases again and lists what changed; sends no alerts."""
    service = Service(load())
    migrations.upgrade(service.engine)
    if not dry_run:
        service.note_registry()
    rows = (item._asdict() for item in reclassify_all(service.engine, service.registry, keep=not dry_run))
    number = write(rows, form, CHANGE_COLUMNS)
    print(f"{number} values {'would change' if dry_run else 'changed'}", file=sys.stderr)


def resend(
    deliveries: list[int] = typer.Argument(None, metavar="[DELIVERY …]", help="Ids of failed deliveries."),
    everything: bool = typer.Option(False, "--all", help="All failed deliveries."),
    form: Format | None = FormatOption,
) -> None:
    """Lists failed deliveries; with numbers or --all, sends them again."""
    service = Service(load())
    migrations.upgrade(service.engine)
    with db.transaction(service.engine) as session:
        dead = list(list_dead(session))
        if not deliveries and not everything:
            for row in dead:
                channel = row.pop("channel")
                row["target"] = f"{channel} {shown_target(service.settings, channel, row['target'])}"
            write(dead, form, DEAD_DELIVERY_COLUMNS)
            return
        known = {row["id"] for row in dead}
        unknown = [str(number) for number in deliveries or () if number not in known]
        if unknown:
            raise typer.BadParameter(f"no failed delivery {', '.join(unknown)}; without a number, resend lists them")
        number = requeue(session, sorted(known) if everything else deliveries)
    print(f"{number} deliveries will be sent again", file=sys.stderr)
