"""An environment for each test: an SQLite database with every table, and a sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.channels.email import Email
from monitor.settings import Settings
from tests.channels.email.email_test_env import EmailTestEnv
from tests.fakes.smtp import SmtpSink

Make = Callable[[SmtpSink], EmailTestEnv]


@pytest.fixture
def desk_with(sqlite_engine: Engine, sqlite_url: str) -> Make:
    """Makes an environment over a sink."""

    def make(sink: SmtpSink) -> EmailTestEnv:
        settings = Settings(
            database_url=sqlite_url,
            smtp_url=SecretStr(sink.url),
            email_from="News of Models <news@alerts.example>",
            public_url="https://monitor.example",
            secret_key=SecretStr("a key for tests"),
            admin_token=SecretStr("admin"),
        )
        return EmailTestEnv(sqlite_engine, settings, sink, Email(settings, sqlite_engine))

    return make


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """A sink without encryption or login, which takes commands in one packet."""
    with SmtpSink() as server:
        yield server


@pytest.fixture(params=["pipelining", "one by one"])
def any_desk(desk_with: Make, request: pytest.FixtureRequest) -> Iterator[EmailTestEnv]:
    """An environment over a sink of each sort: commands in one packet, or each answered before the next."""
    with SmtpSink(pipelining=request.param == "pipelining") as server:
        yield desk_with(server)


@pytest.fixture
def env(desk_with: Make, sink: SmtpSink) -> EmailTestEnv:
    """An environment over that sink."""
    return desk_with(sink)
