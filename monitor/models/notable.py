"""What notable releases are measured against: the works of labs, and those that held a record when they came out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Text
from sqlmodel import Field, SQLModel

from monitor.models.columns import Timestamp, nullable_count, nullable_text, required_text


class NotableWork(SQLModel, table=True):
    """A release of a lab that counts in comparisons, with what they compare: see ``Work`` in releases/works.py."""

    __tablename__: ClassVar[str] = "notable_work"
    __table_args__: ClassVar[Any] = (
        Index("ix_notable_work_lab_at", "lab", "at"),
        Index("ix_notable_work_origin_at", "origin", "at"),
        Index("ix_notable_work_size_at", "size", "at"),
        Index("ix_notable_work_at", "at"),
        Index("ix_notable_work_lab_stem_version", "lab", "stem", "version"),
    )

    hub_id: str = Field(sa_column=Column(Text, ForeignKey("release.hub_id", ondelete="CASCADE"), primary_key=True))
    repo_id: str = required_text()
    lab: str = Field(sa_column=Column(Text, nullable=False))
    origin: str | None = nullable_text()
    at: datetime = Field(sa_column=Column(Timestamp, nullable=False))
    params: int | None = nullable_count()
    permissive: int | None = nullable_count()
    size: str | None = nullable_text()
    license_class: str = required_text()
    is_open: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    family: str | None = nullable_text()
    stem: str | None = nullable_text()
    version: int | None = nullable_count()
    foreign_origin: str | None = nullable_text()
    foundation: str | None = nullable_text()


class NotableFill(SQLModel, table=True):
    """How far the works of a database from before these tables have been filled in; no row: they are complete.

    ``reached``: the id of the last release that was looked at; ``stage``: ``works``, then ``reasons``.
    """

    __tablename__: ClassVar[str] = "notable_fill"

    stage: str = Field(sa_column=Column(Text, primary_key=True))
    reached: int = Field(sa_column=Column(BigInteger, nullable=False))


class NotableRecord(SQLModel, table=True):
    """A work that was the first or the largest of its scope when it came out.

    ``scope``: what it was compared with (``country-size|KR``). ``known``: how many earlier works of the scope are
    known, counted up to a maximum; ``since``: the year of the first of them.
    """

    __tablename__: ClassVar[str] = "notable_record"

    scope: str = Field(sa_column=Column(Text, primary_key=True))
    hub_id: str = Field(
        sa_column=Column(Text, ForeignKey("notable_work.hub_id", ondelete="CASCADE"), primary_key=True, index=True)
    )
    known: int = Field(sa_column=Column(BigInteger, nullable=False))
    since: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
