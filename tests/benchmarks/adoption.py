"""Sums of adoption over a million releases: of now, at the end of periods and what was gained in them.

The sums of 60 months, 104 weeks and 90 days are made from the tally in a transaction that is taken back. ``TIMES`` (60)
questions of each kind; milliseconds as a user waits, and of the processor, which depend less on other work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, func, insert, literal, select
from sqlmodel import Session, col

from monitor import db
from monitor.models import AdoptionTotal, Tally
from monitor.releases.query import parse
from monitor.releases.totals import CELL, sums
from tests.benchmarks._million import LAST, databases

NUMBER = int(os.environ.get("NUMBER", "1000000"))
TIMES = int(os.environ.get("TIMES", "60"))
QUESTIONS = (
    ("", "origin", "downloads", "released"),
    ("kind:base", "month,origin", "downloads_all_time", "released"),
    ("", "month,origin", "downloads_all_time", "stock"),
    ("kind:base", "month,lab", "downloads_all_time", "growth"),
    ("", "week,origin", "downloads_all_time", "stock"),
    ("origin:CN", "day", "downloads_all_time", "stock"),
)


def periods() -> Iterator[tuple[str, str]]:
    day = LAST.date()
    monday = day - timedelta(days=day.weekday())
    yield from (("day", (day - timedelta(days=n)).isoformat()) for n in range(90))
    yield from (("week", (monday - timedelta(days=7 * n)).isoformat()) for n in range(104))
    yield from (("month", f"{day.year - n // 12}-{12 - n % 12:02}") for n in range(60))


def fill(session: Session) -> int:
    """Writes the sums of now under each period; returns the rows."""
    cells: list[Any] = [col(getattr(Tally, name)) for name in CELL]
    names = ("releases", "downloads_all_time_known", "downloads_all_time", "downloads_all_time_growth")
    total, known = func.sum(col(Tally.downloads)), func.sum(col(Tally.downloads_known))
    for unit, period in periods():
        counted = select(literal(unit), literal(period), *cells, func.sum(col(Tally.releases)), known, total, total)
        session.execute(insert(AdoptionTotal).from_select(["unit", "period", *CELL, *names], counted.group_by(*cells)))
    return session.scalar(select(func.count()).select_from(AdoptionTotal)) or 0


def measured(ask: Callable[[], object]) -> str:
    """Median and 99 of 100, as waited for and of the processor, in milliseconds."""
    found: list[list[float]] = [[], []]
    for _ in range(TIMES):
        for clock, values in zip((time.perf_counter, time.process_time), found, strict=True):
            values.append(-clock())
        ask()
        for clock, values in zip((time.perf_counter, time.process_time), found, strict=True):
            values[-1] += clock()
    columns = []
    for values in map(sorted, found):
        columns += [f"{1_000 * values[len(values) // 2]:.0f}", f"{1_000 * values[int(len(values) * 0.99)]:.0f}"]
    return " | ".join(columns)


def run(engine: Engine) -> None:
    with Session(engine) as session:
        print(f"{engine.dialect.name}: {fill(session):,} sums")
        for query, by, value, meaning in QUESTIONS:
            names = by.split(",")

            def ask(q: str = query, names: list[str] = names, value: str = value, meaning: str = meaning) -> object:
                return sums(session, parse(q), names, value=value, meaning=meaning, medians=False, launches=False)

            print(f"| {meaning}: {value} by {by} {query} | {measured(ask)} |", flush=True)
        session.rollback()


if __name__ == "__main__":
    with databases(NUMBER) as urls:
        for url in urls.values():
            run(db.make_engine(url))
