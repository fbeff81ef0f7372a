"""Feeds (placeholder)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class NewEntry:
    feed_url: str
    url: str | None
    title: str | None
    published_at: datetime | None
    repo_ids: tuple[str, ...] = ()


def read_due(
    engine: Engine, feeds: Sequence[str], *, shortest: float, allow_private: bool, user_agent: str, most: int = 20
) -> list[NewEntry]:
    return []
