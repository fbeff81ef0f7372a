"""Any service that Apprise speaks to, by its URL: Discord, Telegram, Matrix, ntfy, Teams and a hundred more."""

from __future__ import annotations

import sys
from typing import Self

import apprise
from sqlalchemy import Engine

from monitor.channels.base import EVERY_TARGET, Channel
from monitor.channels.formatting import describe, filters, flag, foundation, headline, launched, plain
from monitor.channels.message_groups import MessageGroup, group_items, launch_facts, summarize
from monitor.models import Subscription
from monitor.net.address_guard import HOW_TO_ALLOW, Admits, admitting, everything, only_admitted
from monitor.notify.message import Message, SendError
from monitor.settings import Settings

MOST = 20
"""Releases of one grouped message that are spelled out."""
TIMEOUT = 20
"""Seconds for one message to one service."""


class Apprise(Channel):
    """Sends through Apprise. It cannot say whether a message in doubt arrived, so such a one is sent again."""

    name = "apprise"
    pace = 1.0
    waits_for_launch = EVERY_TARGET

    def __init__(self, *, allow_private: bool = False, admits: Admits | None = None) -> None:
        """``admits`` says of an IP address whether it may be connected to; without it the public ones may."""
        self._admits = admits or admitting(allow_private)

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self:
        return cls(allow_private=settings.allow_private_targets)

    @staticmethod
    def describe_target(target: str) -> str:
        """Only the service: tokens may stand anywhere in its URL."""
        scheme, separator, _ = target.partition("://")
        return f"{plain(scheme)}://…" if separator else "…"

    def send(self, message: Message) -> str:
        self._notify(message.target, title(message), body(message))
        return message.key

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        """A notice to an operator, in plain text."""
        self._notify(subscription.target, title, text)
        return key

    def _notify(self, url: str, heading: str, text: str) -> None:
        # Where a service redirects to is a server that nobody named.
        service = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(http_redirects=False))
        if service is None:
            raise SendError("Apprise knows no service for this URL", permanent=True)
        if self._admits is not everything and not _is_watched(service):
            raise SendError(
                f"{service.service_name} reaches its server in a way that cannot be checked ({HOW_TO_ALLOW})",
                permanent=True,
            )
        with only_admitted(self._admits) as watch:
            taken = apprise.Apprise(service).notify(
                title=heading, body=text, body_format=apprise.NotifyFormat.TEXT, timeout=TIMEOUT
            )
        if not taken and watch.refusal is not None:
            raise SendError(str(watch.refusal), permanent=True)
        if not taken:
            # Apprise tells no kinds of failure apart.
            raise SendError("the service did not take the message")


def _is_watched(service: apprise.NotifyBase) -> bool:
    """Whether a service whose URL names its host speaks HTTP or SMTP: by sockets of the thread that sends."""
    templates: tuple[str, ...] = service.templates
    if not any("{host}" in template for template in templates):
        return True
    package = ".".join(type(service).__module__.split(".")[:3])
    modules = [module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")]
    return any(hasattr(module, library) for module in modules for library in ("requests", "smtplib"))


def title(message: Message) -> str:
    """One line for what happened."""
    if message.launch is not None and len(message.items) > 1:
        return f"{flag(message.items[0].release.origin)} {launched(message.launch, message.items)}"
    if len(message.items) > 1:
        return summarize(group_items(message))
    first = message.items[0]
    return f"{flag(first.release.origin)} {headline(first.release, first.event)}"


def body(message: Message) -> str:
    """Plain text: a release in two or three lines each, a launch in two."""
    told = group_items(message)
    blocks = ["\n".join(line for line in _lines(story, len(told) == 1) if line) for story in told[:MOST]]
    if len(told) > MOST:
        blocks.append(f"… and {len(told) - MOST} more")
    if message.others:
        blocks.append(f"Matches {filters(message)}")
    return "\n\n".join(blocks)


def _lines(story: MessageGroup, alone: bool) -> list[str | None]:
    release = story.first.release
    if story.launch is not None:
        return [f"{flag(release.origin)} {launched(story.launch, story.items)}", " · ".join(launch_facts(story)[1:])]
    heading = None if alone else f"{flag(release.origin)} {headline(release, story.first.event)}"
    return [heading, describe(release), foundation(release), f"https://huggingface.co/{release.repo_id}"]
