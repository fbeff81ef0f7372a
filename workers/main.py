"""The console script ``hub-monitor``: the command line, with the commands that run everything in one process."""

from __future__ import annotations

from monitor.cli import app as app  # noqa: PLC0414 - `workers.main.app` is exported
from monitor.cli import commands
from monitor.cli import main as run_cli

commands.register(
    "workers.up",
    {
        "up": "Runs everything in one process, and prints each alert; Ctrl-C stops it.",
        "demo": "Runs everything on a recorded timeline, served by a Hub on this machine: no network, no settings.",
    },
)


def main() -> None:
    """The console script."""
    run_cli(app)
