"""Watching one model: whoever follows it by its name hears of what happens to it, also under its next name."""

from __future__ import annotations

import pytest

from monitor.releases.query.watch import watch_query
from tests.environment import TestEnv
from tests.fakes.hub import model


@pytest.fixture
def watched(env: TestEnv) -> TestEnv:
    """An environment with a model that is history, and one subscriber who watches it."""
    env.hub.add(model("Qwen/Qwen9-8B"))
    env.hub.add(model("Qwen/Qwen9-4B"))
    env.begin("Qwen")
    env.subscribe(watch_query("Qwen/Qwen9-8B", None))
    return env


def look(env: TestEnv) -> None:
    env.look("Qwen")
    env.look("Qwen")
    env.deliver()


def test_each_change_of_the_model_is_one_alert(watched: TestEnv) -> None:
    for name in ("Qwen/Qwen9-8B", "Qwen/Qwen9-4B"):
        watched.hub.touch(name, tags=["license:mit"], cardData={"license": "mit"})
        watched.hub.touch(name, gated="manual")
    look(watched)
    assert sorted(watched.channel.alerts) == [("gated", "Qwen/Qwen9-8B"), ("relicensed", "Qwen/Qwen9-8B")]


def test_a_new_name_is_one_alert_and_what_happens_under_it_too(watched: TestEnv) -> None:
    watched.hub.rename("Qwen/Qwen9-8B", "Qwen/Qwen9-8B-Chat")
    look(watched)
    watched.hub.touch("Qwen/Qwen9-8B-Chat", gated="manual")
    look(watched)
    assert watched.channel.alerts == [("renamed", "Qwen/Qwen9-8B-Chat"), ("gated", "Qwen/Qwen9-8B-Chat")]
