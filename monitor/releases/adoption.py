"""Adoption: the numbers of releases, a row a day, and the news when a release crosses a threshold.

Polls and sweeps bring downloads, likes and trending ranks anyway, and derivatives are counted in the database. So a
pass makes no request. A day's row has the numbers of that day's last pass, and exists only if something changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, Select, and_, exists, func, or_, select, text, update
from sqlmodel import Session, col

from monitor.db.engine import let_others_write, now, reading, transaction
from monitor.enums import Event
from monitor.labs import Registry
from monitor.models import Adoption, Change, Release
from monitor.models.listeners import BY_DAY
from monitor.releases import records
from monitor.releases.columns import hub_counts, storable_count
from monitor.releases.query.values import number
from monitor.releases.recorder import Enqueue, News
from monitor.releases.schema import HUB_DERIVATIVES
from monitor.releases.sums import MAX_COUNT
from monitor.releases.totals import CELL, GROWING, add_growth, write_stock

MEASURES = BY_DAY
STANDARD_LINES = ("derivatives>=100", "derivatives>=1K", "downloads>=1M", "trending<=10")
"""Thresholds that are recorded though no subscription asks for them."""
MIN_DERIVATIVES = 10
"""Derivatives from which on a release of an unknown publisher is tracked, too."""
_BATCH_ROWS = 500

DERIVATIVES = {
    "sqlite": "json_each(r.lineage) AS parent JOIN release o ON o.repo_id = json_extract(parent.value, '$.repo_id')",
    "postgresql": "jsonb_array_elements(r.lineage) AS parent JOIN release o ON o.repo_id = parent ->> 'repo_id'",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold: at least ``value`` downloads, likes or derivatives, or a trending rank of at most ``value``."""

    name: str
    measure: str
    value: int

    @classmethod
    def read(cls, name: str) -> Line:
        """Returns the line of a canonical form, ``downloads>=1M`` or ``trending<=10``."""
        for sign in (">=", "<="):
            measure, found, value = name.partition(sign)
            if found:
                return cls(name, "trending_rank" if measure == "trending" else measure, number(value))
        raise ValueError(name)

    def reached(self, value: int | None) -> bool:
        if value is None:
            return False
        return value <= self.value if self.measure == "trending_rank" else value >= self.value


# --- numbers from polls and sweeps --------------------------------------------------------------------------


def update_trending_ranks(session: Session, hub_ids: Sequence[str]) -> None:
    """Writes the trending ranks: the first is 1; releases that are not listed have none."""
    out = col(Release.trending_rank).is_not(None), col(Release.hub_id).not_in(hub_ids)
    session.execute(update(Release).where(*out).values(trending_rank=None), execution_options=_QUIET)
    for rank, hub_id in enumerate(hub_ids, start=1):
        moved = col(Release.hub_id) == hub_id, col(Release.trending_rank).is_distinct_from(rank)
        session.execute(update(Release).where(*moved).values(trending_rank=rank), execution_options=_QUIET)


def update_popularity(session: Session, items: Iterable[dict[str, Any]]) -> None:
    """Writes the downloads and likes of known repositories, from the Hub's objects."""
    for item in items:
        values: dict[str, int | None] = {
            name: storable_count(item[name]) for name in ("downloads", "likes") if name in item
        }
        counted = hub_counts(item)
        if "downloadsAllTime" not in item:
            del counted["downloads_all_time"]
        if "childrenModelCount" not in item:
            counted = {name: count for name, count in counted.items() if name not in HUB_DERIVATIVES.values()}
        values |= counted
        moved = [getattr(Release, name).is_distinct_from(value) for name, value in values.items()]
        if values:
            there = update(Release).where(col(Release.hub_id) == item["_id"], or_(*moved))
            session.execute(there.values(**values), execution_options=_QUIET)


_QUIET = {"synchronize_session": False}


# --- a pass -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pass:
    """The result of a pass: releases whose row was written, and thresholds that were crossed."""

    written: int
    crossed: int


def track(engine: Engine, lines: Iterable[str], enqueue: Enqueue, registry: Registry) -> Pass:
    """Counts derivatives, writes today's rows of tracked releases, and enqueues news of crossed thresholds.

    Whoever was the fastest to a threshold is notable for it.

    ``lines``: the thresholds that subscriptions ask for. A release is news once for each. The numbers with which a
    backfilled release is first tracked are not news.
    """
    wanted = [Line.read(name) for name in sorted({*STANDARD_LINES, *lines})]
    _count_derivatives(engine)
    with reading(engine) as session:
        changed = [row[0] for row in session.execute(_standing(_differs()))]
    crossed = 0
    for start in range(0, len(changed), _BATCH_ROWS):
        some = col(Release.id).in_(changed[start : start + _BATCH_ROWS])
        with transaction(engine) as session:
            records.lock(session)
            # A concurrent pass waits here, and then finds the crossings recorded.
            session.execute(
                select(col(Release.id)).where(some).order_by(col(Release.id)).with_for_update(key_share=True)
            )
            news = []
            rows = session.execute(_standing(some)).all()
            add_growth(session, _moved(rows))
            for row in rows:
                _write_day(session, row)
                news += list(_crossings(session, row, wanted))
            if news:
                records.refresh_paces(session, [item.release.hub_id for item in news], registry)
                enqueue(session, news)
            crossed += len(news)
        let_others_write(engine)
    write_stock(engine)
    return Pass(len(changed), crossed)


_HUB_COLUMNS = ", ".join(HUB_DERIVATIVES.values())
_BY_HUB = " + ".join(f"COALESCE({column}, 0)" for column in HUB_DERIVATIVES.values())


def _count_derivatives(engine: Engine) -> None:
    """Writes the number of derivatives of each release, in all generations; a publisher's own do not count.

    If the Hub counts them, its number is taken: of direct derivatives, and of all that it knows.
    """
    made = f"""
        SELECT o.id AS ident, count(DISTINCT r.id) AS number FROM release r, {DERIVATIVES[engine.dialect.name]}
        WHERE NOT r.pending AND r.namespace <> o.namespace AND (r.lab IS NULL OR o.lab IS NULL OR r.lab <> o.lab)
        GROUP BY o.id
    """  # noqa: S608 - no value of anybody's
    with reading(engine) as session:
        found = dict(tuple(row) for row in session.execute(text(made)))
        by_hub = text(f"SELECT id, {_BY_HUB} FROM release WHERE COALESCE({_HUB_COLUMNS}) IS NOT NULL")  # noqa: S608
        found |= dict(tuple(row) for row in session.execute(by_hub))
        before = select(col(Release.id), col(Release.derivatives)).where(col(Release.derivatives).is_not(None))
        known = dict(tuple(row) for row in session.execute(before))
    moved = [(key, found.get(key, 0)) for key in {*found, *known} if found.get(key, 0) != known.get(key)]
    for start in range(0, len(moved), _BATCH_ROWS):
        with transaction(engine) as session:
            for key, count in moved[start : start + _BATCH_ROWS]:
                one = update(Release).where(col(Release.id) == key).values(derivatives=count)
                session.execute(one, execution_options=_QUIET)


def _standing(*where: Any) -> Select[Any]:
    """Selects tracked releases: id, numbers now, numbers in their last row, and that row's day."""
    last = select(func.max(col(Adoption.day))).where(col(Adoption.release_id) == col(Release.id))
    here = and_(
        col(Adoption.release_id) == col(Release.id), col(Adoption.day) == last.correlate(Release).scalar_subquery()
    )
    tracked = or_(
        col(Release.lab).is_not(None), col(Release.trending_rank).is_not(None),
        col(Release.derivatives) >= MIN_DERIVATIVES,
        exists(select(1).where(col(Adoption.release_id) == col(Release.id)).correlate(Release)),
    )  # fmt: skip
    now_and_then = [getattr(table, name).label(f"{table.__tablename__}_{name}") for table in (Release, Adoption)
                    for name in MEASURES]  # fmt: skip
    cell = [getattr(Release, name) for name in CELL]
    columns: list[Any] = [Release.id, Release.is_backfilled, Adoption.day, *cell, *now_and_then]
    return select(*columns).join(Adoption, here, isouter=True).where(col(Release.pending).is_(False), tracked, *where)


def _differs() -> Any:
    pairs = [(getattr(Release, name), getattr(Adoption, name)) for name in MEASURES]
    return or_(*(one.is_distinct_from(other) for one, other in pairs))


def _moved(rows: Iterable[Row[Any]]) -> Iterator[tuple[Mapping[str, Any], str, int]]:
    """What counts of releases that were tracked before rose or fell by: (its columns, the count's name, difference)."""
    for row in rows:
        for name in GROWING:
            before, after = getattr(row, f"adoption_{name}"), getattr(row, f"release_{name}")
            if before is not None and after is not None and before != after and max(before, after) <= MAX_COUNT:
                yield {column: getattr(row, column) for column in CELL}, name, after - before


def _write_day(session: Session, row: Row[Any]) -> None:
    day = now().date().isoformat()
    today = session.get(Adoption, (row.id, day)) or Adoption(release_id=row.id, day=day)
    for name in MEASURES:
        setattr(today, name, getattr(row, f"release_{name}"))
    session.add(today)


def _crossings(session: Session, row: Row[Any], wanted: Sequence[Line]) -> Iterator[News]:
    if row.day is None and row.is_backfilled:
        return
    for line in wanted:
        before, after = getattr(row, f"adoption_{line.measure}"), getattr(row, f"release_{line.measure}")
        if line.reached(before) or not line.reached(after) or _crossed(session, row.id, line):
            continue
        change = Change(
            release_id=row.id, at=now(), field=f"crossed {line.name}", before=before, after=after, reason="adoption",
            event=str(Event.MOMENTUM),
        )  # fmt: skip
        session.add(change)
        session.flush()
        yield News(session.get_one(Release, row.id), f"{Event.MOMENTUM}:{change.id}", line.name)


def _crossed(session: Session, ident: int, line: Line) -> bool:
    same = select(col(Change.id)).where(col(Change.release_id) == ident, col(Change.field) == f"crossed {line.name}")
    return session.scalars(same.limit(1)).first() is not None


# --- as a series ------------------------------------------------------------------------------------------


def series(session: Session, release: Release, until: datetime | None = None) -> list[dict[str, Any]]:
    """Rows ``{day, downloads, likes, …}`` with each of ``MEASURES``, a day each from the first tracked one to today."""
    rows = select(Adoption).where(col(Adoption.release_id) == release.id).order_by(col(Adoption.day))
    kept = {row.day: {name: getattr(row, name) for name in MEASURES} for row in session.scalars(rows)}
    if not kept:
        return []
    day, last = date.fromisoformat(min(kept)), (until or session.info.get("as_of") or now()).date()
    found, standing = [], dict.fromkeys(MEASURES)
    while day <= last:
        standing = kept.get(day.isoformat(), standing)
        found.append({"day": day.isoformat(), **standing})
        day += timedelta(days=1)
    return found
