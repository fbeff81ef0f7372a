"""Triggers and what was measured for them, in plain words: for previews, emails, Slack and pages."""

from __future__ import annotations

import re
from decimal import Decimal

from monitor.labs.countries import name
from monitor.releases.query import Query
from monitor.releases.query.describe import condition
from monitor.releases.triggers.expression import ALL, Count, Drop, First, Line, Share, StackWatch, Trigger

_SIGNS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}
_FIELDS = {
    "origin": "country",
    "foundation": "country of foundation models",
    "lab": "lab",
    "kind": "kind of release",
    "size": "size class",
    "license_class": "licence class",
    "openness": "class of openness",
    "task": "task",
}
_NUMBERS = {
    "downloads": "downloads in 30 days",
    "downloads_all_time": "downloads of all time",
    "likes": "likes",
    "derivatives": "models built on it",
}
_SPAN = re.compile(r"(\d+)(h|d|mo)")
_UNITS = {"h": "hour", "d": "day", "mo": "calendar month"}


def describe_trigger(trigger: Trigger | StackWatch) -> str:
    """What has to hold, as a sentence without its end: ``the share of … is at least 80 %``."""
    match trigger:
        case StackWatch(stack):
            return f"something happens to a model of the stack {stack}, or to what it was made from"
        case Share(part, whole, span, line):
            among = f"releases{_within(span)}{_where(whole)}"
            return f"among {among}, the share of those where {condition(part)} is {_compared(line)} %"
        case Count(query, span, line):
            return f"the number of releases{_within(span)}{_where(query)} is {_compared(line, grouped=True)}"
        case First(field, query, new):
            if new:
                return f"a {_FIELDS[field]} that had no release before gets its first one{_which(query)}"
            return f"a {_FIELDS[field]} gets its first release{_where(query)}"
        case Drop(number, repo_id, line):
            return f"{_NUMBERS[number]} of {repo_id} are {_compared(line)} % below their highest value so far"


def value_name(field: str, value: str) -> str:
    """A value of a dimension as people write it: a country by its name."""
    return name(value) if field in {"origin", "foundation"} else value


def number_name(number: str) -> str:
    """What ``drop`` observes, in words."""
    return _NUMBERS[number]


def span_words(span: str) -> str:
    """``the last 30 days``, ``the last 3 calendar months, this one included``; ``all time``."""
    found = _SPAN.fullmatch(span)
    if span == ALL or found is None:
        return "all time"
    if found[2] == "mo":
        if found[1] == "1":
            return "this calendar month"
        return f"the last {found[1]} calendar months, this one included"
    unit = _UNITS[found[2]]
    return f"the last {unit}" if found[1] == "1" else f"the last {found[1]} {unit}s"


def percent(value: Decimal) -> str:
    """``81.3 %``."""
    return f"{value.quantize(Decimal('0.1'))} %"


def _within(span: str) -> str:
    return "" if span == ALL else f" of {span_words(span)}"


def _where(query: Query) -> str:
    where = condition(query)
    return f" where {where}" if where else ""


def _which(query: Query) -> str:
    where = condition(query)
    return f", where {where}" if where else ""


def _compared(line: Line, *, grouped: bool = False) -> str:
    limit = f"{int(line.limit):,}" if grouped else f"{line.limit:f}"
    return f"{_SIGNS[line.operator]} {limit}"
