"""The last comparison with each reference data set, and what it found."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, Float, ForeignKey, Text
from sqlmodel import Field, SQLModel

from monitor.models.columns import json_list, nullable_text, primary_key, required_text, timestamp


class Comparison(SQLModel, table=True):
    """A comparison; the next one with the same source replaces it. ``recall``: 0 to 1; ``median_lag_days``: how many
    days their dates are later than ours."""

    __tablename__: ClassVar[str] = "comparison"

    source: str = Field(sa_column=Column(Text, primary_key=True))
    file: str = required_text()
    compared_at: datetime = timestamp()
    claims: int
    found: int
    missed: int
    out_of_scope: int
    disagreements: int
    unreadable: int
    recall: float | None = Field(default=None, sa_column=Column(Float, nullable=True))
    median_lag_days: float | None = Field(default=None, sa_column=Column(Float, nullable=True))


class ComparisonFinding(SQLModel, table=True):
    """A claim that has no release, or on which they and we disagree. ``place``: the file and the line."""

    __tablename__: ClassVar[str] = "comparison_finding"

    id: int | None = primary_key()
    source: str = Field(
        sa_column=Column(Text, ForeignKey("comparison.source", ondelete="CASCADE"), nullable=False, index=True)
    )
    outcome: str = required_text()
    place: str = required_text()
    name: str = required_text()
    repo_id: str | None = nullable_text()
    reason: str | None = nullable_text()
    disagreements: list[dict[str, Any]] = json_list()
