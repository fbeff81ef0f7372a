"""HTTP responses: bodies with ETag and Cache-Control, and the errors in OpenAPI."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from monitor.db.engine import now
from monitor.problems import refusals
from monitor.releases.query import parse
from monitor.releases.query.absolute import is_relative

MAX_AGE_SECONDS = 60
"""`max-age` of public answers."""


AS_OF_MAX_AGE_SECONDS, AS_OF_SETTLED_AFTER = 86_400, timedelta(hours=1)
"""`max-age` of answers with an `as_of` at least so long ago: everything written before it is committed. At most a day:
a new version may answer differently, and pruned times are refused."""


FOR_EVER = "public, max-age=31536000, immutable"
"""The Cache-Control of files of a time that is past: no later fact is recorded for it."""


def is_settled(as_of_time: datetime | None) -> bool:
    """Whether everything that was observed by then is recorded."""
    return as_of_time is not None and now() - as_of_time > AS_OF_SETTLED_AFTER


def cache_control(request: Request) -> str:
    """The Cache-Control of an answer: longer if its `as_of` is long past."""
    as_of_time = getattr(request.state, "as_of_time", None)
    # A query may contain relative dates (released:7d).
    steady = is_settled(as_of_time) and not is_relative(parse(request.query_params.get("q", "")))
    return f"public, max-age={AS_OF_MAX_AGE_SECONDS if steady else MAX_AGE_SECONDS}"


PAGE_SHARED_MAX_AGE_SECONDS = 10
"""`s-maxage` of pages of the present: a browser asks again each time, a cache in front answers it."""


def page_cache_control(request: Request) -> str:
    """The Cache-Control of a public page."""
    if request.state.as_of_time is not None:
        return cache_control(request)
    return f"public, max-age=0, s-maxage={PAGE_SHARED_MAX_AGE_SECONDS}"


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a read operation, for OpenAPI."""
    found = refusals(*codes, 429)
    return found | {304: {"description": "Not modified: `If-None-Match` has the current ETag."}}


def described(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The response of an operation that does not return JSON, for OpenAPI."""
    kind = "object" if media_type.endswith("json") else "string"
    return {200: {"description": description, "content": {media_type: {"schema": {"type": kind}}}}}


def described_by(model: type[BaseModel], media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The response of an operation whose JSON has a media type of its own, for OpenAPI."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


def answer(model: type[BaseModel], description: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The JSON response of an operation that makes it without the model, for OpenAPI."""
    return {status: {"model": model, "description": description}}


def matches_etag(known: str, etag: str) -> bool:
    """Whether an If-None-Match header contains this ETag."""
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


def weak_etag(body: bytes | memoryview) -> str:
    """The ETag of a body; weak, so that it is the same for compressed and uncompressed responses."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def conditional(
    request: Request,
    body: bytes | memoryview,
    media_type: str = "application/json",
    *,
    known_by: bytes | None = None,
    modified_at: datetime | None = None,
) -> Response:
    """The body with its ETag, or 304 if the client has it. The ETag is made of ``known_by`` if given."""
    return conditionally(request, lambda: body, media_type, known_by=known_by or body, modified_at=modified_at)


LAST_MODIFIED_AFTER = timedelta(seconds=60)
"""How long ago a change must be to be named: a date has whole seconds, so a second change in the same one would be
missed (RFC 9110, 8.8.2.2)."""


def conditionally(
    request: Request,
    make: Callable[[], bytes | memoryview],
    media_type: str,
    *,
    known_by: bytes | memoryview,
    modified_at: datetime | None = None,
) -> Response:
    """What ``make`` returns, with the ETag of ``known_by``; 304 if the client has it, without making it.

    ``modified_at``: sent as Last-Modified, and compared with If-Modified-Since where the client sent no ETag.
    """
    etag = weak_etag(known_by)
    headers = {"ETag": etag, "Cache-Control": cache_control(request)}
    if modified_at is not None and now() - modified_at > LAST_MODIFIED_AFTER:
        headers["Last-Modified"] = format_datetime(modified_at.astimezone(UTC).replace(microsecond=0), usegmt=True)
    if is_current(request, headers):
        return Response(status_code=304, headers=headers)
    return Response(bytes(make()), media_type=media_type, headers=headers)


def is_current(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the client has the answer with these headers: by its ETag, else by the very date that it was sent."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return matches_etag(known, headers["ETag"])
    return "Last-Modified" in headers and request.headers.get("if-modified-since") == headers["Last-Modified"]


def as_json(request: Request, content: Any) -> Response:
    """``content`` as JSON, with its ETag."""
    return conditional(request, orjson.dumps(content))
