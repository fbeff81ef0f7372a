"""Worker processes that deliver what is due, again and again, and are killed at any moment.

Workers import this file, so it imports nothing of the web.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor import logs
from monitor.alerts import outbox
from monitor.db import reading
from monitor.models import Delivery
from monitor.service import Service
from monitor.settings import load

IDLE = 0.02
"""Seconds that an idle worker waits before it looks again."""


class Workers:
    """Processes that do what the beat has workers do. ``lease``: seconds that one holds a target for."""

    def __init__(self, environment: dict[str, str], number: int, lease: float = outbox.LEASE.total_seconds()) -> None:
        self._environment, self._lease = {**os.environ, **environment}, lease
        self.running: list[subprocess.Popen[bytes]] = []
        self.killed = 0
        for _ in range(number):
            self._start()

    def __enter__(self) -> Workers:
        for process in self.running:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.kill()
            process.wait(10)

    def kill_one(self, chance: random.Random) -> None:
        """Kills one at random (SIGKILL), and starts another in its place."""
        process = self.running.pop(chance.randrange(len(self.running)))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        self.killed += 1
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-c", f"from tests.channels import workers; workers.work({self._lease})"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.running.append(subprocess.Popen(command, env=self._environment, **pipes))


def work(lease: float) -> None:
    """A worker, until it is killed or whoever started it is gone."""
    parent = os.getppid()
    logs.configure()  # to standard error: nobody reads what follows "ready", and a full pipe would hold it up
    outbox.LEASE = timedelta(seconds=lease)
    service = Service(load(_env_file=None))
    for channel in service.channels.values():
        getattr(channel, "channel", channel)  # what is imported late is there before it says that it is ready
    print("ready", flush=True)
    while os.getppid() == parent:
        if service.deliver() == 0:
            time.sleep(IDLE)


def states(engine: Engine) -> dict[str, int]:
    """How many deliveries are in each state."""
    with reading(engine) as session:
        rows = session.execute(select(col(Delivery.state), func.count()).group_by(col(Delivery.state)))
        return {str(state): number for state, number in rows}
