"""Maximum emails per second, across all workers."""

from __future__ import annotations

import time

from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from monitor.notify.message import ChannelRateLimited
from monitor.settings import Settings


class EmailRateLimiter:
    """Allows ``per_second`` emails in any second (below one: one email in any ``1 / per_second`` seconds).

    ``storage`` is a URI of the limits library: ``memory://`` (one process) or ``redis://…`` (all workers).
    """

    def __init__(self, per_second: float, storage: str = "memory://") -> None:
        emails = max(1, int(per_second))
        self._item = RateLimitItemPerSecond(emails, max(1, round(emails / per_second)), namespace="hub-monitor")
        self._limiter = MovingWindowRateLimiter(storage_from_string(storage))

    @classmethod
    def from_settings(cls, settings: Settings) -> EmailRateLimiter | None:
        """The rate limiter for the settings; None if they set no rate."""
        if settings.email_rate is None:
            return None
        return cls(settings.email_rate, settings.rate_limit_storage)

    def acquire(self) -> None:
        """Counts one email; raises ChannelRateLimited, with the time to wait, if the limit is reached."""
        if not self._limiter.hit(self._item, "emails"):
            wait = self._limiter.get_window_stats(self._item, "emails").reset_time - time.time()
            raise ChannelRateLimited("MONITOR_EMAIL_RATE is reached", max(0.01, wait))
