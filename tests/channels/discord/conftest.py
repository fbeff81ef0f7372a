"""A Discord on loopback, and an env in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.settings import Settings
from tests.channels.discord.discord_test_env import DiscordTestEnv
from tests.fakes.discord import FakeDiscord


@pytest.fixture
def discord() -> Iterator[FakeDiscord]:
    with FakeDiscord() as server:
        yield server


@pytest.fixture
def env(discord: FakeDiscord, sqlite_engine: Engine, sqlite_url: str) -> DiscordTestEnv:
    settings = Settings(
        database_url=sqlite_url,
        public_url="https://monitor.example",
        secret_key=SecretStr("a key for tests"),
        allow_private_targets=True,
    )
    return DiscordTestEnv(sqlite_engine, settings, discord=discord)
