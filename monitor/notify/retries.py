"""Retries: what follows from a failure to send, by one rule for alerts, confirmations and notices."""

from __future__ import annotations

from typing import NamedTuple

from monitor.notify.message import SendError
from monitor.schedule import BACKOFFS

MAX_ATTEMPTS = 12
"""Failed attempts after which a delivery is a dead letter: with the back-off below, a little over a day."""
MAX_RETRY_AFTER_SECONDS = 86_400.0
"""The longest wait that a target may ask for."""


class Verdict(NamedTuple):
    """What follows from a failure: a retry after ``wait`` seconds, unless ``dead``. ``postponed``: not counted."""

    wait: float
    postponed: bool
    dead: bool


def verdict(error: SendError, attempts: int) -> Verdict:
    """What follows from the failure of attempt number ``attempts``."""
    # A target that names a time has not failed: it is retried then, however often.
    postponed = error.retry_after is not None and not error.permanent
    wait = backoff(attempts) if error.retry_after is None else min(error.retry_after, MAX_RETRY_AFTER_SECONDS)
    return Verdict(wait, postponed, error.permanent or (attempts >= MAX_ATTEMPTS and not postponed))


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: 5, 10, 20 … up to 4 hours, each by up to a quarter more."""
    return BACKOFFS["delivery"].seconds(attempts)
