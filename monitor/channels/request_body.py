"""Reading the body of a request, up to a limit, and describing it."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Request
from pydantic import BaseModel


async def read_limited_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request. Answers 413 if it has more than ``max_bytes``, whatever its Content-Length says."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the request body is larger than {max_bytes} bytes")


def described_body(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON body of an operation that reads it itself, for OpenAPI (``openapi_extra``)."""
    # What its $defs hold is moved to the components when the document is made.
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"content": {"application/json": {"schema": schema}}, "required": True}}
