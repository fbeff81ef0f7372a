"""Emails a second at the most, by all workers together."""

from __future__ import annotations

import time

from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from monitor.notify.message import ChannelRateLimited
from monitor.settings import Settings


class EmailRateLimiter:
    """``per_second`` emails in any second (below one: one email in any ``1 / per_second`` seconds).

    ``storage`` is a URI of the limits library: ``memory://`` (one process) or ``redis://…`` (all workers).
    """

    def __init__(self, per_second: float, storage: str = "memory://") -> None:
        emails = max(1, int(per_second))
        self._item = RateLimitItemPerSecond(emails, max(1, round(emails / per_second)), namespace="hub-monitor")
        self._limiter = MovingWindowRateLimiter(storage_from_string(storage))

    @classmethod
    def from_settings(cls, settings: Settings) -> EmailRateLimiter | None:
        """The rate that the settings name, or None."""
        if settings.email_rate is None:
            return None
        return cls(settings.email_rate, "memory://" if settings.embedded else settings.broker_url)

    def acquire(self) -> None:
        """Takes a turn; raises ChannelRateLimited, which says when to come again, where none is free."""
        if not self._limiter.hit(self._item, "letters"):
            wait = self._limiter.get_window_stats(self._item, "letters").reset_time - time.time()
            raise ChannelRateLimited("more emails than MONITOR_EMAIL_RATE allows", max(0.01, wait))
