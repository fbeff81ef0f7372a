"""HEAD on every route that answers GET: the same status and headers, and no body (RFC 9110, section 9.3.2)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ONLY_HEAD = "hub_monitor.only_head"
"""Key of the scope that tells a stream that nothing of it will be sent."""


class HeadMiddleware:
    """Answers HEAD as GET would be answered, and drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b""})

        await self.app({**scope, "method": "GET", ONLY_HEAD: True}, receive, without_body)
