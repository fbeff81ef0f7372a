"""What a channel gets to send, what the outbox needs of a channel, and how a channel reports a failure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from monitor.db.engine import now
from monitor.masking import masked
from monitor.models import Launch, Release, Subscription


class SendError(Exception):
    """A channel could not send. ``permanent``: never, to this target; ``in_doubt``: the message may have arrived.

    ``retry_after``: seconds after which the target wants the next attempt.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, in_doubt: bool = False
    ) -> None:
        super().__init__(masked(message))
        self.permanent = permanent
        self.retry_after = retry_after
        self.in_doubt = in_doubt


class ChannelRateLimited(SendError):  # noqa: N818 - the glossary names it
    """A channel sends nothing to any target for ``retry_after`` seconds; its deliveries stay as they are."""

    retry_after: float

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Item:
    """One event of one release, in a message. ``id``: the same in every message that names this event."""

    event: str
    release: Release
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel sends: a single item, or several (a launch, a flood, a digest).

    - ``items``: what has not been sent to the target yet. Empty for an edit, which is only about what was sent before:
      if the message of ``first_receipt`` can no longer be edited, nothing is sent.
    - ``key``: the same at every attempt.
    - ``in_doubt``: an earlier attempt may have arrived; the first such attempt began at ``since``.
    - ``first_receipt``: the receipt of the first message about the release, if this one is an update of it, or about
      its ``launch``, if this one has further members.
    - ``whole``, for a channel that can edit: all items that the message of ``first_receipt`` should list now, these
      ``items`` included; empty if they are a message of their own.
    - ``launches``: those that the items belong to, by id.
    - ``others``: further subscriptions of the target that match the items and share this message.
    """

    key: str
    subscription: Subscription
    items: tuple[Item, ...]
    in_doubt: bool = False
    first_receipt: str | None = None
    since: datetime | None = None
    launch: Launch | None = None
    whole: tuple[Item, ...] = ()
    launches: Mapping[int | None, Launch] = field(default_factory=dict)
    others: tuple[Subscription, ...] = ()

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All subscriptions of this message, the one that it is sent for first."""
        return (self.subscription, *self.others)

    @property
    def target(self) -> str:
        """The address that the channel sends to, as the subscription names it."""
        return self.subscription.target


LaunchWaits = Mapping[str, tuple[str, ...]]
"""By channel, the prefixes of the targets whose immediate alerts wait until a launch is complete."""


class OutboxChannel(Protocol):
    """What the outbox needs of a channel. ``pace``: seconds between two messages to one target.

    ``can_edit``: a sent message can be changed, so one message lists a launch whose members arrive one by one. Only
    such a channel gets ``Message.whole``; every other one gets what is new and no more. ``can_thread``: a message can
    answer an earlier one, so an update gets ``Message.first_receipt``. ``groups``: many releases at the same time, or
    members of one launch, are one message; programs prefer one message for each, under an id that does not depend on
    what else came at that time. ``logs_sent``: each sent message is logged, too.
    """

    name: str
    pace: float
    can_edit: bool
    can_thread: bool
    groups: bool
    logs_sent: bool

    def send(self, message: Message) -> str:
        """Sends a message and returns its receipt. Raises SendError (ChannelRateLimited: before anything was sent)."""


def test_message(subscription: Subscription) -> Message:
    """A test alert, marked as such: its release does not exist on the Hub."""
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
    key = f"test-{secrets.token_hex(6)}"
    return Message(key, subscription, (Item("release", release, key),))
