"""Release objects straight from their rows: what is kept as JSON is passed on as it is, neither read nor made again."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from typing import cast as typed

import orjson
from orjson import Fragment
from sqlalchemy import Row, Text, cast, null, select, text, type_coerce
from sqlalchemy.types import NullType
from sqlmodel import Session

from monitor.db import UTCDateTime
from monitor.models import Json, Release, every_artefact, iso

UNTOLD = frozenset(
    {"hub_id", "words", "modified_at", "pending", "history", "facts", "facts_digest", "listed_digest", "launch_id"}
)
"""Columns that stand in no answer."""

_COLUMNS = [column for column in Release.__table__.columns if column.name not in UNTOLD]  # type: ignore[attr-defined]
_NAMES = [column.name for column in _COLUMNS]
_PLACES = {name: place for place, name in enumerate(_NAMES)}
_MOMENTS = [_PLACES[column.name] for column in _COLUMNS if isinstance(column.type, UTCDateTime)]
_TEXTS = [_PLACES[column.name] for column in _COLUMNS if column.type is Json]

Told = typed(Any, namedtuple)("Told", [*_NAMES, "every_artefact", "origin_evidence", "other_evidence"])
"""A release as :func:`monitor.models.release_object` takes it. What that makes of it is for orjson alone."""


@lru_cache
def selected(only: tuple[str, ...] = ()) -> Any:
    """The rows of releases, to narrow further, for :func:`told`; where some columns are ``only`` wanted, no others."""
    kept: list[Any] = [
        null() if only and one.name not in only else cast(one, Text) if one.type is Json else one for one in _COLUMNS
    ]
    columns: Any = [type_coerce(one, NullType()).label(name) for one, name in zip(kept, _NAMES, strict=True)]
    return select(*columns)


_MARK = "release.xmin::text AS mark"
"""What PostgreSQL says of the transaction that wrote a row: another after each change of it."""
_SOME = {
    "sqlite": "IN (SELECT value FROM json_each(:idents))",
    "postgresql": "= ANY(CAST(translate(:idents, '[]', '{}') AS bigint[]))",
}
"""One parameter for all numbers, a JSON list: the statement is written once, and the driver binds one text."""
_MARKS = text(f"SELECT id, {_MARK} FROM release WHERE id {_SOME['postgresql']}")  # noqa: S608


@lru_cache
def _numbered(dialect: str, *, marked: bool) -> Any:
    return selected().add_columns(text(_MARK) if marked else null()).where(text(f"release.id {_SOME[dialect]}"))


def by_ident(session: Session, idents: Sequence[int], *, marked: bool = False) -> dict[int, tuple[Any, str | None]]:
    """The rows of these releases by their numbers, on PostgreSQL each with its mark where these are wanted."""
    dialect = session.get_bind().dialect.name
    rows = session.connection().execute(_numbered(dialect, marked=marked), {"idents": orjson.dumps(idents).decode()})
    return {row.id: (told(row), row[-1]) for row in rows}


def marks(session: Session, idents: Sequence[int]) -> dict[int, object]:
    """The mark of each of these rows, on PostgreSQL: another after each change of it."""
    return {row[0]: row[1] for row in session.connection().execute(_MARKS, {"idents": orjson.dumps(idents).decode()})}


def told(row: Row[Any], kept_as: Callable[[str], Any] = Fragment) -> Any:
    """A row of :func:`selected` as a release is told of; ``kept_as``: what is made of the text of a list."""
    values = list(row[: len(_NAMES)])
    for place in _MOMENTS:
        value = values[place]
        if value is not None:
            values[place] = iso_of(value)
    artefacts, evidence = values[_PLACES["artefacts"]] or "{}", values[_PLACES["evidence"]] or "{}"
    for place in _TEXTS:
        values[place] = kept_as(values[place] or "null")
    return Told(*values, _artefacts(artefacts), *_parted(evidence))


def iso_of(kept: str | datetime) -> str:
    """A moment as it is told, from how it comes: from SQLite as the text that it keeps."""
    if isinstance(kept, datetime):
        return str(iso(kept.astimezone(UTC)))
    fraction = kept[19:]
    return f"{kept[:10]}T{kept[11:19]}{'' if fraction == '.000000' else fraction}Z"


@lru_cache(maxsize=1_024)
def _artefacts(kept: str) -> Fragment:
    return Fragment(orjson.dumps(every_artefact(orjson.loads(kept))))


_FLAT = re.compile(r'\{"origin":(\[(?:[^]["]|"(?:[^"\\]|\\.)*+")*+\])([,}])')
"""The beginning of an evidence whose first key is its origin's, up to that list's end: there is no list within it."""


def _parted(evidence: str) -> tuple[Fragment, Fragment]:
    """Why its origin was judged so, and all other reasons."""
    found = _FLAT.match(evidence)
    if found is not None:
        after = evidence[found.end() :] if found[2] == "," else "}"
        return Fragment(found[1]), Fragment("{" + after)
    reasons = orjson.loads(evidence)
    origin = reasons.pop("origin", [])
    return Fragment(orjson.dumps(origin)), Fragment(orjson.dumps(reasons))
