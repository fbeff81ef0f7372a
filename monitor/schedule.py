"""Every interval of the program: how often each task runs, when a source is read next, leases and back-offs.

Lengths of time are seconds. The beat schedule of :mod:`workers.app`, polls, sweeps, feeds and the outbox take theirs
from here, so that changing an entry changes what is asked.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

# --- tasks ------------------------------------------------------------------------------------------------


class Task(NamedTuple):
    """An entry of the beat schedule: a task, and its interval as the smallest of those that are set."""

    task: str
    args: tuple[str, ...] = ()
    seconds: float | None = None
    hub_intervals: float | None = None
    """In multiples of MONITOR_HUB_INTERVAL."""
    feed_intervals: float | None = None
    """In multiples of MONITOR_FEED_INTERVAL."""
    requires: str | None = None
    """The setting without which there is nothing to do."""

    def interval(self, hub_interval: float, feed_interval: float) -> float:
        """Seconds between two runs."""
        wanted = (
            (self.seconds, 1.0),
            (self.hub_intervals, hub_interval),
            (self.feed_intervals, feed_interval),
        )
        return min(number * unit for number, unit in wanted if number is not None)


TASKS: dict[str, Task] = {
    "newest created": Task("poll", ("created",), hub_intervals=1),
    "newest modified": Task("poll", ("modified",), hub_intervals=1),
    "trending": Task("poll", ("trending",), hub_intervals=15),
    "watched namespaces": Task("watch", seconds=60, hub_intervals=1),
    "sweeps": Task("sweep", seconds=5, hub_intervals=1),
    "failed lookups": Task("retry_lookups", seconds=60, hub_intervals=1),
    "repository files": Task("files", seconds=5),
    "hints": Task("hints", seconds=1),
    "feeds": Task("feeds", seconds=15, feed_intervals=1),
    "deliveries": Task("deliver", seconds=1),
    "digests": Task("digests", seconds=15, hub_intervals=1),
    "triggers": Task("triggers", seconds=60),
    "stacks": Task("stacks", seconds=60),
    "briefs": Task("briefs", seconds=60),
    "outages and notices": Task("notices", seconds=15, hub_intervals=1),
    "confirmation emails": Task("confirm", seconds=1, requires="smtp_url"),
    "bounces": Task("bounces", seconds=60, requires="bounce_url"),
    "expired email data": Task("delete_expired_email_data", seconds=3_600),
    "retention": Task("prune", seconds=3_600),
    "adoption": Task("adopt", seconds=3_600),
    "formats": Task("find_formats", seconds=15),
    "records of an older database": Task("fill_records", seconds=60),
}
"""By name. Most of these only look for rows that are due: a run that finds none costs one query."""

OUTAGE_INTERVALS = 3
"""Intervals without a success, or failures one after the other, that make an outage."""
OUTAGE_HOLD_SECONDS = 60.0
"""How long an outage must last until operators are notified of it, and its end likewise: a machine under load, or one
request that failed, is no outage."""

# --- leases -----------------------------------------------------------------------------------------------

LEASE_SECONDS: dict[str, float] = {
    "poll": 120,
    "sweep": 120,
    # Longer than one exchange with all its redirects, and the parsing of the largest body, can take.
    "feed": 300,
    # Of one pass: longer than all of its files can take, eight at a time.
    "repository files": 300,
    "delivery": 60,
    "notice": 120,
    "confirmation": 60,
}
"""For how long a worker holds what it works on; where it dies, another takes it over after that time."""

# --- back-off ---------------------------------------------------------------------------------------------


class Backoff(NamedTuple):
    """Twice as long after each failure, between two bounds, times a random factor so that retries do not coincide."""

    first: float
    longest: float
    jitter: tuple[float, float] = (1.0, 1.0)

    def seconds(self, failures: int) -> float:
        """Seconds to wait after ``failures`` (1, 2, …) in a row."""
        wait = min(self.first * 2.0 ** min(max(0, failures - 1), 40), self.longest)
        return wait * random.uniform(*self.jitter)  # noqa: S311  (no secret)


BACKOFFS: dict[str, Backoff] = {
    "delivery": Backoff(5, 14_400, (1.0, 1.25)),
    "repository file": Backoff(15, 3_600, (0.9, 1.1)),
    "look-up": Backoff(60, 86_400, (0.9, 1.1)),
    "webhook event": Backoff(30, 3_840),
}
"""Those with fixed bounds; of sweeps and feeds the bounds depend on the settings, see below."""
MAX_LOOKUP_AGE_SECONDS = 30 * 86_400.0
"""A look-up that has failed for so long is forgotten; it is made again when something new needs it."""

# --- debounce ---------------------------------------------------------------------------------------------

DEBOUNCE_INTERVALS = 3
"""Hub intervals for which a change has to hold until it is sent."""
CONFIRMATION_INTERVAL_SECONDS = 600.0
"""Minimum time between two confirmation emails to one address."""

# --- repository files -------------------------------------------------------------------------------------

FILE_WAIT_SECONDS = 3.0
"""How long an alert waits for the files of its release."""

# --- polls ------------------------------------------------------------------------------------------------

EARLIEST_SHARE = 0.7
"""The part of an interval that must have passed before a routine poll runs again, so that two beats poll no more
often than one."""


def poll_interval(via: str, hub_interval: float) -> float:
    """Seconds between two routine polls of one Hub-wide listing."""
    entry = next(entry for entry in TASKS.values() if (entry.task, entry.args) == ("poll", (str(via),)))
    return entry.interval(hub_interval, math.inf)


def next_poll_at(via: str, hub_interval: float, began: datetime) -> datetime:
    """The time before which a routine poll, after one that began at ``began``, is skipped."""
    return began + timedelta(seconds=EARLIEST_SHARE * poll_interval(via, hub_interval))


# --- sweeps -----------------------------------------------------------------------------------------------

MAX_SWEEP_SECONDS = 3_600.0
"""Between two sweeps of a namespace that hardly ever releases."""


def sweep_interval(shortest: float, newest: datetime | None, at: datetime, *, followed: bool) -> float:
    """Seconds until the next sweep: the shortest for a followed namespace, else longer the longer it has not released.

    A namespace silent for ``d`` days releases about every ``d`` days. The least time is lost over all of them where
    the rate of sweeps goes with the root of the rate of releases: every ``2 √d`` minutes, so one that released today
    at the shortest interval, one silent for a month every 11 minutes, for a year every 38.
    """
    if followed:
        return shortest
    if newest is None:
        return max(shortest, MAX_SWEEP_SECONDS)
    days = max(0.0, (at - newest).total_seconds()) / 86_400
    return min(max(shortest, 120 * math.sqrt(days)), max(shortest, MAX_SWEEP_SECONDS))


def sweep_backoff(failures: int, hub_interval: float) -> timedelta:
    """The time until a namespace whose sweep failed ``failures`` (1, 2, …) times in a row is swept again."""
    return jittered(min(MAX_SWEEP_SECONDS, hub_interval * 2 ** min(failures, 6)))


def jittered(seconds: float) -> timedelta:
    """``seconds`` give or take a tenth, so that namespaces are not all swept at once."""
    return timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311  (no secret)


# --- feeds ------------------------------------------------------------------------------------------------

FEED_PASS_SECONDS = 60.0
"""After which a pass over the feeds begins no further feed; the next pass continues."""
MAX_FEED_SECONDS = 86_400.0
"""Between two reads of any feed, also of one that fails."""
READS_PER_ENTRY = 48
"""Reads in the time that usually lies between two entries: a daily feed is read every half hour."""
STALE_SECONDS, STALE_GAPS = 90 * 86_400.0, 10
"""A feed is stale after this long without an entry, and after this many of its usual gaps."""
FEED_JITTER = 1.1
"""Upwards only: the shortest interval is a promise to the server."""


def feed_interval(published: Collection[datetime], at: datetime, shortest: float) -> float:
    """Seconds between two reads of a feed whose latest entries were published at ``published``.

    A part of the usual gap between entries, or of the time since the newest where that is longer; between
    ``shortest`` and a day.
    """
    silence = (at - max(published)).total_seconds() if published else 0.0
    usual = max(_usual_gap(published), silence)
    return min(max(usual / READS_PER_ENTRY, shortest), max(MAX_FEED_SECONDS, shortest))


def is_feed_stale(published: Collection[datetime], at: datetime) -> bool:
    """Whether a feed has had nothing new for far longer than its rhythm explains.

    ``published``: when its latest entries were published. Stale is what has been silent for more than 90 days and for
    more than ten times the usual gap between those entries; without entries nothing can be said.
    """
    if not published:
        return False
    silence = (at - max(published)).total_seconds()
    return silence > max(STALE_SECONDS, STALE_GAPS * _usual_gap(published))


def _usual_gap(published: Collection[datetime]) -> float:
    """The median of the seconds between two entries; 0 where there are not two."""
    times = sorted(set(published))
    return median([(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)] or [0.0])


def feed_backoff(failures: int, shortest: float, retry_after: float | None) -> float:
    """Seconds to wait after ``failures`` (1, 2, …) in a row: twice as long each time, or as the server asks."""
    doubled = shortest * 2.0 ** min(failures, 30)
    return min(max(doubled, retry_after or 0.0), max(MAX_FEED_SECONDS, shortest))


def feed_jittered(seconds: float, shortest: float) -> float:
    """``seconds`` or up to a tenth more, so that feeds are not all read at once; never more than a day."""
    most = max(MAX_FEED_SECONDS, shortest)
    return min(seconds * random.uniform(1.0, FEED_JITTER), most)  # noqa: S311  (no secret)
