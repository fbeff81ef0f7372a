"""Cancels the queries of a request whose client has disconnected: nobody would read their result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any


class Cancellation:
    """Whether the work of one request is still wanted, and the PostgreSQL connections that do it.

    SQLite looks at ``requested`` while it runs; PostgreSQL is signalled by :meth:`cancel_running`.
    """

    def __init__(self) -> None:
        self.requested = False
        self._running: set[Any] = set()
        self._lock = Lock()

    def add(self, connection: Any) -> None:
        """Notes a psycopg connection that works for the request."""
        with self._lock:
            self._running.add(connection)

    def discard(self, connection: Any) -> None:
        """Forgets it before it works for others: waits while a cancellation of it is under way."""
        with self._lock:
            self._running.discard(connection)

    def cancel_running(self) -> None:
        """Asks PostgreSQL to end what runs now. It opens connections, so it may take seconds; it raises nothing."""
        self.requested = True
        with self._lock:
            for connection in self._running:
                with suppress(Exception):
                    connection.cancel_safe(timeout=_TIMEOUT_SECONDS)


_TIMEOUT_SECONDS = 5.0
_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def current() -> Cancellation | None:
    """The cancellation of the request under way; None outside one."""
    return _current.get()


@contextmanager
def cancelled_by(cancellation: Cancellation) -> Iterator[None]:
    """Transactions that begin within it, also in its threads, end when this is cancelled."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)
