"""The ways to tell someone, one folder each. A new channel is a folder and a line in ``available``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from urllib.parse import urlsplit

from sqlalchemy import Engine

from monitor.channels.terminal import Terminal
from monitor.channels.webhook import Webhook
from monitor.models import Subscription
from monitor.notify.message import Channel, Message, SendError
from monitor.notify.outages import SupportsNotices
from monitor.notify.subscriptions import SubscriptionError
from monitor.settings import Settings


class Later:
    """A channel whose libraries are imported by its first message: not every house uses every channel."""

    def __init__(self, name: str, pace: float, make: Callable[[], Channel], *, can_edit: bool = False) -> None:
        self.name, self.pace, self.can_edit, self._make = name, pace, can_edit, make
        self.groups = True

    @cached_property
    def channel(self) -> Channel:
        """The channel itself."""
        return self._make()

    def send(self, message: Message) -> str:
        return self.channel.send(message)

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        """Says a sentence, as the channel does. Raises SendError where it cannot."""
        channel = self.channel
        if not isinstance(channel, SupportsNotices):
            raise SendError(f"{self.name} takes no notices", permanent=True)
        return channel.notify(subscription, title, text, key, in_doubt=in_doubt)


def available(settings: Settings, engine: Engine) -> dict[str, Channel]:
    """The channels that these settings allow, by name. Raises SettingsError for settings that cannot be."""
    channels: list[Channel] = [
        Terminal(),
        Webhook(settings),
        Later("apprise", 1.0, lambda: _apprise(settings)),
        Later("slack", 1.0, lambda: _slack(settings, engine), can_edit=True),
    ]
    if settings.smtp_url is not None:
        from monitor.channels.email import Email  # its pages and their libraries, which few commands need

        channels.append(Email(settings, engine))
    return {channel.name: channel for channel in channels}


def _apprise(settings: Settings) -> Channel:
    from monitor.channels.apprise import Apprise

    return Apprise(allow_private=settings.allow_private_targets)


def _slack(settings: Settings, engine: Engine) -> Channel:
    from monitor.channels.slack.transport import Slack

    return Slack(settings, engine)


def canonical_target(channel: str, target: str) -> str:
    """One form of a target, so that one reader is one target however it is written; raises SubscriptionError."""
    if channel == "slack":
        from monitor.channels.slack.places import place_of

        try:
            place_of(target)
        except ValueError as error:
            raise SubscriptionError("target", str(error)) from None
        return target
    if channel == "webhook":
        return _http_url(target)
    if channel != "email":
        return target
    from monitor.channels.email import addresses

    try:
        return addresses.canonical(target, anywhere=True)
    except addresses.AddressError as error:
        raise SubscriptionError("target", str(error)) from None


def _http_url(target: str) -> str:
    """The address of a receiver of webhooks; raises SubscriptionError for what is none."""
    try:
        parts = urlsplit(target)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine or re.search(r"\s", target):
        raise SubscriptionError("target", f"{target!r}: an http:// or https:// URL expected")
    return target
