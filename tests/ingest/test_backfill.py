"""Learning history: within the allowance, once, and with the help of a process that may die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from monitor.ingest.backfill import PAGE, Progress, backfill
from monitor.ingest.classification_worker import beside
from monitor.ingest.hub.responses import HubError
from monitor.models import Delivery, Release
from tests.fakes.hub import model, until
from tests.house import House


def test_a_backfill_waits_for_the_allowance_and_tells_nobody(house: House) -> None:
    house.subscribe()
    house.hub.add_many(model(f"Qwen/Old-{n}-7B", createdAt="2025-05-01T00:00:00.000Z") for n in range(5))
    house.allowance.shut(1)
    reports: list[Progress] = []
    done = backfill(house.watcher, since=None, namespaces=["Qwen"], limit=None, report=reports.append)
    assert (done.met, done.learnt) == (5, 5)
    assert any(report.waiting > 0 for report in reports)
    assert house.count(Delivery) == 0


def test_pages_are_judged_alike_here_beside_and_where_the_process_beside_is_killed(house: House) -> None:
    listing = json.dumps([model(f"Qwen/Old-{n}-7B") | {"_id": f"{n:024x}"} for n in range(3)]).encode()
    with beside(house.engine, house.watcher.registry) as judging:
        here = judging(listing, None, more=True)()
        until(lambda: judging.ready, 60.0, "the process beside")
        there = judging(listing, None, more=True)()
        coming = judging(listing, None, more=True)
        assert judging.pid is not None
        os.kill(judging.pid, signal.SIGKILL)
        after = [coming(), judging(listing, None, more=False)()]
    assert len(here.judgements) == 3
    assert all(page.judgements == here.judgements for page in [there, *after])


@pytest.mark.parametrize("limit", [PAGE, PAGE + 1])
def test_a_backfill_learns_as_many_as_are_wanted(house: House, limit: int) -> None:
    house.hub.add_many(model(f"Qwen/Old-{n}-7B", createdAt="2025-05-01T00:00:00.000Z") for n in range(PAGE + 100))
    done = backfill(house.watcher, since=None, namespaces=[], limit=limit, report=lambda _: None)
    assert done.met == done.learnt == limit


def test_a_backfill_ends_at_its_day_and_asks_for_no_page_that_cannot_be_wanted(house: House) -> None:
    days = ["2025-05-02"] * 10 + ["2025-05-01"] * PAGE + ["2025-04-30"] * PAGE
    house.hub.add_many(model(f"x/m{n}", createdAt=f"{day}T00:00:00.000Z") for n, day in enumerate(days))
    some = backfill(house.watcher, since=None, namespaces=[], limit=10, report=lambda _: None)
    assert (some.met, some.reached, house.hub.requests) == (10, "2025-05-02", 1)
    done = backfill(house.watcher, since=date(2025, 5, 1), namespaces=[], limit=None, report=lambda _: None)
    assert (done.met, done.learnt, done.reached) == (PAGE + 10, PAGE, "2025-05-01")


def test_what_a_backfill_meets_again_is_judged_again(house: House) -> None:
    house.hub.add(model("Qwen/Old-7B", createdAt="2025-05-01T00:00:00.000Z", gated=False))
    backfill(house.watcher, since=None, namespaces=["Qwen"], limit=None, report=lambda _: None)
    house.hub.change("Qwen/Old-7B", gated="manual")
    done = backfill(house.watcher, since=None, namespaces=["Qwen"], limit=None, report=lambda _: None)
    assert (done.met, done.learnt) == (1, 0)
    assert ("gated", "no", "manual") in house.changes("Qwen/Old-7B")
    assert house.count(Delivery) == 0


STARTS = """
import sys, time
from monitor.db import make_engine
from monitor.ingest.classification_worker import beside
from monitor.labs import load
with beside(make_engine(sys.argv[1]), load()) as judging:
    judging(b"[]", None, more=True)
    while judging.pid is None or not judging.ready:
        time.sleep(0.01)
    print(judging.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_beside_ends_with_the_one_that_started_it(house: House, how: signal.Signals) -> None:
    place = house.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", STARTS, place]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        beside_it = int(one.stdout.readline())
        assert alive(beside_it)
        one.send_signal(how)
        until(lambda: not alive(beside_it), 30.0, "the end of the process beside")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended, and that nobody has asked after, is there until somebody does.
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("date_", ["0001-01-01", "2024-12-31T00:00:00.000Z"])
def test_a_date_that_is_out_of_place_does_not_end_a_backfill(house: House, date_: str) -> None:
    house.hub.add_many(model(f"x/m{n}", createdAt="2025-05-01T00:00:00.000Z") for n in range(PAGE + 100))
    house.hub.add(model("x/odd", _served={"createdAt": date_}))
    done = backfill(house.watcher, since=date(2025, 5, 1), namespaces=[], limit=None, report=lambda _: None)
    assert done.learnt == PAGE + 100


def test_a_backfill_keeps_what_came_before_a_page_that_fails(house: House) -> None:
    house.hub.add_many(model(f"x/m{n}", createdAt="2025-05-01T00:00:00.000Z") for n in range(2 * PAGE + 100))
    house.hub.links = lambda link: f"{link.partition('&cursor=')[0]}&again={house.hub.requests}"
    with pytest.raises(HubError, match="circle"):
        backfill(house.watcher, since=None, namespaces=[], limit=None, report=lambda _: None)
    assert house.hub.requests == 2
    assert house.count(Release) == PAGE
    house.hub.links = None
    backfill(house.watcher, since=None, namespaces=[], limit=None, report=lambda _: None)
    assert house.count(Release) == 2 * PAGE + 100
