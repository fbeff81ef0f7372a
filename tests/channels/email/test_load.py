"""Workers killed (-9) over their emails: none is lost, none comes under a second Message-ID.

With ten thousand emails and ten kills: ``python -m tests.benchmarks emails``.
"""

from __future__ import annotations

import random
import time

import pytest
from sqlalchemy import Engine

from tests.channels.email import load
from tests.channels.workers import Workers, states

pytestmark = pytest.mark.slow

EMAILS, KILLS = 150, 2


class Killer:
    """Kills a worker after each third of the emails; when nothing comes any more, the leases of the dead are void."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thresholds = [EMAILS * (number + 1) // (KILLS + 1) for number in range(KILLS)]
        self._came, self._when = 0, time.monotonic()

    def __call__(self, workers: Workers, came: int) -> None:
        if self._thresholds and came >= self._thresholds[0]:
            self._thresholds.pop(0)
            workers.kill_one(random.Random(came))
        if came != self._came:
            self._came, self._when = came, time.monotonic()
        elif time.monotonic() > self._when + 2:
            load.forget_leases(self._engine)
            self._when = time.monotonic()


def test_killed_workers_lose_no_email_and_make_no_second_message_id(engine: Engine, database_url: str) -> None:
    load.readers(engine, EMAILS)
    with load.Sink() as sink:
        environment = load.settings_for(database_url, sink)
        done = load.run_load(engine, environment, sink, "Model-7B", 2, meanwhile=Killer(engine), patience=300)
    assert done.emails == EMAILS and done.killed == KILLS
    assert done.lost == done.second_ids == 0
    assert states(engine) == {"sent": EMAILS}
