"""Lists of saved searches, each known by a link alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from monitor.models.columns import json_list, timestamp


class SavedList(SQLModel, table=True):
    """The searches of somebody who has the link.

    ``token_hash``: SHA-256 of the link's token, which is stored nowhere; ``searches``: ``{id, name, q, looked_at}`` of
    each, in order; ``used_on``: the beginning of the day (UTC) on which the list was opened last.
    """

    __tablename__: ClassVar[str] = "saved_list"

    token_hash: str = Field(sa_column=Column(Text, primary_key=True))
    searches: list[dict[str, Any]] = json_list()
    used_on: datetime = timestamp(index=True)
