"""Stacks: named lists of the models that somebody runs, and what is known of each and of its ancestors."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Boolean, Column, ForeignKey, Text, text
from sqlmodel import Field, SQLModel

from monitor.models.columns import Id, json_list, json_object, nullable_timestamp, timestamp


class Stack(SQLModel, table=True):
    """A named list of models. ``version`` increases with each change of its entries.

    ``entries``: ``{repo_id, revision, places}`` of each model; ``unresolved``: ``{text, problem, places}`` of what
    names no repository; ``successors``: releases of newer versions that subscribers were notified of. ``checks``
    increases with each check, so that of two workers one stores its result and writes the notices. ``is_anonymous``: it
    was saved on the page of audits, by nobody that the operator knows.
    """

    __tablename__: ClassVar[str] = "stack"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(default=1)
    entries: list[dict[str, Any]] = json_list()
    unresolved: list[dict[str, Any]] = json_list()
    successors: list[str] = json_list()
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()
    checks: int = Field(default=0)
    checked_at: datetime | None = nullable_timestamp()
    due_at: datetime = timestamp(index=True)
    is_anonymous: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))


class StackMember(SQLModel, table=True):
    """A model that a stack watches: an entry, or what entries were made from.

    ``member``: its repository id in lower case. ``release_id``: None while the history does not have it. ``entries``:
    the repository ids of the entries that it is, or that descend from it. ``state``: what was last notified of;
    ``pending``: differences that have not held for long enough, ``{column: {after, since}}``.
    """

    __tablename__: ClassVar[str] = "stack_member"

    stack: str = Field(sa_column=Column(Text, ForeignKey("stack.name", ondelete="CASCADE"), primary_key=True))
    member: str = Field(sa_column=Column(Text, primary_key=True))
    release_id: int | None = Field(
        default=None,
        sa_column=Column(Id, ForeignKey("release.id", ondelete="SET NULL"), nullable=True, index=True),
    )
    is_entry: bool = Field(sa_column=Column(Boolean, nullable=False))
    entries: list[str] = json_list()
    state: dict[str, Any] = json_object()
    pending: dict[str, Any] = json_object()
