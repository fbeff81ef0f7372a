"""The parse tree of a query, and its normal form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from monitor.enums import Event
from monitor.releases.query.values import ANY, COUNTS, NONE, UNIT_WORDS, is_time


class QueryError(ValueError):
    """A query that cannot be read: ``column`` (from 1), and what was expected there."""

    def __init__(self, column: int, expected: str) -> None:
        super().__init__(f"column {column}: {expected}")
        self.column = column
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Term:
    """``field operator values``: any of the canonical values. The field ``""`` is that of bare words."""

    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What does not hold."""

    item: Node


@dataclass(frozen=True, slots=True)
class All:
    """All of these hold; of none: always."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of these holds."""

    items: tuple[Node, ...]


Node: TypeAlias = Term | Not | All | Any


@dataclass(frozen=True, slots=True)
class Query:
    """A query as a normalised tree; ``normal`` is its text, the same for whatever means the same."""

    root: Node

    @property
    def normal(self) -> str:
        return "" if self.root == All(()) else written(self.root, inside=False)

    def names(self, field: str) -> bool:
        """Whether it says anything of this field."""
        return field in self.fields

    @property
    def fields(self) -> set[str]:
        """The fields that it says something of."""
        return {term.field for term in _terms(self.root)}

    def values(self, field: str) -> set[str]:
        """The values that it names for this field."""
        return {value for term in _terms(self.root) if term.field == field for value in term.values}


@dataclass(frozen=True, slots=True)
class Part:
    """What a conjunction says that the meaning of its other terms depends on.

    ``formats``: what it says of memory is said of these. ``times``: what it says of changes is said of those in all of
    these times, terms of ``changed:``.
    """

    formats: tuple[str, ...] = ()
    times: tuple[Term, ...] = ()

    def of(self, items: Sequence[Node]) -> Part:
        """The part of a conjunction within this one: where it names none of its own, those of this one hold."""
        return Part(_formats_of(items) or self.formats, tuple(filter(is_when, items)) or self.times)


def is_when(item: Node) -> TypeGuard[Term]:
    """Whether an item only says when something changed."""
    return isinstance(item, Term) and item.field == "changed" and all(map(is_time, item.values))


def names_changes(items: Sequence[Node]) -> bool:
    """Whether a conjunction holds only where a change that it names is recorded, so that its times are said of that."""
    unwritten = {NONE, str(Event.RELEASE), str(Event.LAUNCH)}
    named = (item for item in items if isinstance(item, Term) and item.field in {"event", "crossed", "changed"})
    return any(
        unwritten.isdisjoint(item.values) and not (item.field == "changed" and any(map(is_time, item.values)))
        for item in named
    )


def _formats_of(items: Sequence[Node]) -> tuple[str, ...]:
    """The formats that a conjunction names; ``any`` for all."""
    named = [value for item in items if isinstance(item, Term) and item.field == "format" for value in item.values]
    any_format = Not(Term("format", ":", (NONE,))) in items
    return (*(value for value in named if value != NONE), *([ANY] if any_format else []))


def _terms(node: Node) -> Iterator[Term]:
    match node:
        case Term():
            yield node
        case Not(item):
            yield from _terms(item)
        case All(items) | Any(items):
            for item in items:
                yield from _terms(item)


_PLAIN_WORD = re.compile(r'[^\s()",:\-<>][^\s()",:]*')
_PLAIN_VALUE = re.compile(r"""[^\s(),"<>:=!'`\\][^\s(),"\\]*""")
_HUNDREDS = re.compile(r"\d{3}(?!\d)")
_SPECIAL = {"and", "or", "not", "to", *UNIT_WORDS}
"""Words with a meaning between terms."""


def _same_in_any_spelling(text: str) -> bool:
    """Whether a text reads as itself outside quotes: not what stands for another character there."""
    return text.isascii() or all(one.isascii() or (one.isalnum() and one < "\uff00") for one in text)


def _word(text: str) -> str:
    plain = _PLAIN_WORD.fullmatch(text) and text not in _SPECIAL and _same_in_any_spelling(text)
    return text if plain else _quoted(text)


def _values(field: str, values: tuple[str, ...]) -> str:
    shown = []
    for number, value in enumerate(values):
        # A comma before three digits would part thousands.
        parts = field in COUNTS and number > 0 and _HUNDREDS.match(value)
        plain = _PLAIN_VALUE.fullmatch(value) and not parts and _same_in_any_spelling(value)
        shown.append(value if plain else _quoted(value))
    return ",".join(shown)


def written(node: Node, *, inside: bool) -> str:
    """A node as text that reads back as the same node; in parentheses if it stands among others."""
    match node:
        case Term("", _, (word,)):
            return _word(word)
        case Term(field, operator, values):
            return f"{field}:{'' if operator == ':' else operator}{_values(field, values)}"
        case Not(item):
            return f"-{written(item, inside=True)}"
        case All(items):
            text = " ".join(written(item, inside=True) for item in items)
        case Any(items):
            text = " OR ".join(written(item, inside=True) for item in items)
    return f"({text})" if inside else text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def normalised(node: Node) -> Node:
    """The same meaning in its one form: flat, sorted, without doubles; any-of the same field as one term.

    Only terms are negated: ``-(a b)`` is ``-a OR -b``, and ``-x:1 -x:2`` is ``-x:1,2``.
    """
    match node:
        case Term(field, operator, values):
            return Term(field, operator, tuple(sorted(set(values))))
        case Not(item):
            return _negated(normalised(item))
        case All(items):
            return _grouped(All, _excluded(_flat(All, items)))
        case Any(items):
            return _grouped(Any, _joined(_flat(Any, items)))


def _negated(node: Node) -> Node:
    match node:
        case Not(item):
            return item
        case All(items) if items:
            return normalised(Any(tuple(map(_negated, items))))
        case Any(items):
            return normalised(All(tuple(map(_negated, items))))
    return Not(node)


def _flat(kind: type[All] | type[Any], items: tuple[Node, ...]) -> list[Node]:
    flat: list[Node] = []
    for item in map(normalised, items):
        flat += item.items if isinstance(item, kind) else (item,)
    return flat


def _joined(items: list[Node]) -> list[Node]:
    values: dict[str, set[str]] = {}
    rest: list[Node] = []
    for item in items:
        if isinstance(item, Term) and item.operator == ":" and item.field:
            values.setdefault(item.field, set()).update(item.values)
        else:
            rest.append(item)
    return [*rest, *(Term(field, ":", tuple(sorted(some))) for field, some in values.items())]


def _excluded(items: list[Node]) -> list[Node]:
    """None of these values and none of those, as none of all of them."""
    negated = [item.item for item in items if isinstance(item, Not)]
    rest = [item for item in items if not isinstance(item, Not)]
    return [*rest, *map(Not, _joined(negated))]


def _grouped(kind: type[All] | type[Any], items: list[Node]) -> Node:
    by_text = {written(item, inside=True): item for item in items}
    unique = tuple(by_text[text] for text in sorted(by_text))
    return unique[0] if len(unique) == 1 else kind(unique)
