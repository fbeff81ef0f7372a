"""The ways to tell someone, one folder each. A new channel is a folder and a line in ``available``."""

from __future__ import annotations

from sqlalchemy import Engine

from monitor.alerts.outbox import Channel
from monitor.alerts.subscriptions import SubscriptionError
from monitor.channels.apprise import Apprise
from monitor.channels.terminal import Terminal
from monitor.channels.webhook import Webhook
from monitor.settings import Settings


def available(settings: Settings, engine: Engine) -> dict[str, Channel]:
    """The channels that these settings allow, by name. Raises SettingsError for settings that cannot be."""
    channels: list[Channel] = [Terminal(), Webhook(settings), Apprise(allow_private=settings.allow_private_targets)]
    if settings.smtp_url is not None:
        from monitor.channels.email import Email  # its pages and their libraries, which few commands need

        channels.append(Email(settings, engine))
    return {channel.name: channel for channel in channels}


def canonical_target(channel: str, target: str) -> str:
    """One form of a target, so that one reader is one target however it is written; raises SubscriptionError."""
    if channel != "email":
        return target
    from monitor.channels.email import addresses

    try:
        return addresses.canonical(target, anywhere=True)
    except addresses.AddressError as error:
        raise SubscriptionError("target", str(error)) from None
