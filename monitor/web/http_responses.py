"""How the API answers: bodies with their ETag, and the errors that its readers meet."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

from monitor.db.engine import now
from monitor.problems import refusals
from monitor.releases.query import parse
from monitor.releases.query.values import DATES

FRESH = 60
"""Seconds for which a reader may keep an answer without asking again."""


PAST, SETTLED = 86_400, timedelta(hours=1)
"""The same of an answer as of a moment that is so long ago that what was written then is committed. A day and no
longer: a new version may answer otherwise, and what is pruned is refused."""


def cache_control(request: Request) -> str:
    """For how long an answer may be kept: longer where it is of a moment long past."""
    moment = getattr(request.state, "moment", None)
    settled = moment is not None and now() - moment > SETTLED
    # Dates in a query can be so many days back from now.
    steady = settled and not parse(request.query_params.get("q", "")).fields.intersection(DATES)
    return f"public, max-age={PAST if steady else FRESH}"


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors that an operation answers a reader with, for its description."""
    found = refusals(*codes, 429)
    return found | {304: {"description": "The reader has it: `If-None-Match` named its ETag."}}


def described(media_type: str, says: str) -> dict[int | str, dict[str, Any]]:
    """An answer of another type, for its description."""
    kind = "object" if media_type.endswith("json") else "string"
    return {200: {"description": says, "content": {media_type: {"schema": {"type": kind}}}}}


def has(known: str, etag: str) -> bool:
    """Whether a reader who names these tags has what this one is of."""
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


def conditional(
    request: Request, body: bytes | memoryview, media_type: str = "application/json", *, known_by: bytes | None = None
) -> Response:
    """The body with its ETag; 304 where the reader has it. ``known_by``: what differs wherever the body does."""
    # Weak: the same meaning, whether it is sent compressed or not.
    etag = f'W/"{hashlib.blake2b(known_by or body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": cache_control(request)}
    if has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(bytes(body), media_type=media_type, headers=headers)


def as_json(request: Request, content: Any) -> Response:
    """``content`` as JSON, with its ETag."""
    return conditional(request, orjson.dumps(content))
