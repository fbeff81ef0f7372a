"""Repositories whose files an older version took for no weights: releases after the upgrade, and nobody is flooded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from monitor import db
from monitor.db import migrations
from monitor.ingest import sweeps
from monitor.models import Release
from monitor.releases.reclassify import reclassify
from tests.environment import TestEnv
from tests.fakes.hub import empty, model

FILES = ["README.md", "ckpt-0/tensor00000_000", "ckpt-0/tensor00001_000"]
BEFORE = "0006"
"""The revision before placeholders are looked at again."""


def _overlooked(env: TestEnv, repo_id: str, *, age: timedelta = timedelta(0)) -> None:
    """The database as an older version left it: the repository is a placeholder, first seen so long ago."""
    migrations.downgrade(env.engine, BEFORE)
    with db.transaction(env.engine) as session:
        values = {"pending": True, "released_at": None, "released_after": None, "released_precision": None}
        values |= {"availability": "no-weights", "openness": "unknown", "first_seen_at": db.now() - age}
        session.execute(update(Release).where(col(Release.repo_id) == repo_id).values(**values))
    migrations.upgrade(env.engine)


@pytest.fixture
def watched(env: TestEnv) -> TestEnv:
    env.hub.add(model("x/before"))
    env.subscribe()
    env.begin("Qwen")
    return env


def _alerts(env: TestEnv) -> list[str]:
    env.deliver()
    return [repo_id for _, repo_id in env.channel.alerts]


@pytest.mark.parametrize("files", [FILES, ["README.md", "model.format-of-next-year"]])
def test_a_release_in_a_format_that_nobody_knows_is_sent(watched: TestEnv, files: list[str]) -> None:
    watched.hub.add(model("Qwen/Odd-9B", params=None, siblings=files))
    watched.look("Qwen")
    assert _alerts(watched) == ["Qwen/Odd-9B"]
    row = watched.release("Qwen/Odd-9B")
    assert (row.pending, row.availability) == (False, "public")


def test_a_placeholder_is_sent_when_a_file_of_an_unknown_format_arrives(watched: TestEnv) -> None:
    watched.hub.add(empty("Qwen/Odd-9B"))
    watched.look("Qwen")
    assert (_alerts(watched), watched.release("Qwen/Odd-9B").pending) == ([], True)
    watched.hub.upload("Qwen/Odd-9B", siblings=["model.format-of-next-year"])
    watched.look("Qwen")
    watched.look("Qwen")
    assert (_alerts(watched), watched.release("Qwen/Odd-9B").pending) == (["Qwen/Odd-9B"], False)


@pytest.mark.parametrize("name", ["Qwen/Odd-9B", "y/Odd-9B"], ids=["swept", "listed"])
@pytest.mark.parametrize(("age", "alerts"), [(timedelta(hours=3), True), (timedelta(days=30), False)])
def test_an_overlooked_release_is_recorded_at_the_next_look_and_sent_if_it_is_of_today(
    env: TestEnv, name: str, age: timedelta, *, alerts: bool
) -> None:
    env.hub.add(model("x/before"))
    env.begin("Qwen")
    env.hub.add(model(name, params=None, siblings=FILES))
    env.look("Qwen")
    _overlooked(env, name, age=age)
    env.subscribe()
    for _ in range(2):
        if name.startswith("Qwen"):
            sweeps.sweep(env.ingest, "Qwen")
        else:
            env.look()
    row = env.release(name)
    assert _alerts(env) == ([name] if alerts else [])
    assert (row.pending, row.availability) == (False, "public")
    assert (row.released_precision, row.released_at) == ("window", row.first_seen_at)


def test_overlooked_history_is_recorded_and_sent_to_nobody(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Odd-9B", params=None, siblings=FILES, createdAt="2026-01-05T00:00:00.000Z"))
    env.hub.add(empty("Qwen/Soon-9B"))
    env.subscribe()
    env.begin("Qwen")
    _overlooked(env, "Qwen/Odd-9B")
    env.look("Qwen")
    row = env.release("Qwen/Odd-9B")
    assert _alerts(env) == []
    assert (row.pending, row.released_precision, row.released_at) == (False, "created", row.created_at)
    assert env.release("Qwen/Soon-9B").pending


def test_judging_again_records_overlooked_releases_that_no_look_meets(env: TestEnv) -> None:
    env.hub.add(model("y/Odd-9B", params=None, siblings=FILES))
    env.hub.add(empty("y/Soon-9B"))
    env.subscribe()
    env.begin("Qwen")
    _overlooked(env, "y/Odd-9B")
    assert ("y/Odd-9B", "pending", True, False) in list(reclassify(env.engine, env.registry))
    assert [row.repo_id for row in env.releases().values() if row.pending] == ["y/Soon-9B"]
    assert list(reclassify(env.engine, env.registry)) == []
    assert _alerts(env) == []


def test_of_many_files_one_that_may_hold_weights_is_kept(watched: TestEnv) -> None:
    files = [f"images/{n:04}.png" for n in range(700)]
    watched.hub.add(model("Qwen/Odd-9B", params=None, siblings=[*files, "deep/er/model.format-of-next-year"]))
    watched.hub.add(empty("Qwen/Pictures", siblings=files))
    watched.look("Qwen")
    assert _alerts(watched) == ["Qwen/Odd-9B"]
    assert watched.release("Qwen/Pictures").pending
