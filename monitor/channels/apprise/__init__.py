"""Any service that Apprise speaks to, by its URL: Discord, Telegram, Matrix, ntfy, Teams and a hundred more."""

from __future__ import annotations

import apprise

from monitor.alerts.message import Message, SendError
from monitor.channels.stories import Story, counted, facts, stories
from monitor.channels.words import describe, flag, foundation, headline, launched
from monitor.models import Subscription
from monitor.sources.fetch import FetchError, addresses, is_public

MOST = 20
"""Releases of one grouped message that are spelled out."""
TIMEOUT = 20
"""Seconds for one message to one service."""


class Apprise:
    """Sends through Apprise. It cannot say whether a message in doubt arrived, so such a one is sent again."""

    name = "apprise"
    pace = 1.0

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private

    def send(self, message: Message) -> str:
        self._notify(message.target, title(message), body(message))
        return message.key

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        """A notice to an operator, in plain text."""
        self._notify(subscription.target, title, text)
        return key

    def _notify(self, url: str, heading: str, text: str) -> None:
        service = apprise.Apprise.instantiate(url)
        if service is None:
            raise SendError("Apprise knows no service for this URL", permanent=True)
        if not self._allow_private:
            for host in _hosts(service):
                _refuse_private(host)
        result = apprise.Apprise(service).notify(
            title=heading, body=text, body_format=apprise.NotifyFormat.TEXT, timeout=TIMEOUT
        )
        if not result:
            # Apprise tells no kinds of failure apart.
            raise SendError("the service did not take the message")


def _hosts(service: apprise.NotifyBase) -> set[str]:
    """The servers that a URL chooses; none where it names a service, for then its "host" is a token or the like."""
    templates: tuple[str, ...] = service.templates
    if not any("{host}" in template for template in templates):
        return set()
    # A letter's relay can be named beside its domain (mailto://…?smtp=).
    return {host.strip("[]") for host in (service.host, getattr(service, "smtp_host", None)) if host}


def _refuse_private(host: str) -> None:
    try:
        addresses(host, 0, is_public)
    except FetchError as error:
        # One that is not found is nobody's: some services keep a topic's name in the place of a host.
        if error.permanent:
            raise SendError(str(error), permanent=True) from None


def title(message: Message) -> str:
    """One line for what happened."""
    if message.launch is not None and len(message.items) > 1:
        return f"{flag(message.items[0].release.origin)} {launched(message.launch, message.items)}"
    if len(message.items) > 1:
        return counted(stories(message))
    first = message.items[0]
    return f"{flag(first.release.origin)} {headline(first.release, first.event)}"


def body(message: Message) -> str:
    """Plain text: a release in two or three lines each, a launch in two."""
    told = stories(message)
    blocks = ["\n".join(line for line in _lines(story, len(told) == 1) if line) for story in told[:MOST]]
    if len(told) > MOST:
        blocks.append(f"… and {len(told) - MOST} more")
    return "\n\n".join(blocks)


def _lines(story: Story, alone: bool) -> list[str | None]:
    release = story.first.release
    if story.launch is not None:
        return [f"{flag(release.origin)} {launched(story.launch, story.items)}", " · ".join(facts(story)[1:])]
    heading = None if alone else f"{flag(release.origin)} {headline(release, story.first.event)}"
    return [heading, describe(release), foundation(release), f"https://huggingface.co/{release.repo_id}"]
