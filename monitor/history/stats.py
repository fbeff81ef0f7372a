"""Counting the history: releases and parameters by one or two dimensions."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, Text, cast, func, literal_column, select
from sqlmodel import Session, col

from monitor.history.query import Query, to_sql
from monitor.history.search import SearchError
from monitor.models import Release

TIMES = ("month", "week", "day")
COLUMNS: dict[str, Any] = {
    "origin": Release.origin,
    "foundation": Release.foundation_origin,
    "lab": Release.lab,
    "kind": Release.kind,
    "size": Release.size,
    "license_class": Release.license_class,
    "openness": Release.openness,
    "task": Release.task,
}
DIMENSIONS = (*TIMES, *COLUMNS)
"""What releases can be counted by; a week is named by its Monday, all in UTC by ``released_at``."""


def dimensions(text: str) -> list[str]:
    """One or two dimensions from ``month,origin``; raises SearchError."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in DIMENSIONS]
    if unknown or not 1 <= len(names) <= 2 or len(set(names)) != len(names) or sum(n in TIMES for n in names) > 1:
        raise SearchError("by", f"by {text!r}: one or two of {', '.join(DIMENSIONS)} expected, one of time at the most")
    return names


def stats(session: Session, query: Query, by: list[str]) -> list[dict[str, Any]]:
    """Rows ``{dimension: value …, count, params_total, params_known}``; periods without releases count zero.

    ``params_total`` sums the known parameter counts, of which there are ``params_known``. Unknown is None.
    """
    keys = [_key(session, name) for name in by]
    statement = (
        select(
            *keys,
            func.count(),
            func.sum(cast(col(Release.params_total), _wide())),
            func.count(col(Release.params_total)),
        )
        .where(col(Release.pending).is_(False), to_sql(query))
        .group_by(*keys)
    )
    rows = [_row(by, tuple(row)) for row in session.execute(statement)]
    time = next((name for name in by if name in TIMES), None)
    if time is not None:
        rows += _zeros(rows, by, time)
    return sorted(rows, key=lambda row: tuple((row[name] is None, str(row[name])) for name in by))


def _wide() -> Any:
    # Sums of parameters outgrow 64 bits at nine million giants; a float holds them to 15 digits on both dialects.
    from sqlalchemy import Float

    return Float(53)


def _row(by: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
    count, total, known = values[len(by) :]
    keys = {name: str(value) if isinstance(value, date) else value for name, value in zip(by, values, strict=False)}
    return keys | {"count": count, "params_total": int(total) if total is not None else None, "params_known": known}


def _key(session: Session, name: str) -> ColumnElement[Any]:
    if name in COLUMNS:
        return col(COLUMNS[name]).label(name)
    moment: Any = col(Release.released_at)
    if session.get_bind().dialect.name == "sqlite":
        # Kept as text in UTC, so its beginning is the month or the day.
        text = cast(moment, Text)
        if name == "week":
            return func.date(text, "weekday 0", "-6 days").label(name)
        return func.substr(text, 1, 7 if name == "month" else 10).label(name)
    utc = func.timezone("UTC", moment)
    if name == "month":
        return func.to_char(utc, literal_column("'YYYY-MM'")).label(name)
    return cast(func.date_trunc(literal_column(f"'{name}'"), utc), Date).label(name)


def _zeros(rows: list[dict[str, Any]], by: list[str], time: str) -> list[dict[str, Any]]:
    """Rows for the periods in which nothing was released, between the first and the last with something."""
    other = next((name for name in by if name != time), None)
    periods = _between(sorted({row[time] for row in rows if row[time] is not None}), time)
    groups: list[Any] = list({row[other] for row in rows}) if other else [None]
    there = {(row[time], row[other] if other else None) for row in rows}
    empty = {"count": 0, "params_total": None, "params_known": 0}
    return [
        {name: period if name == time else group for name in by} | empty
        for period in periods
        for group in groups
        if (period, group) not in there
    ]


def _between(periods: list[str], time: str) -> list[str]:
    if len(periods) < 2:
        return periods
    if time == "month":
        first, last = (int(text[:4]) * 12 + int(text[5:7]) - 1 for text in (periods[0], periods[-1]))
        return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(first, last + 1)]
    step = timedelta(days=7 if time == "week" else 1)
    day, end = date.fromisoformat(periods[0]), date.fromisoformat(periods[-1])
    found = []
    while day <= end:
        found.append(day.isoformat())
        day += step
    return found


def facets(session: Session, query: Query, most: int = 20) -> dict[str, list[dict[str, Any]]]:
    """For each dimension but time: its most frequent values among what matches, with their counts."""
    found = {}
    for name, column in COLUMNS.items():
        number = func.count()
        statement = (
            select(col(column), number)
            .where(col(Release.pending).is_(False), to_sql(query))
            .group_by(col(column))
            .order_by(number.desc(), col(column))
            .limit(most)
        )
        found[name] = [{"value": value, "count": count} for value, count in session.execute(statement)]
    return found
