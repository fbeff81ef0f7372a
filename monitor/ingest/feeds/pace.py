"""When a feed is read again: from how often it speaks, what its server asks for, and how it fails."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from statistics import median

DAY = 86_400.0
"""Seconds between two reads of any feed at the most, the dead ones too."""
LOOKS = 48
"""Reads in the time that usually lies between two entries: a daily feed is read every half hour."""
JITTER = 1.1
"""Upwards only: the shortest interval is a promise to the server."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.I)


def interval(moments: Collection[datetime], at: datetime, shortest: float) -> float:
    """Seconds between two reads of a feed whose latest entries came at ``moments``.

    A part of the usual gap between entries, or of the silence since the newest where that is longer; between
    ``shortest`` and a day.
    """
    days = sorted(set(moments), reverse=True)
    gaps = [(later - earlier).total_seconds() for later, earlier in itertools.pairwise(days)]
    silence = (at - days[0]).total_seconds() if days else 0.0
    usual = max(median(gaps) if gaps else 0.0, silence)
    return min(max(usual / LOOKS, shortest), max(DAY, shortest))


def fresh(headers: Mapping[str, str]) -> float:
    """Seconds that the answer may be kept by Cache-Control's max-age, less its Age; from 0 to a day."""
    found = _MAX_AGE.search(headers.get("cache-control", ""))
    age = headers.get("age", "").strip()
    passed = float(age) if age.isascii() and age.isdecimal() and len(age) < 10 else 0.0
    return min(max(float(found[1]) - passed, 0.0), DAY) if found else 0.0


def backoff(failures: int, shortest: float, retry_after: float | None) -> float:
    """Seconds to wait after ``failures`` (1, 2, …) in a row: twice as long each time, or as the server asks."""
    doubled = shortest * 2.0 ** min(failures, 30)
    return min(max(doubled, retry_after or 0.0), max(DAY, shortest))


def jittered(seconds: float, shortest: float) -> float:
    """``seconds`` or up to a tenth more, so that feeds do not march in step; never more than a day."""
    most = max(DAY, shortest)
    return min(seconds * random.uniform(1.0, JITTER), most)  # noqa: S311  (no secret)
