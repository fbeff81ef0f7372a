"""Processes forked off one that has imported the program: each import costs a second or two, and tests start many."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

from monitor.cli import commands

FORKS = multiprocessing.get_context("forkserver")
# One alone needs the libraries of MCP, which take longer than all else.
_COMMANDS = sorted(set(commands.modules.values()) - {"monitor.cli.model_context"})
_CHANNELS = ("apprise", "email", "slack.transport")
FORKS.set_forkserver_preload(
    ["workers.main", "workers.up", "monitor.cli.errors", *_COMMANDS]
    + [f"monitor.channels.{name}" for name in _CHANNELS]
    + ["tests.warm"]
)


def become(environment: dict[str, str], streams: tuple[Path, Path, Path]) -> None:
    """Gives this process an environment, and files for its standard input, output and error."""
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
