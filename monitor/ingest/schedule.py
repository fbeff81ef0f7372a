"""When the Hub is polled and its namespaces are swept; the beat schedule takes the intervals of the polls from here."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

from monitor.enums import Via

LEASE = timedelta(seconds=120)
"""How long one worker may take for a poll or a sweep before another takes it over."""
TRENDING_POLLS = 15
"""Polls of what is new for one poll of what trends: trends move by the hour."""
EARLIEST = 0.7
"""The part of an interval that must have passed before a routine poll runs again, so that two beats poll no more
often than one."""
SLOWEST = 3_600.0
"""Seconds between two sweeps of a namespace that hardly ever releases."""


def poll_interval(via: Via, hub_interval: float) -> float:
    """Seconds between two routine polls of one Hub-wide listing."""
    return hub_interval * (TRENDING_POLLS if via is Via.TRENDING else 1)


def next_poll_at(via: Via, hub_interval: float, began: datetime) -> datetime:
    """The time before which a routine poll, after one that began at ``began``, is skipped."""
    return began + timedelta(seconds=EARLIEST * poll_interval(via, hub_interval))


def interval(shortest: float, newest: datetime | None, moment: datetime, *, followed: bool) -> float:
    """Seconds until the next sweep: the shortest for a followed namespace, else longer the longer it is silent.

    A namespace silent for ``d`` days releases about every ``d`` days, and the least time is lost over all of them
    where the rate of looking goes with the root of the rate of releasing: every ``2 √d`` minutes, so one that
    released today at the shortest interval, one silent for a month every 11 minutes, for a year every 38.
    """
    if followed:
        return shortest
    if newest is None:
        return max(shortest, SLOWEST)
    days = max(0.0, (moment - newest).total_seconds()) / 86_400
    return min(max(shortest, 120 * math.sqrt(days)), max(shortest, SLOWEST))


def jittered(seconds: float) -> timedelta:
    """``seconds`` give or take a tenth, so that namespaces do not march in step."""
    return timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311  (no secret)
