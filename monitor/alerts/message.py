"""What a channel is handed to send, and how it says that it could not."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from monitor.db import now
from monitor.models import Launch, Release, Subscription


class SendError(Exception):
    """A channel could not send. ``permanent``: never will, to this target; ``in_doubt``: it may have arrived."""

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, in_doubt: bool = False
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.in_doubt = in_doubt


class NotYetError(SendError):
    """A channel sends nothing to anybody for ``retry_after`` seconds: what waits for it stays as it is."""

    retry_after: float

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Item:
    """One event of one release, in a message."""

    event: str
    release: Release


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is asked to send: one item alone, or several grouped (a flood, a digest).

    ``key`` is the same at every attempt. ``in_doubt``: an earlier attempt may have arrived; the first such began
    at ``since``. ``first_receipt`` is that of the message which told of the release first, where this one is an
    update of it, or more members of its ``launch``. ``edits``: ``items`` are all that were told of that launch, so that
    a channel that can may let the first message say it; ``new`` are those that it does not say yet. ``launches``: those
    that the items belong to, by their number.
    """

    key: str
    subscription: Subscription
    items: tuple[Item, ...]
    in_doubt: bool = False
    first_receipt: str | None = None
    since: datetime | None = None
    launch: Launch | None = None
    edits: bool = False
    new: tuple[Item, ...] = ()
    launches: Mapping[int | None, Launch] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The address: a Slack channel, a mail address, a URL."""
        return self.subscription.target


class Channel(Protocol):
    """A way to tell someone. ``pace`` is the seconds between two messages to one target."""

    name: str
    pace: float

    def send(self, message: Message) -> str:
        """Sends and returns a receipt, or raises SendError (NotYetError: before anything was sent)."""


def trial(subscription: Subscription) -> Message:
    """A marked test alert: a release that no Hub has."""
    release = Release(
        hub_id="test",
        repo_id="example/This-is-a-test-7B",
        namespace="example",
        name="This-is-a-test-7B",
        kind="base",
        params_total=7_000_000_000,
        params_active=7_000_000_000,
        size="small",
        license="apache-2.0",
        license_class="permissive",
        openness="open-weights",
        task="text-generation",
        first_seen_at=now(),
        released_at=now(),
        detected_via="test",
        status="live",
        facts_digest="",
    )
    return Message(f"test-{secrets.token_hex(6)}", subscription, (Item("release", release),))
