"""Subscriptions and their targets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Text,
    UniqueConstraint,
    false,
)
from sqlmodel import Field, SQLModel

from monitor.models.columns import (
    Id,
    json_object,
    nullable_text,
    nullable_timestamp,
    primary_key,
    required_text,
    timestamp,
)


class Target(SQLModel, table=True):
    """Where messages go: one Slack channel, one address, one URL. A worker that sends to it holds its lease.

    ``open_at``: no message before then (the channel's rate limit, or Retry-After of a 429).
    """

    __tablename__: ClassVar[str] = "target"
    __table_args__: ClassVar[Any] = (UniqueConstraint("channel", "address"),)

    id: int | None = primary_key()
    channel: str = required_text()
    address: str = required_text()
    open_at: datetime = timestamp()
    lease: str | None = nullable_text()
    leased_until: datetime | None = nullable_timestamp()


class Subscription(SQLModel, table=True):
    """Who is notified of what, where and how often. ``filter``: a query in its normal form; ``typed``: as written.

    ``digest_due_at``: when the next digest is due; None for immediate alerts. ``operator``: is notified of outages and
    their ends, and of no release. ``when``: a condition on counts or shares, in its normal form; such a subscription is
    notified when its line is crossed, and of no release.
    """

    __tablename__: ClassVar[str] = "subscription"

    id: str = Field(sa_column=Column(Text, primary_key=True))
    target_id: int = Field(sa_column=Column(Id, ForeignKey("target.id"), nullable=False, index=True))
    channel: str = required_text(index=True)
    target: str = required_text(index=True)
    filter: str = required_text(index=True)
    typed: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    digest: str = required_text()
    timezone: str = Field(default="UTC", sa_column=Column(Text, nullable=False))
    hour: int = Field(default=8)
    digest_due_at: datetime | None = nullable_timestamp(index=True)
    confirmed: bool = Field(default=True)
    paused: bool = Field(default=False)
    paused_because: str | None = nullable_text()
    options: dict[str, Any] = json_object()
    when: str | None = nullable_text(index=True)
    operator: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    created_by: str = required_text()
    created_at: datetime = timestamp()
