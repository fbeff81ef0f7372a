"""Settings for tests that send through Slack and email at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from monitor.settings import Settings
from tests.fakes.slack import FakeSlack, Workspace
from tests.fakes.smtp import SmtpSink


def channel_settings(folder: Path, slack: FakeSlack, workspace: Workspace, sink: SmtpSink, **more: Any) -> Settings:
    """Returns settings that send to a fake Slack and a fake mail server; ``more``: further settings."""
    return Settings(
        database_url=f"sqlite:///{folder}/none.db",
        slack_api_url=slack.api_url,
        slack_bot_token=SecretStr(workspace.token),
        smtp_url=SecretStr(sink.url),
        email_from="News <news@alerts.example>",
        secret_key=SecretStr("a key for tests"),
        **more,
    )
