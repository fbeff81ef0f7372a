"""The arguments that several tools take: how they are described, bounded and read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from monitor import db
from monitor.releases.query import Query, parse
from monitor.releases.query.absolute import absolute
from monitor.releases.revisions import parse_as_of
from monitor.web.model_context.language import AS_OF, SAME_QUERY

MAX_PAGE, DEFAULT_PAGE = 200, 25
MAX_QUERY_CHARS = 2_000
MAX_COUNTED = 10_000
"""How many releases are counted at most, to say how many there are."""

QueryText = Annotated[str, Field(max_length=MAX_QUERY_CHARS, description=SAME_QUERY)]
AsOf = Annotated[str, Field(max_length=40, description=AS_OF)]
RepoId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="`namespace/name` on the Hugging Face Hub, present or former; any case",
    ),
]
Cursor = Annotated[str, Field(max_length=4_000, description="`next` of the page before; empty: the first page")]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="how many at most")]


def time_asked(text: str) -> datetime | None:
    """The time of the argument ``as_of``; None: the present."""
    return parse_as_of(text) if text.strip() else None


def query_asked(text: str, at: datetime | None) -> Query:
    """The query, with dates of the calendar; as of the end of a day, today is that day."""
    return absolute(parse(text), at - timedelta(microseconds=1) if at else db.now())
