"""What the command line imports: a command's own module and what it needs, and ``--help`` none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monitor.cli.lazy import loaded
from tests.console import started
from workers.main import commands

MODULES = sorted(set(commands.modules.values()))
HEAVY = {"alembic", "asyncio", "celery", "httpx", "huggingface_hub", "pydantic", "sqlalchemy", "sqlmodel", "structlog"}
IMPORTED = """
import sys
from workers.main import main

sys.argv = ["hub-monitor", *sys.argv[1:]]
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(*args: str) -> set[str]:
    """The top-level packages that a run of hub-monitor has imported at its end."""
    command = [sys.executable, "-c", IMPORTED, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("args", [("--help",), ("--version",)], ids=str)
def test_what_needs_no_command_imports_none(args: tuple[str, ...]) -> None:
    assert not imported(*args) & HEAVY


@pytest.mark.parametrize("module", MODULES)
def test_the_list_of_commands_says_what_each_says_of_itself(module: str) -> None:
    found = {name: " ".join(str(command.help).split("\n\n")[0].split()) for name, command in loaded(module).items()}
    listed = {name: text for name, text in commands.summaries.items() if commands.modules[name] == module}
    assert listed == found


def test_an_unknown_command_is_sent_with_the_nearest_one() -> None:
    done = started("relases")
    assert done.returncode == 2
    assert "releases" in done.stderr
