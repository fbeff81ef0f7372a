"""One release against subscriptions, a hundred for each filter, and the outbox's rows against a bare bulk insert.

At three sizes ten times apart: 1,000, 10,000 and 100,000 subscriptions.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select
from sqlmodel import Session, col

from monitor import db
from monitor.db import migrations
from monitor.db.engine import now, transaction
from monitor.models import Delivery, Release, Subscription
from monitor.notify import matching as match
from monitor.notify.subscriptions import target_of
from monitor.releases.query import parse
from monitor.releases.recorder import News
from tests.benchmarks.emails import databases
from tests.channels.channel_test_env import release

SIZES = (1_000, 10_000, 100_000)
EACH = 100
"""Subscriptions of one filter."""
COUNTRIES = ("CN", "US", "FR", "KR", "JP", "DE", "GB", "IN", "CA", "IL")
ROUNDS = 5


def filters(wanted: int) -> list[str]:
    """So many filters as people write them, in their normal form."""
    found = []
    for number in range(wanted):
        country, other = COUNTRIES[number % 10], COUNTRIES[(number // 10) % 10]
        kinds = (
            f"origin:{country},{other} params:>={number % 97 + 1}B kind:base",
            f"(origin:{country} OR foundation:{other}) -license:non-commercial params:>={number}M",
            f"lab:lab-{number}",
            f'task:text-generation "model {number}"',
            f"kind:base,finetune -origin:{country} likes:>={number}",
        )
        found.append(kinds[number % 5])
    return [parse(text).normal for text in found]


def fill(engine: Engine, subscriptions: int) -> None:
    """The subscriptions, a hundred for each filter."""
    written = filters(subscriptions // EACH)
    assert len(set(written)) == len(written)
    with transaction(engine) as session:
        targets = [target_of(session, "slack", f"C{number:05d}").id for number in range(200)]
        rows: list[dict[str, Any]] = []
        for number in range(subscriptions):
            row = {
                "id": f"{number:012x}", "target_id": targets[number % 200], "channel": "slack",
                "target": f"C{number % 200:05d}", "filter": written[number % len(written)], "typed": "",
                "digest": "immediate", "timezone": "UTC", "hour": 8, "confirmed": True, "paused": False,
                "options": {}, "created_by": "x", "created_at": now(),
            }  # fmt: skip
            rows.append(row)
        session.execute(insert(Subscription), rows)


def alerts(session: Session, row: Release) -> tuple[int, float]:
    """(deliveries, seconds) of one release, as it is recorded."""
    session.add(row)
    session.flush()
    began = time.perf_counter()
    number = match.enqueue(session, [News(row, "release")])
    return number, time.perf_counter() - began


def bare(engine: Engine) -> float:
    """Seconds of a bare bulk insert of the rows that are there, into the emptied table."""
    with transaction(engine) as session:
        columns = [column for column in Delivery.__table__.columns if column.key != "id"]  # type: ignore[attr-defined]
        rows = [dict(row._mapping) for row in session.execute(select(*columns))]
        session.execute(delete(Delivery))
    with transaction(engine) as session:
        began = time.perf_counter()
        session.connection().execute(insert(Delivery.__table__), rows)  # type: ignore[attr-defined]
    return time.perf_counter() - began


def main() -> None:
    """Prints a table."""
    print("| what | seconds | rows/s | of the bare bulk insert |")
    print("| --- | --- | --- | --- |")
    for subscriptions in SIZES:
        with databases() as urls:
            for name, url in urls.items():
                engine = db.make_engine(url)
                migrations.upgrade(engine)
                fill(engine, subscriptions)
                _measure(name, engine, subscriptions)
                engine.dispose()


def _measure(name: str, engine: Engine, subscriptions: int) -> None:
    with transaction(engine) as session:
        alerts(session, release("first", origin="XX", kind="merge"))  # the filters are parsed once a process
        session.execute(delete(Delivery))
    none, some = [], []
    for number in range(ROUNDS):
        with transaction(engine) as session:
            none.append(alerts(session, release(f"none-{number}", origin=None, kind="merge", params_total=1)))
        began = time.perf_counter()
        with transaction(engine) as session:
            count, _ = alerts(session, release(f"some-{number}"))
        ours = time.perf_counter() - began
        with transaction(engine) as session:
            left = session.scalar(select(func.count()).select_from(Delivery).where(col(Delivery.id) > 0))
            assert left == count + none[-1][0]
        theirs = bare(engine)
        with transaction(engine) as session:
            session.execute(delete(Delivery))
        some.append((count, ours, theirs))
    number, seconds = min(none, key=lambda one: one[1])
    print(f"| {name}, matching a release that {number:,} of {subscriptions:,} want | {seconds:.3f} | | |")
    count = some[0][0]
    ours, theirs = min(one[1] for one in some), min(one[2] for one in some)
    print(f"| {name}, bare bulk insert of {count:,} rows and commit | {theirs:.3f} | {count / theirs:,.0f} | 1.00 |")
    what = f"{name}, a release that {count:,} want: matched, written, committed"
    print(f"| {what} | {ours:.3f} | {count / ours:,.0f} | {theirs / ours:.2f} |", flush=True)


if __name__ == "__main__":
    main()
