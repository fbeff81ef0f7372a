"""How the API answers: bodies with their ETag, and what it says when it cannot."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

FRESH = 60
"""Seconds for which a reader may keep an answer without asking again."""


class Problem(BaseModel):
    """What is wrong: ``code`` for programs, ``message`` for people, ``field`` the parameter that is meant."""

    code: str
    message: str
    field: str | None = None


class Problems(BaseModel):
    """The body of every answer that is an error."""

    error: Problem


_SAYS = {
    400: ("The request cannot be read.", "bad_parameter", None),
    401: ("The bearer token is missing or another.", "unauthorized", None),
    403: ("Not set up on this server.", "forbidden", None),
    404: ("There is no such thing.", "not_found", None),
    413: ("The body is too large.", "error", None),
    422: ("A parameter cannot be read; of a query, the column is told.", "bad_query", "q"),
    429: (
        "Too many requests of one client; `Retry-After` says when the next one is welcome.",
        "too_many_requests",
        None,
    ),
    503: ("The database does not answer, or the Hub has not been polled for too long.", "database_unavailable", None),
}


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors that an operation answers a reader with, for its description."""
    found = refusals(*codes, 429)
    return found | {304: {"description": "The reader has it: `If-None-Match` named its ETag."}}


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors that any operation answers with, for its description."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in sorted({*codes, 422, 503}):
        says, name, field = _SAYS[code]
        example = {"error": {"code": name, "message": says, "field": field}}
        found[code] = {"model": Problems, "description": says, "content": {"application/json": {"example": example}}}
    return found


def described(media_type: str, says: str) -> dict[int | str, dict[str, Any]]:
    """An answer of another type, for its description."""
    kind = "object" if media_type.endswith("json") else "string"
    return {200: {"description": says, "content": {media_type: {"schema": {"type": kind}}}}}


def has(known: str, etag: str) -> bool:
    """Whether a reader who names these tags has what this one is of."""
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


def conditional(request: Request, body: bytes | memoryview, media_type: str = "application/json") -> Response:
    """The body with its ETag; 304 where the reader has it."""
    # Weak: the same meaning, whether it is sent compressed or not.
    etag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={FRESH}"}
    if has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(bytes(body), media_type=media_type, headers=headers)


def as_json(request: Request, content: Any) -> Response:
    """``content`` as JSON, with its ETag."""
    return conditional(request, orjson.dumps(content))
