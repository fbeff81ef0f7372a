"""The outbox: deliveries and notices, and the outages that operators are notified of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    false,
)
from sqlmodel import Field, SQLModel

from monitor.models.columns import (
    Id,
    Json,
    Timestamp,
    nullable_text,
    nullable_timestamp,
    primary_key,
    required_text,
    timestamp,
)


class DeliveryState(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"


class Delivery(SQLModel, table=True):
    """The notification of one subscription about one event of one release; there is one of each.

    ``message``: the key of the message that carries it, from the first attempt on, so that a second attempt sends the
    same one. ``digest``: part of a digest, so it is sent after immediate deliveries. ``trace``: the id in the logs of
    the observation that it came from. ``attempted_at``: when the first attempt began that is under way or in doubt.
    ``receipt``: what the channel answered (Slack: channel and ts; email: the Message-ID).
    """

    __tablename__: ClassVar[str] = "delivery"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("subscription_id", "release_id", "event"),
        Index("ix_delivery_state_due_at", "state", "due_at"),
        Index("ix_delivery_target_id_state", "target_id", "state"),
        Index("ix_delivery_launch_id_subscription_id", "launch_id", "subscription_id"),
    )

    id: int | None = primary_key()
    subscription_id: str = Field(
        sa_column=Column(Text, ForeignKey("subscription.id", ondelete="CASCADE"), nullable=False)
    )
    target_id: int = Field(sa_column=Column(Id, ForeignKey("target.id"), nullable=False))
    release_id: int = Field(
        sa_column=Column(Id, ForeignKey("release.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    launch_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("launch.id", ondelete="SET NULL"), nullable=True)
    )
    event: str = required_text()
    state: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = timestamp()
    due_at: datetime = Field(sa_column=Column(Timestamp, nullable=False))
    message: str | None = nullable_text()
    attempted_at: datetime | None = nullable_timestamp()
    attempts: int = Field(default=0)
    sent_at: datetime | None = nullable_timestamp()
    receipt: str | None = nullable_text()
    error: str | None = nullable_text()
    digest: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    trace: str | None = nullable_text()


class OutageAlert(SQLModel, table=True):
    """An outage of a source (the Hub, a feed, a namespace) that operators are notified of.

    They are notified once it has lasted (``notified_at``), and of its end once the source has answered for as long
    (since ``back_at``). Whoever sets ``notified_at`` or deletes the row writes the notices in the same transaction, so
    there is one of each.
    """

    __tablename__: ClassVar[str] = "outage_alert"

    source: str = Field(sa_column=Column(Text, primary_key=True))
    since: datetime = timestamp()
    message: str = required_text()
    noticed_at: datetime = timestamp()
    notified_at: datetime | None = nullable_timestamp()
    back_at: datetime | None = nullable_timestamp()


class Notice(SQLModel, table=True):
    """A text for one subscription, with its own outbox. ``due_at``: None once it was sent or given up.

    Operators are notified of outages; subscriptions that asked for it of a model that was announced without weights
    (``announcement_id`` and ``title``), once each; subscriptions with a trigger of its line being crossed, with its
    numbers in ``data`` for programs.
    """

    __tablename__: ClassVar[str] = "notice"
    __table_args__: ClassVar[Any] = (
        Index("ix_notice_announcement_id_subscription_id", "announcement_id", "subscription_id", unique=True),
    )

    id: int | None = primary_key()
    subscription_id: str = Field(
        sa_column=Column(Text, ForeignKey("subscription.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    text: str = required_text()
    created_at: datetime = timestamp()
    due_at: datetime | None = nullable_timestamp(index=True)
    attempts: int = Field(default=0)
    sent_at: datetime | None = nullable_timestamp()
    receipt: str | None = nullable_text()
    error: str | None = nullable_text()
    title: str | None = nullable_text()
    data: dict[str, Any] | None = Field(default=None, sa_column=Column(Json, nullable=True))
    announcement_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("announcement.id", ondelete="CASCADE"), nullable=True)
    )
