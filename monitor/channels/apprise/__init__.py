"""Any service that Apprise supports, by its URL: Matrix, ntfy, Google Chat, Mattermost and a hundred more."""

from __future__ import annotations

import sys
from typing import Self

import apprise
from apprise.plugins import url_to_dict
from sqlalchemy import Engine

from monitor.channels.apprise.parameters import refused_parameters
from monitor.channels.base import EVERY_TARGET, Channel
from monitor.channels.formatting import (
    describe,
    flag,
    format_filters,
    format_launch,
    foundation,
    headline,
    plain,
    reason_suffix,
    runs,
)
from monitor.channels.message_groups import MessageGroup, group_items, launch_facts, summarize
from monitor.channels.sealed_targets import open_target
from monitor.models import Subscription
from monitor.net.address_guard import HOW_TO_ALLOW, Admits, admitting, everything, only_admitted
from monitor.notify.message import Message, SendError
from monitor.notify.notices import NoticeData
from monitor.observability.tracing import call
from monitor.releases.schema import hub_url
from monitor.sealing import SealError
from monitor.settings import Settings

MAX_LISTED = 20
"""Groups of one message that are listed."""
TIMEOUT_SECONDS = 20
"""For one message to one service."""


class Apprise(Channel):
    """Sends through Apprise. It cannot check whether a message in doubt arrived, so such a message is sent again."""

    name = "apprise"
    pace = 1.0
    waits_for_launch = EVERY_TARGET
    secret_targets = EVERY_TARGET

    def __init__(
        self, settings: Settings | None = None, *, allow_private: bool = False, admits: Admits | None = None
    ) -> None:
        """``admits`` decides whether an IP address may be connected to; without it only public ones may."""
        self._settings = settings or Settings(allow_private_targets=allow_private)
        self._admits = admits or admitting(self._settings.allow_private_targets)

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self:
        return cls(settings)

    @staticmethod
    def canonical_target(target: str) -> str:
        """The URL itself. Raises ValueError for parameters that read files, fetch addresses or are not known."""
        parts = url_to_dict(target)  # type: ignore[no-untyped-call]
        refused = [] if parts is None else refused_parameters(parts)
        if refused:
            raise ValueError(_refusal(refused))
        return target

    @staticmethod
    def describe_target(target: str) -> str:
        """Only the service: tokens may stand anywhere in its URL."""
        scheme, separator, _ = target.partition("://")
        return f"{plain(scheme)}://…" if separator else "…"

    def send(self, message: Message) -> str:
        self._notify(message.target, title(message), body(message))
        return message.key

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """Sends a notice in plain text."""
        self._notify(subscription.target, title, text)
        return key

    def _notify(self, target: str, heading: str, text: str) -> None:
        try:
            url = open_target(self._settings, target)
        except SealError as error:
            raise SendError(str(error), permanent=True) from None
        parts = url_to_dict(url)  # type: ignore[no-untyped-call]
        refused = [] if parts is None else refused_parameters(parts)
        if refused:
            raise SendError(_refusal(refused), permanent=True)
        # No redirects: they lead to a server that nobody named.
        asset = apprise.AppriseAsset(http_redirects=False)
        service = None if parts is None else apprise.Apprise.instantiate(parts, asset=asset)
        if service is None:
            raise SendError("Apprise supports no service with this URL", permanent=True)
        if self._admits is not everything and not _is_watched(service):
            raise SendError(
                f"the addresses of {service.service_name} cannot be checked ({HOW_TO_ALLOW})",
                permanent=True,
            )
        with call(f"Apprise {service.service_name}", "apprise", None, None), only_admitted(self._admits) as watch:
            taken = apprise.Apprise(service).notify(
                title=heading, body=text, body_format=apprise.NotifyFormat.TEXT, timeout=TIMEOUT_SECONDS
            )
        if not taken and watch.refusal is not None:
            raise SendError(str(watch.refusal), permanent=True)
        if not taken:
            # Apprise does not distinguish kinds of failure.
            raise SendError("the service did not accept the message")


def _refusal(names: list[str]) -> str:
    return f"the parameters {', '.join(names)[:200]} may not be used: they read files, fetch addresses or are unknown"


def _is_watched(service: apprise.NotifyBase) -> bool:
    """Whether the addresses of a service can be checked: if its URL names a host, it must use HTTP or SMTP.

    These connect in the thread that sends, where the guard sees their sockets.
    """
    templates: tuple[str, ...] = service.templates
    if not any("{host}" in template for template in templates):
        return True
    package = ".".join(type(service).__module__.split(".")[:3])
    modules = [module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")]
    return any(hasattr(module, library) for module in modules for library in ("requests", "smtplib"))


def title(message: Message) -> str:
    """The title of a message: one line that says what happened."""
    if message.launch is not None and len(message.items) > 1:
        releases = [item.release for item in message.items]
        return f"{flag(releases[0].origin)} {format_launch(message.launch, message.items)}{reason_suffix(releases)}"
    if len(message.items) > 1:
        return summarize(group_items(message))
    first = message.items[0]
    return f"{flag(first.release.origin)} {headline(first.release, first.event)}"


def body(message: Message) -> str:
    """The text of a message: two or three lines for each release, two for a launch."""
    groups = group_items(message)
    blocks = ["\n".join(line for line in _lines(group, len(groups) == 1) if line) for group in groups[:MAX_LISTED]]
    if len(groups) > MAX_LISTED:
        blocks.append(f"… and {len(groups) - MAX_LISTED} more")
    if message.others:
        blocks.append(f"Matches {format_filters(message)}")
    return "\n\n".join(blocks)


def _lines(group: MessageGroup, alone: bool) -> list[str | None]:
    release = group.first.release
    if group.launch is not None:
        return [
            f"{flag(release.origin)} {format_launch(group.launch, group.items)}"
            f"{reason_suffix(item.release for item in group.items)}",
            " · ".join(launch_facts(group)[1:]),
        ]
    heading = None if alone else f"{flag(release.origin)} {headline(release, group.first.event)}"
    return [heading, describe(release), runs(release), foundation(release), hub_url(release.repo_id)]
