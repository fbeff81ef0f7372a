"""Adoption over time: sums at the end of each day, week and month (UTC), and what they grew by.

Each pass of :mod:`monitor.releases.adoption` writes the sums of the tally under the present day, week and month, so
that the last pass of a period stays: releases count there as they were classified then. What a count of one release
rose or fell by between two passes is added up apart: growth never comes from releases that were only learnt, and a fall
(the Hub recounts) is shown as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, func, literal, select, true, update
from sqlmodel import Session, col

from monitor.db.engine import now, transaction
from monitor.db.upsert import conflict_aware_insert
from monitor.models import MEASURED, AdoptionTotal, Tally
from monitor.releases.query import Query, to_tally
from monitor.releases.records import lock
from monitor.releases.search import SearchError
from monitor.releases.stats import TIMES, Row, add_shares, stats
from monitor.releases.sums import SUMS
from monitor.releases.tally import DIMENSIONS

MEANINGS = ("released", "stock", "growth")
"""What month, week and day mean: when releases came out, the sum at the end of each, or what it grew by in each."""
GROWING = MEASURED[1:]
"""Counts that grow; downloads of 30 days rise and fall."""
CELL = tuple(DIMENSIONS.values())
_KEY = ("unit", "period", *CELL)
_STOCK = ("releases", *(name for measure in MEASURED for name in (f"{measure}_known", measure)))

Grown = dict[tuple[str, ...], dict[str, int]]


def periods(at: datetime) -> dict[str, str]:
    """The day, week (its Monday) and month of a time, in UTC."""
    day = at.date()
    return {
        "day": day.isoformat(),
        "week": (day - timedelta(days=day.weekday())).isoformat(),
        "month": f"{day:%Y-%m}",
    }


# --- writing ----------------------------------------------------------------------------------------------


def add_growth(session: Session, moved: Iterable[tuple[Mapping[str, Any], str, int]]) -> None:
    """Adds what counts of single releases rose or fell by: (the columns of its cell, the count's name, the difference).

    To be called in the transaction that writes the new counts.
    """
    grown: Grown = {}
    for release, name, difference in moved:
        cell = tuple(release[column] or "" for column in CELL)
        sums = grown.setdefault(cell, {})
        column = f"{name}_growth" if difference > 0 else f"{name}_recounted"
        sums[column] = sums.get(column, 0) + difference
    columns = [f"{name}_{what}" for name in GROWING for what in ("growth", "recounted")]
    rows = [
        {"unit": unit, "period": period, **dict(zip(CELL, cell, strict=True)), **dict.fromkeys(columns, 0), **sums}
        for unit, period in periods(now()).items()
        for cell, sums in sorted(grown.items())
    ]
    if not rows:
        return
    insert = conflict_aware_insert(session, AdoptionTotal)
    table = AdoptionTotal.__table__  # type: ignore[attr-defined]
    added = {name: table.c[name] + insert.excluded[name] for name in columns}
    session.execute(insert.on_conflict_do_update(index_elements=list(_KEY), set_=added), rows)


def write_stock(engine: Engine) -> None:
    """Writes the sums of now under the present day, week and month, in place of those of the last pass."""
    sums: list[Any] = [func.sum(col(getattr(Tally, name))) for name in _STOCK]
    cells: list[Any] = [col(getattr(Tally, name)) for name in CELL]
    with transaction(engine) as session:
        lock(session)
        for unit, period in periods(now()).items():
            here = col(AdoptionTotal.unit) == unit, col(AdoptionTotal.period) == period
            session.execute(
                update(AdoptionTotal).where(*here).values(dict.fromkeys(_STOCK, 0)), execution_options=_QUIET
            )
            # The condition tells SQLite's grammar that ON CONFLICT is no join.
            counted = select(literal(unit), literal(period), *cells, *sums)
            insert = conflict_aware_insert(session, AdoptionTotal).from_select(
                [*_KEY, *_STOCK], counted.where(true()).group_by(*cells)
            )
            new = {name: insert.excluded[name] for name in _STOCK}
            session.execute(insert.on_conflict_do_update(index_elements=list(_KEY), set_=new))


_QUIET = {"synchronize_session": False}


def thin_totals(session: Session, daily: str, weekly: str) -> int:
    """Deletes the sums by day before ``daily`` and by week before ``weekly``; those of months stay for ever."""
    total = 0
    for unit, limit in (("day", daily), ("week", weekly)):
        old = delete(AdoptionTotal).where(col(AdoptionTotal.unit) == unit, col(AdoptionTotal.period) < limit)
        done: Any = session.execute(old, execution_options=_QUIET)
        total += int(done.rowcount)
    return total


# --- reading ----------------------------------------------------------------------------------------------


def sums(
    session: Session,
    query: Query,
    by: list[str],
    *,
    value: str = "count",
    meaning: str = "released",
    tz: str = "UTC",
    medians: bool | None = None,
    launches: bool = True,
) -> list[Row]:
    """The rows of :func:`monitor.releases.stats.stats`; with another ``meaning``, of :func:`over_time`."""
    if meaning == "released":
        return stats(session, query, by, tz=tz, medians=medians, launches=launches, value=value)
    if meaning not in MEANINGS:
        raise SearchError("time", f"time {meaning!r}: one of {', '.join(MEANINGS)} expected")
    if tz != "UTC":
        raise SearchError("tz", f"sums over time are kept in UTC: leave {tz!r} out")
    return over_time(session, query, by, value, growth=meaning == "growth")


def over_time(session: Session, query: Query, by: list[str], value: str, *, growth: bool = False) -> list[Row]:
    """Rows ``{period, dimension …, count, value, unknown, share}``: what ``value`` summed up to at the end of each.

    ``count``: the releases known then. With ``growth``, under ``{value}_growth``, what the counts of releases that were
    known before rose by, and under ``recounted`` (0 or less) what others fell by. Periods in which no pass ran have no
    row. As of a past time: the periods that were over then. Raises SearchError for what was not kept.
    """
    time = next((name for name in by if name in TIMES), None)
    where = to_tally(query, table=AdoptionTotal)
    unkept = [name for name in by if name not in (*TIMES, *DIMENSIONS)]
    if time is None or unkept:
        raise SearchError("by", f"sums over time need a month, week or day, and at most one of {', '.join(DIMENSIONS)}")
    if where is None:
        kept = "origin, foundation (a country), lab, kind, size, license (a class), openness and task"
        raise SearchError("q", f"sums over time are kept by {kept}: {query.normal!r} asks for something else")
    if value not in ("count", *MEASURED) or (growth and value not in GROWING):
        known = GROWING if growth else ("downloads", *GROWING)
        raise SearchError("sum", f"sum {_name(value)!r}: one of {', '.join(known)} expected here")
    keys: list[Any] = [col(AdoptionTotal.period) if name == time else _column(name) for name in by]
    number, wanted = func.sum(col(AdoptionTotal.releases)), []
    if value != "count":
        wanted = [func.sum(_column(name)) for name in (value, f"{value}_known")]
    if growth:
        wanted += [func.sum(_column(f"{value}_{what}")) for what in ("growth", "recounted")]
    statement = select(*keys, number, *wanted).where(col(AdoptionTotal.unit) == time, where).group_by(*keys)
    rows = [_row(by, tuple(row), value, growth=growth) for row in session.execute(statement)]
    at = session.info.get("as_of")
    if at is not None:
        rows = [row for row in rows if _end(row[time], time) <= at.date()]
    if growth or len(by) > 1:  # a sum at the end of one month is no part of that of another
        add_shares(rows, by, f"{value}_growth" if growth else value)
    return sorted(rows, key=lambda row: tuple((row[name] is None, str(row[name])) for name in by))


def _name(value: str) -> str:
    return next((name for name, column in SUMS.items() if column == value), value)


def _column(name: str) -> Any:
    return col(getattr(AdoptionTotal, DIMENSIONS.get(name, name)))


def _row(by: list[str], values: tuple[Any, ...], value: str, *, growth: bool) -> Row:
    row: Row = dict(zip(by, (one or None for one in values), strict=False))
    count, *numbers = (int(one) for one in values[len(by) :])
    row |= {"count": count, "share": None}
    if value == "count":
        return row
    total, known, *moved = numbers
    row |= {value: total if known else None, "unknown": count - known}
    if growth:
        row |= {f"{value}_growth": moved[0], "recounted": moved[1]}
    return row


def _end(period: str, unit: str) -> date:
    """The first day after a period."""
    if unit == "month":
        return (date.fromisoformat(f"{period}-01") + timedelta(days=31)).replace(day=1)
    return date.fromisoformat(period) + timedelta(days=7 if unit == "week" else 1)
