"""What reading repository files adds to the time from the Hub's POST to the message in Slack.

Two monitors watch one Hub, one with file reading and one without; each release is announced to both, in turns, so that
whatever else happens on the machine happens to both. Every answer of the Hub takes 50 to 150 ms, and a text file takes
two, because of the redirect. Then ten releases at once, and releases whose configuration hangs: their alert comes
without it, and is edited when the Hub answers for it.

RELEASES, BURSTS and HANGS in the environment change how many of each, DATABASES on what (``SQLite,PostgreSQL``).
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine

from monitor import db
from monitor.db import migrations
from monitor.enums import Via
from monitor.labs import load
from monitor.models import Namespace, Poll, iso
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.benchmarks.emails import databases
from tests.fakes.hub import ReplayHub, model, until
from tests.fakes.slack import Channel, FakeSlack
from tests.faults.cluster import Cluster
from tests.mixture import MIXTURE, PARAMS
from tests.servers import RedisServer

COMMAND = str(Path(sys.executable).parent / "hub-monitor")
SECRET = "a-secret-of-the-benchmark"
RELEASES = int(os.environ.get("RELEASES", "30"))
BURSTS, BURST_SIZE = int(os.environ.get("BURSTS", "4")), 10
HANGS = int(os.environ.get("HANGS", "3"))
LATENCY_SECONDS = (0.05, 0.15)
LONG = timedelta(hours=2)
PACE_SECONDS = 1.3
"""Between two messages of one channel, so that Slack's pace delays none."""
MODES = {"with": {}, "without": {"MONITOR_FILES_PER_WINDOW": "0"}}
CARD = "---\nlicense: apache-2.0\n---\n# A mixture of experts\n\n" + "It is the next of its family. " * 300


@dataclass
class Monitor:
    """One monitor: where it takes webhooks, its channel, and what it took (seconds) by kind of run."""

    mode: str
    webhook: str
    channel: Channel
    engine: Engine
    took: dict[str, list[float]] = field(default_factory=dict)
    last: float = 0.0

    def note(self, kind: str, seconds: float) -> None:
        self.took.setdefault(kind, []).append(seconds)


def main() -> None:
    """Prints a table."""
    print("| SQLite and one process, or PostgreSQL, Redis and workers | files | median | 95 of 100 within | added |")
    print("| --- | --- | --- | --- | --- |")
    for name in os.environ.get("DATABASES", "SQLite,PostgreSQL").split(","):
        with {"SQLite": one_process, "PostgreSQL": cluster}[name]() as (hub, monitors):
            _measure(name, hub, monitors)


def _measure(where: str, hub: ReplayHub, monitors: list[Monitor]) -> None:
    hub.latency = _latency
    for number in range(RELEASES):
        for monitor in monitors if number % 2 else reversed(monitors):
            _one(hub, monitor, f"Qwen/One{number}-{monitor.mode}-30B")
    for number in range(BURSTS):
        for monitor in monitors if number % 2 else reversed(monitors):
            _burst(hub, monitor, [f"Qwen/Burst{number}x{index}-{monitor.mode}-30B" for index in range(BURST_SIZE)])
    reading = monitors[0]
    for number in range(HANGS):
        _hang(hub, reading, f"Qwen/Hang{number}-30B")
    for kind in ("one release", f"{BURST_SIZE} at once"):
        _print_row(f"{where}, {kind}", *(monitor.took[kind] for monitor in monitors))
    for kind in ("its configuration hangs", "edited, after the Hub answers again"):
        _print_row(f"{where}, {kind}", reading.took[kind])
    sys.stdout.flush()


def _print_row(what: str, reading: list[float], without: list[float] | None = None) -> None:
    for mode, times in (("read", reading), *([("not read", without)] if without else [])):
        added = f"{(median(reading) - median(without)) * 1000:+.0f} ms" if without and times is reading else ""
        within = quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0]
        print(f"| {what} | {mode} | {median(times) * 1000:.0f} ms | {within * 1000:.0f} ms | {added} |")


def _latency(path: str) -> float:
    return random.uniform(*LATENCY_SECONDS)


def _add(hub: ReplayHub, name: str) -> None:
    license_text = "Apache License\nVersion 2.0, January 2004\n" + "Terms and conditions. " * 400
    files = {"README.md": CARD, "LICENSE": license_text, "generation_config.json": {"top_k": 20}}
    hub.add(model(name, params=PARAMS, config=MIXTURE, files=files))


def _send(hub: ReplayHub, monitor: Monitor, name: str) -> None:
    status = hub.send_webhook(monitor.webhook, repo_id=name, secret=SECRET, action="create", scope="repo")
    assert status == 202, status


def _message_of(monitor: Monitor, name: str) -> Any:
    short = name.partition("/")[2]
    return next((one for one in list(monitor.channel.messages) if short in json.dumps(one)), None)


def _pause(monitor: Monitor) -> None:
    """Waits as long as the channel's pace asks, and on to no fixed point of anybody's beat."""
    time.sleep(max(0.0, monitor.last + PACE_SECONDS - time.monotonic()) + random.random())


def _one(hub: ReplayHub, monitor: Monitor, name: str) -> None:
    _pause(monitor)
    _add(hub, name)
    began = time.monotonic()
    _send(hub, monitor, name)
    until(lambda: _message_of(monitor, name), 60, f"the alert of {name}")
    monitor.last = time.monotonic()
    monitor.note("one release", monitor.last - began)


def _burst(hub: ReplayHub, monitor: Monitor, names: list[str]) -> None:
    """Ten releases of one launch: seconds until each is in a message."""
    _pause(monitor)
    for name in names:
        _add(hub, name)
    began, waiting = time.monotonic(), set(names)
    for name in names:
        _send(hub, monitor, name)

    def everything() -> bool:
        for name in [one for one in waiting if _message_of(monitor, one)]:
            waiting.discard(name)
            monitor.note(f"{BURST_SIZE} at once", time.monotonic() - began)
        return not waiting

    until(everything, 120, "the alerts of a launch")
    monitor.last = time.monotonic()


def _hang(hub: ReplayHub, monitor: Monitor, name: str) -> None:
    """A release whose configuration does not answer: seconds until the alert, and from its answer until the edit."""
    _pause(monitor)
    _add(hub, name)
    hub.fail("timeout", times=None, path_prefix=f"/{name}/resolve/{hub.facts(name)['sha']}/config.json")
    began = time.monotonic()
    _send(hub, monitor, name)
    message = until(lambda: _message_of(monitor, name), 30, f"the alert of {name}")
    monitor.note("its configuration hangs", time.monotonic() - began)
    hub.heal()
    healed = time.monotonic()
    until(lambda: "edited" in message, 120, f"the edit of {name}'s message")
    monitor.last = time.monotonic()
    monitor.note("edited, after the Hub answers again", monitor.last - healed)


# --- the monitors -------------------------------------------------------------------------------------------


@contextmanager
def one_process() -> Iterator[tuple[ReplayHub, list[Monitor]]]:
    """``hub-monitor up`` on SQLite, twice."""
    with tempfile.TemporaryDirectory() as folder, _world() as (hub, slack), ExitStack() as stack:
        monitors = []
        for number, mode in enumerate(MODES):
            url = f"sqlite:///{folder}/{mode}.db"
            engine, channel, more = _prepared(slack, number, url)
            log = Path(folder) / f"{mode}.log"
            with log.open("w") as written:
                process = subprocess.Popen(
                    [COMMAND, "up", "--port", "0"],
                    env={**os.environ, "HF_ENDPOINT": hub.endpoint, "MONITOR_DATABASE_URL": url, **more, **MODES[mode]},
                    stdout=written,
                    stderr=written,
                )
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            found = until(
                lambda log=log: re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()), 60, "the page's address"
            )
            monitors.append(Monitor(mode, f"http://127.0.0.1:{found[1]}/hooks/hub", channel, engine))
        _until_watching(hub, monitors)
        yield hub, monitors


@contextmanager
def cluster() -> Iterator[tuple[ReplayHub, list[Monitor]]]:
    """The processes of docker-compose.yml on PostgreSQL and Redis, twice."""
    with ExitStack() as stack:
        hub, slack = stack.enter_context(_world())
        monitors = []
        for number, mode in enumerate(MODES):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            broker = RedisServer(folder)
            broker.start()
            stack.callback(broker.kill)
            url = stack.enter_context(databases())["PostgreSQL"]
            engine, channel, more = _prepared(slack, number, url)
            more = {"MONITOR_HUB_INTERVAL": "3600", **more, **MODES[mode]}
            parts = stack.enter_context(Cluster(folder, hub, url, broker.url, short=False, processes=4, **more))
            for service in ("worker", "beat", "web"):
                parts.start(service)
            monitors.append(Monitor(mode, f"{parts.url}/hooks/hub", channel, engine))
        _until_watching(hub, monitors)
        yield hub, monitors


@contextmanager
def _world() -> Iterator[tuple[ReplayHub, FakeSlack]]:
    with ReplayHub(quota=1_000_000) as hub, FakeSlack() as slack:
        hub.add(model("Qwen/Qwen1-7B"))
        yield hub, slack


def _prepared(slack: FakeSlack, number: int, url: str) -> tuple[Engine, Channel, dict[str, str]]:
    """A migrated database with a subscription of everything, its channel, and the settings of its monitor."""
    workspace = slack.workspace(f"T0ACME{number:03d}")
    channel = slack.channel(workspace)
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        subscribe(session, SubscriptionCreate("slack", channel.id, "origin:CN"))
        session.add_all(_swept(name) for name in load().watched)
        session.add_all(_polled(str(via)) for via in (Via.CREATED, Via.MODIFIED, Via.TRENDING))
    settings = {
        "MONITOR_FEEDS": "",
        "MONITOR_HUB_WEBHOOK_SECRET": SECRET,
        "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
        # No poll and no sweep sees a release first.
        "MONITOR_HUB_INTERVAL": "3600",
        "MONITOR_SLACK_API_URL": slack.api_url,
        "MONITOR_SLACK_BOT_TOKEN": workspace.token,
    }
    return engine, channel, settings


def _swept(name: str) -> Namespace:
    """A namespace as after a sweep: the first ones of hundreds would take minutes of every run."""
    at = db.now()
    return Namespace(name=name, reason="registry", added_at=at, swept_at=at, due_at=at + LONG, interval=3_600)


def _polled(name: str) -> Poll:
    """A poll as after a success."""
    at = db.now()
    state = {"mark": iso(at), "since": iso(at), "walked_at": iso(at), "complete": True}
    return Poll(name=name, state=state, due_at=at + LONG, succeeded_at=at)


def _until_watching(hub: ReplayHub, monitors: list[Monitor]) -> None:
    """Waits until each has announced one release, which is not measured."""
    for monitor in monitors:
        until(lambda monitor=monitor: _answers(monitor.webhook), 60, f"the web process ({monitor.mode})")
        _one(hub, monitor, f"Qwen/First-{monitor.mode}-30B")
        monitor.took.clear()


def _answers(url: str) -> bool:
    try:
        socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=1).close()
    except OSError:
        time.sleep(0.2)
        return False
    return True


if __name__ == "__main__":
    main()
