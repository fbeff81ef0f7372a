"""Worker processes that deliver what is due, again and again, and are killed at any moment.

Workers import this file, so it imports nothing of the web.
"""

from __future__ import annotations

import os
import random
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor.db.engine import reading
from monitor.models import Delivery
from monitor.observability import logging as logs
from monitor.schedule import LEASE_SECONDS
from monitor.service import Service
from monitor.settings import load
from tests.forks import FORKS, become

IDLE = 0.02
"""Seconds that an idle worker waits before it looks again."""


class Workers:
    """Processes that do what the beat has workers do. ``lease``: seconds that one holds a target for."""

    def __init__(self, environment: dict[str, str], number: int, lease: float = LEASE_SECONDS["delivery"]) -> None:
        self._environment, self._lease = {**os.environ, **environment}, lease
        self.running: list[tuple[ForkServerProcess, Connection]] = []
        self.killed = 0
        for _ in range(number):
            self._start()

    def __enter__(self) -> Workers:
        for _, ready in self.running:
            assert ready.poll(300) and ready.recv() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        for process, _ in self.running:
            process.kill()
            process.join(300)

    def kill_one(self, chance: random.Random) -> None:
        """Kills one at random (SIGKILL), and starts another in its place."""
        process, _ = self.running.pop(chance.randrange(len(self.running)))
        process.kill()
        process.join(300)
        self.killed += 1
        self._start()

    def _start(self) -> None:
        ours, theirs = FORKS.Pipe()
        process = FORKS.Process(target=work, args=(self._environment, self._lease, theirs), daemon=True)
        process.start()
        self.running.append((process, ours))


def work(environment: dict[str, str], lease: float, ready: Connection) -> None:
    """A worker, until it is killed or whoever started it is gone. What it says goes nowhere: nobody reads it."""
    become(environment, (Path(os.devnull),) * 3)
    parent = os.getppid()
    logs.configure()
    LEASE_SECONDS["delivery"] = lease
    service = Service(load(_env_file=None))
    service.channels  # noqa: B018  (their libraries are imported before the worker says that it is ready)
    ready.send("ready")
    while os.getppid() == parent:
        if service.deliver() == 0:
            time.sleep(IDLE)


def states(engine: Engine) -> dict[str, int]:
    """How many deliveries are in each state."""
    with reading(engine) as session:
        rows = session.execute(select(col(Delivery.state), func.count()).group_by(col(Delivery.state)))
        return {str(state): number for state, number in rows}
