"""What it costs to say why a release of a lab is notable, as the history grows: at sizes ten times apart, on SQLite.

``SIZES=10000,1000000 python -m tests.benchmarks.notable``. Each size is a copy of a history of ``_million``, in
``$NOTABLE`` (default: a folder in /tmp), whose works and records are filled in first. Then releases come last, one by
one, and each is measured: its work, its place on the ladders, its reasons and those of others that it changes.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import Engine, delete, func, select
from sqlmodel import col

from monitor import db
from monitor.db import migrations
from monitor.enums import Observation, Via
from monitor.labs import Registry, load
from monitor.models import Namespace, NotableFill, NotableRecord, NotableWork, Release
from monitor.releases import records
from monitor.releases.recorder import record
from monitor.releases.records_fill import fill
from tests.benchmarks import _million
from tests.benchmarks._recorded import recorded, whole

FOLDER = Path(os.environ.get("NOTABLE", "/tmp/notable-benchmark"))
SIZES = tuple(int(size) for size in os.environ.get("SIZES", "10000,100000,1000000").split(","))
ROUNDS, EACH, WARM_UP = 30, 20, 10
"""The first releases warm up. Every size has its turn in each round, so that what else the machine does slows all
alike."""


def main() -> None:
    """Prints a table."""
    registry = load()
    engines = {size: _filled(size, registry) for size in SIZES}
    facts = [whole(row) for row in recorded() if registry.of(row["author"]) is not None]
    random.Random(7).shuffle(facts)
    took: dict[int, list[float]] = {size: [] for size in SIZES}
    for begin in range(0, ROUNDS * EACH, EACH):
        for size, engine in engines.items():
            measured = (_measured(engine, registry, row, number) for number, row in _some(facts, begin))
            took[size] += [seconds for seconds in measured if seconds is not None]
    print("| releases there | works | rungs | median | 95 % | compared with the smallest |")
    print("| --- | --- | --- | --- | --- | --- |")
    smallest = median(took[SIZES[0]][WARM_UP:])
    for size, engine in engines.items():
        times = took[size][WARM_UP:]
        cells = [f"{size:,}", *(f"{_count(engine, table):,}" for table in (NotableWork, NotableRecord))]
        cells += [f"{median(times) * 1000:.2f} ms", f"{quantiles(times, n=20)[-1] * 1000:.2f} ms"]
        print(f"| {' | '.join(cells)} | {median(times) / smallest:.2f} × |", flush=True)


def _some(facts: list[dict[str, object]], begin: int) -> list[tuple[int, dict[str, object]]]:
    return [(number, facts[number % len(facts)]) for number in range(begin, begin + EACH)]


def _filled(size: int, registry: Registry) -> Engine:
    """A copy of the history of this size, with its works and records; made once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"sqlite-{size}.db"
    engine = db.make_engine(f"sqlite:///{path}")
    if path.exists():
        migrations.upgrade(engine)
        return engine
    source = _million.FOLDER / path.name
    if source.exists():
        shutil.copy(source, path)
        migrations.upgrade(engine)
    else:
        migrations.upgrade(engine)
        _million.fill(engine, size)
    began = time.perf_counter()
    with db.transaction(engine) as session:
        session.execute(delete(NotableFill))
        session.add(NotableFill(stage="works", reached=0))
        at = db.now()
        for name in registry.watched:
            lab = registry.of(name)
            row = Namespace(name=name, lab=lab and lab.id, reason="registry", added_at=at, due_at=at, swept_at=at)
            session.add(row)
    while _stage(engine) == "works":
        fill(engine, registry, batches=10)
    with db.transaction(engine) as session:
        session.execute(delete(NotableFill))
    print(f"{size:,} releases: records filled in within {time.perf_counter() - began:.0f} s", flush=True)
    return engine


def _stage(engine: Engine) -> str | None:
    with db.reading(engine) as session:
        return session.scalar(select(col(NotableFill.stage)))


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
