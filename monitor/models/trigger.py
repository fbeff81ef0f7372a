"""The state of triggers on counts and shares."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Boolean, Column, Text
from sqlmodel import Field, SQLModel

from monitor.models.columns import json_list, json_object, nullable_text, nullable_timestamp, timestamp


class AggregateTrigger(SQLModel, table=True):
    """What is known of an expression that active subscriptions name in ``when``; there is one row for each.

    ``crossed``: on which side of its line it is; None until it was evaluated. ``measured``: the numbers of the last
    evaluation that had any (``value``, ``part``, ``whole``, ``unknown``, ``at``). ``names``: the values that are not
    news to ``first`` and ``new``. ``message``: why the last evaluation had no result. ``version``: increases with each
    evaluation, so that of two workers one stores its result and writes the notices.
    """

    __tablename__: ClassVar[str] = "aggregate_trigger"

    expression: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(default=0)
    crossed: bool | None = Field(default=None, sa_column=Column(Boolean, nullable=True))
    measured: dict[str, Any] = json_object()
    names: list[str] = json_list()
    evaluated_at: datetime | None = nullable_timestamp()
    crossed_at: datetime | None = nullable_timestamp()
    due_at: datetime = timestamp(index=True)
    failures: int = Field(default=0)
    message: str | None = nullable_text()
