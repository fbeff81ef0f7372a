"""Briefs as they were published."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from monitor.models.columns import json_object, timestamp


class PublishedBrief(SQLModel, table=True):
    """The brief of a week or month (``period``: ``2026-W48``, ``2026-11``) as known at ``as_of``; never rewritten."""

    __tablename__: ClassVar[str] = "brief"

    period: str = Field(sa_column=Column(Text, primary_key=True))
    as_of: datetime = timestamp(index=True)
    published_at: datetime = timestamp()
    content: dict[str, Any] = json_object()
