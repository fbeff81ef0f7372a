"""How often a namespace is swept: from how often it releases, and from who waits for it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

SLOWEST = 3_600.0
"""Seconds between two sweeps of a namespace that hardly ever releases."""


def interval(shortest: float, newest: datetime | None, moment: datetime, *, followed: bool) -> float:
    """Seconds until the next sweep: the shortest for a followed namespace, else longer the longer it is silent.

    A namespace whose newest release is ``d`` days old is looked at every ``2 d`` minutes: one that released
    today at the shortest interval, one silent for a month every hour.
    """
    if followed:
        return shortest
    if newest is None:
        return max(shortest, SLOWEST)
    silent = max(0.0, (moment - newest).total_seconds())
    return min(max(shortest, silent / 86_400 * 120), max(shortest, SLOWEST))


def jittered(seconds: float) -> timedelta:
    """``seconds`` give or take a tenth, so that namespaces do not march in step."""
    return timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311  (no secret)
