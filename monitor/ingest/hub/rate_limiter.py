"""The Hub's rate limits: how many requests may still be made, shared by all workers, never exceeded.

The Hub counts requests in buckets (``api``, ``pages``, ``resolvers``), each with a limit of its own, and so is it
counted here: what is low in one bucket stops no other. The configured limit is a moving window (at most so
many requests in any 300 seconds), so it fits the Hub's fixed windows wherever these begin. The ``RateLimit`` headers of
the Hub's responses take precedence: when little is left, or after a 429, the bucket is closed until its window resets.
Nothing here waits: RateLimited says in how many seconds to try again.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MovingWindowSupport, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

WINDOW = 300
"""Seconds of the Hub's fixed window."""

RESERVE = 10
"""Requests of the Hub's window that are not used: as many workers may have a request under way."""

AWAY = 5.0
"""Seconds after which a storage that did not answer is asked again."""

API = "api"
FILES = "resolvers"
"""The Hub's name for requests for files."""
ANONYMOUS = {API: 500, "pages": 100, FILES: 3_000}
"""Requests that the Hub takes from an IP address without a token in one window, by bucket (its documentation, 2026)."""

_SHUT = "hub-monitor/shut"
_REMAINS = re.compile(r'"([\w.-]{1,40})"\s*;\s*r\s*=\s*(\d{1,9})\s*;\s*t\s*=\s*(\d{1,9})', re.ASCII)
"""One bucket of a ``RateLimit`` header (draft-ietf-httpapi-ratelimit-headers-09): ``"api";r=REMAINING;t=SECONDS``."""


class RateLimited(Exception):  # noqa: N818  (a state of affairs, not a fault)
    """No request may be made now; ``retry_in``: seconds until one may."""

    def __init__(self, retry_in: float) -> None:
        super().__init__(f"the Hub's rate limit is reached; retry in {retry_in:.0f} s")
        self.retry_in = retry_in


class Remaining(NamedTuple):
    """What the Hub says is left of one bucket's window, and in how many seconds that window resets."""

    bucket: str
    requests: int
    reset_in: int


def remaining(headers: Mapping[str, str]) -> list[Remaining]:
    """Each bucket that an answer's ``RateLimit`` header names; none where it is absent or cannot be read."""
    stated = next((value for name, value in headers.items() if name.lower() == "ratelimit"), "")
    return [Remaining(name, int(left), int(reset)) for name, left, reset in _REMAINS.findall(stated)]


def bucket_of(path: str) -> str:
    """The bucket that a request for this path counts in, as far as its path tells."""
    if "/api/resolve-cache/" in path or (not path.startswith("/api/") and ("/resolve/" in path or "/raw/" in path)):
        return FILES
    return API if "/api/" in path else "pages"


@contextmanager
def _counting() -> Iterator[None]:
    """Turns a storage that does not answer into RateLimited."""
    try:
        yield
    except StorageError as error:
        raise RateLimited(AWAY) from error


class HubRateLimiter:
    """At most ``per_window`` requests in any 300 s in each bucket, counted in memory (one process) or in Redis (all
    workers), and no more than the Hub takes from an address while it refuses the token (``anonymous``).

    ``storage`` is a URI of the limits library: ``memory://`` or ``redis://…``.
    """

    def __init__(self, per_window: int, storage: str = "memory://", files_per_window: int = 700) -> None:
        self._per_window = per_window
        self._files_per_window = files_per_window
        self.anonymous = False
        options = {} if storage.startswith("memory") else {"socket_connect_timeout": 5, "socket_timeout": 10}
        # Where the count cannot be read, nothing may be asked: the Hub's limit holds while Redis is away, too.
        self._storage: Storage = storage_from_string(storage, wrap_exceptions=True, **options)  # type: ignore[assignment]
        assert isinstance(self._storage, MovingWindowSupport)
        self._limiter = MovingWindowRateLimiter(self._storage)

    @property
    def per_window(self) -> int:
        """Requests to the API in any 300 s, as things are now."""
        return min(item.amount for item in self._items(API))

    @property
    def files_per_window(self) -> int:
        """Requests for files in any 300 s, as things are now."""
        return min(item.amount for item in self._items(FILES))

    def _items(self, bucket: str) -> list[RateLimitItemPerSecond]:
        """The limits that a request in this bucket counts towards."""
        mine = self._files_per_window if bucket == FILES else self._per_window
        anonymous = min(mine, ANONYMOUS.get(bucket, mine + RESERVE) - RESERVE)
        amounts = {mine, anonymous} if bucket == API and self.anonymous else {mine if bucket == API else anonymous}
        return [RateLimitItemPerSecond(amount, WINDOW, namespace="hub-monitor") for amount in sorted(amounts)]

    def take(self, bucket: str = API) -> None:
        """Takes one request from the bucket, or raises RateLimited."""
        shut = self.shut_for(bucket)
        if shut > 0:
            raise RateLimited(shut)
        with _counting():
            for item in self._items(bucket):
                if not self._limiter.hit(item, bucket):
                    stats = self._limiter.get_window_stats(item, bucket)
                    raise RateLimited(max(1.0, stats.reset_time - time.time()))

    def left(self, bucket: str = API) -> int:
        """How many requests may be made now."""
        if self.shut_for(bucket) > 0:
            return 0
        with _counting():
            return min(int(self._limiter.get_window_stats(item, bucket).remaining) for item in self._items(bucket))

    def shut_for(self, bucket: str = API) -> float:
        """Seconds for which the Hub wants no more requests in this bucket; 0 where it takes them."""
        with _counting():
            until = self._storage.get(f"{_SHUT}/{bucket}")
        return max(0.0, until - time.time()) if until else 0.0

    def shut(self, seconds: float, bucket: str = API) -> None:
        """No request in this bucket by anyone for so many seconds (a shorter call does not shorten a longer one)."""
        key, seconds = f"{_SHUT}/{bucket}", min(max(1.0, seconds), 2 * WINDOW)
        with _counting():
            missing = math.ceil(time.time() + seconds) - self._storage.get(key)
            if missing > 0:
                # The storage can only count up, so the time of reopening is stored as a count of seconds.
                self._storage.incr(key, 2 * WINDOW + 1, amount=missing)

    def read(self, headers: Mapping[str, str]) -> None:
        """Heeds what an answer's ``RateLimit`` header says is left of the Hub's own windows, each bucket apart."""
        for bucket, requests, reset_in in remaining(headers):
            if requests < RESERVE:
                self.shut(reset_in + 1, bucket)

    def refused(self, headers: Mapping[str, str], bucket: str = API) -> None:
        """Heeds a 429 to a request in this bucket: it is shut until the reset that the headers name, or a window."""
        self.read(headers)
        resets = [item.reset_in for item in remaining(headers) if item.bucket == bucket or item.requests == 0]
        self.shut(max(resets) + 1 if resets else WINDOW, bucket)
