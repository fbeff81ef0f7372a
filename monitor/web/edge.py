"""What stands before the application: headers, compression, reading from elsewhere, and a limit for each client."""

from __future__ import annotations

import ipaddress
import math
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from monitor.settings import Settings
from monitor.telemetry import root
from monitor.web.head import HeadMiddleware
from monitor.web.remembered import Remembered

log = structlog.get_logger(__name__)

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere."""
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_REQUEST_ID = re.compile(r"[\w-]{8,64}")
READ = ("/api/v1/releases", "/api/v1/stats", "/api/v1/facets", "/api/v1/labs", "/export.", "/feed.", "/openapi.json")
"""What any page elsewhere may read: it is public, and asks for no cookie."""
COUNTED = (*READ, "/releases", "/labs", "/trends", "/status", "/launches", "/charts")
"""What a client may ask for so often a minute: all that asks the database for much."""


ASKED = tuple(path for path in COUNTED if path not in {"/export.", "/openapi.json", "/status"})
"""What follows from the database alone, and is no file without end."""


def surround(web: FastAPI, settings: Settings, engine: Engine) -> None:
    """Puts these before the application, the limit outermost but for the headers."""
    web.add_middleware(Where, some=partial(GZipMiddleware, minimum_size=1_000, compresslevel=4), prefixes=COUNTED)
    web.add_middleware(Where, some=partial(Remembered, engine=engine), prefixes=ASKED)
    if settings.requests_per_minute:
        storage = "memory://" if settings.embedded else settings.broker_url
        limit = partial(Limited, per_minute=settings.requests_per_minute, storage=storage)
        web.add_middleware(Where, some=limit, prefixes=COUNTED)
    reading = partial(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        expose_headers=["ETag", "Retry-After"],
        max_age=86_400,
    )
    web.add_middleware(Where, some=reading, prefixes=READ)
    web.add_middleware(HeadMiddleware)
    web.add_middleware(Headed, tls=settings.public_url.startswith("https://"))


class Where:
    """A middleware for some paths, and for no others (a page that shows a secret is not compressed, say)."""

    def __init__(self, app: ASGIApp, some: Callable[[ASGIApp], ASGIApp], prefixes: tuple[str, ...]) -> None:
        self.app, self.some, self.prefixes = app, some(app), prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        mine = scope["type"] == "http" and (path == "/" or path.startswith(self.prefixes))
        await (self.some if mine else self.app)(scope, receive, send)


class Headed:
    """Adds the headers of every answer, where it has none of its own, and gives each request an id for the logs.

    ``tls``: the service is reached over it, so browsers shall never try without.
    """

    def __init__(self, app: ASGIApp, *, tls: bool = False) -> None:
        self.app = app
        self._headers = HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        ident = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                if under_way is not None:
                    # The template, not the path: that may hold a link's signature.
                    route = getattr(scope.get("route"), "path", None)
                    under_way.set_attributes({"http.response.status_code": message["status"]})
                    under_way.set_attributes({"http.route": route} if route else {})
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = ident
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        about = {"http.request.method": scope["method"]}
        with bound_contextvars(request_id=ident, trace=ident), root(scope["method"], ident, **about) as under_way:
            await self.app(scope, receive, headed)


class Limited:
    """So many requests a minute of one client: an IPv4 address, or the first 64 bits of an IPv6 one.

    Counted in memory (one process) or in Redis (all of them). Where Redis does not answer, nobody is refused.
    """

    def __init__(self, app: ASGIApp, per_minute: int, storage: str) -> None:
        self.app = app
        self._item = RateLimitItemPerMinute(per_minute, namespace="hub-monitor-web")
        self._limiter = FixedWindowRateLimiter(storage_from_string(storage))
        self._remote = not storage.startswith("memory://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = client_of(scope)
        retry = await run_in_threadpool(self._hit, client) if self._remote else self._hit(client)
        if retry is None:
            await self.app(scope, receive, send)
            return
        message = f"more than {self._item.amount} requests in this minute; try again in {retry} s"
        body = orjson.dumps({"error": {"code": "too_many_requests", "message": message, "field": None}})
        headers = {"Retry-After": str(retry), "Cache-Control": "no-store"}
        await Response(body, 429, headers, "application/json")(scope, receive, send)

    def _hit(self, client: str) -> int | None:
        """Seconds to wait; None for nothing."""
        try:
            if self._limiter.hit(self._item, client):
                return None
            return max(1, math.ceil(self._limiter.get_window_stats(self._item, client).reset_time - time.time()))
        except Exception as error:
            log.warning("requests are not counted", error=str(error))
            return None


def client_of(scope: Scope | dict[str, Any]) -> str:
    """Who asks: its address, or its network where one customer has many."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))
