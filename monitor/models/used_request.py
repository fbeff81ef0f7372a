"""Requests of chat services that were used."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from monitor.models.columns import timestamp


class UsedRequest(SQLModel, table=True):
    """A request, a state or an update that was used, so that it counts once: kept as long as it would be valid."""

    __tablename__: ClassVar[str] = "used_request"

    digest: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = timestamp(index=True)
