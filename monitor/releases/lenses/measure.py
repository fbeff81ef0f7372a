"""What a lens counts, by country: one statement for each lens, on the tally if that knows all that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, func, literal_column, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.enums import Kind
from monitor.labs import Registry
from monitor.models import MEASURED, ORIGINAL, Release, Tally
from monitor.releases.lenses.definition import Lens
from monitor.releases.query import Query, to_sql, to_tally
from monitor.releases.query.parents import origins
from monitor.releases.query.sql import COLUMNS
from monitor.releases.query.tree import All, Term
from monitor.releases.query.values import NONE, bounds
from monitor.releases.search import conditions
from monitor.releases.sums import plausible_count

_Column: TypeAlias = Any
"""A column or an expression: the classes that SQLModel gives these have no common type."""
_HIGH = 2**32
"""Counts are summed in two parts, of which neither outgrows 64 bits."""


class Counted(NamedTuple):
    """Units that count for one country; None: for none that is known.

    ``value``: the sum of their weights, where known; ``weighed``: how many have a known weight.
    """

    country: str | None
    units: int
    weighed: int
    value: int


def count_by_country(session: Session, lens: Lens, query: Query, registry: Registry) -> list[Counted]:
    """What the lens counts of the releases that match, one row for each country."""
    within = lens.within(query)
    moves = lens.country == "suspected" and lens.unit == "repository"
    cells = to_tally(within) if "as_of" not in session.info and _in_tally(lens) else None
    where = _conditions(session, within, lens) if cells is None or moves else []
    source = _tally(lens, cells) if cells is not None else _releases(lens, _keys(lens, Release), where, session)
    statement = _by_country(source) if lens.unit == "repository" else _units_by_country(source, lens)
    country = _country_of(lens, registry)
    sums: dict[str | None, list[int]] = {}
    for *keys, units, weighed, high, low in session.execute(statement):
        _add(sums, country(*(key or None for key in keys)), (units, weighed, high, low))
    if moves:
        _move_suspected(session, lens, where, sums)
    return [Counted(name, *numbers) for name, numbers in sums.items() if numbers[0]]


def _add(sums: dict[str | None, list[int]], country: str | None, row: tuple[Any, ...], sign: int = 1) -> None:
    units, weighed, high, low = (int(number or 0) for number in row)
    numbers = sums.setdefault(country, [0, 0, 0])
    for place, number in enumerate((units, weighed, (high << 32) + low)):
        numbers[place] += sign * number


def _move_suspected(
    session: Session, lens: Lens, where: list[ColumnElement[bool]], sums: dict[str | None, list[int]]
) -> None:
    """Counts those that are suspected for the country that they are suspected of, not for the declared one.

    Few releases are, and an index holds them; neither the tally nor the index of all releases knows them.
    """
    declared, suspected = col(Release.foundation_origin), col(Release.suspected_origin)
    some = _releases(lens, [declared, suspected], [suspected.is_not(None), *where], session)
    for before, after, *row in session.execute(_by_country(some)):
        _add(sums, before, tuple(row), -1)
        _add(sums, after, tuple(row))


def _conditions(session: Session, query: Query, lens: Lens) -> list[ColumnElement[bool]]:
    """The conditions of the matching releases, so written that a database reads few rows to find them.

    Originals are read from an index that holds what lenses ask of them; the few releases with many downloads from the
    index of downloads. SQLite knows nothing of how many rows a range has: of the other conditions it is kept from
    choosing an index by: it looks into no function.
    """
    where = conditions(session, query)
    narrowing = _narrowing(query, lens)
    if not narrowing or "as_of" in session.info or session.get_bind().dialect.name != "sqlite":
        return [*where, *narrowing]
    return [*narrowing, func.coalesce(and_(*where), 0) == 1]


_HELD = {field for field, column in COLUMNS.items() if column.key in ORIGINAL} | {"license"}
"""Fields of which the index of originals holds whatever can be asked."""
MANY_DOWNLOADS = 10_000
"""So few releases have more downloads that they are best found by these."""


def _narrowing(query: Query, lens: Lens) -> list[ColumnElement[bool]]:
    """Conditions that are there already, and that an index serves."""
    parts = query.root.items if isinstance(query.root, All) else (query.root,)
    if Term("kind", ":", (str(Kind.BASE),)) in parts and query.fields <= _HELD and lens.weight not in MEASURED:
        # As in the definition of the index, not as a parameter: else a database does not see that it holds them all.
        narrow = [col(Release.kind) == literal_column("'base'")]
        return [
            *narrow,
            *(to_sql(Query(part)) for part in parts if isinstance(part, Term) and part.field == "released"),
        ]
    for part in parts:
        if isinstance(part, Term) and part.field == "downloads" and part.values != (NONE,) and len(part.values) == 1:
            lowest = bounds("downloads", part.operator, part.values[0], now())[0]
            if isinstance(lowest, int) and lowest >= MANY_DOWNLOADS:
                return [to_sql(Query(part))]
    return []


def _country_of(lens: Lens, registry: Registry) -> Callable[..., str | None]:
    """From the keys of a row to its country."""
    if lens.country == "parent":
        above = origins()
        return lambda lab, origin: above.get(lab or "", origin)
    if lens.country == "incorporation":
        known = {lab.id: lab.incorporated for lab in registry.labs if lab.incorporated is not None}
        return lambda lab, origin: known.get(lab or "", origin)
    return lambda country: country


# --- what is counted --------------------------------------------------------------------------------------


class _Source(NamedTuple):
    """Rows to count: the columns that decide the country, how many releases a row is, and what these weigh.

    ``weight``: their weights together, null where none is known; ``known``: how many are; ``unit``: the columns that
    tell units apart, none for repositories. ``high`` and ``low``: the parts of ``weight``.
    """

    keys: list[_Column]
    unit: list[_Column]
    releases: Any
    known: Any
    weight: Any
    high: Any
    low: Any
    where: list[ColumnElement[bool]]


_ONE: Any = literal_column("1", BigInteger)
_ZERO: Any = literal_column("0", BigInteger)


def _in_tally(lens: Lens) -> bool:
    if lens.unit == "repository":
        return lens.weight in {"1", "params", *MEASURED}
    return lens.unit == "lab" and lens.country != "suspected" and lens.weight in {"1", *MEASURED}


def _tally(lens: Lens, cells: ColumnElement[bool]) -> _Source:
    keys = [func.nullif(key, "") for key in _keys(lens, Tally)]
    where = [cells] if lens.unit == "repository" else [cells, col(Tally.lab) != ""]
    unit: list[_Column] = [] if lens.unit == "repository" else [col(Tally.lab)]
    number: Any = col(Tally.releases)
    if lens.weight == "1":
        return _Source(keys, unit, number, number, number, _ZERO, number, where)
    if lens.weight == "params":
        known, high, low = (col(getattr(Tally, name)) for name in ("params_known", "params_high", "params_low"))
        return _Source(keys, unit, number, known, None, high, low, where)
    known, total = (col(getattr(Tally, f"{lens.weight}{end}")) for end in ("_known", ""))
    return _Source(keys, unit, number, known, total, _ZERO, total, where)


def _releases(lens: Lens, keys: list[_Column], where: list[ColumnElement[bool]], session: Session) -> _Source:
    weight = _weight(lens)
    unit = _unit(lens)
    columns = [*keys, *unit]
    some = select(*(column.label(f"c{place}") for place, column in enumerate(columns)), weight.label("weight"))
    some = some.where(*where, *(part.is_not(None) for part in unit[:1]))
    if "as_of" in session.info and session.get_bind().dialect.name == "sqlite":
        some = some.limit(-1)  # else SQLite merges it with the counting, and cannot look through what was known then
    row = some.subquery()
    found: list[Any] = [row.c[f"c{place}"] for place in range(len(columns))]
    value: Any = row.c.weight
    known = case((value.is_not(None), 1), else_=0)
    high, low = value.op("/", return_type=BigInteger())(_HIGH), value % _HIGH
    number = len(columns) - len(unit)
    return _Source(found[:number], found[number:], _ONE, known, value, high, low, [])


def _keys(lens: Lens, table: Any) -> list[_Column]:
    """The columns that decide whose country it is."""
    match lens.country:
        case "headquarters":
            return [col(table.origin)]
        case "foundation":
            return [col(table.foundation_origin)]
        case "suspected" if lens.unit == "repository":
            return [col(table.foundation_origin)]  # those that are suspected are moved afterwards
        case "suspected":
            return [func.coalesce(col(table.suspected_origin), col(table.foundation_origin))]
    return [col(table.lab), col(table.origin)]


def _unit(lens: Lens) -> list[_Column]:
    """The columns that tell units apart; what has none of the first belongs to no unit."""
    match lens.unit:
        case "repository":
            return []
        case "launch":
            return [col(Release.launch_id)]
        case "lab":
            return [col(Release.lab)]
    return [col(Release.family), func.coalesce(col(Release.lab), col(Release.namespace))]


def _weight(lens: Lens) -> Any:
    if lens.weight in MEASURED:
        return plausible_count(col(getattr(Release, lens.weight)))
    return col(Release.params_total) if lens.weight == "params" else _ONE


# --- how it is counted ------------------------------------------------------------------------------------


def _by_country(source: _Source) -> Select[Any]:
    """(keys …, releases, how many have a known weight, high, low) of each country."""
    number = func.sum(source.releases)
    sums = (func.sum(part) for part in (source.known, source.high, source.low))
    return select(*source.keys, number, *sums).where(*source.where).group_by(*source.keys).having(number != 0)


def _units_by_country(source: _Source, lens: Lens) -> Select[Any]:
    """The same of units. A unit is of the country that its members have where it is known; if they differ, of none.

    It weighs as much as its members together; by parameters as much as the largest.
    """
    together = func.max if lens.weight in {"1", "params"} else func.sum
    unit = [part.label(f"u{place}") for place, part in enumerate(source.unit)]
    keys = [key.label(f"k{place}") for place, key in enumerate(source.keys)]
    weight = case((func.sum(source.known) != 0, together(source.weight)))
    some = select(*unit, *keys, weight.label("weight")).where(*source.where).group_by(*source.unit, *source.keys)
    # In the tally, a country that the unit has no release of any more can have cells that cancel each other.
    part = some.having(func.sum(source.releases) != 0).subquery()
    names = [key.name for key in keys]
    same = [case((func.min(part.c[name]) == func.max(part.c[name]), func.min(part.c[name]))) for name in names]
    shared = [one.label(name) for one, name in zip(same, names, strict=True)]
    units = select(*shared, together(part.c.weight).label("weight")).group_by(*(part.c[one.name] for one in unit))
    whole = units.subquery()
    value: Any = _ONE if lens.weight == "1" else whole.c.weight
    known = func.count() if lens.weight == "1" else func.count(whole.c.weight)
    countries = [whole.c[name] for name in names]
    high, low = func.sum(value.op("/", return_type=BigInteger())(_HIGH)), func.sum(value % _HIGH)
    return select(*countries, func.count(), known, high, low).group_by(*countries)
