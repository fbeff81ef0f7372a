"""The identity of this installation."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel


class Installation(SQLModel, table=True):
    """One row: a random id, written when the database is made. It stays where the address or the secret key changes."""

    __tablename__: ClassVar[str] = "installation"

    id: str = Field(sa_column=Column(Text, primary_key=True))
