"""HEAD on every route that answers GET: the same status and headers, and no body (RFC 9110, section 9.3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Mount
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

        inner = {**scope, "method": "GET", ONLY_HEAD: True}

        async def without_body(message: Message) -> None:
            if "route" in inner:
                scope["route"] = inner["route"]  # for those outside, as of a GET
            if message["type"] != "http.response.body":
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b""})

        await self.app(inner, receive, without_body)


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Methods that a route may take; HEAD is answered wherever GET is."""


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """The value of ``Allow`` for the path of ``scope``: the methods of every route there, not of the first one alone.

    Empty for a path that only a mounted application knows.
    """
    own = [route for route in routes if not isinstance(route, Mount)]
    found = [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in own)
    ]
    return ", ".join([*found[:1], "HEAD", *found[1:]] if found[:1] == ["GET"] else found)
