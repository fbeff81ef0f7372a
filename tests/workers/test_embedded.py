"""Everything in one process, as a process: it starts, tells, is killed at any moment, and goes on."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from monitor import db
from monitor.models import Delivery, DeliveryState, Poll, Release
from tests.environment import list_namespaces
from tests.fakes.feeds import FeedServer
from tests.fakes.hub import ReplayHub, model, until
from tests.left_behind import LEFT_BEHIND

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).parent / "hub-monitor")


STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    """Ends what a failed test has left running."""
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()
        LEFT_BEHIND.ended(process.pid)


@pytest.fixture
def begun(tmp_path: Path, sqlite_engine: Engine) -> None:
    """The database of `Running`, as after its first days."""
    list_namespaces(sqlite_engine)
    sqlite_engine.dispose()
    (tmp_path / "monitor.db").rename(tmp_path / "up.db")


class Running:
    """``hub-monitor up`` against a Hub of ours, its output kept in a file."""

    def __init__(self, folder: Path, hub: ReplayHub, *options: str, command: tuple[str, ...] = (COMMAND,)) -> None:
        self.output = folder / "out.txt"
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "MONITOR_DATABASE_URL": f"sqlite:///{folder}/up.db",
            "MONITOR_HUB_INTERVAL": "0.3",
            "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
            "MONITOR_FEEDS": "",
        }
        with self.output.open("a") as out, (folder / "err.txt").open("a") as err:
            self.process = subprocess.Popen(
                [*command, "up", *options], env=environment, stdout=out, stderr=err, start_new_session=True
            )
        LEFT_BEHIND.started(self.process.pid)
        STARTED.append(self.process)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(300)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)


def _alerts(path: Path) -> Counter[str]:
    return Counter(re.findall(r"released (\S+)", path.read_text()))


def _known(folder: Path) -> Counter[str]:
    engine = db.make_engine(f"sqlite:///{folder}/up.db")
    with db.reading(engine) as session:
        found = Counter(session.scalars(select(Release.repo_id)))
    engine.dispose()
    return found


def _sent(folder: Path) -> set[str]:
    """The repositories whose alert is known to be sent."""
    engine = db.make_engine(f"sqlite:///{folder}/up.db")
    with db.reading(engine) as session:
        sent = select(Release.repo_id).join(Delivery).where(Delivery.state == str(DeliveryState.SENT))  # type: ignore[call-overload]
        found = set(session.scalars(sent))
    engine.dispose()
    return found


def _walked(folder: Path) -> bool:
    engine = db.make_engine(f"sqlite:///{folder}/up.db")
    with db.reading(engine) as session:
        row = session.get(Poll, "created")
    engine.dispose()
    return row is not None and row.succeeded_at is not None


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("begun")
def test_killed_at_any_moment_it_loses_nothing_and_repeats_at_most_the_one_in_doubt(tmp_path: Path) -> None:
    chance = random.Random(20_261_124)
    kills, number, doubted = 4, 0, Counter[str]()
    with ReplayHub(quota=1_000_000) as hub:
        hub.add(model("x/before"))
        running = Running(tmp_path, hub, "--no-web")
        until(lambda: "Watching" in (tmp_path / "err.txt").read_text(), what="its start")
        # What comes before the first walk has ended is history: nobody knows whether it was there before.
        until(lambda: _walked(tmp_path), what="the first walk")
        for _ in range(kills):
            for _ in range(12):
                hub.add(model(f"x/new-{number}"))
                number += 1
            enough = number - chance.randint(0, 11)
            until(lambda enough=enough: len(_alerts(tmp_path / "out.txt")) >= enough, what="some alerts")
            running.kill()
            doubted.update(set(_alerts(tmp_path / "out.txt")) - _sent(tmp_path))
            running = Running(tmp_path, hub, "--no-web")
        # Killed at any moment, an earlier one may not have come to say so: the last says something after its start.
        hub.add(model("x/last"))
        wanted = {*(f"x/new-{n}" for n in range(number)), "x/last"}
        until(lambda: wanted <= set(_alerts(tmp_path / "out.txt")), what="every alert")
        assert running.stop() == 0
    alerts, known = _alerts(tmp_path / "out.txt"), _known(tmp_path)
    assert set(alerts) == wanted
    assert set(known) == {*wanted, "x/before"}
    assert max(known.values()) == 1
    # What was written, and not yet known to be so when the process was killed, is written once more.
    assert {name: times for name, times in alerts.items() if times > 1 + doubted[name]} == {}


NARROW = """
import sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.pool import Pool
from workers.main import main

pages = Path(sys.argv.pop(1))

@event.listens_for(Pool, "checkout")
def narrow(connection, *_):
    connection.execute(f"PRAGMA max_page_count={pages.read_text()}")

main()
"""
"""``hub-monitor`` on a disk with room for as many pages as a file says (no fewer than there are)."""


@pytest.mark.usefixtures("begun")
def test_on_a_full_disk_it_says_so_in_a_line_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    pages, said = tmp_path / "pages", tmp_path / "err.txt"
    pages.write_text("1000000")
    names = {f"x/new-{number}" for number in range(40)}
    with ReplayHub(quota=1_000_000) as hub:
        hub.add(model("x/before"))
        running = Running(tmp_path, hub, "--no-web", command=(sys.executable, "-c", NARROW, str(pages)))
        until(lambda: "Watching" in said.read_text(), what="its start")
        until(lambda: _walked(tmp_path), what="the first walk")
        pages.write_text("1")
        for name in sorted(names):
            hub.add(model(name))
        until(lambda: "the disk of the database is full: make room there" in said.read_text(), what="the line")
        assert not names & set(_known(tmp_path))
        pages.write_text("1000000")
        until(lambda: names <= set(_alerts(tmp_path / "out.txt")), what="every alert")
        assert running.stop() == 0
    assert _alerts(tmp_path / "out.txt") == dict.fromkeys(names, 1)
    assert said.read_text().count("the disk of the database is full") == 1
    assert "Traceback" not in said.read_text()


def test_it_stops_cleanly_when_asked_and_serves_its_page_meanwhile(tmp_path: Path) -> None:
    with ReplayHub(quota=1_000_000) as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        running = Running(tmp_path, hub, "--port", "0")
        found = until(
            lambda: re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "err.txt").read_text()), what="its address"
        )

        def items() -> list[str]:
            with urllib.request.urlopen(found[0] + "/api/v1/releases") as answer:
                return [item["repo_id"] for item in json.load(answer)["items"]]

        until(lambda: items() == ["Qwen/Qwen3-8B"], what="the release in the API")
        with urllib.request.urlopen(found[0] + "/") as page:
            assert "Qwen/Qwen3-8B" in page.read().decode()
        # Links lead to the port that it serves, where MONITOR_PUBLIC_URL is not set.
        with urllib.request.urlopen(found[0] + "/feed.json") as feed:
            assert json.load(feed)["feed_url"].startswith(found[0])
        assert running.stop() == 0


@pytest.mark.usefixtures("begun")
def test_only_one_runs_on_a_database(tmp_path: Path) -> None:
    with ReplayHub(quota=1_000_000) as hub:
        first = Running(tmp_path, hub, "--no-web")
        until(lambda: "Watching" in (tmp_path / "err.txt").read_text(), what="its start")
        second = Running(tmp_path, hub, "--no-web")
        assert second.process.wait(300) == 2
        assert "another hub-monitor already runs" in (tmp_path / "err.txt").read_text()
        assert first.stop() == 0


@pytest.mark.usefixtures("begun")
def test_an_unreachable_hub_is_tried_again_until_it_answers(tmp_path: Path) -> None:
    hub = ReplayHub(quota=1_000_000)
    hub.start()
    hub.stop()
    running = Running(tmp_path, hub, "--no-web")
    until(lambda: "cannot reach 127.0.0.1" in (tmp_path / "err.txt").read_text(), what="a failure reported")
    assert "Traceback" not in (tmp_path / "err.txt").read_text()
    hub.add(model("x/one"))
    hub.start()
    try:
        until(lambda: "x/one" in _known(tmp_path), what="the release after the outage")
        assert running.stop() == 0
    finally:
        hub.stop()


@pytest.mark.usefixtures("begun")
def test_a_heartbeat_follows_each_healthy_round_and_none_a_failed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ReplayHub() as hub, FeedServer() as receiver:
        monkeypatch.setenv("MONITOR_HEARTBEAT_URL", receiver.put("/ping", "OK", content_type="text/plain"))
        up = Running(tmp_path, hub, "--no-web")
        until(lambda: receiver.count("/ping") >= 2, what="two heartbeats")
        hub.fail(503, times=None, path_prefix="/api/models")
        engine = db.make_engine(f"sqlite:///{tmp_path}/up.db")
        until(lambda: _failures(engine) >= 2, what="two failed rounds")
        before = receiver.count("/ping")
        until(lambda: _failures(engine) >= 5, what="more failed rounds")
        assert receiver.count("/ping") == before
        hub.heal()
        until(lambda: receiver.count("/ping") > before, what="a heartbeat after the Hub is back")
        assert up.stop() == 0


def _failures(engine: Engine) -> int:
    """Failures in a row of the poll that has fewest."""
    with db.reading(engine) as session:
        return min(session.scalars(select(Poll.failures).where(Poll.name != "trending")))  # type: ignore[call-overload]
