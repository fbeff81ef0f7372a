"""A Telegram on loopback, and an env in front of it: a database with every table, settings, the channel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.settings import Settings
from tests.channels.telegram.telegram_test_env import ADMIN, SITE, TelegramTestEnv
from tests.fakes.telegram import FakeTelegram


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def env(telegram: FakeTelegram, sqlite_engine: Engine, sqlite_url: str) -> Iterator[TelegramTestEnv]:
    settings = Settings(
        database_url=sqlite_url,
        telegram_api_url=telegram.url,
        telegram_bot_token=SecretStr(telegram.token),
        public_url=SITE,
        secret_key=SecretStr("a key for tests"),
    )
    made = TelegramTestEnv(sqlite_engine, settings, telegram, telegram.chat(members={ADMIN: "administrator"}))
    yield made
    made.close()
