"""What it costs to say why a release of a lab is notable, as the history grows: at sizes ten times apart.

``python -m tests.benchmarks.notable fill`` makes the histories of ``_million`` with their works and records once, in
``$NOTABLE`` (default: a folder in /tmp); ``SIZES=10000,1000000 DIALECTS=sqlite python -m tests.benchmarks.notable``
measures. Releases come last, one by one, and each is measured: its work, its place on the ladders, its reasons and
those of others that it changes.
"""

from __future__ import annotations

import os
import random
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, text
from sqlmodel import Session, col

from monitor import db
from monitor.enums import Observation, Via
from monitor.labs import Registry, load
from monitor.models import Namespace, NotableFill, NotableRecord, NotableWork, Release
from monitor.releases import records
from monitor.releases.ladders import ladder_of, rungs, scopes_of
from monitor.releases.recorder import record
from monitor.releases.works import COLUMNS, UNDATED, Work, work_of
from tests.benchmarks import _million
from tests.benchmarks._recorded import recorded, whole

FOLDER = Path(os.environ.get("NOTABLE", "/tmp/notable-benchmark"))
DIALECTS = os.environ.get("DIALECTS", "sqlite,postgresql").split(",")
SIZES = tuple(int(size) for size in os.environ.get("SIZES", "10000,100000,1000000").split(","))
ROUNDS, EACH, WARM_UP = int(os.environ.get("ROUNDS", "30")), 20, 10
"""The first releases warm up. Every size has its turn in each round, so that what else the machine does slows all
alike."""


def main() -> None:
    """Prints a table."""
    with _databases() as engines:
        if "fill" not in sys.argv:
            measure(engines)


def measure(engines: dict[tuple[str, int], Engine]) -> None:
    """Prints what a release costs in each of these histories, by dialect and size."""
    registry = load()
    facts = [whole(row) for row in recorded() if registry.of(row["author"]) is not None]
    random.Random(7).shuffle(facts)
    took: dict[tuple[str, int], list[float]] = {key: [] for key in engines}
    for begin in range(0, ROUNDS * EACH, EACH):
        for key, engine in engines.items():
            measured = (_measured(engine, registry, row, number) for number, row in _some(facts, begin))
            took[key] += [seconds for seconds in measured if seconds is not None]
    print("| database | releases there | works | rungs | median | 95 % | compared with the smallest |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (dialect, size), engine in sorted(engines.items()):
        times = took[dialect, size][WARM_UP:]
        smallest = median(took[dialect, min(one for kind, one in engines if kind == dialect)][WARM_UP:])
        cells = [dialect, f"{size:,}", *(f"{_count(engine, table):,}" for table in (NotableWork, NotableRecord))]
        cells += [f"{median(times) * 1000:.2f} ms", f"{quantiles(times, n=20)[-1] * 1000:.2f} ms"]
        print(f"| {' | '.join(cells)} | {median(times) / smallest:.2f} × |", flush=True)


def _some(facts: list[dict[str, object]], begin: int) -> list[tuple[int, dict[str, object]]]:
    return [(number, facts[number % len(facts)]) for number in range(begin, begin + EACH)]


@contextmanager
def _databases() -> Iterator[dict[tuple[str, int], Engine]]:
    """By dialect and size, histories with their works and records; made where they are not there."""
    registry = load()
    with ExitStack() as stack:
        engines = {}
        for size in SIZES:
            for dialect, url in stack.enter_context(_million.databases(size, FOLDER)).items():
                if dialect in DIALECTS:
                    engines[dialect, size] = engine = db.make_engine(url)
                    _fill(engine, registry)
        yield engines


def _fill(engine: Engine, registry: Registry) -> None:
    """Writes the works and records of a history, as they would be had each release been recorded; once."""
    with db.reading(engine) as session:
        if session.scalar(select(func.count()).select_from(NotableWork)):
            return
        query = select(*(getattr(Release, name) for name in COLUMNS)).where(col(Release.lab).is_not(None))
        rows = session.execute(query.execution_options(yield_per=5_000))
        works = [work for row in rows if (work := work_of(row, registry)) is not None]
    scopes: dict[str, list[Work]] = defaultdict(list)
    for work in works:
        for scope in scopes_of(work):
            scopes[scope].append(work)
    at = db.now()
    labs = {name: registry.of(name) for name in registry.watched}
    listed = [
        {"name": name, "lab": lab and lab.id, "reason": "registry", "added_at": at, "due_at": at, "swept_at": at,
         "interval": 0.0, "repositories": 1, "failures": 0}
        for name, lab in labs.items()
    ]  # fmt: skip
    with db.transaction(engine) as session:
        for table in (NotableFill, NotableRecord, NotableWork, Namespace):
            session.execute(delete(table))
        session.execute(insert(Namespace), listed)
        _insert(session, NotableWork, (work._asdict() for work in works))
        _insert(session, NotableRecord, (row for scope, some in scopes.items() for row in _records(scope, some)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE notable_work"))
        connection.execute(text("ANALYZE notable_record"))


def _insert(session: Session, table: type, rows: Iterator[dict[str, Any]]) -> None:
    while some := list(islice(rows, 5_000)):
        session.execute(insert(table), some)


def _records(scope: str, works: list[Work]) -> Iterator[dict[str, Any]]:
    """The rungs of a scope with their ground."""
    ladder = ladder_of(scope)
    times = sorted(work.at for work in works if work.at > UNDATED) if ladder.minimum else []
    for work in rungs(ladder, works):
        known = min(records.MAX_COUNTED, bisect_left(times, work.at))
        yield {"scope": scope, "hub_id": work.hub_id, "known": known, "since": times[0].year if known else None}


def _measured(engine: Engine, registry: Registry, row: dict[str, object], number: int) -> float | None:
    """Seconds that the records and reasons of one release take, without recording it; None if it is no work."""
    at = db.now()
    hub_id = f"{number:08x}{time.time_ns():016x}"
    name = f"{row['id']}-{hub_id}"
    facts = {**row, "_id": hub_id, "id": name, "createdAt": at.isoformat()}
    with db.transaction(engine) as session:
        record(session, [Observation(hub_id, name, facts, Via.WEBHOOK, at, exact_at=at)], registry, lambda *_: 0)
    with db.transaction(engine) as session:
        gone = delete(NotableWork).where(col(NotableWork.hub_id) == hub_id).returning(col(NotableWork.hub_id))
        is_work = session.scalar(gone) is not None
    with db.transaction(engine) as session:
        began = time.perf_counter()
        records.refresh(session, [hub_id], registry, fresh=[hub_id])
        session.flush()
        took = time.perf_counter() - began
    with db.transaction(engine) as session:
        session.execute(delete(Release).where(col(Release.hub_id) == hub_id))
    return took if is_work else None


def _count(engine: Engine, table: type) -> int:
    with db.reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


if __name__ == "__main__":
    main()
