"""Launches, and the models that labs announced."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from monitor.models.columns import (
    Id,
    Timestamp,
    nullable_text,
    primary_key,
    required_text,
    timestamp,
)


class Launch(SQLModel, table=True):
    """Repositories of one publisher and one family that became public close to each other.

    See docs/explanation/launches.md.

    ``publisher``: the lab's id, else the namespace. ``first_at``, ``last_at``: when its first and last members became
    public. ``opened_at``: when its first member was observed; ``settles_at``: when its window closes.
    """

    __tablename__: ClassVar[str] = "launch"
    __table_args__: ClassVar[Any] = (
        Index("ix_launch_publisher_family", "publisher", "family"),
        Index("ix_launch_first_at_id", "first_at", "id"),
    )

    id: int | None = primary_key()
    publisher: str = Field(sa_column=Column(Text, nullable=False))
    family: str = required_text()
    name: str = required_text()
    first_at: datetime = Field(sa_column=Column(Timestamp, nullable=False))
    last_at: datetime = timestamp()
    opened_at: datetime = timestamp()
    settles_at: datetime = timestamp()
    is_backfilled: bool = Field(default=False)


class Announcement(SQLModel, table=True):
    """A model that a lab's feed named. ``state``: ``announced``, or ``released`` once its weights are public.

    ``key``: the normalized name (``claude opus 4.5``), unique per lab. ``release_id``: the release that it announced.
    """

    __tablename__: ClassVar[str] = "announcement"
    __table_args__: ClassVar[Any] = (UniqueConstraint("lab", "key"),)

    id: int | None = primary_key()
    lab: str = Field(sa_column=Column(Text, nullable=False))
    key: str = required_text()
    model: str = required_text()
    state: str = required_text(index=True)
    title: str | None = nullable_text()
    url: str | None = nullable_text()
    announced_at: datetime = timestamp(index=True)
    seen_at: datetime = timestamp()
    release_id: int | None = Field(
        default=None, sa_column=Column(Id, ForeignKey("release.id", ondelete="SET NULL"), nullable=True, index=True)
    )
