"""The ways to tell someone, one folder each. A new channel is a folder and a line in ``available``."""

from __future__ import annotations

from monitor.alerts.outbox import Channel
from monitor.channels.apprise import Apprise
from monitor.channels.terminal import Terminal
from monitor.channels.webhook import Webhook
from monitor.settings import Settings


def available(settings: Settings) -> dict[str, Channel]:
    """The channels that these settings allow, by name."""
    channels: list[Channel] = [Terminal(), Webhook(settings), Apprise(allow_private=settings.allow_private_targets)]
    return {channel.name: channel for channel in channels}
