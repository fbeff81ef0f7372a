"""``hub-monitor`` as a process that need not import everything anew: forked off one that has, and else the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.forks import FORKS, become

COMMAND = str(Path(sys.executable).parent / "hub-monitor")
PATIENCE_SECONDS = 300


def run(*args: str, stdin: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs hub-monitor with these settings in the environment, to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_text(stdin or "")
        environment = {**os.environ, **settings}
        process = FORKS.Process(target=_child, args=(args, environment, Path.cwd(), folder))
        process.start()
        process.join(PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([COMMAND, *args], PATIENCE_SECONDS)
        out, err = ((folder / stream).read_text() for stream in ("out", "err"))
    return subprocess.CompletedProcess([COMMAND, *args], process.exitcode or 0, out, err)


def _child(args: tuple[str, ...], environment: dict[str, str], here: Path, folder: Path) -> None:
    from workers.main import main

    become(environment, (folder / "in", folder / "out", folder / "err"))
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.chdir(here)
    sys.argv = [COMMAND, *args]
    main()


def started(*args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the console script itself, as a user does."""
    environment = {**os.environ, **settings}
    return subprocess.run([COMMAND, *args], env=environment, capture_output=True, text=True, check=False)
