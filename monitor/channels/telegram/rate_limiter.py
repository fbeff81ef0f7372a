"""Telegram's limits, kept by all workers together: messages a second of the bot, and a minute in a chat.

Its documentation states them in the FAQ for bots: about 30 messages a second in all, one a second in a chat, 20 a
minute in a group. What still comes too fast is refused with the time to wait, which :mod:`.api` reads.
"""

from __future__ import annotations

import time
from typing import Self

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from monitor.channels.telegram.targets import TelegramTarget
from monitor.notify.message import ChannelRateLimited, SendError
from monitor.settings import Settings

NAMESPACE = "hub-monitor-telegram"
OVERALL = RateLimitItemPerSecond(25, namespace=NAMESPACE)
IN_CHAT = RateLimitItemPerSecond(1, namespace=NAMESPACE)
IN_GROUP = RateLimitItemPerMinute(19, namespace=NAMESPACE)
"""One less than the limit: our minute and Telegram's do not begin at the same time."""
COMMANDS_IN_CHAT = RateLimitItemPerMinute(15, namespace=NAMESPACE)
COMMANDS_OVERALL = RateLimitItemPerMinute(120, namespace=NAMESPACE)


class _RateLimiter:
    """``storage`` is a URI of the limits library: ``memory://`` (one process) or ``redis://…`` (all workers)."""

    def __init__(self, storage: str = "memory://") -> None:
        self._limiter = MovingWindowRateLimiter(storage_from_string(storage))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The rate limiter for the settings."""
        return cls(settings.rate_limit_storage)


class CommandRateLimiter(_RateLimiter):
    """How many commands are answered: anybody who finds the bot can write to it."""

    def allows(self, target: TelegramTarget) -> bool:
        """Counts one command of a chat; whether it is answered."""
        return self._limiter.hit(COMMANDS_IN_CHAT, "in", target.chat) and self._limiter.hit(COMMANDS_OVERALL, "in")


class TelegramRateLimiter(_RateLimiter):
    """How many messages the bot sends."""

    def acquire(self, target: TelegramTarget) -> None:
        """Counts one message to a chat, whichever of its topics it is for.

        Raises SendError with the time to wait if the chat has got too many, ChannelRateLimited if all chats have.
        """
        if not self._limiter.test(OVERALL, "all"):
            raise self._too_many()
        for item in (IN_CHAT,) if target.is_private else (IN_CHAT, IN_GROUP):
            if not self._limiter.hit(item, target.chat):
                wait = self._wait(item, target.chat)
                raise SendError("this chat has got as many messages as Telegram allows for now", retry_after=wait)
        if not self._limiter.hit(OVERALL, "all"):
            raise self._too_many()

    def _too_many(self) -> ChannelRateLimited:
        return ChannelRateLimited("as many messages were sent as Telegram allows a bot", self._wait(OVERALL, "all"))

    def _wait(self, item: RateLimitItem, key: str) -> float:
        return max(0.05, self._limiter.get_window_stats(item, key).reset_time - time.time())
