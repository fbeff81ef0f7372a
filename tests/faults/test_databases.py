"""A database that is full, locked, ahead of the code, or restarted; a Hub whose clock is wrong."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel, col

from monitor import db
from monitor.enums import Via
from monitor.ingest import polls
from monitor.models import Delivery, Poll, Subscription
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model
from tests.fakes.slack import FakeSlack
from tests.faults.cluster import Cluster
from tests.faults.test_cluster import Scene
from tests.servers import PostgresServer, RedisServer

pytestmark = pytest.mark.slow

WRITERS, EACH = 4, 12


def test_a_full_disk_leaves_nothing_half_written_and_work_goes_on_with_room(sqlite_engine: Engine) -> None:
    with ReplayHub() as hub:
        env = TestEnv(sqlite_engine, hub)
        env.subscribe()
        hub.add(model("x/before"))
        env.begin()
        with db.reading(sqlite_engine) as session:
            mark = session.get_one(Poll, "created").state
        with sqlite_engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        room = {"pages": pages}

        @event.listens_for(sqlite_engine, "checkout")
        def _no_larger(connection, _record, _proxy) -> None:  # type: ignore[no-untyped-def]
            connection.execute(f"PRAGMA max_page_count={room['pages']}")

        names = {f"x/new-{number}" for number in range(60)}
        for name in names:
            hub.add(model(name))
        with pytest.raises(OperationalError, match="database or disk is full"):
            polls.poll(env.ingest, Via.CREATED)
        assert set(env.releases()) == {"x/before"}
        assert env.count(Delivery) == 0
        with db.reading(sqlite_engine) as session:
            assert session.get_one(Poll, "created").state == mark
            assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"

        room["pages"] = 1_000_000
        with db.transaction(sqlite_engine) as session:
            # The poll that came to grief holds its lease still; nobody waits for it here.
            session.get_one(Poll, "created").leased_until = None
        env.look()
        env.deliver()
        assert {name for _, name in env.channel.alerts} == names
        assert len(env.channel.alerts) == len(names)


def _write(url: str, writer: int) -> None:
    """Reads, then writes, again and again: what fails with a deferred BEGIN however long it waits."""
    engine = db.make_engine(url)
    for number in range(EACH):
        with db.transaction(engine) as session:
            session.scalar(select(func.count()).select_from(Subscription))
            subscribe(session, SubscriptionCreate("kept", f"{writer}-{number}"))
    engine.dispose()


def test_several_processes_that_write_at_once_wait_for_each_other_and_lose_nothing(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(sqlite_url, number)) for number in range(WRITERS)]
    for one in writers:
        one.start()
    for one in writers:
        one.join(300)
    assert [one.exitcode for one in writers] == [0] * WRITERS
    with db.reading(sqlite_engine) as session:
        kept = set(session.scalars(select(col(Subscription.target))))
    assert kept == {f"{writer}-{number}" for writer in range(WRITERS) for number in range(EACH)}


def test_long_work_in_many_transactions_lets_others_write_in_between(sqlite_engine: Engine) -> None:
    ended, turns, most = threading.Event(), 0, 100

    def work() -> None:
        nonlocal turns
        while not ended.is_set() and turns < most:
            turns += 1
            with db.transaction(sqlite_engine) as session:
                session.connection()  # begins, and takes the lock
                time.sleep(0.2)
            db.let_others_write(sqlite_engine)

    working = threading.Thread(target=work)
    working.start()
    try:
        for number in range(4):
            before = turns
            with db.transaction(sqlite_engine) as session:
                subscribe(session, SubscriptionCreate("kept", str(number)))
            assert turns - before < 15 and turns < most
    finally:
        ended.set()
        working.join(300)


def test_old_code_goes_on_with_tables_that_a_newer_one_has_added_to(env: TestEnv) -> None:
    env.subscribe()
    env.hub.add(model("Qwen/A-7B"))
    env.begin("Qwen")
    with env.engine.begin() as connection:
        for table in SQLModel.metadata.tables:
            connection.execute(text(f'ALTER TABLE "{table}" ADD COLUMN of_the_next_version TEXT'))
        connection.execute(text("CREATE TABLE of_the_next_version (id INTEGER PRIMARY KEY)"))
    env.hub.add(model("Qwen/B-7B"))
    env.look("Qwen")
    env.deliver()
    assert env.channel.alerts == [("release", "Qwen/B-7B")]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_hub_whose_clock_is_an_hour_off_is_watched_all_the_same(sqlite_engine: Engine, hours: int) -> None:
    with ReplayHub(clock=lambda: datetime.now(UTC) + timedelta(hours=hours)) as hub:
        env = TestEnv(sqlite_engine, hub)
        env.subscribe()
        hub.add(model("x/before"))
        env.begin()
        for number in range(3):
            hub.add(model(f"x/new-{number}"))
            env.look()
            env.deliver()
        assert sorted(env.channel.alerts) == [("release", f"x/new-{number}") for number in range(3)]


def test_postgresql_restarted_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """SIGINT asks transactions to end, SIGQUIT is a crash from which it recovers by its log."""
    broker = RedisServer(tmp_path)
    broker.start()
    try:
        with (
            PostgresServer() as server,
            ReplayHub(quota=1_000_000) as hub,
            FakeSlack() as slack,
            Cluster(tmp_path, hub, server.url, broker.url) as parts,
        ):
            scene = Scene(parts, hub, slack, server.url)
            scene.begin()
            for number, how in enumerate((signal.SIGINT, signal.SIGQUIT) * 2):
                scene.release(*(f"y/{number}-{one}" for one in range(3)))
                server.stop(how)
                server.start()
            scene.settled()
            scene.engine.dispose()
    finally:
        broker.kill()
