"""Learning history: within the rate limit, and once."""

from __future__ import annotations

from datetime import date

import pytest
import time_machine

from monitor import db
from monitor.ingest.backfill import PAGE, Progress, backfill
from monitor.ingest.hub.responses import HubError
from monitor.models import Delivery, Release
from tests.environment import TestEnv
from tests.fakes.hub import model


def test_a_backfill_waits_for_the_allowance_and_tells_nobody(env: TestEnv) -> None:
    env.subscribe()
    env.hub.add_many(model(f"Qwen/Old-{n}-7B", createdAt="2025-05-01T00:00:00.000Z") for n in range(5))
    waits: list[float] = []
    with time_machine.travel(db.now(), tick=False) as clock:

        def wait(progress: Progress) -> None:
            if progress.waiting > 0:
                waits.append(progress.waiting)
                clock.shift(progress.waiting)

        env.rate_limiter.shut(1)
        done = backfill(env.ingest, since=None, namespaces=["Qwen"], limit=None, report=wait)
    assert (done.met, done.learnt) == (5, 5)
    assert len(waits) == 1
    assert env.count(Delivery) == 0


@pytest.mark.parametrize("limit", [PAGE, PAGE + 1])
def test_a_backfill_learns_as_many_as_are_wanted(env: TestEnv, limit: int) -> None:
    env.hub.add_many(model(f"Qwen/Old-{n}-7B", createdAt="2025-05-01T00:00:00.000Z") for n in range(PAGE + 100))
    done = backfill(env.ingest, since=None, namespaces=[], limit=limit, report=lambda _: None)
    assert done.met == done.learnt == limit


def test_a_backfill_ends_at_its_day_and_asks_for_no_page_that_cannot_be_wanted(env: TestEnv) -> None:
    days = ["2025-05-02"] * 10 + ["2025-05-01"] * PAGE + ["2025-04-30"] * PAGE
    env.hub.add_many(model(f"x/m{n}", createdAt=f"{day}T00:00:00.000Z") for n, day in enumerate(days))
    some = backfill(env.ingest, since=None, namespaces=[], limit=10, report=lambda _: None)
    assert (some.met, some.reached, env.hub.requests) == (10, "2025-05-02", 1)
    done = backfill(env.ingest, since=date(2025, 5, 1), namespaces=[], limit=None, report=lambda _: None)
    assert (done.met, done.learnt, done.reached) == (PAGE + 10, PAGE, "2025-05-01")


def test_what_a_backfill_meets_again_is_judged_again(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Old-7B", createdAt="2025-05-01T00:00:00.000Z", gated=False))
    backfill(env.ingest, since=None, namespaces=["Qwen"], limit=None, report=lambda _: None)
    env.hub.change("Qwen/Old-7B", gated="manual")
    done = backfill(env.ingest, since=None, namespaces=["Qwen"], limit=None, report=lambda _: None)
    assert (done.met, done.learnt) == (1, 0)
    assert ("gated", "no", "manual") in env.changes("Qwen/Old-7B")
    assert env.count(Delivery) == 0


@pytest.mark.parametrize("date_", ["0001-01-01", "2024-12-31T00:00:00.000Z"])
def test_a_date_that_is_out_of_place_does_not_end_a_backfill(env: TestEnv, date_: str) -> None:
    env.hub.add_many(model(f"x/m{n}", createdAt="2025-05-01T00:00:00.000Z") for n in range(PAGE + 100))
    env.hub.add(model("x/odd", _served={"createdAt": date_}))
    done = backfill(env.ingest, since=date(2025, 5, 1), namespaces=[], limit=None, report=lambda _: None)
    assert done.learnt == PAGE + 100


def test_a_backfill_keeps_what_came_before_a_page_that_fails(env: TestEnv) -> None:
    env.hub.add_many(model(f"x/m{n}", createdAt="2025-05-01T00:00:00.000Z") for n in range(2 * PAGE + 100))
    env.hub.links = lambda link: f"{link.partition('&cursor=')[0]}&again={env.hub.requests}"
    with pytest.raises(HubError, match="circle"):
        backfill(env.ingest, since=None, namespaces=[], limit=None, report=lambda _: None)
    assert env.hub.requests == 2
    assert env.count(Release) == PAGE
    env.hub.links = None
    backfill(env.ingest, since=None, namespaces=[], limit=None, report=lambda _: None)
    assert env.count(Release) == 2 * PAGE + 100
