"""An env: releases come in, and messages go out to the fake Discord."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.channels.discord.transport import Discord
from monitor.models import Release
from tests.channels.webhook_test_env import WebhookTestEnv
from tests.fakes.discord import FakeDiscord, Json

OURS = ("https://huggingface.co/", "https://monitor.example/", "https://lab.example/", "https://discord.com/channels/")


@dataclass
class DiscordTestEnv(WebhookTestEnv):
    """Everything that a test of Discord needs. ``url``: of a webhook in a text channel."""

    discord: FakeDiscord = field(kw_only=True)

    def __post_init__(self) -> None:
        self.url = self.url or self.discord.webhook()
        self.transport = Discord(self.settings, self.engine)

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
