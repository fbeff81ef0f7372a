"""The meaning of a query in Python: a predicate over releases, for matching what has just come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any as Anything
from typing import NamedTuple, Protocol

from monitor.db.engine import now as this_moment
from monitor.enums import Event, Format
from monitor.models import Change, Release
from monitor.models.search_text import build_search_text
from monitor.releases.query.glob import matcher
from monitor.releases.query.parents import labs_of, origins
from monitor.releases.query.tree import All, Any, Node, Not, Part, Query, Term, is_when, names_changes, written
from monitor.releases.query.values import ANY, COUNTS, DATES, LICENSE_CLASSES, NONE, Bounds, bounds, fold, is_time
from monitor.releases.query.words import labs_called
from monitor.releases.schema import CHANGED, EXACT_FIELDS, LIST_FIELDS, QUERY_FIELDS

_RELEASED = (Event.RELEASE,)


class Predicate(Protocol):
    """Whether a release, and what happened to it (words of :class:`~monitor.enums.Event`), is asked for.

    ``changes``: the changes that are recorded of it, which ``changed:`` is compared with.
    """

    def __call__(
        self, release: Release, happened: Collection[str] = _RELEASED, changes: Sequence[Change] = (), /
    ) -> bool: ...


class _Past(NamedTuple):
    """What happened to a release, and the changes that are recorded of it."""

    words: Collection[str]
    changes: Sequence[Change] = ()


_Test = Callable[[Release, _Past], bool]

_ATTRIBUTES = {field.name: field.column for field in QUERY_FIELDS if field.column is not None}


def to_predicate(query: Query, now: datetime | None = None) -> Predicate:
    """The same meaning as :func:`to_sql`; dates that count back do so from each call, or from ``now``.

    ``event:`` is compared with the ``happened`` argument, and ``changed:`` with ``changes``; in SQL both read the table
    of changes.
    """
    test = _node(query.root, now, Part())

    def holds(release: Release, happened: Collection[str] = _RELEASED, changes: Sequence[Change] = (), /) -> bool:
        return test(release, _Past(happened, changes))

    return holds


def explain(
    query: Query, release: Release, now: datetime | None = None, changes: Sequence[Change] = ()
) -> list[tuple[str, bool]]:
    """The parts that must all hold, as text, and whether each does. ``changes``: those recorded of the release."""
    items = query.root.items if isinstance(query.root, All) else (query.root,)
    part, past = Part().of(items), _Past(_RELEASED, changes)
    return [(written(item, inside=True), _node(item, now, part)(release, past)) for item in items]


def _node(node: Node, now: datetime | None, part: Part) -> _Test:  # noqa: PLR0911
    match node:
        case All(items):
            part = part.of(items)
            every = [_node(item, now, part) for item in items if not is_when(item)]
            times = [item for item in items if is_when(item)]
            if times and not names_changes(items):
                every.append(_recorded(_ANY_CHANGE, times, now))
            return lambda release, past: all(holds(release, past) for holds in every)
        case Any(items):
            some = [_node(item, now, part) for item in items]
            return lambda release, past: any(holds(release, past) for holds in some)
        case Not(item):
            inner = _node(item, now, part)
            return lambda release, past: not inner(release, past)
        case Term("event" | "crossed" as field, _, words) if part.times:
            return _happened_then(field, frozenset(words), part.times, now)
        case Term("event" | "crossed", _, words):
            wanted = frozenset(words)
            return lambda _, past: not wanted.isdisjoint(past.words)
        case Term("changed", operator, values):
            return _changed(operator, values, part.times, now)
        case Term("format", _, values):
            return _format(frozenset(values))
        case Term("memory", operator, values) if part.formats and NONE not in values:
            return _memory(operator, values, part.formats)
        case Term(field, operator, values):
            choices = [_value(field, operator, value, now) for value in values]
            first = choices[0]
            if len(choices) == 1:
                return lambda release, _: first(release)
            return lambda release, _: any(holds(release) for holds in choices)


_ANY_CHANGE = frozenset(name for names in CHANGED.values() for name in names)
"""The fields that ``changed:`` can name."""


def _happened_then(field: str, words: frozenset[str], times: Sequence[Term], now: datetime | None) -> _Test:
    """An event or a threshold by its recorded change, which has a time; releases and launches have none."""
    unwritten = words & {Event.RELEASE, Event.LAUNCH}
    names = frozenset(f"crossed {word}" for word in words)

    def holds(_: Release, past: _Past) -> bool:
        if field == "event" and not unwritten.isdisjoint(past.words):
            return True
        return any(
            (one.event in words if field == "event" else one.field in names) and _is_then(one, times, now)
            for one in past.changes
        )

    return holds


def _changed(operator: str, values: tuple[str, ...], times: Sequence[Term], now: datetime | None) -> _Test:
    named = _recorded(frozenset(name for value in values for name in CHANGED.get(value, ())), times, now)
    any_then = _recorded(_ANY_CHANGE, times, now)
    some = tuple(value for value in values if is_time(value))
    timed = _recorded(_ANY_CHANGE, [Term("changed", operator, some)], now)

    def holds(release: Release, past: _Past) -> bool:
        unchanged = NONE in values and not any_then(release, past)
        return unchanged or named(release, past) or (bool(some) and timed(release, past))

    return holds


def _recorded(names: frozenset[str], times: Sequence[Term], now: datetime | None) -> _Test:
    return lambda _, past: any(one.field in names and _is_then(one, times, now) for one in past.changes)


def _is_then(change: Change, times: Sequence[Term], now: datetime | None) -> bool:
    """Whether a change was at one of the values of each of the times."""
    at = now or this_moment()
    return all(
        any(_within(change.at, bounds("changed", one.operator, value, at)) for value in one.values) for one in times
    )


def _format(values: frozenset[str]) -> _Test:
    """Of an event ``runnable:gguf`` the format that came; else those of the release."""
    comes = {f"{Event.RUNNABLE}:{value}" for value in values}
    known = values - {ANY, NONE}

    def holds(release: Release, past: _Past) -> bool:
        came = [word for word in past.words if word.startswith(_CAME)]
        if came:
            return ANY in values or not comes.isdisjoint(came)
        words = (release.format_words or "").split(";") if release.format_words else []
        return (NONE in values and not words) or (ANY in values and bool(words)) or not known.isdisjoint(words)

    return holds


_CAME = f"{Event.RUNNABLE}:"


def _memory(operator: str, values: tuple[str, ...], formats: tuple[str, ...]) -> _Test:
    """What the weights of these formats take; with ``format:any``, those of any, or its own."""
    ranges = [bounds("memory", operator, value, this_moment()) for value in values]
    names = tuple(Format) if ANY in formats else formats

    def holds(release: Release, _: _Past) -> bool:
        sizes = [release.memory_bytes] if ANY in formats else []
        entries = (release.formats or {}).get
        for name in names:
            size = ((entries(name) or {}).get("memory") or {}).get("weights_gb")
            sizes.append(None if size is None else round(size * 1e9))
        return any(_within(size, one) for size in sizes for one in ranges)

    return holds


def _value(field: str, operator: str, value: str, now: datetime | None) -> Callable[[Release], bool]:  # noqa: PLR0911
    if field == "":
        labs = frozenset(labs_called(value))
        return lambda release: release.lab in labs or _has_word(release, value)
    if field == "license":
        if value == NONE:
            return lambda release: release.license is None
        if value in LICENSE_CLASSES:
            return lambda release: release.license_class == value
        return lambda release: fold(release.license or "") == value
    if field == "gated":
        wanted = {"true": ("auto", "manual"), NONE: (None,)}.get(value, (value,))
        return lambda release: release.gated in wanted
    if field in _OWN:
        return _OWN[field](value)
    if field == "repo":
        matches = matcher(value)
        return lambda release: matches(fold(release.repo_id))
    name = _ATTRIBUTES[field]
    if field in LIST_FIELDS:
        if value == NONE:
            return lambda release: not getattr(release, name)
        return lambda release: any(fold(item) == value for item in getattr(release, name))
    if value == NONE:
        return lambda release: getattr(release, name) is None
    if field in COUNTS or field in DATES:
        return _between(field, operator, value, name, now)
    if field in EXACT_FIELDS:
        return lambda release: getattr(release, name) == value
    return lambda release: fold(getattr(release, name) or "") == value


def _between(field: str, operator: str, value: str, name: str, now: datetime | None) -> Callable[[Release], bool]:
    fixed = None if field in DATES and now is None else bounds(field, operator, value, now or this_moment())

    def holds(release: Release) -> bool:
        return _within(getattr(release, name), fixed or bounds(field, operator, value, this_moment()))

    return holds


def _within(found: Anything, limits: Bounds) -> bool:
    lower, with_lower, upper, with_upper = limits
    if found is None:
        return False
    if lower is not None and not (found >= lower if with_lower else found > lower):
        return False
    return upper is None or bool(found <= upper if with_upper else found < upper)


def _foundation(value: str) -> Callable[[Release], bool]:
    if value == NONE:
        return lambda release: release.foundation_repo_id is None
    if "/" in value:
        return lambda release: fold(release.foundation_repo_id or "") == value
    if value.isupper():
        return lambda release: release.foundation_origin == value
    return lambda release: release.foundation_lab == value


def _suspected(value: str) -> Callable[[Release], bool]:
    if value in {NONE, ANY}:
        return lambda release: (release.suspected_confidence is None) == (value == NONE)
    if "/" in value:
        return lambda release: fold(release.suspected_repo_id or "") == value
    if value.isupper():
        return lambda release: release.suspected_origin == value
    return lambda release: release.suspected_lab == value


def _parent(value: str) -> Callable[[Release], bool]:
    if value != NONE and not value.isupper():
        labs = labs_of(value)
        return lambda release: release.lab in labs
    wanted = None if value == NONE else value
    above = origins()
    return lambda release: above.get(release.lab or "", release.origin) == wanted


def _conflict(value: str) -> Callable[[Release], bool]:
    if value == NONE:
        return lambda release: release.license_conflict is None
    return lambda release: release.license_conflict is not None and release.effective_license_class == value


def _family(value: str) -> Callable[[Release], bool]:
    if value == NONE:
        return lambda release: release.family is None
    matches = matcher(value)
    return lambda release: release.family is not None and matches(release.family)


def _launched(value: str) -> Callable[[Release], bool]:
    if value in {NONE, ANY}:
        return lambda release: (release.launch_id is None) == (value == NONE)
    return lambda release: release.launch_id == int(value)


def _notable(value: str) -> Callable[[Release], bool]:
    if value in {NONE, ANY}:
        return lambda release: (release.notable_score is None) == (value == NONE)
    return lambda release: value in (release.notable_reasons or "").split(";")


def _provider(value: str) -> Callable[[Release], bool]:
    if value in {NONE, ANY}:
        return lambda release: bool(release.served_by) == (value == ANY)
    return lambda release: value in fold(release.served_by or "").split(";")


_OWN: dict[str, Callable[[str], Callable[[Release], bool]]] = {
    "conflict": _conflict, "family": _family, "foundation": _foundation, "launch": _launched, "notable": _notable,
    "parent": _parent, "provider": _provider, "suspected": _suspected,
}  # fmt: skip
"""Fields whose values have meanings of their own."""


def _has_word(release: Release, word: str) -> bool:
    return f" {word}" in (release.search_text or build_search_text(release.repo_id, release.lab, release.tags))
