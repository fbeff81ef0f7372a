"""Cache-Control of a feed's response: how long its server asks not to be asked again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from monitor.schedule import MAX_FEED_SECONDS

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.I)


def remaining_max_age(headers: Mapping[str, str]) -> float:
    """Seconds for which a response stays fresh by Cache-Control's max-age, less its Age; from 0 to a day."""
    found = _MAX_AGE.search(headers.get("cache-control", ""))
    age = headers.get("age", "").strip()
    passed = float(age) if age.isascii() and age.isdecimal() and len(age) < 10 else 0.0
    return min(max(float(found[1]) - passed, 0.0), MAX_FEED_SECONDS) if found else 0.0
