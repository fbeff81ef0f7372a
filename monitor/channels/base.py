"""The protocol of a channel: what it can do, how it reads its targets, and how it sends."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Protocol, Self

from sqlalchemy import Engine

from monitor.notify.message import Message, OutboxChannel
from monitor.settings import Settings

EVERY_TARGET = ("",)
"""For ``waits_for_launch`` and ``secret_targets``: every target begins with the empty text."""


class Channel(OutboxChannel, Protocol):
    """A way to notify subscribers. Subclasses state their ``name``, implement ``send``, and override what differs.

    The other attributes are described at :class:`monitor.notify.message.OutboxChannel`, which the outbox reads.
    """

    pace: float = 0.0
    can_edit: bool = False
    can_thread: bool = False
    groups: bool = True
    logs_sent: bool = True

    waits_for_launch: ClassVar[tuple[str, ...]] = ()
    """Prefixes of targets whose immediate alerts wait until a launch is complete: one message then names all members.

    For targets where a message can neither be edited nor answered. Without prefixes none waits.
    """

    secret_targets: ClassVar[tuple[str, ...]] = ()
    """Prefixes of targets that hold a secret: they are sealed in the tables. ``EVERY_TARGET``: all."""

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self | None:
        """The channel under these settings; None where they do not set it up. Raises SettingsError for wrong ones."""
        return cls()

    @staticmethod
    def canonical_target(target: str) -> str:
        """One form of a target, however it is written, so that it is stored once. Raises ValueError for a wrong one."""
        return target

    @staticmethod
    def describe_target(target: str) -> str:
        """A target as messages of the program show it: readable, and without the secrets that it may hold."""
        return target

    @abstractmethod
    def send(self, message: Message) -> str:
        """Sends a message and returns its receipt. Raises SendError (ChannelRateLimited: before anything was sent)."""
