"""The meaning of a query in SQL, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any as Anything

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement, GenericFunction
from sqlmodel import col

from monitor.db.engine import now as this_moment
from monitor.enums import Event, Format
from monitor.models import COUNTED, MEASURED, Change, Release, Tally
from monitor.releases.query.parents import labs_of, origins
from monitor.releases.query.tree import All, Any, Node, Not, Part, Query, Term, is_when, names_changes
from monitor.releases.query.values import ANY, COUNTS, DATES, LICENSE_CLASSES, NONE, Bounds, bounds, is_time
from monitor.releases.query.words import certain, labs_called
from monitor.releases.schema import CHANGED, EXACT_FIELDS, LIST_FIELDS, QUERY_FIELDS

COLUMNS: dict[str, Anything] = {
    field.name: getattr(Release, field.column) for field in QUERY_FIELDS if field.column is not None
}


class folded(GenericFunction[str]):  # noqa: N801
    """Lower case for ASCII alone, whatever the database's locale."""

    type = String()
    inherit_cache = True


@compiles(folded, "sqlite")
def _folded_sqlite(element: Anything, compiler: Anything, **kw: Anything) -> str:
    return f"lower({compiler.process(element.clauses, **kw)})"


@compiles(folded, "postgresql")
def _folded_postgresql(element: Anything, compiler: Anything, **kw: Anything) -> str:
    # In the collation C only ASCII has cases; translate() would do the same and takes longer.
    return f'lower({compiler.process(element.clauses, **kw)} COLLATE "C")'


class holds(GenericFunction[int]):  # noqa: N801
    """Where a text begins in another, from 1; 0: nowhere."""

    inherit_cache = True


@compiles(holds, "sqlite")
def _holds_sqlite(element: Anything, compiler: Anything, **kw: Anything) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(holds, "postgresql")
def _holds_postgresql(element: Anything, compiler: Anything, **kw: Anything) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)})"


class unindexed(GenericFunction[Anything]):  # noqa: N801
    """A column whose own index is not searched for NULL.

    SQLite takes NULL for as rare as any other value: of a column that is mostly unknown, it would look up most of the
    table by that index, where those that are walked for a page hold the column.
    """

    inherit_cache = True


@compiles(unindexed, "sqlite")
def _unindexed_sqlite(element: Anything, compiler: Anything, **kw: Anything) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


@compiles(unindexed, "postgresql")
def _unindexed_postgresql(element: Anything, compiler: Anything, **kw: Anything) -> str:
    return f"{compiler.process(element.clauses, **kw)}"


_WALKED = frozenset({*COUNTED, *MEASURED})


def _is_unknown(column: Anything) -> ColumnElement[bool]:
    return (unindexed(col(column)) if column.key in _WALKED else col(column)).is_(None)


class elements(FunctionElement[Anything]):  # noqa: N801
    """The texts of a JSON list, as rows with the column ``value``."""

    inherit_cache = True
    name = "elements"


@compiles(elements, "sqlite")
def _elements_sqlite(element: Anything, compiler: Anything, **kw: Anything) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(elements, "postgresql")
def _elements_postgresql(element: Anything, compiler: Anything, **kw: Anything) -> str:
    return f"jsonb_array_elements_text({compiler.process(element.clauses, **kw)})"


def to_sql(query: Query, now: datetime | None = None) -> ColumnElement[bool]:
    """The condition on ``release``. What is unknown fulfils no comparison, and so every negated one."""
    return _node(query.root, now or this_moment(), Part())


def _node(node: Node, now: datetime, part: Part) -> ColumnElement[bool]:  # noqa: PLR0911
    match node:
        case All(items):
            part = part.of(items)
            found = [_node(item, now, part) for item in items if not is_when(item)]
            times = [item for item in items if is_when(item)]
            if times and not names_changes(items):
                found.append(_recorded(_ANY_CHANGE, times, now))
            return and_(true(), *found)
        case Any(items):
            return or_(false(), *(_node(item, now, part) for item in items))
        case Not(item):
            # SQL's third truth value ends here: unknown is false, and its negation true.
            return not_(func.coalesce(_node(item, now, part), false()))
        case Term("event", _, values):
            return _happened(values, part.times, now)
        case Term("crossed", _, lines):
            return _recorded(col(Change.field).in_([f"crossed {line}" for line in lines]), part.times, now)
        case Term("changed"):
            return _changed(node, part.times, now)
        case Term("format", _, values):
            return or_(*map(_format, values))
        case Term("memory", operator, values) if part.formats and NONE not in values:
            return or_(*(_memory(operator, value, part.formats) for value in values))
        case Term(field, operator, values):
            return _term(field, operator, values, now)


_ANY_CHANGE = col(Change.field).in_([name for names in CHANGED.values() for name in names])
"""Changes of what ``changed:`` can name."""


def _changed(term: Term, times: Sequence[Term], now: datetime) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    names = [name for value in term.values if value in CHANGED for name in CHANGED[value]]
    if names:
        parts.append(_recorded(col(Change.field).in_(names), times, now, few=True))
    if NONE in term.values:
        parts.append(not_(_recorded(_ANY_CHANGE, times, now)))
    some = tuple(value for value in term.values if is_time(value))
    if some:
        parts.append(_recorded(_ANY_CHANGE, [Term("changed", term.operator, some)], now))
    return or_(*parts)


def _recorded(
    which: ColumnElement[bool], times: Sequence[Term], now: datetime, *, few: bool = False
) -> ColumnElement[bool]:
    """That such a change of the release is recorded, at one of the values of each of ``times``.

    Where there are times or ``few`` such changes, all of these are read first, by an index that holds what is read of
    them, and each release is compared with the list of their ids; else those of each release are looked up.
    """
    if not times and not few:
        return exists(select(1).where(col(Change.release_id) == col(Release.id), which).correlate(Release))
    at = [
        or_(*(_within(col(Change.at), bounds("changed", one.operator, value, now)) for value in one.values))
        for one in times
    ]
    return col(Release.id).in_(select(col(Change.release_id)).where(which, *at))


def _launched(values: tuple[str, ...]) -> ColumnElement[bool]:
    column = col(Release.launch_id)
    numbers = [int(value) for value in values if value not in {NONE, ANY}]
    parts = [column.in_(numbers)] if numbers else []
    parts += [column.is_(None)] if NONE in values else []
    return or_(*parts, *([column.is_not(None)] if ANY in values else []))


def _happened(words: tuple[str, ...], times: Sequence[Term], now: datetime) -> ColumnElement[bool]:
    """Every release was released, a member of a launch was launched, and the rest is written with its changes."""
    parts: list[ColumnElement[bool]] = [true()] if Event.RELEASE in words else []
    if Event.LAUNCH in words:
        parts.append(col(Release.launch_id).is_not(None))
    noted = [word for word in words if word not in {Event.RELEASE, Event.LAUNCH, NONE}]
    if noted:
        parts.append(_recorded(col(Change.event).in_(noted), times, now))
    return or_(false(), *parts)


def _term(field: str, operator: str, values: tuple[str, ...], now: datetime) -> ColumnElement[bool]:
    if field == "launch":
        return _launched(values)
    if field in EXACT_FIELDS:
        column = col(COLUMNS[field])
        known = [value for value in values if value != NONE]
        parts = [column.in_(known)] if known else []
        return or_(*parts, *([_is_unknown(column)] if NONE in values else []))
    if field in LIST_FIELDS:
        return _in_list(field, values)
    plain = [value for value in values if _is_plain(field, value)]
    if len(plain) > 1:  # folded once for all of them
        others = [_value(field, operator, value, now) for value in values if value not in plain]
        return or_(folded(col(COLUMNS.get(field, Release.license))).in_(plain), *others)
    return or_(*(_value(field, operator, value, now) for value in values))


def _is_plain(field: str, value: str) -> bool:
    """Whether a value is compared with one column as it is, but for its case."""
    if value == NONE or field in COUNTS or field in DATES:
        return False
    if field == "license":
        return value not in LICENSE_CLASSES
    return field in COLUMNS and field not in {"repo", "family"}


def _value(field: str, operator: str, value: str, now: datetime) -> ColumnElement[bool]:  # noqa: PLR0911
    if field == "":
        return _word(value)
    if field in DATES:  # of unknown dates there are few, and a page is walked in the order of one
        return col(COLUMNS[field]).is_(None) if value == NONE else _between(field, operator, value, now)
    if field in COUNTS:
        return _is_unknown(COLUMNS[field]) if value == NONE else _between(field, operator, value, now)
    if field in _OWN:
        return _OWN[field](value)
    match field:
        case "license":
            if value in LICENSE_CLASSES:
                return col(Release.license_class) == value
            return _same(Release.license, value)
        case "repo":
            return (
                folded(col(Release.repo_id)).like(_pattern(value), escape="\\")
                if "*" in value
                else _same(Release.repo_id, value)
            )
    return _same(COLUMNS[field], value)


def _same(column: Anything, value: str) -> ColumnElement[bool]:
    return _is_unknown(column) if value == NONE else folded(col(column)) == value


def _pattern(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def _format(value: str) -> ColumnElement[bool]:
    words = col(Release.format_words)
    if value in {NONE, ANY}:
        return words.is_(None) if value == NONE else words.is_not(None)
    # That there are any is said for the index of those that have some.
    return and_(words.is_not(None), holds(literal(";") + words + literal(";"), f";{value};") > 0)


def _memory(operator: str, value: str, formats: tuple[str, ...]) -> ColumnElement[bool]:
    """What the weights of these formats take; with ``format:any``, those of any, or its own."""
    names = tuple(Format) if ANY in formats else formats
    sizes: list[Anything] = [_weights(name) for name in names]
    if ANY in formats:
        sizes.append(col(Release.memory_bytes))
    return or_(
        *(func.coalesce(_within(size, bounds("memory", operator, value, this_moment())), false()) for size in sizes)
    )


def _weights(name: str) -> Anything:
    size = col(Release.formats)[(str(name), "memory", "weights_gb")].as_float()
    return func.round(size * literal(1e9))


def _between(field: str, operator: str, value: str, now: datetime) -> ColumnElement[bool]:
    return _within(col(COLUMNS[field]), bounds(field, operator, value, now))


def _within(column: Anything, limits: Bounds) -> ColumnElement[bool]:
    lower, with_lower, upper, with_upper = limits
    parts = []
    if lower is not None:
        parts.append(column >= lower if with_lower else column > lower)
    if upper is not None:
        parts.append(column <= upper if with_upper else column < upper)
    return and_(*parts)


def _in_list(field: str, values: tuple[str, ...]) -> ColumnElement[bool]:
    """Any of the values; each row's list is read once, however many they are."""
    source = elements(col(COLUMNS[field])).table_valued("value", name="item")
    known = [value for value in values if value != NONE]
    parts = [exists(select(1).select_from(source).where(folded(source.c.value).in_(known)))] if known else []
    return or_(*parts, *([not_(exists(select(1).select_from(source)))] if NONE in values else []))


def _gated(value: str) -> ColumnElement[bool]:
    column = col(Release.gated)
    if value == NONE:
        return column.is_(None)
    return column.in_(["auto", "manual"] if value == "true" else [value])


def _foundation(value: str) -> ColumnElement[bool]:
    if value == NONE:
        return col(Release.foundation_repo_id).is_(None)
    if "/" in value:
        return folded(col(Release.foundation_repo_id)) == value
    return col(Release.foundation_origin) == value if value.isupper() else col(Release.foundation_lab) == value


def _suspected(value: str) -> ColumnElement[bool]:
    if value in {NONE, ANY}:
        known = col(Release.suspected_confidence)
        return known.is_(None) if value == NONE else known.is_not(None)
    if "/" in value:
        return folded(col(Release.suspected_repo_id)) == value
    return col(Release.suspected_origin) == value if value.isupper() else col(Release.suspected_lab) == value


def _notable(value: str) -> ColumnElement[bool]:
    if value in {NONE, ANY}:
        score = col(Release.notable_score)
        return score.is_(None) if value == NONE else score.is_not(None)
    return holds(literal(";") + col(Release.notable_reasons) + literal(";"), f";{value};") > 0


def _provider(value: str) -> ColumnElement[bool]:
    names = col(Release.served_by)
    # Written as in the index of those that are served.
    is_served: ColumnElement[bool] = names.op("<>", is_comparison=True)(literal_column("''"))
    if value == NONE:
        return not_(func.coalesce(is_served, false()))
    if value == ANY:
        return is_served
    return and_(is_served, holds(literal(";") + folded(names) + literal(";"), f";{value};") > 0)


def _conflict(value: str) -> ColumnElement[bool]:
    found = col(Release.license_conflict)
    if value == NONE:
        return found.is_(None)
    return and_(found.is_not(None), col(Release.effective_license_class) == value)


def _family(value: str) -> ColumnElement[bool]:
    column = col(Release.family)
    if value == NONE:
        return column.is_(None)
    return column.like(_pattern(value), escape="\\") if "*" in value else column == value


def _parent(value: str) -> ColumnElement[bool]:
    lab, origin = col(Release.lab), col(Release.origin)
    if value != NONE and not value.isupper():
        return lab.in_(sorted(labs_of(value)))
    wanted = None if value == NONE else value
    above = origins()
    under = [ident for ident, country in above.items() if country == wanted]
    itself = origin.is_(None) if wanted is None else origin == wanted
    return or_(lab.in_(under), and_(or_(lab.is_(None), lab.not_in(list(above))), itself))


_OWN: dict[str, Callable[[str], ColumnElement[bool]]] = {
    "conflict": _conflict, "family": _family, "foundation": _foundation, "gated": _gated, "notable": _notable,
    "parent": _parent, "provider": _provider, "suspected": _suspected,
}  # fmt: skip
"""Fields whose values have meanings of their own."""


def _word(word: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = holds(col(Release.search_text), bindparam(None, f" {word}", String())) > 0
    labs = labs_called(word)
    return or_(found, col(Release.lab).in_(labs)) if labs else found


_COUNTED = {
    "origin": "origin",
    "lab": "lab",
    "kind": "kind",
    "size": "size",
    "openness": "openness",
    "task": "task",
    "license": "license_class",
    "foundation": "foundation_origin",
}


def to_tally(query: Query, now: datetime | None = None, table: Anything = Tally) -> ColumnElement[bool] | None:
    """The condition on ``tally``, or another table with its dimensions; None where it does not know what is asked for.

    The tally knows the month of release: of periods that begin and end with a month of UTC.
    """
    return _counted(query.root, now or this_moment(), table)


def _counted(node: Node, now: datetime, table: Anything) -> ColumnElement[bool] | None:
    match node:
        case All(items) | Any(items):
            parts = [_counted(item, now, table) for item in items]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            return and_(true(), *known) if isinstance(node, All) else or_(false(), *known)
        case Not(item):
            inner = _counted(item, now, table)
            return None if inner is None else not_(inner)
        case Term("released", operator, values) if table is Tally:
            months = [_months(operator, value, now) for value in values]
            inside = [month for month in months if month is not None]
            return or_(*inside) if len(inside) == len(months) else None
        case Term(field, _, values) if field in _COUNTED and all(_tallied(field, value) for value in values):
            column = col(getattr(table, _COUNTED[field]))
            wanted = ["" if value == NONE else value for value in values]
            return (folded(column) if field == "task" else column).in_(wanted)
    return None


def _months(operator: str, value: str, now: datetime) -> ColumnElement[bool] | None:
    """The condition on the month of a cell; None for a period that begins or ends within a month."""
    month = col(Tally.month)
    if value == NONE:
        return month == ""
    lower, with_lower, upper, with_upper = bounds("released", operator, value, now)
    parts: list[ColumnElement[bool]] = [month != ""]
    if lower is not None:
        if not with_lower or not _begins_month(lower):
            return None
        parts.append(month >= f"{lower:%Y-%m}")
    if upper is not None:
        if with_upper or not _begins_month(upper):
            return None
        parts.append(month < f"{upper:%Y-%m}")
    return and_(*parts)


def _begins_month(timestamp: Anything) -> bool:
    """Whether a bound of a date, which is in UTC, is the start of a month."""
    return bool(timestamp == datetime(timestamp.year, timestamp.month, 1, tzinfo=UTC))


def _tallied(field: str, value: str) -> bool:
    if field == "license":
        return value in LICENSE_CLASSES
    # Who is built on nothing that is known is not who is built on something of unknown origin.
    return field != "foundation" or (value.isupper() and "/" not in value)


def lookup(query: Query, dialect: str) -> str | None:
    """What the index of words is asked for: whatever matches the query is among what it finds; None: it cannot help.

    In SQLite's FTS5 or in PostgreSQL's tsquery. It narrows a search, :func:`to_sql` decides.
    """
    return _lookup(query.root, _TOKENS[dialect])


# SQLite's index knows beginnings of up to 12 characters by themselves; a longer one it would gather from all its words.
_TOKENS = {"sqlite": ('"%s"', '"%.12s" *', " AND ", " OR "), "postgresql": ("'%s'", "'%s':*", " & ", " | ")}


def _lookup(node: Node, tokens: tuple[str, str, str, str]) -> str | None:
    exact, begun, both, either = tokens
    match node:
        case Term("", _, (words,)):
            *before, last = words.split(" ")
            named = both.join([*(exact % word for word in before), begun % last])
            labs = [both.join(exact % word for word in certain(lab)) for lab in labs_called(words)]
            return either.join(f"({text})" for text in (named, *labs)) if labs else named
        case Term("tag" | "repo" | "namespace", _, values) if NONE not in values and "*" not in "".join(values):
            found = [both.join(exact % word for word in certain(value)) for value in values]
        case All(items):
            known = [text for text in (_lookup(item, tokens) for item in items) if text]
            return both.join(f"({text})" for text in known) or None
        case Any(items):
            found = [_lookup(item, tokens) or "" for item in items]
        case _:
            return None
    return either.join(f"({text})" for text in found) if all(found) else None
