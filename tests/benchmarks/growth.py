"""What one release costs as the history grows: recorded, matched and queued, at three sizes ten times apart.

Each size is a history of ``_million`` (made once); what is added to it is taken away again.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median, quantiles

from sqlalchemy import Engine, delete, func, select
from sqlmodel import col

from monitor import db
from monitor.enums import Observation, Via
from monitor.labs import Registry, load
from monitor.models import Launch, Release, Subscription, Target
from monitor.notify.matching import enqueue
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.releases.recorder import record
from tests.benchmarks import _million
from tests.benchmarks._recorded import many

SIZES = tuple(int(size) for size in os.environ.get("SIZES", "10000,100000,1000000").split(","))
ROUNDS, EACH = 20, 50
"""The first round warms up. Every size has its turn in each, so that what else the machine does slows all alike."""
FILTERS = 100


def main() -> None:
    """Prints a table."""
    registry = load()
    with ExitStack() as stack:
        urls = {size: stack.enter_context(_million.databases(size)) for size in SIZES}
        took = {name: by_turns([urls[size][name] for size in SIZES], registry) for name in urls[SIZES[0]]}
    relative = "relative to the smallest"
    print(f"| releases there | SQLite, median | 95 % | {relative} | PostgreSQL, median | 95 % | {relative} |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for place, size in enumerate(SIZES):
        cells = [f"{size:,}"]
        for times in took.values():
            middle, late = median(times[place]) * 1000, quantiles(times[place], n=20)[-1] * 1000
            cells += [f"{middle:.2f} ms", f"{late:.2f} ms", f"{middle / (median(times[0]) * 1000):.2f} ×"]
        print(f"| {' | '.join(cells)} |", flush=True)


def by_turns(urls: Sequence[str], registry: Registry) -> list[list[float]]:
    """Seconds that each release takes in each of these databases, a transaction each, with its deliveries."""
    run = uuid.uuid4().hex[:8]
    facts = list(many(ROUNDS * EACH))
    random.Random(7).shuffle(facts)
    engines = [db.make_engine(url) for url in urls]
    last = [_prepared(engine, run) for engine in engines]
    took: list[list[float]] = [[] for _ in engines]
    try:
        for begin in range(0, len(facts), EACH):
            for engine, times in zip(engines, took, strict=True):
                some = enumerate(facts[begin : begin + EACH], begin)
                times += [_recorded(engine, registry, row, f"{run}{number:016x}") for number, row in some]
    finally:
        for engine, ident in zip(engines, last, strict=True):
            _remove(engine, ident, run)
            engine.dispose()
    return [times[EACH:] for times in took]


def _prepared(engine: Engine, run: str) -> int:
    """Subscribes; returns the number of the last release that was there before."""
    with db.transaction(engine) as session:
        for number in range(FILTERS):
            wish = SubscriptionCreate(
                "webhook", f"https://{run}.example/", f"origin:CN,US params:>={number}M -lab:nobody-{number}"
            )
            subscribe(session, wish)
        return session.scalar(select(func.max(col(Release.id)))) or 0


def _recorded(engine: Engine, registry: Registry, row: dict[str, object], hub_id: str) -> float:
    moment = db.now()
    name = f"{row['id']}-{hub_id}"
    facts = {**row, "_id": hub_id, "id": name, "createdAt": moment.isoformat()}
    observation = Observation(hub_id, name, facts, Via.WEBHOOK, moment, exact_at=moment)
    began = time.perf_counter()
    with db.transaction(engine) as session:
        done = record(session, [observation], registry, enqueue)
    took = time.perf_counter() - began
    assert len(done.new) == 1, done
    return took


def _remove(engine: Engine, last: int, run: str) -> None:
    with db.transaction(engine) as session:
        target = col(Subscription.target) == f"https://{run}.example/"
        session.execute(delete(Release).where(col(Release.id) > last))
        session.execute(delete(Launch).where(col(Launch.last_at) > db.now().replace(hour=0, minute=0)))
        session.execute(delete(Subscription).where(target))
        session.execute(delete(Target).where(col(Target.address) == f"https://{run}.example/"))


if __name__ == "__main__":
    main()
