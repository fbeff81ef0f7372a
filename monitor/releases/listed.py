"""Dimensions of which a release can have several values: the formats that it runs as, the providers that serve it.

A release counts in each of its values, so rows do not add up to the releases; one without any counts under None. What
shares are of is therefore in the rows themselves, as ``of``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from monitor.models import Release

Row = dict[str, Any]

LISTED: dict[str, Any] = {"format": Release.format_words, "provider": Release.served_by}
"""The columns, which hold their values with a semicolon between."""


class parts(FunctionElement[Any]):  # noqa: N801
    """The words of a text with a semicolon between, as rows with the column ``value``; none of NULL and of no text."""

    inherit_cache = True
    name = "parts"


@compiles(parts, "sqlite")
def _parts_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    # The words consist of ASCII alphanumerics, dots and dashes.
    text = compiler.process(element.clauses, **kw)
    return f"""json_each('["' || replace(nullif({text}, ''), ';', '","') || '"]')"""


@compiles(parts, "postgresql")
def _parts_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    return f"jsonb_array_elements_text(to_jsonb(string_to_array(nullif({text}, ''), ';')))"


_SOURCES: dict[str, Any] = {
    name: parts(col(column)).table_valued("value", name=f"one_{name}") for name, column in LISTED.items()
}


def listed_in(by: Iterable[str]) -> str | None:
    """The one of these dimensions of which a release can have several values."""
    return next((name for name in by if name in LISTED), None)


def value_of(name: str) -> ColumnElement[Any]:
    """One value of a dimension, in a statement that :func:`joined` made."""
    value: ColumnElement[Any] = _SOURCES[name].c.value.label(name)
    return value


def joined(statement: Select[Any], by: Iterable[str]) -> Select[Any]:
    """The statement with a row of each value, or one without a value, where a dimension has several."""
    name = listed_in(by)
    return statement if name is None else statement.select_from(Release).outerjoin(_SOURCES[name], true())


def split(text: str | None) -> list[str | None]:
    """The values in a column; None alone where there is none."""
    return list(text.split(";")) if text else [None]


def add_wholes(rows: Collection[Row], by: Sequence[str], singles: Iterable[Row], value: str) -> None:
    """Sets ``of``: the ``value`` of all releases with the same other dimension, each counted once.

    ``singles``: the rows by that dimension alone, or any that count each release once.
    """
    other, wholes = _other(by), dict[Any, int]()
    for row in singles:
        key = row[other] if other else None
        wholes[key] = wholes.get(key, 0) + (row[value] or 0)
    for row in rows:
        row["of"] = wholes.get(row[other] if other else None, 0)


def without_none(rows: Sequence[Row], kept: Sequence[Row], by: Sequence[str], value: str) -> list[Row]:
    """``kept`` of these rows, with ``of`` without the releases that have no value of the dimension."""
    name, other = listed_in(by), _other(by)
    none = {row[other] if other else None: row[value] or 0 for row in rows if name and row[name] is None}
    return [row | {"of": row["of"] - none.get(row[other] if other else None, 0)} for row in kept]


def releases(rows: Iterable[Row], by: Sequence[str]) -> int:
    """How many releases rows with ``of`` are of, each counted once; ``value`` was the number of releases."""
    other = _other(by)
    return sum({row[other] if other else None: row["of"] for row in rows}.values())


def _other(by: Sequence[str]) -> str | None:
    return next((name for name in by if name not in LISTED), None)
