"""How fast derivatives come: the mean number of them by days since the release of what they were built on.

Counted to the root of their chain, so that a copy in between is not counted too, and without those of the publisher
itself. A release that is 40 days old says nothing of day 41: on each day the derivatives made that day are divided by
the releases that are old enough, and these means are added up (the mean cumulative function of recurrent events).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date
from typing import Any

from sqlalchemy import ColumnElement, Date, Text, and_, cast, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.enums import Kind
from monitor.models import Release
from monitor.releases.query import Query
from monitor.releases.search import SearchError, conditions
from monitor.releases.stats import COLUMNS, Row

RELATIONS = (Kind.FINETUNE, Kind.ADAPTER, Kind.MERGE, Kind.QUANTIZED, Kind.CONVERSION)
MAX_DAYS = 3_650
MAX_VALUES = 300
"""Values of a dimension that are compared: each has some 80 rows."""
DAILY_POINTS = 30
"""Days that have a row each; after them, one in seven has."""


@dataclass(frozen=True, slots=True)
class Uptake:
    """``rows``: ``{dimension: value, day, derivatives, new, releases}``, see :func:`uptake`.

    ``releases`` that match and were built on nothing, of which ``undated`` have no date. ``derivatives`` of the dated
    ones, of which ``undated_derivatives`` have no date, and ``earlier`` one before the release: they count on day 0.
    """

    rows: list[Row]
    releases: int
    undated: int
    derivatives: int
    undated_derivatives: int
    earlier: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def in_words(self) -> str:
        """What was counted and what is unknown, in two sentences."""
        return (
            f"{self.releases:,} originals match; {self.undated:,} of them have no release date and are left out. "
            f"{self.derivatives:,} derivatives were counted; {self.undated_derivatives:,} of them have no date and are "
            f"on no day, {self.earlier:,} have one before the release and count on day 0."
        )


def uptake(session: Session, query: Query, by: str = "", *, relation: str = "", days: int = 365) -> Uptake:
    """Derivatives by days since release of the roots that match, for each value of the dimension ``by`` if given.

    In a row, ``derivatives`` is the mean number until that day, ``new`` how many came since the row before, and
    ``releases`` how many roots are that old. ``relation``: only derivatives of this kind. Raises SearchError.
    """
    if by and by not in COLUMNS:
        raise SearchError("by", f"by {by!r}: one of {', '.join(COLUMNS)} expected")
    if relation and relation not in RELATIONS:
        raise SearchError("relation", f"relation {relation!r}: one of {', '.join(RELATIONS)} expected")
    if not 1 <= days <= MAX_DAYS:
        raise SearchError("days", f"days {days}: 1 to {MAX_DAYS} expected")
    released = _day(session, col(Release.released_at)).label("released")
    group = [COLUMNS[by].label("category")] if by else []
    itself = col(Release.foundation_repo_id) == col(Release.repo_id)
    columns = [col(Release.repo_id), col(Release.namespace), col(Release.lab), released, *group]
    roots = select(*columns).where(*conditions(session, query), itself).subquery("roots")
    keys: list[Any] = [roots.c.category] if by else []
    ages = session.execute(select(*keys, roots.c.released, func.count()).group_by(*keys, roots.c.released)).all()
    made = aliased(Release)
    stranger = and_(
        col(made.namespace) != roots.c.namespace,
        or_(col(made.lab).is_(None), roots.c.lab.is_(None), col(made.lab) != roots.c.lab),
    )
    after = _days_between(session, _day(session, col(made.released_at)), roots.c.released).label("after")
    found = session.execute(
        select(*keys, after, func.count())
        .join_from(roots, made, col(made.foundation_repo_id) == roots.c.repo_id)
        .where(col(made.pending).is_(False), stranger, roots.c.released.is_not(None))
        .where(col(made.kind).in_([relation] if relation else RELATIONS))
        .group_by(*keys, after)
    ).all()
    today = (session.info.get("as_of") or now()).astimezone(UTC).date()
    values = sorted({row[0] if by else None for row in ages}, key=lambda one: (one is None, str(one)))
    if len(values) > MAX_VALUES:
        raise SearchError("by", f"by {by!r} has more than {MAX_VALUES} values here: narrow the query")
    rows = []
    for value in values:
        old = Counter({age: n for age, n in _ages(ages, by, value, today) if age is not None})
        new = _new(found, by, value)
        rows += [({by: value} if by else {}) | row for row in _curve(old, new, days)]
    return Uptake(
        rows,
        sum(row[-1] for row in ages),
        sum(row[-1] for row in ages if row[-2] is None),
        sum(row[-1] for row in found),
        sum(row[-1] for row in found if row[-2] is None),
        sum(row[-1] for row in found if row[-2] is not None and row[-2] < 0),
    )


def _ages(ages: Any, by: str, value: Any, today: date) -> Iterator[tuple[int | None, int]]:
    for row in ages:
        if not by or row[0] == value:
            yield None if row[-2] is None else (today - date.fromisoformat(str(row[-2]))).days, row[-1]


def _new(found: Any, by: str, value: Any) -> Counter[int]:
    """Derivatives by the day after release; those with an earlier date on day 0."""
    counts: Counter[int] = Counter()
    for row in found:
        if (not by or row[0] == value) and row[-2] is not None:
            counts[max(0, int(row[-2]))] += row[-1]
    return counts


def _curve(old: Counter[int], new: Counter[int], days: int) -> Iterator[Row]:
    """The rows of one group: ``old`` counts the releases by their age in days, ``new`` the derivatives by day."""
    releases, mean, since = old.total() - sum(n for age, n in old.items() if age < 0), 0.0, 0
    for day in range(days + 1):
        if not releases:
            return
        mean += new[day] / releases
        since += new[day]
        if day <= DAILY_POINTS or (day - DAILY_POINTS) % 7 == 0 or day == days:
            yield {"day": day, "derivatives": round(mean, 4), "new": since, "releases": releases}
            since = 0
        releases -= old[day]


def _day(session: Session, timestamp: Any) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        return func.substr(cast(timestamp, Text), 1, 10)
    return cast(func.timezone("UTC", timestamp), Date)


def _days_between(session: Session, later: Any, earlier: Any) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        return func.julianday(later) - func.julianday(earlier)
    days: ColumnElement[Any] = later - earlier
    return days
