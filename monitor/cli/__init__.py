"""The command line. ``hub-monitor`` itself is :mod:`workers.main`, which adds what runs in one process.

Nothing here imports a command's module, nor what it needs, before that command is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from monitor import __version__
from monitor.cli.lazy import LazyCommands, lazy_group

commands = LazyCommands()
commands.register(
    "monitor.cli.ingest",
    {
        "poll": "One pass over the sources in the foreground; prints what is new.",
        "backfill": "Learns history; tells nobody; goes on where it was cut off.",
        "classify": "Classifies repositories from the Hub, or Hub model objects without network or database.",
    },
)
commands.register(
    "monitor.cli.query",
    {
        "releases": "Queries the history of releases.",
        "stats": "Counts releases and the launches that they are of, sums their parameters, and says their median.",
        "export": "Writes releases to a file; it appears whole, or not at all.",
    },
)
commands.register(
    "monitor.cli.admin",
    {
        "subscribe": "Subscribes a target; prints the subscription's id.",
        "doctor": "What is in force and what is wrong: a line each, ok or what to do.",
        "hub-webhooks": "The Hub's webhooks to this service.",
        "subscriptions": "Lists, pauses and removes subscriptions.",
        "labs": "The registry of labs.",
        "db": "The database's migrations.",
    },
)
commands.register(
    "monitor.cli.maintenance",
    {
        "reclassify": "Judges the whole history again, after the registry has changed, and lists what changed; "
        "tells nobody.",
        "resend": "Lists the deliveries that were given up; with numbers or --all, makes them due again.",
    },
)
commands.register(
    "monitor.cli.launch_commands",
    {
        "launches": "Lists launches: repositories of one publisher and family that came out together.",
        "announcements": "Lists the models that the labs' feeds named, and whether their weights came.",
        "review": "Lists what is unsure (origin, size, kind), most followed first.",
        "correct": "Corrects judgements by hand: that outranks every other, and outlasts reclassifying.",
    },
)

app = typer.Typer(
    name="hub-monitor",
    cls=lazy_group(commands),
    help="Sees open-weight model releases on the Hugging Face Hub as they happen, says what they are, and tells you.",
    epilog="Example: hub-monitor demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"hub-monitor {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more, on standard error."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    from monitor.observability.logging import configure

    configure(verbose=verbose)


def main(run: Callable[[], None] = app) -> None:
    """Runs the command line; what is wrong with use or settings is one line and exit code 2.

    A database that fails in the middle of work is one line too, and exit code 1.
    """
    try:
        run()
    except BrokenPipeError:
        # The reader of our output has left (`| head`): nothing is wrong, and nobody is there to be told.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        from monitor.cli.errors import explained

        known = explained(error)
        if known is None:
            raise
        line, code = known
        print(f"hub-monitor: {line}", file=sys.stderr)
        sys.exit(code)
