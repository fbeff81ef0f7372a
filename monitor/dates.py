"""Which dates a repository can have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
