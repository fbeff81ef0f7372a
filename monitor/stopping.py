"""Stopping without cutting a message off: what is being sent is finished and marked, and nothing else is begun."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_requested = threading.Event()
_active_sections: list[object] = []
"""One for each section that this process's main thread is in; only that thread takes signals."""
_postponed_signals: list[Callable[[], object]] = []


def request() -> None:
    """Lets no further message begin in this process."""
    _requested.set()


def reset() -> None:
    """Lets messages begin again."""
    _requested.clear()


def requested() -> bool:
    """Whether nothing further should begin."""
    return _requested.is_set()


@contextmanager
def finishing() -> Iterator[None]:
    """A section that SIGTERM does not interrupt after :func:`postpone_sigterm`: it takes effect at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _active_sections.append(None)
    try:
        yield
    finally:
        _active_sections.pop()
        if _postponed_signals and not _active_sections:
            _postponed_signals.pop()()


def postpone_sigterm() -> None:
    """Makes SIGTERM wait for the end of a section of :func:`finishing`, then do what it did before."""
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before):
        return

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        request()
        if _active_sections:
            _postponed_signals[:] = [lambda: before(number, frame)]
        else:
            before(number, frame)

    signal.signal(signal.SIGTERM, on_sigterm)
