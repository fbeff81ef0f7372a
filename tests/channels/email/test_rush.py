"""Workers killed (-9) over their letters: none is lost, none comes under a second Message-ID.

With ten thousand letters and ten kills: ``python -m tests.benchmarks letters``.
"""

from __future__ import annotations

import random
import time

import pytest
from sqlalchemy import Engine

from tests.channels.email import rush
from tests.channels.workers import Workers, states

LETTERS, KILLS = 150, 2


class Killer:
    """Kills a worker after each third of the letters; when nothing comes any more, the leases of the dead are void."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._marks = [LETTERS * (number + 1) // (KILLS + 1) for number in range(KILLS)]
        self._came, self._when = 0, time.monotonic()

    def __call__(self, workers: Workers, came: int) -> None:
        if self._marks and came >= self._marks[0]:
            self._marks.pop(0)
            workers.kill_one(random.Random(came))
        if came != self._came:
            self._came, self._when = came, time.monotonic()
        elif time.monotonic() > self._when + 2:
            rush.forget_leases(self._engine)
            self._when = time.monotonic()


@pytest.mark.timeout(240)
def test_killed_workers_lose_no_letter_and_make_no_second_message_id(engine: Engine, database_url: str) -> None:
    rush.readers(engine, LETTERS)
    with rush.Sink() as sink:
        environment = rush.settings_for(database_url, sink)
        done = rush.rush(engine, environment, sink, "Model-7B", 2, meanwhile=Killer(engine), patience=200)
    assert done.letters == LETTERS and done.killed == KILLS
    assert done.lost == done.second_ids == 0
    assert states(engine) == {"sent": LETTERS}
