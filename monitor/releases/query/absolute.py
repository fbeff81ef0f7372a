"""Queries that mean the same whenever they are asked: dates relative to today as dates of the calendar."""

from __future__ import annotations

from datetime import datetime

from monitor.releases.query.periods import RELATIVE, absolute_period
from monitor.releases.query.tree import All, Any, Node, Not, Query, Term, normalised
from monitor.releases.query.values import BACK, DATES, NONE, span


def absolute(query: Query, at: datetime) -> Query:
    """The query as it reads at ``at``: ``released:7d`` as the time 7 days before, ``this-month`` as its month."""
    return Query(normalised(_node(query.root, at)))


def is_relative(query: Query) -> bool:
    """Whether the query means something else tomorrow."""
    dates = (value for field in DATES for value in query.values(field))
    return any(part in RELATIVE or BACK.fullmatch(part) for value in dates for part in value.split(".."))


def _node(node: Node, at: datetime) -> Node:
    match node:
        case Term(field, operator, values) if field in DATES:
            return Term(field, operator, tuple(_value(value, at) for value in values))
        case Not(item):
            return Not(_node(item, at))
        case All(items):
            return All(tuple(_node(item, at) for item in items))
        case Any(items):
            return Any(tuple(_node(item, at) for item in items))
    return node


def _value(value: str, at: datetime) -> str:
    return "..".join(_date(part, at) for part in value.split(".."))


def _date(text: str, at: datetime) -> str:
    if text in {"", NONE}:
        return text
    if BACK.fullmatch(text):
        return span(text, at)[0].isoformat().replace("+00:00", "Z")
    return absolute_period(text, at)
