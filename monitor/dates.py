"""The Hub's dates: how they are parsed, and which of them a repository can have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

EARLIEST = datetime(2016, 1, 1, tzinfo=UTC)
"""The Hub's company was founded in 2016: an earlier date is a mistake."""
MAX_CLOCK_AHEAD = timedelta(days=1)
"""How far a remote clock may run ahead of ours."""
MAX_HUB_SKEW = timedelta(minutes=5)
"""How far a date of the Hub may lie ahead of the Hub's own clock: its servers do not agree to the second."""


def latest() -> datetime:
    """Returns the latest time that a date can mean now."""
    return datetime.now(UTC) + MAX_CLOCK_AHEAD


def plausible(value: datetime | None) -> datetime | None:
    """Returns ``value``, or None where it lies before ``EARLIEST`` or in the future."""
    return value if value is not None and EARLIEST <= value <= latest() else None


def plausible_at(value: datetime | None, at: datetime) -> bool:
    """Returns whether ``value`` can be a date that the Hub stated at ``at``: not before the Hub, nor in the future."""
    return value is not None and EARLIEST <= value <= at + MAX_HUB_SKEW


def hub_time(value: Any) -> datetime | None:
    """Returns a timestamp of the Hub (ISO 8601, ``Z``) as an aware datetime in UTC; None for anything else."""
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


def plausible_hub_time(value: Any) -> datetime | None:
    """Returns a timestamp of the Hub that can be true; None for year 1, the future, and anything else."""
    return plausible(hub_time(value))


def iso(value: datetime | str | None) -> str | None:
    """Returns ISO 8601 in UTC, ``2026-01-27T05:00:00Z`` (microseconds only where there are any); text unchanged."""
    if value is None or isinstance(value, str):
        return value
    return value.isoformat().replace("+00:00", "Z")
