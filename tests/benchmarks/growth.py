"""What one release costs as the history grows: recorded, matched and queued, at three sizes ten times apart.

Each size is a history of ``_million`` (made once); what is added to it is taken away again.
"""

from __future__ import annotations

import os
import random
import statistics
import time
import uuid

from sqlalchemy import Engine, delete, func, select
from sqlmodel import col

from monitor import db
from monitor.alerts.match import enqueue
from monitor.alerts.subscriptions import Wish, subscribe
from monitor.history.record import record
from monitor.labs import Registry, load
from monitor.models import Launch, Release, Subscription, Target
from monitor.vocabulary import Sighting, Via
from tests.benchmarks import _million
from tests.benchmarks._recorded import many

SIZES = tuple(int(size) for size in os.environ.get("SIZES", "10000,100000,1000000").split(","))
WARM, MEASURED = 200, 800
FILTERS = 100


def main() -> None:
    """Prints a table."""
    print("| releases there | SQLite, median | 95 % | beside the smallest | PostgreSQL, median | 95 % | beside it |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    first: dict[str, float] = {}
    registry = load()
    for size in SIZES:
        cells = [f"{size:,}"]
        with _million.databases(size) as urls:
            for name, url in urls.items():
                engine = db.make_engine(url)
                took = cost(engine, registry)
                median = statistics.median(took) * 1000
                late = statistics.quantiles(took, n=20)[-1] * 1000
                cells += [f"{median:.2f} ms", f"{late:.2f} ms", f"{median / first.setdefault(name, median):.2f} ×"]
                engine.dispose()
        print(f"| {' | '.join(cells)} |", flush=True)


def cost(engine: Engine, registry: Registry) -> list[float]:
    """Seconds that each of so many releases takes, a transaction each, with its deliveries."""
    run = uuid.uuid4().hex[:8]
    facts = list(many(WARM + MEASURED))
    random.Random(7).shuffle(facts)
    last = _last(engine)
    with db.transaction(engine) as session:
        for number in range(FILTERS):
            wish = Wish("webhook", f"https://{run}.example/", f"origin:CN,US params:>={number}M -lab:nobody-{number}")
            subscribe(session, wish)
    try:
        return [_recorded(engine, registry, row, f"{run}{number:016x}") for number, row in enumerate(facts)][WARM:]
    finally:
        _remove(engine, last, run)


def _recorded(engine: Engine, registry: Registry, row: dict[str, object], hub_id: str) -> float:
    moment = db.now()
    name = f"{row['id']}-{hub_id}"
    facts = {**row, "_id": hub_id, "id": name, "createdAt": moment.isoformat()}
    sighting = Sighting(hub_id, name, facts, Via.WEBHOOK, moment, exact_at=moment)
    began = time.perf_counter()
    with db.transaction(engine) as session:
        done = record(session, [sighting], registry, enqueue)
    took = time.perf_counter() - began
    assert len(done.new) == 1, done
    return took


def _last(engine: Engine) -> int:
    with db.reading(engine) as session:
        return session.scalar(select(func.max(col(Release.id)))) or 0


def _remove(engine: Engine, last: int, run: str) -> None:
    with db.transaction(engine) as session:
        target = col(Subscription.target) == f"https://{run}.example/"
        session.execute(delete(Release).where(col(Release.id) > last))
        session.execute(delete(Launch).where(col(Launch.last_at) > db.now().replace(hour=0, minute=0)))
        session.execute(delete(Subscription).where(target))
        session.execute(delete(Target).where(col(Target.address) == f"https://{run}.example/"))


if __name__ == "__main__":
    main()
