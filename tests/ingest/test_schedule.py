"""How often the Hub is polled: the beat schedule and the polls themselves keep to one interval."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from monitor.db.engine import now
from monitor.enums import Via
from monitor.ingest import schedule
from monitor.settings import load
from tests.house import House
from workers.app import make_app

ENTRIES = {Via.CREATED: "newest created", Via.MODIFIED: "newest modified", Via.TRENDING: "trending"}


@pytest.mark.parametrize("via", ENTRIES)
@pytest.mark.parametrize("polls", [2, 15, 40])
def test_every_tick_of_the_beat_polls_and_an_extra_beat_does_not(
    house: House, monkeypatch: pytest.MonkeyPatch, via: Via, polls: int
) -> None:
    monkeypatch.setattr(schedule, "TRENDING_POLLS", polls)
    beat = make_app(load(hub_interval=60)).conf.beat_schedule
    tick = timedelta(seconds=float(beat[ENTRIES[via]]["schedule"]))
    assert tick.total_seconds() == 60 * (polls if via is Via.TRENDING else 1)
    watcher = replace(house.ingest, hub_interval=60)
    began = now()
    with time_machine.travel(began, tick=False):
        assert polls.poll(watcher, via, skip_if_recent=True) is not None
    with time_machine.travel(began + tick / 2, tick=False):
        assert polls.poll(watcher, via, skip_if_recent=True) is None
    with time_machine.travel(began + tick, tick=False):
        assert polls.poll(watcher, via, skip_if_recent=True) is not None
