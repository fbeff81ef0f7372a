"""What can be summed over releases: adoption and parameters, each with the words that say which count it is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, func
from sqlmodel import col

from monitor.models import MEASURED, Tally
from monitor.releases.search import SearchError

SUMS = {"params": "params_total", **{name: name for name in MEASURED}}
"""What can be summed, and the column of the rows of ``stats`` that holds the sum."""
MAX_COUNT = 2**40
"""A larger count of downloads, likes or derivatives is none that the Hub gives: it counts as unknown in sums."""


def summed(name: str) -> str:
    """The column that holds the sum of ``name``; ``count`` for no name. Raises SearchError."""
    if not name:
        return "count"
    if name not in SUMS:
        raise SearchError("sum", f"sum {name!r}: one of {', '.join(SUMS)} expected")
    return SUMS[name]


def plausible_count(column: Any) -> ColumnElement[Any]:
    """The count of a release as it is summed; null where it is unknown or too large to be one."""
    return case((column.between(0, MAX_COUNT), column), else_=None)


def sum_of(value: Any) -> list[ColumnElement[Any]]:
    """(sum, number of known values) of a column of plausible counts."""
    return [func.coalesce(func.sum(value), 0), func.count(value)]


def of_tally(column: str) -> list[ColumnElement[Any]]:
    """The same, from the cells of the tally."""
    return [func.sum(col(getattr(Tally, column))), func.sum(col(getattr(Tally, f"{column}_known")))]
