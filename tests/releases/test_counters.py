"""Counts that only grow: one row a sort, added to by whoever counts."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.releases.counters import BUCKETS, count, counted, delays


def test_counts_add_up(engine: Engine) -> None:
    for _ in range(3):
        with db.transaction(engine) as session:
            count(session, {("releases", "sweep"): 2, ("releases", "webhook"): 1, ("polls", "created"): 0})
    with db.reading(engine) as session:
        assert counted(session) == {"releases": {"sweep": 6, "webhook": 3}}


def test_what_was_rolled_back_was_not_counted(engine: Engine) -> None:
    with pytest.raises(RuntimeError), db.transaction(engine) as session:
        count(session, {("releases", "sweep"): 1})
        raise RuntimeError
    with db.reading(engine) as session:
        assert counted(session) == {}


def test_many_at_once_lose_no_count(engine: Engine) -> None:
    def counting(first: str, second: str) -> None:
        for _ in range(20):
            with db.transaction(engine) as session:
                count(session, {("n", first): 1, ("n", second): 1})

    threads = [threading.Thread(target=counting, args=pair) for pair in [("a", "b"), ("b", "a"), ("a", "b")]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.reading(engine) as session:
        assert counted(session) == {"n": {"a": 60, "b": 60}}


def test_a_delay_counts_in_the_first_bucket_that_holds_it() -> None:
    assert delays("d", "exact", 0.2) == {("d", "exact 1"): 1, ("d_sum", "exact"): 0.2}
    assert ("d", "exact 60") in delays("d", "exact", 60.0)
    assert ("d", "exact +Inf") in delays("d", "exact", BUCKETS[-1] + 1)
    assert delays("d", "exact", -3.0)[("d_sum", "exact")] == 0.0
