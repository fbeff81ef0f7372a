"""Workflows on loopback, and an env in front of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.settings import Settings
from tests.channels.teams.teams_test_env import TeamsTestEnv
from tests.fakes.teams import FakeTeams


@pytest.fixture
def teams() -> Iterator[FakeTeams]:
    with FakeTeams() as server:
        yield server


@pytest.fixture
def env(teams: FakeTeams, sqlite_engine: Engine, sqlite_url: str) -> TeamsTestEnv:
    settings = Settings(
        database_url=sqlite_url,
        public_url="https://monitor.example",
        secret_key=SecretStr("a key for tests"),
        allow_private_targets=True,
    )
    return TeamsTestEnv(sqlite_engine, settings, teams=teams)
