"""The tables of a data set: their columns with types and meanings, and their rows by month."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Select, func, select
from sqlmodel import col

from monitor.db.engine import now
from monitor.models import Adoption, Change, Launch, Release
from monitor.releases.citations.exported_files import COUNTS
from monitor.releases.export import flat
from monitor.releases.parquet import parquet_value
from monitor.releases.schema import COLUMNS, FIELDS, column_kinds
from monitor.releases.search import select_columns

UNKNOWN_MONTH = "unknown"
"""In place of a month, for releases whose date is not known."""
BATCH_ROWS = 5_000
FIRST_MONTH = 2016 * 12
"""The Hub has no repositories of before."""

Bounds = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``kind``: as :func:`monitor.releases.schema.column_kinds` has them; json is text."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``months``: (first, last) time of its rows; ``rows``: those of a month (None: of unknown time)."""

    name: str
    title: str
    month_of: str
    columns: tuple[Column, ...]
    span: Callable[[Connection, int], tuple[datetime | None, datetime | None]]
    rows: Callable[[Connection, Bounds | None, int], Iterator[dict[str, Any]]]
    has_unknown: bool = False

    def months(self, connection: Connection, last_change: int) -> Iterator[tuple[str, Bounds | None]]:
        """Yields each month (``2026-11``) from the first row to the last, with its begin and end."""
        first, last = self.span(connection, last_change)
        if first is not None and last is not None:
            begin = max(FIRST_MONTH, first.year * 12 + first.month - 1)
            end = min(last, datetime(now().year + 1, 12, 31, tzinfo=UTC))
            for number in range(begin, end.year * 12 + end.month):
                yield f"{number // 12:04}-{number % 12 + 1:02}", (_month(number), _month(number + 1))
        if self.has_unknown:
            yield UNKNOWN_MONTH, None


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def last_settled_change(connection: Connection, before: datetime) -> int:
    """The id of the last change that belongs into a data set: all up to it are older, and wait for nothing."""
    unsettled = select(func.min(col(Change.id))).where(col(Change.waiting).is_(True) | (col(Change.at) > before))
    first = connection.execute(unsettled).scalar()
    last = connection.execute(select(func.max(col(Change.id)))).scalar() or 0
    return last if first is None else min(last, first - 1)


def _fetched(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    with connection.execution_options(stream_results=True, yield_per=BATCH_ROWS).execute(query) as result:
        yield from result


def _span_of(column: Any, *where: Any) -> Callable[[Connection, int], tuple[datetime | None, datetime | None]]:
    def span(connection: Connection, _last: int) -> tuple[datetime | None, datetime | None]:
        row = connection.execute(select(func.min(column), func.max(column)).where(*where)).one()
        return row[0], row[1]

    return span


# --- releases ---------------------------------------------------------------------------------------------

_MEANINGS = {column: field.meaning for field in FIELDS for column in field.columns}
_KEPT = tuple(name for name in COLUMNS if name not in COUNTS)
"""Columns of exports but for counts: those change every day, and ``adoption`` has them."""
_HUB_ID = Column("hub_id", "text", "permanent id of the repository on the Hub, the same after a change of name")


def _release_columns() -> tuple[Column, ...]:
    kinds = column_kinds()
    return (_HUB_ID, *(Column(name, kinds[name], _MEANINGS[name]) for name in _KEPT))


def _releases(connection: Connection, bounds: Bounds | None, _last: int) -> Iterator[dict[str, Any]]:
    at = col(Release.released_at)
    where = at.is_(None) if bounds is None else (at >= bounds[0]) & (at < bounds[1])
    query = select_columns("hub_id").where(col(Release.pending).is_(False), where).order_by(at, col(Release.id))
    for row in _fetched(connection, query):
        values = flat(row)
        yield {"hub_id": row.hub_id} | {name: parquet_value(name, values[name]) for name in _KEPT}


# --- launches ---------------------------------------------------------------------------------------------

_LAUNCH_COLUMNS = (
    Column("launch", "integer", "number of the launch, as in `releases`"),
    Column("publisher", "text", "id of the lab, else the namespace"),
    Column("family", "text", "family of the models"),
    Column("name", "text", "name of the launch"),
    Column("first_at", "time", "when its first member became public"),
    Column("last_at", "time", "when its last member became public"),
    Column("members", "integer", "number of its releases"),
)


def _launches(connection: Connection, bounds: Bounds | None, _last: int) -> Iterator[dict[str, Any]]:
    assert bounds is not None
    member = (col(Release.launch_id) == col(Launch.id)) & col(Release.pending).is_(False)
    members = select(func.count()).select_from(Release).where(member).scalar_subquery()
    names = [getattr(Launch, one.name) for one in _LAUNCH_COLUMNS[1:-1]]
    query = select(col(Launch.id).label("launch"), *names, members.label("members"))
    at = col(Launch.first_at)
    for row in _fetched(connection, query.where(at >= bounds[0], at < bounds[1]).order_by(at, col(Launch.id))):
        yield row._asdict()


# --- changes ----------------------------------------------------------------------------------------------

_CHANGE_COLUMNS = (
    Column("change", "integer", "number of the change; later ones have larger numbers"),
    _HUB_ID,
    Column("at", "time", "when it was observed"),
    Column("field", "text", "what changed"),
    Column("before", "json", "its value before"),
    Column("after", "json", "its value after"),
    Column("event", "text", "the event that it was, once it had held; null: none"),
    Column("reason", "text", "the source that showed it, or why it was classified otherwise"),
)


def change_rows(
    connection: Connection, bounds: Bounds | None, last: int, *, after: int = 0
) -> Iterator[dict[str, Any]]:
    """The changes of a month with numbers above ``after`` and up to ``last``, in their order."""
    assert bounds is not None
    ident, at = col(Change.id), col(Change.at)
    names = [Change.at, Change.field, Change.before, Change.after, Change.event, Change.reason]
    query = (
        select(ident.label("change"), col(Release.hub_id), *names)
        .join(Release, col(Release.id) == col(Change.release_id))
        .where(col(Release.pending).is_(False), ident > after, ident <= last, at >= bounds[0], at < bounds[1])
        .order_by(ident)
    )
    for row in _fetched(connection, query):
        yield row._asdict()


def _change_span(connection: Connection, last: int) -> tuple[datetime | None, datetime | None]:
    return _span_of(col(Change.at), col(Change.id) <= last)(connection, last)


# --- adoption ---------------------------------------------------------------------------------------------

_MEASURE_MEANINGS = {
    "downloads": "downloads in the last 30 days",
    "downloads_all_time": "all downloads, as the Hub counted them; it can fall",
    "likes": "likes",
    "trending_rank": "rank on the Hub's trending list, from 1",
    "derivatives": "number of models built on it",
    "hub_finetunes": "fine-tunes of it, as the Hub counts them",
    "hub_adapters": "adapters of it, as the Hub counts them",
    "hub_merges": "merges of it, as the Hub counts them",
    "hub_quantized": "quantized forms of it, as the Hub counts them",
}
_MEASURED = tuple(name for name in _MEASURE_MEANINGS if name in Adoption.model_fields)
_ADOPTION_COLUMNS = (
    _HUB_ID,
    Column("day", "text", "day in UTC, `2026-01-31`; a day without a change has no row"),
    *(Column(name, "integer", _MEASURE_MEANINGS[name]) for name in _MEASURED),
)


def _adoption(connection: Connection, bounds: Bounds | None, _last: int) -> Iterator[dict[str, Any]]:
    assert bounds is not None
    day, today = col(Adoption.day), now().date().isoformat()
    begin, end = (bound.date().isoformat() for bound in bounds)
    query = (
        select(col(Release.hub_id), day, *(getattr(Adoption, name) for name in _MEASURED))
        .join(Release, col(Release.id) == col(Adoption.release_id))
        # The row of today is written anew until the day is over.
        .where(col(Release.pending).is_(False), day >= begin, day < end, day < today)
        .order_by(day, col(Adoption.release_id))
    )
    for row in _fetched(connection, query):
        yield row._asdict()


def _adoption_span(connection: Connection, _last: int) -> tuple[datetime | None, datetime | None]:
    row = connection.execute(select(func.min(col(Adoption.day)), func.max(col(Adoption.day)))).one()
    first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None for day in row)
    return first, last


TABLES = (
    Table("releases", "Repositories with weights, each once, as last seen", "`released_at`", _release_columns(),
          _span_of(col(Release.released_at), col(Release.pending).is_(False)), _releases, has_unknown=True),
    Table("launches", "Repositories of one publisher and family that came out together", "`first_at`", _LAUNCH_COLUMNS,
          _span_of(col(Launch.first_at)), _launches),
    Table("changes", "What changed, with the values before and after", "`at`", _CHANGE_COLUMNS, _change_span,
          change_rows),
    Table("adoption", "Counts of tracked releases at the end of a day", "`day`", _ADOPTION_COLUMNS, _adoption_span,
          _adoption),
)  # fmt: skip
"""The tables of a data set."""
CHANGES = TABLES[2]


def as_text(value: Any, *, is_json: bool) -> str | None:
    """A value as text: of a JSON column as JSON, of a text column as it reads; None stays."""
    if value is None or (isinstance(value, str) and not is_json):
        return value
    return orjson.dumps(value).decode()


__all__ = ["CHANGES", "TABLES", "Column", "Table", "as_text", "change_rows", "last_settled_change"]
