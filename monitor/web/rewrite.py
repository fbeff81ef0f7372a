"""Queries rewritten by a click: a value of a facet put in or taken out, a condition removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from monitor.releases.query import Query, parse
from monitor.releases.query.periods import week_name
from monitor.releases.query.tree import All, Node, Term, normalised, written
from monitor.releases.query.values import NONE, fold
from monitor.releases.stats import TIMES

FACETS = {
    "origin": ("origin", "Country"),
    "foundation": ("foundation", "Base model from"),
    "kind": ("kind", "Kind"),
    "size": ("size", "Size"),
    "openness": ("openness", "Openness"),
    "license_class": ("license", "Licence"),
    "task": ("task", "Task"),
    "lab": ("lab", "Lab"),
    "format": ("format", "Runs as"),
    "provider": ("provider", "Served by"),
    "family": ("family", "Family"),
    "lab_kind": ("lab_kind", "Kind of publisher"),
    "conflict": ("conflict", "Licence conflict"),
    "params_source": ("params_source", "Size read from"),
}
"""For each dimension that is counted: the field of the query language that narrows to it, and its heading."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a query as text, and the query without it."""

    text: str
    without: str


def conditions(query: Query) -> list[Condition]:
    """What must all hold, one by one."""
    items = _items(query)
    return [
        Condition(written(item, inside=True), _text([other for other in items if other is not item])) for item in items
    ]


def chosen(query: Query, field: str) -> tuple[str, ...]:
    """The values of ``field`` that a query asks for."""
    return next((item.values for item in _items(query) if isinstance(item, Term) and _asks(item, field)), ())


def toggled(query: Query, field: str, value: str) -> str:
    """The query with one value more in ``field`` (any of them will do), or without it where it is there."""
    values = set(chosen(query, field)) ^ {value}
    others = [item for item in _items(query) if not _asks(item, field)]
    return _text([*others, Term(field, ":", tuple(values))] if values else others)


def narrowed(query: Query, field: str, value: str) -> str:
    """The query, and ``field`` is ``value`` besides."""
    return _text([*_items(query), Term(field, ":", (value,))])


def without(query: Query, field: str) -> str:
    """The query without its values of ``field``."""
    return _text([item for item in _items(query) if not _asks(item, field)])


def counted(query: Query, row: Mapping[str, object], by: Sequence[str]) -> str | None:
    """The query of the releases that a row of the statistics counts; None where the language has no words for them."""
    narrowed = []
    for name in by:
        value = row[name]
        if name in TIMES:
            narrowed.append(Term("released", ":", (period(name, str(value)) if value is not None else NONE,)))
        elif value is None and name == "foundation":
            return None  # built on nothing that is known, or on something of unknown origin
        else:
            text = NONE if value is None else fold(str(value)) if name in {"task", "provider"} else str(value)
            narrowed.append(Term("foundation" if name == "root" else FACETS[name][0], ":", (text,)))
    return _text([*_items(query), *narrowed])


def period(name: str, begins: str) -> str:
    """A month, week or day of UTC as a value of ``released:``."""
    return week_name(date.fromisoformat(begins)) if name == "week" else begins


PRESETS = {"today": "Today", "7d": "7 days", "this-month": "This month", "this-year": "This year"}
"""Values of ``released:`` that pages offer, each with its label."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A period that a page offers, and the query with it in place of others, or without it where it is ``chosen``."""

    label: str
    chosen: bool
    q: str


def presets(query: Query) -> list[Preset]:
    """The periods that narrow a query by a click."""
    others = [item for item in _items(query) if not (isinstance(item, Term) and item.field == "released")]
    found = []
    for value, label in PRESETS.items():
        wanted = parse(f"released:{value}").root
        there = wanted in _items(query)
        found.append(Preset(label, there, _text(others if there else [*others, wanted])))
    return found


def term(field: str, value: str) -> str:
    """``field:value``, in quotes where the value needs them."""
    return written(Term(field, ":", (value,)), inside=True)


def _items(query: Query) -> tuple[Node, ...]:
    return query.root.items if isinstance(query.root, All) else (query.root,)


def _asks(item: Node, field: str) -> bool:
    return isinstance(item, Term) and item.field == field and item.operator == ":"


def _text(items: list[Node]) -> str:
    return Query(normalised(All(tuple(items)))).normal
