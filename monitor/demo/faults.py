"""Faults of a Hub on demand, and its rate limits."""

import math
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

Trouble = Literal["timeout", "cut", "truncated", "garbage", "wrong-types", "refused"]
"""timeout: the connection is held, unanswered. cut: fewer bytes than Content-Length promised, then closed.
truncated: whole by its length, but half of the JSON. garbage: HTML with a 200. wrong-types: an object where a list
belongs and the other way round. refused: the connection is reset unanswered."""
Kind = int | Trouble


@dataclass
class _Fault:
    kind: Kind
    times: int | None
    path_prefix: str | None
    reset: int | None


class Faults:
    """The faults that wait for their requests: those asked for first, then a share of all by chance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Fault] = []
        self._share: tuple[float, Sequence[Kind], random.Random] | None = None

    def add(self, kind: Kind, times: int | None, path_prefix: str | None, reset: int | None) -> None:
        known = kind in get_args(Trouble) or (isinstance(kind, int) and 400 <= kind < 600)
        if not known:
            raise ValueError(f"no such fault: {kind}")
        with self._lock:
            self._waiting.append(_Fault(kind, times, path_prefix, reset))

    def share(self, p: float, kinds: Sequence[Kind], seed: int) -> None:
        with self._lock:
            self._share = (p, kinds, random.Random(seed)) if p > 0 else None  # noqa: S311 - repeatable, not secret

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._share = None

    def next(self, path: str) -> tuple[Kind | None, int | None]:
        """(the fault that this request meets, if any, and the reset in seconds that a 429 should name)."""
        with self._lock:
            for fault in self._waiting:
                if not path.startswith(fault.path_prefix or ""):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                return fault.kind, fault.reset
            if self._share is not None:
                p, kinds, chance = self._share
                if chance.random() < p:
                    return chance.choice(kinds), None
            return None, None


@dataclass(frozen=True)
class RateLimit:
    """What is left of a client's window: requests, seconds to its end, its size, and whether it was exceeded."""

    remaining: int
    reset: int
    quota: int
    window: int
    exceeded: bool
    bucket: str = "api"

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit": f'"{self.bucket}";r={self.remaining};t={self.reset}',
            "RateLimit-Policy": f'"fixed window";"{self.bucket}";q={self.quota};w={self.window}',
        }


class Windows:
    """Fixed windows, one a client and bucket, each beginning with its first request after the last one ended."""

    def __init__(self, window: int, clock: Callable[[], datetime]) -> None:
        self.window, self._clock = window, clock
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], tuple[datetime, int]] = {}

    def spend(self, client: str, quota: int, bucket: str = "api") -> RateLimit:
        """Count one request of this client in this bucket."""
        now = self._clock()
        length = timedelta(seconds=self.window)
        with self._lock:
            began, used = self._used.get((client, bucket), (now, 0))
            if not began <= now < began + length:
                began, used = now, 0
            self._used[client, bucket] = began, used + 1
        reset = math.ceil((began + length - now).total_seconds())
        return RateLimit(max(0, quota - used - 1), reset, quota, self.window, exceeded=used >= quota, bucket=bucket)
