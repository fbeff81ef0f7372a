"""The memory broker of the one-process mode: the worker sleeps until something arrives.

kombu's own memory transport polls every queue fifty times a second, which costs a percent of a core and
still delays each message by up to 20 ms.
"""

from __future__ import annotations

import threading
from queue import Empty
from typing import Any

from kombu.transport import memory

LONGEST_WAIT_SECONDS = 0.5
"""The worker acknowledges finished tasks between two waits; until then they count against its prefetch limit."""

_arrived = threading.Event()


class Channel(memory.Channel):
    """kombu's channel, which wakes the worker for each message."""

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)  # type: ignore[no-untyped-call]
        _arrived.set()


class Transport(memory.Transport):
    """kombu's transport without its polling."""

    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """Delivers one message; raises TimeoutError if none arrived within ``LONGEST_WAIT_SECONDS``."""
        # Cleared before the queues are read, so that a message put afterwards ends the wait.
        _arrived.clear()
        try:
            self.cycle.get(self._deliver)  # type: ignore[union-attr]
        except Empty:
            _arrived.wait(LONGEST_WAIT_SECONDS)
            raise TimeoutError from None
