"""Slack: workspaces."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import (
    Column,
    Text,
)
from sqlmodel import Field, SQLModel

from monitor.models.columns import (
    nullable_text,
    required_text,
    timestamp,
)


class SlackInstallation(SQLModel, table=True):
    """A workspace that has added the app. ``token`` is encrypted under the signing key."""

    __tablename__: ClassVar[str] = "slack_installation"

    team_id: str = Field(sa_column=Column(Text, primary_key=True))
    team_name: str | None = nullable_text()
    app_id: str | None = nullable_text()
    bot_user_id: str | None = nullable_text()
    token: str = required_text()
    scopes: str = required_text()
    installed_by: str | None = nullable_text()
    installed_at: datetime = timestamp()
