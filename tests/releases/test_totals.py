"""Adoption over time: what stood at the end of a period, and what was gained in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import delete, update
from sqlmodel import col

from monitor import db
from monitor.models import Release
from monitor.releases.adoption import track
from monitor.releases.query import parse
from monitor.releases.revisions import as_of, parse_as_of
from monitor.releases.search import SearchError
from monitor.releases.stats import Row, stats
from monitor.releases.totals import sums
from tests.environment import TestEnv
from tests.fakes.hub import model

FIRST = datetime(2026, 5, 31, 12, tzinfo=UTC)
NAMES = ("Qwen/Qwen3-8B", "Qwen/Qwen3-4B", "google/gemma-3-4b-it")
COUNTS = ((100, 10, None), (150, 8, 40), (150, 20, 30))
"""Downloads of all time of these on three days."""


def look(env: TestEnv) -> None:
    track(env.engine, (), lambda _session, _news: 0, env.registry)


def passes(env: TestEnv) -> None:
    for name in NAMES:
        env.hub.add(model(name))
    with time_machine.travel(FIRST - timedelta(days=1), tick=False):
        env.begin("Qwen", "google")
    for day, counts in enumerate(COUNTS):
        with time_machine.travel(FIRST + timedelta(days=day), tick=False):
            for repo_id, count in zip(NAMES, counts, strict=True):
                with db.transaction(env.engine) as session:
                    there = update(Release).where(col(Release.repo_id) == repo_id)
                    session.execute(there.values(downloads_all_time=count))
            look(env)


def asked(env: TestEnv, by: str, meaning: str, query: str = "", until: str | None = None) -> list[Row]:
    with db.reading(env.engine) as session, as_of(session, parse_as_of(until) if until else None):
        return sums(session, parse(query), by.split(","), value="downloads_all_time", meaning=meaning)


def test_the_stock_and_the_growth_of_each_period(env: TestEnv) -> None:
    passes(env)
    stock = asked(env, "day,origin", "stock")
    assert [(row["day"], row["origin"], row["downloads_all_time"], row["unknown"]) for row in stock] == [
        ("2026-05-31", "CN", 110, 0), ("2026-05-31", "US", None, 1), ("2026-06-01", "CN", 158, 0),
        ("2026-06-01", "US", 40, 0), ("2026-06-02", "CN", 170, 0), ("2026-06-02", "US", 30, 0),
    ]  # fmt: skip
    assert [row["share"] for row in stock[2:4]] == [round(158 / 198, 6), round(40 / 198, 6)]
    # What was first known on 1 June was not gained, and what the Hub took back stands apart.
    numbers = ("downloads_all_time", "downloads_all_time_growth", "recounted")
    assert [[row["month"], *(row[name] for name in numbers)] for row in asked(env, "month", "growth")] == [
        ["2026-05", 110, 0, 0], ["2026-06", 200, 62, -12],
    ]  # fmt: skip
    parts = asked(env, "month,lab", "growth")
    assert sum(row["downloads_all_time_growth"] for row in parts) == 62
    assert sum(row["recounted"] for row in parts) == -12
    assert [row["week"] for row in asked(env, "week", "stock", "origin:CN")] == ["2026-05-25", "2026-06-01"]


def test_the_last_stock_is_what_is_summed_now_and_the_past_does_not_see_it(env: TestEnv) -> None:
    passes(env)
    with db.transaction(env.engine) as session:
        session.execute(delete(Release).where(col(Release.name) == "Qwen3-4B"))
    with time_machine.travel(FIRST + timedelta(days=2, hours=1), tick=False):
        look(env)
    with db.reading(env.engine) as session:
        now = stats(session, parse(""), ["origin"], value="downloads_all_time")
    last = [row for row in asked(env, "day,origin", "stock") if row["day"] == "2026-06-02"]
    names = ("origin", "count", "downloads_all_time", "unknown", "share")
    assert [[row[name] for name in names] for row in last] == [[row[name] for name in names] for row in now]
    with time_machine.travel(FIRST + timedelta(days=9), tick=False):
        then = asked(env, "day", "stock", until="2026-06-01")
        assert [row["day"] for row in then] == ["2026-05-31", "2026-06-01"]
        assert [row["month"] for row in asked(env, "month", "stock", until="2026-06-01")] == ["2026-05"]


@pytest.mark.parametrize(
    ("by", "query", "value", "meaning", "says"),
    [
        ("origin", "", "likes", "stock", "a month, week or day"),
        ("month,family", "", "likes", "stock", "at most one of origin"),
        ("month", "params:>1B", "likes", "stock", "asks for something else"),
        ("month", "", "downloads", "growth", "one of downloads_all_time, likes, derivatives"),
        ("month", "", "params_total", "stock", "sum 'params'"),
        ("month", "", "likes", "weekly", "one of released, stock, growth"),
    ],
)
def test_what_is_not_kept_over_time_says_so(
    env: TestEnv, by: str, query: str, value: str, meaning: str, says: str
) -> None:
    with db.reading(env.engine) as session, pytest.raises(SearchError, match=says):
        sums(session, parse(query), by.split(","), value=value, meaning=meaning)
