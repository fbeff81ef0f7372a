"""The whole chain on PostgreSQL and Redis: from the Hub to Slack and emails, while a worker is killed every 5 s.

The sizes are of the environment: CHAIN_RELEASES (in CHAIN_SECONDS), CHAIN_SUBSCRIPTIONS, CHAIN_WORKERS.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor import db
from monitor.models import Delivery, DeliveryState, Poll
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.benchmarks.emails import databases
from tests.channels.email import load
from tests.fakes.hub import ReplayHub, model, until
from tests.fakes.slack import FakeSlack, Workspace
from tests.faults.cluster import Cluster
from tests.servers import RedisServer

KILL_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much: so many releases over so many seconds, announced by subscriptions of one release each.

    ``processes``: of each worker. ``kill_every``: seconds between two kills of a worker; None: none is killed.
    """

    releases: int
    seconds: float
    subscriptions: int
    workers: int
    kill_every: float | None = KILL_EVERY
    processes: int = 2
    emails_only: bool = False
    window: float = 60
    """Seconds that emails wait for more of a launch."""
    patience: float = 900


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: messages, kills, and seconds until the last release was public and until all was notified."""

    expected: int
    arrived: int
    lost: int
    doubled: int
    stray: int
    again: int
    kills: int
    released: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to arrive: (channel, release) in Slack, and the readers of emails."""

    posts: frozenset[tuple[str, str]]
    readers: frozenset[str]


def subscribed(engine: Engine, slack: FakeSlack, workspace: Workspace, size: Size) -> Wanted:
    """Subscriptions by turns of Slack channels and mail addresses, each to one release, each release wanted alike."""
    channels = [slack.channel(workspace, f"c{number}").id for number in range(max(100, size.subscriptions // 20))]
    posts, readers = set(), set()
    with db.transaction(engine) as session:
        for number in range(size.subscriptions):
            tier, release = divmod(number, size.releases)
            word = f"mk{release:05d}"
            if size.emails_only or tier % 2:
                address = f"reader{number}@example.org"
                subscribe(session, SubscriptionCreate("email", address, word))
                readers.add(address)
            else:
                channel = channels[(release + 7 * tier) % len(channels)]
                subscribe(session, SubscriptionCreate("slack", channel, word))
                posts.add((channel, word))
    return Wanted(frozenset(posts), frozenset(readers))


class Killer:
    """Kills a worker with all its processes again and again, and starts another in its place."""

    def __init__(self, parts: Cluster, size: Size) -> None:
        self._parts, self._size, self._chance = parts, size, random.Random(8)
        self._next = time.monotonic() + (size.kill_every or 0.0)
        self.kills = 0

    def __call__(self) -> None:
        if self._size.kill_every is None or time.monotonic() < self._next:
            return
        self._next += self._size.kill_every
        number = self._chance.randrange(self._size.workers) + 1
        self._parts.kill(f"worker-{number}")
        self._parts.start("worker", number)
        self.kills += 1


def main() -> None:
    """Prints a table."""
    size = Size(
        releases=int(os.environ.get("CHAIN_RELEASES", "1000")),
        seconds=float(os.environ.get("CHAIN_SECONDS", "60")),
        subscriptions=int(os.environ.get("CHAIN_SUBSCRIPTIONS", "10000")),
        workers=int(os.environ.get("CHAIN_WORKERS", "4")),
        patience=float(os.environ.get("CHAIN_PATIENCE", "900")),
    )
    done = chained(size)
    print(
        "| releases | in | subscriptions | workers | messages expected | arrived | lost | doubled | unexpected "
        "| emails repeated with the same Message-ID | kills | all sent after |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {size.releases:,} | {done.released:.0f} s | {size.subscriptions:,} | {size.workers} | {done.expected:,} "
        f"| {done.arrived:,} | {done.lost} | {done.doubled} | {done.stray} | {done.again} | {done.kills} "
        f"| {done.seconds:.0f} s |",
        flush=True,
    )


def chained(size: Size) -> Done:
    """The chain at this size, on servers of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        databases() as urls,
        load.Sink() as sink,
        ReplayHub(quota=1_000_000) as hub,
        FakeSlack(strict_pace=True) as slack,
    ):
        broker = RedisServer(Path(folder))
        broker.start()
        workspace = slack.workspace()
        url = urls["PostgreSQL"]
        settings = load.settings_for(url, sink) | {
            "MONITOR_SLACK_BOT_TOKEN": workspace.token,
            "MONITOR_SLACK_API_URL": slack.api_url,
            "MONITOR_LAUNCH_WINDOW": str(size.window),
        }
        del settings["MONITOR_DATABASE_URL"]
        try:
            with Cluster(Path(folder), hub, url, broker.url, processes=size.processes, **settings) as parts:
                return _run(parts, hub, slack, workspace, sink, db.make_engine(url), size)
        finally:
            broker.kill()


def _run(
    parts: Cluster, hub: ReplayHub, slack: FakeSlack, workspace: Workspace, sink: load.Sink, engine: Engine, size: Size
) -> Done:
    wanted = subscribed(engine, slack, workspace, size)
    hub.add(model("x/before"))
    for number in range(size.workers):
        parts.start("worker", number + 1)
    parts.start("beat")
    until(lambda: _walked(engine), 180, "the first walks")
    began = time.monotonic()
    killer = Killer(parts, size)
    for number in range(size.releases):
        hub.add(model(f"org{number:05d}/Mk{number:05d}-7B"))
        while time.monotonic() - began < size.seconds * (number + 1) / size.releases:
            killer()
            time.sleep(0.01)
    released = time.monotonic() - began

    def settled() -> bool:
        killer()
        time.sleep(0.2)
        return _sent(engine) >= size.subscriptions or time.monotonic() - began > size.patience

    until(settled, size.patience + 60, "the last delivery")
    seconds = time.monotonic() - began
    engine.dispose()
    return _counted(wanted, slack, sink, released, seconds, killer.kills)


def _counted(wanted: Wanted, slack: FakeSlack, sink: load.Sink, released: float, seconds: float, kills: int) -> Done:
    posts: Counter[tuple[str, str]] = Counter()
    for channel in (channel for one in slack.workspaces.values() for channel in one.channels.values()):
        for message in channel.messages:
            posts.update((channel.id, word) for word in {one.lower() for one in re.findall(r"Mk\d{5}", str(message))})
    emails = Counter(sink.emails())
    readers = Counter(reader for reader, _ in emails)
    lost = len(wanted.posts - set(posts)) + len(wanted.readers - set(readers))
    expected = len(wanted.posts) + len(wanted.readers)
    return Done(
        expected=expected,
        arrived=expected - lost,
        lost=lost,
        doubled=sum(posts.values()) - len(posts) + sum(readers.values()) - len(readers),
        stray=len(set(posts) - wanted.posts) + len(set(readers) - wanted.readers),
        again=sum(emails.values()) - len(emails),
        kills=kills,
        released=released,
        seconds=seconds,
    )


def _walked(engine: Engine) -> bool:
    with db.reading(engine) as session:
        rows = {row.name: row.succeeded_at for row in session.scalars(select(Poll))}
    return all(rows.get(name) for name in ("created", "modified"))


def _sent(engine: Engine) -> int:
    with db.reading(engine) as session:
        sent = select(func.count()).select_from(Delivery).where(col(Delivery.state) == str(DeliveryState.SENT))
        return session.scalar(sent) or 0


if __name__ == "__main__":
    main()
