"""The channels: ways to notify subscribers, one folder each. A new channel is a folder and a line in ``CHANNELS``."""

from __future__ import annotations

import pkgutil
from functools import cache

from sqlalchemy import Engine

from monitor.channels.base import Channel
from monitor.notify.message import LaunchWaits
from monitor.notify.subscriptions import SubscriptionError
from monitor.sealing import SEALED
from monitor.settings import Settings

CHANNELS = (
    "monitor.channels.terminal:Terminal",
    "monitor.channels.webhook:Webhook",
    "monitor.channels.apprise:Apprise",
    "monitor.channels.slack.transport:Slack",
    "monitor.channels.telegram.transport:Telegram",
    "monitor.channels.email.transport:Email",
    "monitor.channels.discord.transport:Discord",
    "monitor.channels.teams.transport:Teams",
)
"""The class of each channel. They are imported when the first of them is needed: few commands notify anybody."""


@cache
def channel_classes() -> dict[str, type[Channel]]:
    """The classes of all channels, by name, whether they are set up or not."""
    classes: list[type[Channel]] = [pkgutil.resolve_name(path) for path in CHANNELS]
    return {one.name: one for one in classes}


def available(settings: Settings, engine: Engine) -> dict[str, Channel]:
    """The channels that these settings set up, by name. Raises SettingsError for wrong settings."""
    made = {name: one.create(settings, engine) for name, one in channel_classes().items()}
    return {name: channel for name, channel in made.items() if channel is not None}


def launch_waits() -> LaunchWaits:
    """The prefixes of targets whose alerts wait for a launch, by channel."""
    return {name: _waiting(one) for name, one in channel_classes().items() if one.waits_for_launch}


def _waiting(channel: type[Channel]) -> tuple[str, ...]:
    """The prefixes of a channel's targets that wait, as the tables have them."""
    sealed = "" not in channel.waits_for_launch and not set(channel.waits_for_launch).isdisjoint(channel.secret_targets)
    return (*channel.waits_for_launch, *([SEALED] if sealed else []))


def editing_channels() -> frozenset[str]:
    """The names of channels whose sent messages can be edited."""
    return frozenset(name for name, one in channel_classes().items() if one.can_edit)


def canonical_target(channel: str, target: str) -> str:
    """One form of a target, however it is written. Raises SubscriptionError for one that the channel cannot use."""
    try:
        return channel_classes()[channel].canonical_target(target)
    except ValueError as error:
        raise SubscriptionError("target", str(error)) from None


def describe_target(channel: str, target: str) -> str:
    """A target with its channel, as messages of the program show it: without the secrets that it may hold."""
    known = channel_classes().get(channel)
    return f"{channel} {known.describe_target(target) if known is not None else target}"
