"""A Slack on loopback, and an env in front of it: a database with every table, settings, the channel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.settings import Settings
from tests.channels.slack.slack_test_env import SlackTestEnv
from tests.fakes.slack import FakeSlack


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    """A Slack without workspaces."""
    with FakeSlack() as server:
        yield server


@pytest.fixture
def env(slack: FakeSlack, sqlite_engine: Engine, sqlite_url: str) -> Iterator[SlackTestEnv]:
    """An env with a bot token for one workspace, which has one channel."""
    workspace = slack.workspace()
    channel = slack.channel(workspace)
    settings = Settings(
        database_url=sqlite_url,
        slack_api_url=slack.api_url,
        slack_bot_token=SecretStr(workspace.token),
        slack_signing_secret=SecretStr(slack.signing_secret),
        slack_client_id="1.2",
        slack_client_secret=SecretStr("client secret"),
        public_url="https://monitor.example",
        secret_key=SecretStr("a key for tests"),
    )
    made = SlackTestEnv(sqlite_engine, settings, slack, workspace, channel)
    yield made
    made.close()
