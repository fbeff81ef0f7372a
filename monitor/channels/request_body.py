"""Reading the body of a request, up to a limit."""

from __future__ import annotations

from fastapi import HTTPException, Request


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
