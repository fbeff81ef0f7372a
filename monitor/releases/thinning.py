"""Thins the daily numbers of releases by their age: a row a day, later a row a week, later a row a month.

The last row of a week and of each month stays, so that the numbers at the end of every month are as they were. A query
of the past gets the last row before its time, which may be up to a week, or a month, older.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, Engine, and_, case, cast, delete, exists, func, literal_column, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from monitor.db.engine import reading, transaction
from monitor.models import Adoption, Counter
from monitor.releases.totals import thin_totals

BATCH_RELEASES = 200
"""Releases of one transaction: with three years of daily rows, some 200,000 rows are looked at."""
MARK = ("thinned", "adoption")
"""The counter with the day, as days since year 1, on which the rows were thinned last: once a day is enough."""


def thin(engine: Engine, daily_days: int, weekly_days: int, today: date) -> int:
    """Deletes rows older than ``daily_days`` but the last of a week, and than ``weekly_days`` but the last of a month.

    0 for either: no such limit. Returns the rows deleted; a second run on the same day deletes none.
    """
    if not _due(engine, today) or not (daily_days or weekly_days):
        return 0
    daily = _day(today, daily_days) if daily_days else ""
    weekly = _day(today, weekly_days) if weekly_days else ""
    with transaction(engine) as session:
        total = thin_totals(session, daily, weekly)
    last = 0
    while True:
        with reading(engine) as session:
            ids = list(session.scalars(_next(last, max(daily, weekly))))
        if not ids:
            return total
        last = ids[-1]
        with transaction(engine) as session:
            thinned = delete(Adoption).where(col(Adoption.release_id).in_(ids), *_superfluous(session, daily, weekly))
            done: Any = session.execute(thinned, execution_options={"synchronize_session": False})
            total += int(done.rowcount)


def _next(last: int, before: str) -> Any:
    """Selects the next releases that have rows older than the younger limit."""
    release = col(Adoption.release_id)
    some = select(release).where(release > last, col(Adoption.day) < before)
    return some.group_by(release).order_by(release).limit(BATCH_RELEASES)


def _day(today: date, days: int) -> str:
    return (today - timedelta(days=min(days, today.toordinal() - 1))).isoformat()


def _due(engine: Engine, today: date) -> bool:
    with transaction(engine) as session:
        mark = session.get(Counter, MARK) or Counter(name=MARK[0], label=MARK[1], value=0.0)
        if mark.value >= today.toordinal():
            return False
        mark.value = float(today.toordinal())
        session.add(mark)
    return True


def _superfluous(session: Session, daily: str, weekly: str) -> list[ColumnElement[bool]]:
    """Rows older than a limit that have a later one in the same month, and before ``weekly`` also in the same week."""
    later, day = aliased(Adoption), col(Adoption.day)
    same_month = func.substr(later.day, 1, 7) == func.substr(day, 1, 7)
    same_week = _monday(session, col(later.day)) == _monday(session, day)
    together = case((day < weekly, same_month), else_=and_(same_month, same_week)) if weekly else same_month & same_week
    old = [day < limit for limit in (daily, weekly) if limit]
    newer = exists().where(col(later.release_id) == col(Adoption.release_id), col(later.day) > day, together)
    return [or_(*old), newer]


def _monday(session: Session, day: Any) -> ColumnElement[str]:
    if session.get_bind().dialect.name == "sqlite":
        return func.date(day, "weekday 0", "-6 days")
    return func.to_char(func.date_trunc(literal_column("'week'"), cast(day, Date)), literal_column("'YYYY-MM-DD'"))
