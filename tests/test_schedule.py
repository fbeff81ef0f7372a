"""One schedule: the beat, the polls and the leases take their times from one table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from monitor import schedule
from monitor.db.engine import now
from monitor.enums import Via
from monitor.ingest import polls
from monitor.schedule import BACKOFFS, TASKS, Task
from monitor.settings import load
from tests.environment import TestEnv
from workers.app import QUEUES, beat_schedule

ENTRIES = {Via.CREATED: "newest created", Via.MODIFIED: "newest modified", Via.TRENDING: "trending"}


@pytest.mark.parametrize("via", ENTRIES)
@pytest.mark.parametrize("intervals", [1, 15, 40])
def test_changing_an_entry_changes_both_the_beat_and_what_is_polled(
    env: TestEnv, monkeypatch: pytest.MonkeyPatch, via: Via, intervals: int
) -> None:
    name = ENTRIES[via]
    monkeypatch.setitem(schedule.TASKS, name, TASKS[name]._replace(hub_intervals=intervals))
    beat = beat_schedule(load(_env_file=None, hub_interval=60))
    tick = timedelta(seconds=float(str(beat[name]["schedule"])))
    assert tick.total_seconds() == 60 * intervals
    context = replace(env.ingest, hub_interval=60)
    began = now()
    with time_machine.travel(began, tick=False):
        assert polls.poll(context, via, skip_if_recent=True) is not None
    with time_machine.travel(began + tick / 2, tick=False):
        assert polls.poll(context, via, skip_if_recent=True) is None
    with time_machine.travel(began + tick, tick=False):
        assert polls.poll(context, via, skip_if_recent=True) is not None


def test_every_entry_of_the_beat_comes_from_the_table() -> None:
    settings = load(
        _env_file=None, hub_interval=7, feed_interval=400, smtp_url="smtp://localhost:25", email_from="a@b.example"
    )
    beat = beat_schedule(settings)
    assert beat.keys() == {name for name, entry in TASKS.items() if entry.requires != "bounce_url"}
    for name, entry in beat.items():
        assert entry["schedule"] == TASKS[name].interval(7, 400)
        assert str(entry["task"]).removeprefix("hub.") in QUEUES
    assert beat["trending"]["schedule"] == 15 * 7
    assert beat["sweeps"]["schedule"] == 5
    assert beat["digests"]["schedule"] == 7


def test_an_interval_is_the_smallest_of_those_that_are_set() -> None:
    entry = Task("feeds", seconds=15, feed_intervals=1)
    assert entry.interval(hub_interval=1, feed_interval=400) == 15
    assert entry.interval(hub_interval=1, feed_interval=10) == 10


@pytest.mark.parametrize("name", BACKOFFS)
def test_a_back_off_doubles_up_to_its_bound(name: str) -> None:
    backoff = BACKOFFS[name]
    low, high = backoff.jitter
    for failures in (1, 2, 3, 50, 5_000):
        expected = min(backoff.first * 2 ** (min(failures, 60) - 1), backoff.longest)
        assert expected * low <= backoff.seconds(failures) <= expected * high
