"""What follows from a failure to send: one rule for messages, letters of confirmation and notices."""

from __future__ import annotations

import random
from typing import NamedTuple

from monitor.notify.message import SendError

ATTEMPTS = 12
"""Failed attempts after which a delivery is dead: with the back-off below, a little over a day."""
LONGEST_PAUSE = 86_400.0
"""Seconds for which a target may ask to be left alone."""


class Verdict(NamedTuple):
    """What follows from a failure: seconds until it is tried again, unless it is ``dead``; ``postponed``: uncounted."""

    wait: float
    postponed: bool
    dead: bool


def verdict(error: SendError, attempts: int) -> Verdict:
    """What follows from a failure of the ``attempts``-th attempt."""
    # A target that names a time has not failed: it is asked again then, however often.
    postponed = error.retry_after is not None and not error.permanent
    wait = backoff(attempts) if error.retry_after is None else min(error.retry_after, LONGEST_PAUSE)
    return Verdict(wait, postponed, error.permanent or (attempts >= ATTEMPTS and not postponed))


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: 5, 10, 20 … up to 4 hours, each by up to a quarter more."""
    return float(min(5 * 2 ** (attempts - 1), 14_400)) * random.uniform(1.0, 1.25)  # noqa: S311  (no secret)
