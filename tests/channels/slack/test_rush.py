"""Workers killed at any moment lose no alert, double none, and hurry no channel."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.channels.slack.rush import Crowd, environment, rush


@pytest.mark.slow
def test_workers_that_are_killed_lose_nothing_double_nothing_and_keep_the_pace(
    engine: Engine, database_url: str
) -> None:
    with Crowd(channels=12) as crowd:
        settings = environment(database_url, crowd)
        done = rush(engine, settings, crowd, 4, 2, lease=8, kill_every=1.0, kills=2, patience=90)
        refused = crowd.ask("refused")
    assert (done.messages, done.killed) == (48, 2)
    assert (done.lost, done.doubled, done.too_fast) == (0, 0, 0)
    assert done.nearest >= 1.0
    assert refused == []
