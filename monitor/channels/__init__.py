"""The ways to tell someone, one folder each. A new channel is a folder and a line in ``available``."""

from __future__ import annotations

from monitor.alerts.outbox import Channel
from monitor.channels.terminal import Terminal
from monitor.settings import Settings


def available(_settings: Settings) -> dict[str, Channel]:
    """The channels that these settings allow, by name."""
    channels: list[Channel] = [Terminal()]
    return {channel.name: channel for channel in channels}
