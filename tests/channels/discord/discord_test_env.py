"""An env: releases come in, and messages go out to the fake Discord."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import time_machine

from monitor.channels.discord.transport import Discord
from monitor.channels.sealed_targets import store_target
from monitor.db.engine import now, transaction
from monitor.models import Release
from monitor.notify import outbox
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.channels.channel_test_env import ChannelTestEnv
from tests.fakes.discord import FakeDiscord, Json

OURS = ("https://huggingface.co/", "https://monitor.example/", "https://lab.example/", "https://discord.com/channels/")


@dataclass
class DiscordTestEnv(ChannelTestEnv):
    """Everything that a test of Discord needs. ``url``: of a webhook in a text channel."""

    discord: FakeDiscord
    url: str = ""
    transport: Discord = field(init=False)

    def __post_init__(self) -> None:
        self.url = self.url or self.discord.webhook()
        self.transport = Discord(self.settings, self.engine)

    def subscribe(self, query: str = "", url: str | None = None, **wish: Any) -> str:
        """A subscription of a webhook, sealed as the command line stores it; its id."""
        target = Discord.canonical_target(url or self.url)
        with transaction(self.engine) as session:
            stored = store_target(session, self.settings, "discord", target)
            return subscribe(session, SubscriptionCreate("discord", stored, query, **wish)).id

    def deliver(self, *, after: timedelta = timedelta(0)) -> int:
        """Sends what is due, however slow the pace is; returns how many messages."""
        sent = 0
        for second in range(0, 60, 3):
            with time_machine.travel(now() + after + timedelta(seconds=second), tick=True):
                some = outbox.send_due(self.engine, {"discord": self.transport})
                soon = now() + timedelta(seconds=60)
                waiting = [row for row in self.deliveries() if row.state == "pending" and row.due_at <= soon]
            sent += some
            if not waiting:
                break
        return sent

    def alert(self, *releases: Release, event: str = "release") -> list[Json]:
        """Publishes releases, delivers, and returns the messages of the webhook."""
        self.news(*releases, event=event)
        self.deliver()
        return self.discord.sent(self.url)

    def failing(self, trouble: int | str, *more: int | str) -> None:
        self.discord.fail(trouble, *more)


def embed(message: Json) -> Json:
    """The embed of a message."""
    (one,) = message["embeds"]
    return one
