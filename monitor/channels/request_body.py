"""Bodies of requests, never read beyond what they may hold."""

from __future__ import annotations

from fastapi import HTTPException, Request


async def bounded(request: Request, most: int) -> bytes:
    """The body of a request; answers 413 where it has more than ``most`` bytes, announced or not."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise HTTPException(413, f"a body has {most} bytes at the most")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"a body has {most} bytes at the most")
    return bytes(body)
