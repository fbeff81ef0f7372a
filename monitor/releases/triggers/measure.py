"""What a trigger observes, counted: from the tally where that can answer, else from the releases of the span.

The tally knows months and the dimensions of statistics, so it answers spans in months and ``all`` without looking at a
release. Everything else walks the releases of its span in the index by time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.models import Release, Tally
from monitor.releases.query import Query, QueryError, parse, to_sql, to_tally
from monitor.releases.query.tree import All, normalised
from monitor.releases.search import conditions, find
from monitor.releases.tally import DIMENSIONS
from monitor.releases.triggers.expression import ALL, Count, Drop, First, Share, Trigger

MIN_SHARE_ROWS = 10
"""A share of fewer releases is not evaluated: each of them would move it by more than 10 points."""
MAX_VALUES = 10_000
"""Values of a field that ``first`` and ``new`` can tell apart."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a trigger observed at a time.

    ``value``: percent of a share or a drop, or a count; None if it was not evaluated, for the ``reason``.
    ``part`` and ``whole``: the releases of a share, or the present and the highest value of a drop; ``whole`` is also
    what was counted. ``unknown``: releases of ``whole`` for which a field that ``part`` names is not known; they are
    in ``whole``. ``names``: the values that have a release, and ``known`` those that must not be news (``first`` and
    ``new``).
    """

    at: datetime
    value: Decimal | None = None
    part: int | None = None
    whole: int | None = None
    unknown: int | None = None
    names: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    reason: str | None = None


def measure(
    session: Session,
    trigger: Trigger,
    at: datetime | None = None,
    *,
    highest: int | None = None,
    seen_after: datetime | None = None,
) -> Measurement:
    """Evaluates a trigger. ``highest``: the highest value that was seen before, for ``drop``.

    ``seen_after``: ``first`` and ``new`` may leave out what was first seen before, because its values are known.
    """
    at = at or now()
    match trigger:
        case Share():
            return _share(session, trigger, at)
        case Count(query, span):
            (number,) = _numbers(session, query, (), span, at)
            return Measurement(at, Decimal(number), whole=number)
        case First():
            return _first(session, trigger, at, seen_after)
        case Drop():
            return _drop(session, trigger, at, highest)


def since(span: str, at: datetime) -> datetime | None:
    """When a span begins that ends at ``at``; None for the one of all time."""
    if span == ALL:
        return None
    if span.endswith("mo"):
        month = at.year * 12 + at.month - int(span.removesuffix("mo"))
        return at.replace(year=month // 12, month=month % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)
    unit = {"h": "hours", "d": "days"}[span[-1]]
    return at - timedelta(**{unit: int(span[:-1])})


def within(query: Query, span: str, at: datetime) -> Query:
    """The releases of ``query`` in a span that ends at ``at``, as a query with absolute times."""
    start = since(span, at)
    return query if start is None else both(query, parse(f"released:{_text(start)}..{_text(at)}"))


def both(*queries: Query) -> Query:
    """What matches all of these."""
    return Query(normalised(All(tuple(query.root for query in queries))))


def unknown_of(query: Query) -> Query | None:
    """The releases of which a field that ``query`` names is not known; None where each field is always known."""
    found = []
    for field in sorted(query.fields - {"", "event", "crossed", "launch", "repo", "namespace", "kind", "status"}):
        try:
            found.append(parse(f"{field}:none").normal)
        except QueryError:
            continue
    return parse(" OR ".join(found)) if found else None


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# --- counts -----------------------------------------------------------------------------------------------


def _share(session: Session, trigger: Share, at: datetime) -> Measurement:
    unknown = unknown_of(trigger.part)
    parts = (trigger.part, unknown) if unknown is not None else (trigger.part,)
    whole, part, *missing = _numbers(session, trigger.whole, parts, trigger.span, at)
    value, reason = None, None
    if whole >= MIN_SHARE_ROWS:
        value = Decimal(100 * part) / whole
    else:
        reason = f"{whole} releases are too few for a share: at least {MIN_SHARE_ROWS} are needed"
    return Measurement(at, value, part, whole, missing[0] if missing else 0, reason=reason)


def _numbers(session: Session, whole: Query, parts: tuple[Query, ...], span: str, at: datetime) -> list[int]:
    """How many releases of a span match ``whole``, and how many of these match each of ``parts``."""
    cells = [to_tally(query) for query in (whole, *parts)]
    counted: Any
    if (span == ALL or span.endswith("mo")) and all(cell is not None for cell in cells):
        number: Any = col(Tally.releases)
        sums = [func.sum(case((cell, number), else_=0)) for cell in cells[1:] if cell is not None]
        counted = select(func.sum(number), *sums).where(*([] if cells[0] is None else [cells[0]]))
        start = since(span, at)
        if start is not None:
            counted = counted.where(col(Tally.month) >= f"{start:%Y-%m}", col(Tally.month) <= f"{at:%Y-%m}")
    else:
        released = col(Release.released_at)
        start = since(span, at)
        times = [] if start is None else [released >= start, released <= at]
        sums = [func.sum(case((to_sql(query, at), 1), else_=0)) for query in parts]
        counted = select(func.count(), *sums).where(*times, *conditions(session, whole))
    return [int(value or 0) for value in session.execute(counted).one()]


def backfilled(
    session: Session, whole: Query, parts: tuple[Query, ...], span: str, at: datetime, after: datetime
) -> list[int]:
    """Of the same counts, what was learnt as history after ``after``."""
    released = col(Release.released_at)
    start = since(span, at)
    times = [] if start is None else [released >= start, released <= at]
    learnt = (col(Release.is_backfilled).is_(True), col(Release.first_seen_at) > after)
    sums = [func.sum(case((to_sql(query, at), 1), else_=0)) for query in parts]
    counted: Any = select(func.count(), *sums).where(*times, *learnt, *conditions(session, whole))
    return [int(value or 0) for value in session.execute(counted).one()]


# --- values -----------------------------------------------------------------------------------------------


def _first(session: Session, trigger: First, at: datetime, seen_after: datetime | None) -> Measurement:
    names = _values(session, trigger.field, trigger.query, seen_after)
    known = _values(session, trigger.field, parse("")) if trigger.new else names
    if len(known) > MAX_VALUES:
        reason = f"{trigger.field} has more than {MAX_VALUES:,} values"
        return Measurement(at, reason=reason)
    return Measurement(at, whole=len(names), names=names, known=known)


def _values(session: Session, field: str, query: Query, seen_after: datetime | None = None) -> frozenset[str]:
    """The known values of a field among the releases that match; without the tally, of those seen after a time."""
    cells = to_tally(query)
    found: Any
    if cells is not None:
        column: Any = getattr(Tally, DIMENSIONS[field])
        found = select(column).where(cells, column != "").group_by(column).having(func.sum(col(Tally.releases)) > 0)
    else:
        column = getattr(Release, DIMENSIONS[field])
        recent = []
        if seen_after is not None:
            # As a list of ids: otherwise SQLite walks all releases of the query in another index.
            lately = select(col(Release.id)).where(col(Release.first_seen_at) > seen_after)
            recent = [col(Release.id).in_(lately)]
        found = select(column).where(column.is_not(None), *recent, *conditions(session, query)).distinct()
    return frozenset(session.scalars(found.limit(MAX_VALUES + 1)))


def earliest(session: Session, field: str, value: str, query: Query) -> Release | None:
    """The earliest of the releases with this value that match; one without a time of release counts by its record."""
    column: Any = getattr(Release, DIMENSIONS[field])
    when = func.coalesce(col(Release.released_at), col(Release.first_seen_at))
    some = select(Release).where(column == value, *conditions(session, query))
    return session.scalars(some.order_by(when, col(Release.id)).limit(1)).first()


def _drop(session: Session, trigger: Drop, at: datetime, highest: int | None) -> Measurement:
    row = find(session, trigger.repo_id)
    current: int | None = getattr(row, trigger.number) if row is not None else None
    if current is None:
        what = "is not recorded" if row is None else f"has no known value of {trigger.number}"
        return Measurement(at, whole=highest, reason=f"{trigger.repo_id} {what}")
    highest = max(highest or 0, current)
    value = Decimal(100 * (highest - current)) / highest if highest else Decimal(0)
    return Measurement(at, value, part=current, whole=highest)
