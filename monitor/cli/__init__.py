"""The command line. ``hub-monitor`` itself is :mod:`workers.main`, which adds what runs in one process.

A command's module, and what it needs, is imported when the command is used.
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
        "poll": "Polls all sources once in the foreground and prints new releases.",
        "backfill": "Records existing repositories without sending alerts; resumes where it stopped.",
        "classify": "Classifies repositories from the Hub, or Hub model objects from a file (works offline).",
    },
)
commands.register(
    "monitor.cli.query",
    {
        "releases": "Searches the recorded releases.",
        "stats": "Counts releases and launches by one or two dimensions, with shares and sums of downloads and more.",
        "export": "Exports releases to a CSV, JSON lines or Parquet file, which appears only when complete.",
    },
)
commands.register(
    "monitor.cli.lens_commands",
    {
        "share": "Shows the share of countries under each lens, and how far the lenses are apart.",
        "lenses": "Shows and checks lenses: the definitions of shares.",
    },
)
commands.register(
    "monitor.cli.uptake",
    {"uptake": "Shows how fast derivatives come: their mean number by days since the release of their root."},
)
commands.register(
    "monitor.cli.brief",
    {"brief": "Writes the brief of a week or a month: what came out, from where, and what changed."},
)
commands.register(
    "monitor.cli.audit",
    {"audit": "Says of each model in files and folders whose it is, what it was built on and under which terms."},
)
commands.register(
    "monitor.cli.verify",
    {"verify": "Recomputes a citation or an exported file: says that it is the same, or lists what differs and why."},
)
commands.register(
    "monitor.cli.compare",
    {"compare": "Compares the history with a reference data set: what it misses, and where both disagree."},
)
commands.register(
    "monitor.cli.stacks",
    {
        "watch": "Saves the models of files and folders as a stack, and notifies of what happens to them and to their "
        "ancestors.",
        "stacks": "Lists, shows and removes stacks.",
    },
)
commands.register(
    "monitor.cli.publish",
    {"publish": "Writes a static data set, by month, into a directory; unchanged files keep their bytes."},
)
commands.register(
    "monitor.cli.telegram_webhook",
    {"telegram-webhook": "Manages Telegram's webhook to this service, for commands in chats."},
)
commands.register(
    "monitor.cli.admin",
    {
        "subscribe": "Creates a subscription and prints its id.",
        "hub-webhooks": "Manages the Hub's webhooks to this service.",
        "subscriptions": "Lists, tests, pauses and removes subscriptions.",
        "labs": "Shows and checks the registry of labs.",
        "db": "Manages the database: migrations, keys and snapshots.",
    },
)
commands.register(
    "monitor.cli.doctor",
    {"doctor": "Prints the settings in force and checks each part, with advice for what is wrong."},
)
commands.register(
    "monitor.cli.maintenance",
    {
        "reclassify": "Classifies all releases again and lists what changed; sends no alerts.",
        "resend": "Lists failed deliveries; with numbers or --all, sends them again.",
    },
)
commands.register(
    "monitor.cli.model_context",
    {"mcp": "Serves the history to language models (MCP), on standard input and output or over HTTP."},
)
commands.register(
    "monitor.cli.launch_commands",
    {
        "launches": "Lists launches: repositories of one publisher and family that were released together.",
        "announcements": "Lists models that labs announced, and whether their weights were released.",
        "review": "Lists releases with uncertain values (origin, size, kind), most popular first.",
        "correct": "Corrects values of a release by hand; corrections outrank all other evidence.",
    },
)

app = typer.Typer(
    name="hub-monitor",
    cls=lazy_group(commands),
    help="Detects open-weight model releases on the Hugging Face Hub, classifies them, and sends alerts.",
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
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more to standard error."),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    from monitor.observability.logging import configure

    configure(verbose=verbose)


def main(run: Callable[[], None] = app) -> None:
    """Runs the command line. Wrong usage or settings print one line and exit with code 2.

    A database error prints one line and exits with code 1.
    """
    try:
        run()
    except BrokenPipeError:
        # The reader of the output has closed the pipe (`| head`), which is no error.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        from monitor.cli.errors import explained
        from monitor.masking import masked

        known = explained(error)
        if known is None:
            raise
        line, code = known
        print(masked(f"hub-monitor: {line}"), file=sys.stderr)
        sys.exit(code)
