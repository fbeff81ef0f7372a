"""Disconnects clients that stop reading, so that a half-read response keeps no connection, memory or task for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

CHUNK_BYTES = 64 << 10
"""What a client has to take within the time-out: a slow one that reads is not cut off in the middle of a large body."""


class StalledReaders:
    """ASGI application that aborts the transport of a client that takes none of a response for ``timeout`` seconds.

    It needs the server's own ``send`` (uvicorn's, which knows its transport), so it stands before everything else.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.app = app
        self._timeout = timeout
        self._unread: dict[Any, asyncio.TimerHandle] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if scope["type"] != "http" or transport is None:
            await self.app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        if earlier := self._unread.pop(transport, None):
            earlier.cancel()

        async def timed(message: Message) -> None:
            for chunk in _split_body(message):
                timer = loop.call_later(self._timeout, self._abort, transport, scope["path"])
                try:
                    await send(chunk)
                finally:
                    timer.cancel()
            if not chunk.get("more_body", True) and transport.get_write_buffer_size():
                # The response is complete for the application, and not yet for the client.
                self._unread[transport] = loop.call_later(self._timeout, self._forget, transport, scope["path"])

        await self.app(scope, receive, timed)

    def _forget(self, transport: Any, path: str) -> None:
        del self._unread[transport]
        if transport.get_write_buffer_size():
            self._abort(transport, path)

    def _abort(self, transport: Any, path: str) -> None:
        # The server then takes the client for gone: what waits in `send` goes on, and a stream is cancelled.
        log.info("stalled client disconnected", path=path, seconds=self._timeout)
        transport.abort()


def _split_body(message: Message) -> Iterator[Message]:
    """The message, split into several if its body is longer than ``CHUNK_BYTES``."""
    body = message.get("body", b"")
    if len(body) <= CHUNK_BYTES:
        yield message
        return
    view = memoryview(body)
    for start in range(0, len(view), CHUNK_BYTES):
        more = message.get("more_body", False) or start + CHUNK_BYTES < len(view)
        yield {**message, "body": bytes(view[start : start + CHUNK_BYTES]), "more_body": more}
