"""The command line. ``hub-monitor`` itself is :mod:`workers.main`, which adds what runs in one process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer
from sqlalchemy.exc import OperationalError

from monitor import __version__
from monitor.alerts.subscriptions import SubscriptionError
from monitor.cli import again, ask, look, manage, stories
from monitor.db import DatabaseError, failure
from monitor.history.corrections import CorrectionError
from monitor.history.query import QueryError
from monitor.history.search import SearchError
from monitor.labs import LabsError
from monitor.logs import configure
from monitor.settings import SettingsError

WRONG = (SettingsError, LabsError, DatabaseError, QueryError, SearchError, SubscriptionError, CorrectionError)
"""Wrong use or setting: one line on standard error, exit code 2."""

app = typer.Typer(
    name="hub-monitor",
    help="Sees open-weight model releases on the Hugging Face Hub as they happen, says what they are, and tells you.",
    epilog="Example: hub-monitor demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
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
    configure(verbose=verbose)


look.add_to(app)
ask.add_to(app)
manage.add_to(app)
again.add_to(app)
stories.add_to(app)


def main(run: Callable[[], None] = app) -> None:
    """Runs the command line; what is wrong with use or settings is one line and exit code 2.

    A database that fails in the middle of work is one line too, and exit code 1.
    """
    try:
        run()
    except WRONG as error:
        print(f"hub-monitor: {error}", file=sys.stderr)
        sys.exit(2)
    except OperationalError as error:
        print(f"hub-monitor: {failure(error)}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output has left (`| head`): nothing is wrong, and nobody is there to be told.
        sys.stderr.close()
        sys.exit(0)
