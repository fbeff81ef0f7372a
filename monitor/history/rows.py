"""Release objects straight from their rows: what is kept as JSON is passed on as it is, neither read nor made again."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache
from typing import Any, cast

import orjson
from orjson import Fragment
from sqlalchemy import Row, TextClause, text
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

Told = cast(Any, namedtuple)("Told", [*_NAMES, "every_artefact", "origin_evidence", "other_evidence"])
"""A release as :func:`monitor.models.release_object` takes it. What that makes of it is for orjson alone."""


@lru_cache
def _rows_of(dialect: str) -> TextClause:
    """The rows of some numbers, as the driver gives them: what PostgreSQL knows as JSON, as its text."""
    columns = ", ".join(f"CAST({one.name} AS text)" if one.type is Json else one.name for one in _COLUMNS)
    some = "IN (SELECT value FROM json_each(:idents))" if dialect == "sqlite" else "= ANY(:idents)"
    return text(f"SELECT {columns} FROM release WHERE id {some}")  # noqa: S608


def by_ident(session: Session, idents: Sequence[int]) -> dict[int, Any]:
    """The rows of these releases by their numbers."""
    dialect = session.get_bind().dialect.name
    some = orjson.dumps(idents).decode() if dialect == "sqlite" else list(idents)
    return {row.id: row for row in map(_told, session.execute(_rows_of(dialect), {"idents": some}))}


def _told(row: Row[Any]) -> Any:
    values = list(row)
    for place in _MOMENTS:
        value = values[place]
        if value is not None:
            values[place] = _written(value) if isinstance(value, str) else iso(value.astimezone(UTC))
    artefacts, evidence = values[_PLACES["artefacts"]], values[_PLACES["evidence"]]
    for place in _TEXTS:
        values[place] = Fragment(values[place])
    return Told(*values, _artefacts(artefacts), *_parted(evidence))


def _written(kept: str) -> str:
    """A moment as it is told, from what SQLite keeps of it."""
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
