"""The Hub's allowance: how many requests may still be made, shared by all workers, never exceeded.

Our own share is a moving window (any 300 seconds hold at most ``per_window`` requests), so it fits the Hub's
fixed windows wherever these begin. What the Hub answers in its ``RateLimit`` headers outranks our count: when
little is left there, or after a 429, the allowance is shut until the Hub's window resets. Nothing here waits:
a caller without allowance is told when to come back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from huggingface_hub.utils import parse_ratelimit_headers
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MovingWindowSupport, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

WINDOW = 300
"""Seconds of the Hub's fixed window."""

RESERVE = 10
"""Requests of the Hub's window that are left alone: as many workers may be asking at this moment."""

AWAY = 5.0
"""Seconds after which a storage that did not answer is asked again."""

_SHUT = "hub-monitor/shut"


class AllowanceSpent(Exception):  # noqa: N818  (a state of affairs, not a fault)
    """No request may be made now; ``retry_in`` is the seconds until one may."""

    def __init__(self, retry_in: float) -> None:
        super().__init__(f"the Hub's allowance is spent for {retry_in:.0f} s")
        self.retry_in = retry_in


@contextmanager
def _counting() -> Iterator[None]:
    """Turns a storage that does not answer into AllowanceSpent."""
    try:
        yield
    except StorageError as error:
        raise AllowanceSpent(AWAY) from error


class Allowance:
    """At most ``per_window`` requests in any 300 s, counted in memory (one process) or in Redis (all workers).

    ``storage`` is a URI of the limits library: ``memory://`` or ``redis://…``.
    """

    def __init__(self, per_window: int, storage: str = "memory://") -> None:
        self.per_window = per_window
        options = {} if storage.startswith("memory") else {"socket_connect_timeout": 5, "socket_timeout": 10}
        # Where the count cannot be read, nothing may be asked: the Hub's limit holds while Redis is away, too.
        self._storage: Storage = storage_from_string(storage, wrap_exceptions=True, **options)  # type: ignore[assignment]
        assert isinstance(self._storage, MovingWindowSupport)
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._item = RateLimitItemPerSecond(per_window, WINDOW, namespace="hub-monitor")

    def take(self) -> None:
        """Takes one request from the allowance, or raises AllowanceSpent."""
        shut = self.shut_for()
        if shut > 0:
            raise AllowanceSpent(shut)
        with _counting():
            if not self._limiter.hit(self._item, "api"):
                stats = self._limiter.get_window_stats(self._item, "api")
                raise AllowanceSpent(max(1.0, stats.reset_time - time.time()))

    def left(self) -> int:
        """How many requests may be made now."""
        if self.shut_for() > 0:
            return 0
        with _counting():
            return int(self._limiter.get_window_stats(self._item, "api").remaining)

    def shut_for(self) -> float:
        """Seconds for which the Hub wants no more requests; 0 where it takes them."""
        with _counting():
            until = self._storage.get(_SHUT)
        return max(0.0, until - time.time()) if until else 0.0

    def shut(self, seconds: float) -> None:
        """No request by anyone for this many seconds (a shorter call does not shorten a longer one)."""
        seconds = min(max(1.0, seconds), 2 * WINDOW)
        with _counting():
            missing = math.ceil(time.time() + seconds) - self._storage.get(_SHUT)
            if missing > 0:
                # The storage can only count up, so the moment of reopening is kept as a count of seconds.
                self._storage.incr(_SHUT, 2 * WINDOW + 1, amount=missing)

    def read(self, headers: Mapping[str, str]) -> None:
        """Heeds what an answer's ``RateLimit`` header says is left of the Hub's own window."""
        info = parse_ratelimit_headers(headers)
        if info is not None and info.remaining < RESERVE:
            self.shut(info.reset_in_seconds + 1)
