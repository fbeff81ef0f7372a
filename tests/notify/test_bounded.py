"""Matching is bounded: no filter can make a process stand still, not even one that is in the database already."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.models import Subscription
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model

NAME = "x/" + "a" * 94
STORED = [
    f"repo:{'*a' * 95}*b",
    "repo:" + "*" * 190 + "b",
    " OR ".join(f'repo:"*{"a*" * 9}{number}"' for number in range(80)),
    "tag:" + ",".join(f"t{number}*" for number in range(300)),
    '"' + "a " * 900 + '"',
    "-(" * 400 + "a" + ")" * 400,
    " ".join(f"-repo:*a*a*a*a*a*a*a*a*{number}" for number in range(60)),
    "(" * 100_000,
    "repo:" + "*a" * 500_000,
]


@pytest.mark.parametrize("text", STORED, ids=range(len(STORED)))
def test_a_stored_filter_cannot_freeze_the_process(text: str, sqlite_engine: Engine, hub: ReplayHub) -> None:
    env = TestEnv(sqlite_engine, hub)
    ident, other = env.subscribe("gated:false"), env.subscribe("", target="another")
    with db.transaction(env.engine) as session:
        row = session.get_one(Subscription, ident)
        row.filter = text
        session.add(row)
    env.hub.add(model("x/before"))
    env.begin()
    env.hub.add_many([model(f"{NAME[:-2]}{number:02}") for number in range(5)])
    began = time.process_time()
    env.look()
    assert time.process_time() - began < 5
    env.deliver()
    assert any(message.subscription.id == other for message in env.channel.messages)
