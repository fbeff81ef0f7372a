"""Many alerts at once: a Slack in a process of its own that refuses whoever hurries, and workers that are killed."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import Engine

from monitor.db.engine import transaction
from monitor.models import DeliveryState
from monitor.notify import matching as match
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.recorder import News
from tests.channels.channel_test_env import release
from tests.channels.workers import Workers, states
from tests.fakes.slack import FakeSlack


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
        self._process.join(300)

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
        "MONITOR_DATABASE_URL": database_url,
        "MONITOR_SLACK_API_URL": crowd.opened.api_url,
        "MONITOR_SLACK_BOT_TOKEN": crowd.opened.token,
        "MONITOR_SECRET_KEY": "a key for many messages",
    }


def subscribe_all(engine: Engine, crowd: Crowd) -> None:
    """A subscription for every channel."""
    with transaction(engine) as session:
        for channel in crowd.opened.channels:
            subscribe(session, SubscriptionCreate("slack", channel, ""))


def announce(engine: Engine, number: int) -> int:
    """A release that every channel is notified of; how many messages that makes."""
    with transaction(engine) as session:
        row = release(f"Told-to-all-{number}")
        session.add(row)
        session.flush()
        return match.enqueue(session, [News(row, "release")])


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
    """Tells everybody of ``each`` releases, one after the other, while workers are killed.

    One after the other, because what one target is due at the same time is one message.
    """
    chance = random.Random(5)
    with Workers(settings, workers, lease) as running:
        subscribe_all(engine, crowd)
        wanted, alerts = announce(engine, 0), 1
        began = killed_at = time.monotonic()
        while (pending := states(engine).get(DeliveryState.PENDING, 0)) or alerts < each:
            if not pending:
                wanted, alerts = wanted + announce(engine, alerts), alerts + 1
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
