"""Column types and field helpers for both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Integer,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from monitor.db.engine import UTCDateTime

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Id = BigInteger().with_variant(Integer, "sqlite")
Timestamp = UTCDateTime()

# Alembic names what it drops: every constraint needs a name that both dialects agree on.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def primary_key() -> Any:
    """An id that the database assigns."""
    return Field(default=None, sa_column=Column(Id, primary_key=True, autoincrement=True))


def nullable_timestamp(*, index: bool = False) -> Any:
    """A timestamp in UTC, or null."""
    return Field(default=None, sa_column=Column(Timestamp, nullable=True, index=index))


def timestamp(*, index: bool = False) -> Any:
    """A timestamp in UTC."""
    return Field(sa_column=Column(Timestamp, nullable=False, index=index))


def nullable_text(*, index: bool = False) -> Any:
    """A text, or null."""
    return Field(default=None, sa_column=Column(Text, nullable=True, index=index))


def required_text(*, index: bool = False, unique: bool = False) -> Any:
    """A text."""
    return Field(sa_column=Column(Text, nullable=False, index=index, unique=unique))


def nullable_count(*, index: bool = False) -> Any:
    """A whole number of 64 bits, or null."""
    return Field(default=None, sa_column=Column(BigInteger, nullable=True, index=index))


def json_list() -> Any:
    """A list, stored as JSON."""
    return Field(default_factory=list, sa_column=Column(Json, nullable=False))


def json_object() -> Any:
    """An object, stored as JSON."""
    return Field(default_factory=dict, sa_column=Column(Json, nullable=False))
