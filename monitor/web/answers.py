"""How the API answers: bodies with their ETag, and the errors that its readers meet."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

from monitor.problems import refusals

FRESH = 60
"""Seconds for which a reader may keep an answer without asking again."""


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
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={FRESH}"}
    if has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(bytes(body), media_type=media_type, headers=headers)


def as_json(request: Request, content: Any) -> Response:
    """``content`` as JSON, with its ETag."""
    return conditional(request, orjson.dumps(content))
