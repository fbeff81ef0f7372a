"""The Hub's times: how they are read, and which a repository can have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

EARLIEST = datetime(2016, 1, 1, tzinfo=UTC)
"""The Hub's company was founded in 2016; what is dated before is not dated."""
AHEAD = timedelta(days=1)
"""By how much a clock elsewhere may be ahead of ours."""


def latest() -> datetime:
    """The latest moment that a date can mean now."""
    return datetime.now(UTC) + AHEAD


def plausible(moment: datetime | None) -> datetime | None:
    """``moment``, or None where it lies before ``EARLIEST`` or in the future."""
    return moment if moment is not None and EARLIEST <= moment <= latest() else None


SKEW = timedelta(minutes=5)
"""How far a date of the Hub may lie ahead of the Hub's own clock: its servers do not agree to the second."""


def plausible_at(moment: datetime | None, at: datetime) -> bool:
    """Whether the Hub can mean this date at ``at``: it is neither from before the Hub nor from the future."""
    return moment is not None and EARLIEST <= moment <= at + SKEW


def hub_time(value: Any) -> datetime | None:
    """A time of the Hub (ISO 8601, ``Z``) as an aware datetime in UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    if parsed.tzinfo is UTC:
        return parsed
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError:
        return None


def iso(moment: datetime | str | None) -> str | None:
    """ISO 8601 in UTC, ``2026-01-27T05:00:00Z`` (microseconds only where there are any); a text is that already."""
    if moment is None or isinstance(moment, str):
        return moment
    return moment.isoformat().replace("+00:00", "Z")
