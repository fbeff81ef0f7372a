"""Periods that people name: a year, a month, an ISO week, a day, or one of them relative to today; all in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

MIN_YEAR, MAX_YEAR = 1970, 9000
"""The years that dates of a query may have."""

RELATIVE = {
    "today": ("day", 0),
    "yesterday": ("day", -1),
    "this-week": ("week", 0),
    "last-week": ("week", -1),
    "this-month": ("month", 0),
    "last-month": ("month", -1),
    "this-year": ("year", 0),
    "last-year": ("year", -1),
}
"""Names of periods relative to today: their unit, and how many of them from the current one."""
_BY_KEY = {name.replace("-", ""): name for name in RELATIVE}
_YEAR = re.compile(r"[0-9]{4}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_WEEK = re.compile(r"([0-9]{4})-?W([0-9]{2})", re.IGNORECASE)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_period(text: str) -> str | None:
    """The canonical name of a period; None if ``text`` names none.

    ``2026``, ``2026-11``, ``2026-W48`` (ISO 8601, from Monday), ``2026-11-28`` (also as ``20261128`` and
    ``2026-W48-6``), or a key of ``RELATIVE`` (``this month``, ``This-Month``).
    """
    relative = _BY_KEY.get(re.sub(r"[\s_-]+", "", text).lower())
    if relative is not None:
        return relative
    week = _WEEK.fullmatch(text)
    name = f"{week[1]}-W{week[2]}" if week else text
    try:
        if not (week or _YEAR.fullmatch(text) or _MONTH.fullmatch(text)):
            name = date.fromisoformat(text.upper()).isoformat()
        first = _first_day(name)
    except ValueError:
        return None
    return name if MIN_YEAR <= first.year <= MAX_YEAR else None


def period_span(name: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Start and end (exclusive) of a period by its canonical name; None if it is none. ``now`` is today."""
    if name in RELATIVE:
        unit, offset = RELATIVE[name]
        first = _shifted(unit, _start(unit, now.astimezone(UTC).date()), offset)
    elif _YEAR.fullmatch(name) or _MONTH.fullmatch(name) or _WEEK.fullmatch(name) or _DAY.fullmatch(name):
        unit, first = _unit(name), _first_day(name)
    else:
        return None
    return _midnight(first), _midnight(_shifted(unit, first, 1))


def absolute_period(name: str, now: datetime) -> str:
    """The name of a period that does not depend on today: ``2026-W48`` for ``this-week``. ``now`` is today."""
    if name not in RELATIVE:
        return name
    unit, offset = RELATIVE[name]
    return _name(unit, _shifted(unit, _start(unit, now.astimezone(UTC).date()), offset))


def period_before(name: str) -> str:
    """The week before a week, the month before a month, and so on; of absolute names."""
    return _name(_unit(name), _shifted(_unit(name), _first_day(name), -1))


def year_before(name: str) -> str:
    """The same month or ISO week of the year before; its week 52 for a week 53 that it has not."""
    earlier = f"{int(name[:4]) - 1:04}{name[4:]}"
    return earlier if "W" not in name or read_period(earlier) else period_before(f"{name[:4]}-W01")


def week_name(monday: date) -> str:
    """``2026-W48`` of its Monday."""
    year, week, _ = monday.isocalendar()
    return f"{year:04}-W{week:02}"


def _unit(name: str) -> str:
    """The unit of an absolute name."""
    return "year" if len(name) == 4 else "week" if "W" in name else "month" if len(name) == 7 else "day"


def _name(unit: str, first: date) -> str:
    """The name of the unit that begins on this day."""
    return week_name(first) if unit == "week" else first.isoformat()[: {"year": 4, "month": 7, "day": 10}[unit]]


def _first_day(name: str) -> date:
    """The first day of a year, month, week or day. Raises ValueError."""
    week = _WEEK.fullmatch(name)
    if week:
        return date.fromisocalendar(int(week[1]), int(week[2]), 1)
    return date.fromisoformat(f"{name}-01-01"[:10] if len(name) < 10 else name)


def _start(unit: str, day: date) -> date:
    """The first day of the unit that this day is in."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(month=1 if unit == "year" else day.month, day=1 if unit != "day" else day.day)


def _shifted(unit: str, first: date, number: int) -> date:
    """The first day of the unit so many after the one that begins on ``first``."""
    if unit in {"day", "week"}:
        return first + timedelta(days=number * (7 if unit == "week" else 1))
    months = first.year * 12 + first.month - 1 + number * (12 if unit == "year" else 1)
    return date(months // 12, months % 12 + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
