"""Counting the history: releases and parameters by one or two dimensions, and the most frequent values of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Interval,
    Select,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlmodel import Session, col

from monitor.dates import EARLIEST, latest, plausible
from monitor.db.engine import UTCDateTime
from monitor.models import MEASURED, Release, Tally
from monitor.releases.listed import LISTED, add_wholes, joined, listed_in, split, value_of, without_none
from monitor.releases.query import Query, to_tally
from monitor.releases.search import FOR_A_THOUSAND, SearchError, conditions
from monitor.releases.sums import SUMS, of_tally, plausible_count, sum_of
from monitor.releases.tally import DIMENSIONS as COUNTED

TIMES = ("month", "week", "day")
UNTALLIED: dict[str, Any] = {
    "lab_kind": Release.lab_kind,
    "family": Release.family,
    "conflict": case((col(Release.license_conflict).is_not(None), col(Release.effective_license_class))),
    "params_source": Release.params_source,
    **LISTED,
}
"""Dimensions that the tally does not hold: they are counted from the releases themselves."""
COLUMNS: dict[str, Any] = {name: getattr(Release, column) for name, column in COUNTED.items()} | UNTALLIED
DIMENSIONS = (*TIMES, *COLUMNS, "root")
"""What releases can be counted by; a week is named by its Monday, all of time by ``released_at``."""
_ROOT: dict[str, Any] = {"root": col(Release.foundation_repo_id)}
"""The model at the root: a dimension of statistics, but too many values for a facet."""
MAX_ROWS = 50_000
"""Of one answer, also those of periods without releases: some 8 MB: a decade of months of 400 labs."""
MAX_RELEASES_FOR_MEDIANS = 20_000
"""Medians are computed by default for at most so many releases: they need a sort, counts and sums do not."""

Row = dict[str, Any]


def dimensions(text: str) -> list[str]:
    """One or two dimensions from ``month,origin``; raises SearchError."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in DIMENSIONS]
    alike = max(sum(name in some for name in names) for some in (TIMES, LISTED))
    if unknown or not 1 <= len(names) <= 2 or len(set(names)) != len(names) or alike > 1:
        message = f"by {text!r}: one or two of {', '.join(DIMENSIONS)} expected, at most one of time"
        raise SearchError("by", f"{message}, and one of {' and '.join(LISTED)}")
    return names


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name; raises SearchError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SearchError("tz", f"unknown time zone {name!r}: an IANA name expected, like Europe/Paris") from None


def stats(
    session: Session,
    query: Query,
    by: list[str],
    *,
    tz: str = "UTC",
    medians: bool | None = None,
    launches: bool = True,
    value: str = "count",
) -> list[Row]:
    """Rows ``{dimension: value …, count, share, launches, params_total, params_known, params_median}``.

    ``value``: what shares are of; ``downloads``, ``downloads_all_time``, ``likes`` or ``derivatives`` adds the sum of
    the known counts under that name, ``params_total`` is there anyway. With any of these, ``unknown`` is how many
    releases of the row have no known count.

    Unknown is None. ``count`` is of repositories, ``launches`` of the launches that have a member among them: one that
    has members in several rows counts in each; where they are not wanted, all are 0. ``share``: see
    :func:`add_shares`.
    ``params_total`` sums the known parameter counts, of which there are ``params_known``; ``params_median`` is their
    median, or the whole number below it, and None for all where ``medians`` is False, or is not said and too many match
    (see ``MAX_RELEASES_FOR_MEDIANS``). A release counts in each of its formats or providers; then ``of`` is what shares
    are of (see :mod:`monitor.releases.listed`), except where ``value`` is ``launches``. Periods (in the zone ``tz``)
    without releases have a row with count 0. Raises SearchError, also for more than ``MAX_ROWS`` rows.
    """
    place = zone(tz)
    tallied = (
        not {"week", "day", *UNTALLIED, *_ROOT} & set(by)
        and (tz == "UTC" or "month" not in by)
        and "as_of" not in session.info
    )
    where = to_tally(query) if tallied else None
    measure = value if value in MEASURED else None
    if where is not None:
        keys: list[Any] = [col(_tallied(name)) for name in by]
        number, known = func.sum(col(Tally.releases)), func.sum(col(Tally.params_known))
        high, low = func.sum(col(Tally.params_high)), func.sum(col(Tally.params_low))
        sums = of_tally(measure) if measure else []
        statement = select(*keys, number, known, high, low, *sums).where(where).group_by(*keys).having(number != 0)
    else:
        keys = [_key(session, name, place) for name in by]
        counts = [plausible_count(col(getattr(Release, measure))).label(measure)] if measure else []
        matching = joined(select(*keys, col(Release.params_total).label("params"), *counts), by)
        some = _apart(session, matching.where(*conditions(session, query)))
        keys, params = [some.c[name] for name in by], some.c.params
        high, low = func.sum(params.op("/", return_type=BigInteger())(2**32)), func.sum(params % 2**32)
        sums = sum_of(some.c[measure]) if measure else []
        statement = select(*keys, func.count(), func.count(params), high, low, *sums).group_by(*keys)
    found = session.execute(statement.limit(MAX_ROWS + 1)).all()
    _refuse_many(by, len(found))
    rows = [_row(by, tuple(row), value) for row in found]
    time = next((name for name in by if name in TIMES), None)
    empty = _zeros(rows, by, time, value) if time is not None else []
    if launches:
        _add_launches(session, query, by, place, rows, ())
    if medians or (medians is None and sum(row["count"] for row in rows) <= MAX_RELEASES_FOR_MEDIANS):
        _add_medians(session, query, by, place, rows)
    rows += empty
    if listed_in(by) and value != "launches":
        single = [name for name in by if name not in LISTED] or ["kind"]
        once = stats(session, query, single, tz=tz, medians=False, launches=False, value=value)
        add_wholes(rows, by, once, value)
    add_shares(rows, by, value)
    return sorted(rows, key=lambda row: tuple((row[name] is None, str(row[name])) for name in by))


def _refuse_many(by: list[str], number: int) -> None:
    if number > MAX_ROWS:
        message = f"more than {MAX_ROWS} rows by {','.join(by)}: name fewer releases or a longer period (released:2026)"
        raise SearchError("by", message)


def _apart(session: Session, some: Select[Any]) -> Subquery:
    """What is counted, as a part of its own: so that of the past, too, only these columns are read."""
    if "as_of" in session.info and session.get_bind().dialect.name == "sqlite":
        some = some.limit(-1)  # else SQLite merges it with the counting, and cannot look through what was known then
    return some.subquery()


def _tallied(name: str) -> Any:
    return getattr(Tally, COUNTED.get(name, name))


def _row(by: list[str], values: tuple[Any, ...], value: str) -> Row:
    count, known, high, low, *sums = values[len(by) :]
    total = (int(high) << 32) + int(low) if known else None
    counts = {"count": int(count), "share": None, "launches": 0, "params_total": total, "params_known": int(known)}
    row = _keys(by, values) | counts | _NO_MEDIAN
    if sums:
        row |= {value: int(sums[0]) if sums[1] else None, "unknown": int(count) - int(sums[1])}
    elif value == "params_total":
        row["unknown"] = int(count) - int(known)
    return row


_NO_MEDIAN: Row = {"params_median": None}


def _keys(by: list[str], values: tuple[Any, ...]) -> Row:
    # In the tally, unknown is an empty text.
    plain = (str(value) if isinstance(value, date) else value or None for value in values)
    return dict(zip(by, plain, strict=False))


def add_shares(rows: list[Row], by: list[str], value: str = "count") -> None:
    """Sets ``share`` of each row: what part of all (0 to 1, rounded to 6 digits) its ``value`` is.

    All are the rows of the same month, week or day where ``by`` has another dimension too, else all rows; those with an
    unknown value of a dimension count among them. With a dimension of several values, all are ``of`` of the row. None
    where the value is unknown or all are 0.
    """
    time = next((name for name in by if name in TIMES), None) if len(by) > 1 else None
    totals: Counter[Any] = Counter()
    for row in rows:
        totals[row[time] if time else None] += row[value] or 0
    for row in rows:
        total = row["of"] if "of" in row else totals[row[time] if time else None]
        row["share"] = round(row[value] / total, 6) if total and row[value] is not None else None


UNKNOWN = (None, "unknown")
"""Values of dimensions that are not known."""


def shown_rows(
    rows: list[Row], by: list[str], *, last: int = 0, known: bool = False, value: str = "count"
) -> list[Row]:
    """The rows of the ``last`` periods (0: all), and with ``known`` only those with known values of all dimensions.

    ``value``: what shares are of.

    The last periods are chosen by their rows, not by a condition on the date: so the tally answers, however long the
    history.
    """
    time = next((name for name in by if name in TIMES), None)
    if time is not None and last:
        first = sorted({row[time] for row in rows if row[time] is not None})[-last:][:1]
        rows = [row for row in rows if first and row[time] is not None and row[time] >= first[0]]
    if not known:
        return rows
    kept = [row for row in rows if all(row[name] not in UNKNOWN for name in by)]
    return without_none(rows, kept, by, value) if kept and "of" in kept[0] else kept


def add_launches(session: Session, query: Query, by: list[str], rows: list[Row]) -> None:
    """Counts the launches of some rows of :func:`stats` that has counted none, in UTC: a few periods cost little."""
    time = next((name for name in by if name in TIMES), None)
    periods: list[Any] = [row[time] for row in rows] if time is not None and rows else [None]
    within: tuple[ColumnElement[bool], ...] = ()
    if None not in periods:
        first, last = (_begin(period) for period in (min(periods), max(periods)))
        within = col(Release.released_at) >= first, col(Release.released_at) < min(last, _LAST) + _MAX_PERIOD
    _add_launches(session, query, by, zone("UTC"), rows, within)


_MAX_PERIOD = timedelta(days=31)
"""No period is longer; what is counted beyond its end has no row."""
_LAST = datetime.max.replace(tzinfo=UTC) - _MAX_PERIOD


def _begin(period: str) -> datetime:
    return datetime.fromisoformat(f"{period}-01"[:10]).replace(tzinfo=UTC)


def _add_launches(
    session: Session,
    query: Query,
    by: list[str],
    place: ZoneInfo,
    rows: list[Row],
    within: tuple[ColumnElement[bool], ...],
) -> None:
    """How many launches have members in each row: few releases are of a launch, and an index holds those."""
    keys, launch = [_key(session, name, place, written=False) for name in by], col(Release.launch_id)
    members = joined(select(launch.label("launch"), *keys), by)
    members = members.where(launch.is_not(None), *within, *conditions(session, query))
    # Each once by hashing, and then counted: count(distinct) sorts them all, at twice the price.
    some = _apart(session, members.distinct())
    keys = [some.c[name] for name in by]
    columns = [func.to_char(some.c[name], _MONTH) if _begins(session, name) else some.c[name] for name in by]
    statement = select(*columns, func.count()).group_by(*keys)
    found = {tuple(_keys(by, tuple(row)).values()): int(row[-1]) for row in session.execute(statement)}
    for one in rows:
        one["launches"] = found.get(tuple(one[name] for name in by), 0)


def _add_medians(session: Session, query: Query, by: list[str], place: ZoneInfo, rows: list[Row]) -> None:
    params = col(Release.params_total)
    keys = [_key(session, name, place) for name in by]
    with_params = joined(select(*keys, params.label("params")), by)
    known = with_params.where(params.is_not(None), *conditions(session, query)).subquery()
    columns = [known.c[name] for name in by]
    place_in = func.row_number().over(partition_by=columns, order_by=known.c.params).label("place")
    number = func.count().over(partition_by=columns).label("number")
    ranked = select(*columns, known.c.params, place_in, number).subquery()
    middle = (2 * ranked.c.place).in_([ranked.c.number, ranked.c.number + 1, ranked.c.number + 2])
    columns = [ranked.c[name] for name in by]
    both = func.min(ranked.c.params), func.max(ranked.c.params)
    found = {}
    for row in session.execute(select(*columns, *both).where(middle).group_by(*columns)):
        found[tuple(_keys(by, tuple(row)).values())] = (row[-2] + row[-1]) // 2
    for one in rows:
        one["params_median"] = found.get(tuple(one[name] for name in by))


# --- time -------------------------------------------------------------------------------------------------


_MONTH: Any = literal_column("'YYYY-MM'")


def _begins(session: Session, name: str) -> bool:
    """Whether this dimension can stay the timestamp of its start: faster than text on PostgreSQL."""
    return name == "month" and session.get_bind().dialect.name == "postgresql"


def _key(session: Session, name: str, place: ZoneInfo, *, written: bool = True) -> ColumnElement[Any]:
    if name in LISTED:
        return value_of(name)
    if name in COLUMNS or name == "root":
        column: ColumnElement[Any] = (COLUMNS | _ROOT)[name].label(name)
        return column
    offsets = _offsets(session, place)
    timestamp: Any = col(Release.released_at)
    if session.get_bind().dialect.name == "sqlite":
        # Kept as text in UTC, so its beginning is the month or the day.
        text: Any = cast(timestamp, Text)
        if offsets is not None:
            text = func.datetime(text, offsets)
        if name == "week":
            return func.date(text, "weekday 0", "-6 days").label(name)
        return func.substr(text, 1, 7 if name == "month" else 10).label(name)
    local: Any = func.timezone("UTC", timestamp)
    if offsets is not None:
        local += cast(offsets, Interval)
    if name == "month" and written:
        return func.to_char(local, _MONTH).label(name)
    begins = func.date_trunc(literal_column(f"'{name}'"), local)
    return begins.label(name) if name == "month" else cast(begins, Date).label(name)


def _offsets(session: Session, place: ZoneInfo) -> ColumnElement[str] | None:
    """The zone's distance from UTC at ``released_at``, as ``3600 seconds``; None for UTC.

    From Python's table of zones, so that both databases agree.
    """
    if str(place) == "UTC":
        return None
    timestamps = session.execute(select(func.min(col(Release.released_at)), func.max(col(Release.released_at)))).one()
    first, last = (plausible(timestamp) for timestamp in timestamps)
    periods = _constant_offset_periods(place, first or EARLIEST, last or latest())
    texts = [(end, literal_column(f"'{int(offset.total_seconds()):+d} seconds'", Text)) for end, offset in periods]
    *before, (_, final) = texts
    ends = [(col(Release.released_at) < literal(end, UTCDateTime()), text) for end, text in before]
    return case(*ends, else_=final) if ends else final


def _constant_offset_periods(place: ZoneInfo, first: datetime, last: datetime) -> list[tuple[datetime, timedelta]]:
    """(end, UTC offset) of the periods of a zone with one UTC offset, between two timestamps."""
    found, timestamp, step = [], first, timedelta(days=7)
    while timestamp <= last:
        here, after = _offset(place, timestamp), timestamp + step
        if _offset(place, after) != here:
            early, late = timestamp, after
            while late - early > timedelta(seconds=1):
                middle = early + (late - early) / 2
                early, late = (middle, late) if _offset(place, middle) == here else (early, middle)
            # Clocks are changed on whole seconds.
            after = late.replace(microsecond=0)
            found.append((after, here))
        timestamp = after
    return [*found, (last, _offset(place, max(last, first)))]


def _offset(place: ZoneInfo, timestamp: datetime) -> timedelta:
    return timestamp.astimezone(place).utcoffset() or timedelta()


def _zeros(rows: list[Row], by: list[str], time: str, value: str) -> list[Row]:
    """Rows for the periods in which nothing was released, between the first and the last with something."""
    other = next((name for name in by if name != time), None)
    periods = between(sorted({row[time] for row in rows if row[time] is not None}), time)
    groups: list[Any] = list({row[other] for row in rows}) if other else [None]
    _refuse_many(by, len(periods) * len(groups))
    there = {(row[time], row[other] if other else None) for row in rows}
    empty = {"count": 0, "share": None, "launches": 0, "params_total": None, "params_known": 0} | _NO_MEDIAN
    if value in SUMS.values():
        empty |= {value: None, "unknown": 0}
    return [
        {name: period if name == time else group for name in by} | empty
        for period in periods
        for group in groups
        if (period, group) not in there
    ]


MAX_PERIODS = 5_000
"""More than 13 years of days: one false date between others would make a chart of 700,000."""


def between(periods: list[str], time: str) -> list[str]:
    """All periods from the first of these to the last; only these where that would be more than ``MAX_PERIODS``."""
    if len(periods) < 2 or _days(periods) > MAX_PERIODS * _DAYS[time]:
        return periods
    if time == "month":
        first, last = (int(text[:4]) * 12 + int(text[5:7]) - 1 for text in (periods[0], periods[-1]))
        return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(first, last + 1)]
    step = timedelta(days=7 if time == "week" else 1)
    day, end = date.fromisoformat(periods[0]), date.fromisoformat(periods[-1])
    found = []
    while day <= end:
        found.append(day.isoformat())
        day += step
    return found


_DAYS = {"month": 28, "week": 7, "day": 1}
"""Days of the shortest of each."""


def _days(periods: list[str]) -> int:
    return (_begin(periods[-1]) - _begin(periods[0])).days


# --- facets -----------------------------------------------------------------------------------------------

MAX_COUNTED_RELEASES = 1_000
"""If the tally cannot answer a query, facets count at most so many of its newest releases."""


@dataclass(frozen=True, slots=True)
class Facets:
    """The most frequent values of each dimension except time, ``{value, count}``, most frequent first.

    ``total``: how many releases were counted; ``exact``: these are all that match, not only the newest. ``sampled``:
    dimensions whose values were counted among the newest alone, while the others were counted among all. A release
    counts in each of its formats and providers.
    """

    values: dict[str, list[Row]]
    total: int
    exact: bool
    sampled: tuple[str, ...] = ()


def count_facets(session: Session, query: Query, limit: int = 20) -> Facets:
    """The most frequent values of each dimension among the matching releases."""
    cells_wanted = to_tally(query) if "as_of" not in session.info else None
    if cells_wanted is None:
        rows = _newest(session, query, list(COLUMNS))
        exact = len(rows) <= MAX_COUNTED_RELEASES
        rows = rows[:MAX_COUNTED_RELEASES]
        return Facets(_most_frequent(list(COLUMNS), rows, [1] * len(rows), limit), len(rows), exact)
    number = func.sum(col(Tally.releases))
    cells = [col(_tallied(name)) for name in COUNTED]
    counted = list(session.execute(select(*cells, number).where(cells_wanted).group_by(*cells).having(number != 0)))
    values = _most_frequent(
        list(COUNTED), [tuple(row)[:-1] for row in counted], [int(row[-1]) for row in counted], limit
    )
    total = sum(int(row[-1]) for row in counted)
    newest = _newest(session, query, list(UNTALLIED))[:MAX_COUNTED_RELEASES] if total else []
    values |= _most_frequent(list(UNTALLIED), newest, [1] * len(newest), limit)
    return Facets(values, total, exact=True, sampled=tuple(UNTALLIED) if total > len(newest) else ())


def _newest(session: Session, query: Query, names: list[str]) -> list[tuple[Any, ...]]:
    """These dimensions of the newest releases that match; one more than are counted if there are more."""
    released = col(Release.released_at)
    where = conditions(session, query, walked=True, use=FOR_A_THOUSAND)
    newest = select(*(COLUMNS[name] for name in names)).where(*where)
    newest = newest.order_by(released.desc(), col(Release.id).desc()).limit(MAX_COUNTED_RELEASES + 1)
    return [tuple(row) for row in session.execute(newest)]


def _most_frequent(
    names: list[str], rows: list[tuple[Any, ...]], counts: list[int], limit: int
) -> dict[str, list[Row]]:
    return {name: _frequent(rows, counts, place, limit, name) for place, name in enumerate(names)}


def facets(session: Session, query: Query, limit: int = 20) -> dict[str, list[Row]]:
    """The values of :func:`count_facets` alone."""
    return count_facets(session, query, limit).values


def _frequent(rows: list[tuple[Any, ...]], counts: list[int], place: int, limit: int, name: str) -> list[Row]:
    found: Counter[str | None] = Counter()
    for row, count in zip(rows, counts, strict=True):
        for value in split(row[place]) if name in LISTED else (row[place] or None,):
            found[value] += count
    some = sorted(found.items(), key=lambda item: (-item[1], item[0] is None, item[0]))[:limit]
    return [{"value": value, "count": count} for value, count in some]
