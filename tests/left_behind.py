"""Ends the servers of a test process that is interrupted or killed, and removes their folders."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

_WATCH = """
import os, shutil, signal, sys, time

groups, folders = {}, []
for line in sys.stdin:
    word, _, what = line.rstrip("\\n").partition(" ")
    if word == "started":
        number, how = what.split()
        groups[int(number)] = int(how)
    elif word == "ended":
        groups.pop(int(what), None)
    else:
        folders.append(what)

# Nobody can write any more: the test process has ended, however it did.
def alive(group):
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True

for group, how in groups.items():
    if alive(group):
        os.killpg(group, how)
for _ in range(100):
    if not any(map(alive, groups)):
        break
    time.sleep(0.1)
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
"""
"""What the watching process runs; it reads ``started GROUP SIGNAL``, ``ended GROUP`` and ``folder PATH``."""


class LeftBehind:
    """What a test process leaves behind if it does not come to clean up: another process, which waits for its end,
    does it then. It is started for the first thing."""

    def __init__(self) -> None:
        self._watching: subprocess.Popen[str] | None = None

    def started(self, group: int, how: signal.Signals = signal.SIGKILL) -> None:
        """A process that leads a group of its own: the group is ended by this signal."""
        self._say(f"started {group} {int(how)}")

    def ended(self, group: int) -> None:
        """It has ended: its number may be given to another."""
        self._say(f"ended {group}")

    def folder(self, path: Path) -> None:
        """A folder is removed, if it is there still."""
        self._say(f"folder {path}")

    def _say(self, line: str) -> None:
        if self._watching is None:
            # In a session of its own, so that an interrupt from the keyboard does not end it as well.
            command = [sys.executable, "-S", "-E", "-c", _WATCH]
            none = subprocess.DEVNULL
            self._watching = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=none, stderr=none, text=True, start_new_session=True
            )
        assert self._watching.stdin is not None
        self._watching.stdin.write(f"{line}\n")
        self._watching.stdin.flush()


LEFT_BEHIND = LeftBehind()
"""The one of this process."""
