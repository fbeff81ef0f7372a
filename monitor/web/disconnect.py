"""Cancels what a client has asked of the database when the client disconnects before it is answered."""

from __future__ import annotations

import asyncio

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.db.cancellation import Cancellation, cancelled_by

MAX_CONCURRENT_CANCELLATIONS = 4
"""In threads of their own: those of requests may all be busy with what is to be cancelled."""


class CancelOnDisconnect:
    """ASGI application that cancels the queries of a GET or HEAD whose client has gone. Others may write: they go on.

    It listens for the disconnect while the application works, and passes it on.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or _has_body(scope):
            await self.app(scope, receive, send)
            return
        cancellation, gone, answered = Cancellation(), asyncio.Event(), False
        request: Message | None = await receive()  # without a body, it comes at once

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()
            if not answered:
                cancellation.requested = True
                self._limiter = self._limiter or anyio.CapacityLimiter(MAX_CONCURRENT_CANCELLATIONS)
                await anyio.to_thread.run_sync(cancellation.cancel_running, limiter=self._limiter)

        async def received() -> Message:
            nonlocal request
            if request is not None:
                message, request = request, None
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = answered or (message["type"] == "http.response.body" and not message.get("more_body", False))
            await send(message)

        watching = asyncio.create_task(watch())
        try:
            with cancelled_by(cancellation):
                await self.app(scope, received, noted)
        finally:
            watching.cancel()


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
