"""Many alerts at once: a Slack in a process of its own that refuses whoever hurries, and workers that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor import logs
from monitor.alerts import match, outbox
from monitor.alerts.subscriptions import Wish, subscribe
from monitor.db import reading, transaction
from monitor.history.record import News
from monitor.models import Delivery, DeliveryState
from monitor.service import Service
from monitor.settings import load
from tests.channels.email.desk import release
from tests.fakes.slack import FakeSlack

IDLE = 0.02


@dataclass(frozen=True, slots=True)
class Opened:
    """A fake Slack that runs: where, with which token, and its channels."""

    api_url: str
    token: str
    channels: tuple[str, ...]


class Crowd:
    """A FakeSlack of one workspace with many channels, in a process of its own."""

    def __init__(self, channels: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, channels), daemon=True)

    def __enter__(self) -> Crowd:
        self._process.start()
        self.opened: Opened = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send("stop")
        self._process.join(20)

    def ask(self, what: str) -> Any:
        """``count`` of messages; ``messages``: (channel, time, key) of each; ``too_fast``; ``refused``."""
        self._pipe.send(what)
        return self._pipe.recv()


def _serve(pipe: Connection, number: int) -> None:
    with FakeSlack(strict_pace=True) as slack:
        workspace = slack.workspace()
        channels = [slack.channel(workspace, f"channel-{count}") for count in range(number)]
        pipe.send(Opened(slack.api_url, workspace.token, tuple(channel.id for channel in channels)))
        while (asked := pipe.recv()) != "stop":
            if asked == "count":
                pipe.send(sum(len(channel.messages) for channel in channels))
            elif asked == "messages":
                pipe.send([
                    (channel.id, message["at"], message["metadata"]["event_payload"]["key"])
                    for channel in channels
                    for message in channel.messages
                ])  # fmt: skip
            else:
                pipe.send(getattr(slack, asked))


def environment(database_url: str, crowd: Crowd) -> dict[str, str]:
    """The environment of a worker."""
    return {
        **os.environ,
        "MONITOR_DATABASE_URL": database_url,
        "MONITOR_SLACK_API_URL": crowd.opened.api_url,
        "MONITOR_SLACK_BOT_TOKEN": crowd.opened.token,
        "MONITOR_SECRET_KEY": "a key for many messages",
    }


class Workers:
    """Processes that deliver, again and again; a lease of theirs lasts ``lease`` seconds."""

    def __init__(self, settings: dict[str, str], number: int, lease: float) -> None:
        self._settings, self._lease = settings, lease
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
        command = [sys.executable, "-c", f"from tests.channels.slack import rush; rush.work({self._lease})"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.running.append(subprocess.Popen(command, env=self._settings, **pipes))


def work(lease: float) -> None:
    """A worker, until it is killed."""
    outbox.LEASE = timedelta(seconds=lease)
    logs.configure()  # to standard error: nobody reads what follows "ready", and a full pipe would hold it up
    service = Service(load(_env_file=None))
    service.channels["slack"].channel  # type: ignore[attr-defined]  # noqa: B018  (imported before it says so)
    print("ready", flush=True)
    while True:
        if service.deliver() == 0:
            time.sleep(IDLE)


def announce(engine: Engine, crowd: Crowd, each: int) -> int:
    """One release that ``each`` subscriptions of every channel are told of; how many messages that makes."""
    with transaction(engine) as session:
        for channel in crowd.opened.channels:
            for number in range(each):
                subscribe(session, Wish("slack", channel, f"-lab:nobody-{number}"))
    with transaction(engine) as session:
        row = release("Told-to-all")
        session.add(row)
        session.flush()
        return match.enqueue(session, [News(row, "release")])


def states(engine: Engine) -> dict[str, int]:
    """How many deliveries are in each state."""
    with reading(engine) as session:
        rows = session.execute(select(col(Delivery.state), func.count()).group_by(col(Delivery.state)))
        return {str(state): number for state, number in rows}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a rush. ``nearest``: the shortest seconds between two messages of one channel."""

    messages: int
    seconds: float
    killed: int
    lost: int
    doubled: int
    too_fast: int
    nearest: float


def rush(engine: Engine, settings: dict[str, str], crowd: Crowd, each: int, workers: int, *, lease: float,
         kill_every: float, kills: int, patience: float) -> Result:  # fmt: skip
    """Tells everybody while workers are killed, until all were told."""
    chance = random.Random(5)
    with Workers(settings, workers, lease) as running:
        wanted = announce(engine, crowd, each)
        began = killed_at = time.monotonic()
        while states(engine).get(DeliveryState.PENDING, 0):
            assert time.monotonic() - began < patience, f"{states(engine)} after {patience} s"
            if running.killed < kills and time.monotonic() - killed_at > kill_every:
                running.kill_one(chance)
                killed_at = time.monotonic()
            time.sleep(0.05)
        seconds, killed = time.monotonic() - began, running.killed
    found = crowd.ask("messages")
    keys = Counter(key for _, _, key in found)
    by_channel: dict[str, list[float]] = {}
    for channel, at, _ in sorted(found, key=lambda one: one[1]):
        by_channel.setdefault(channel, []).append(at)
    gaps = [later - earlier for some in by_channel.values() for earlier, later in pairwise(some)]
    return Result(
        wanted,
        seconds,
        killed,
        wanted - len(keys),
        sum(keys.values()) - len(keys),
        crowd.ask("too_fast"),
        min(gaps, default=0.0),
    )
