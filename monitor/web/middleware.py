"""Middleware: security headers, compression, CORS, body limits, rate limits."""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qsl, quote

import orjson
import structlog
from fastapi import FastAPI
from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from monitor.net.client_key import client_key
from monitor.observability.tracing import http_request, routed
from monitor.settings import Settings
from monitor.web.compression import CompressionMiddleware
from monitor.web.head import HeadMiddleware
from monitor.web.proxies import TrustedProxyMiddleware

log = structlog.get_logger(__name__)

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere."""
EMBED_CSP = CSP.replace("frame-ancestors 'none'", "frame-ancestors *")
"""The same, for the pages that may stand in frames of other sites."""
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_REQUEST_ID = re.compile(r"[\w-]{8,64}")
PUBLIC_PREFIXES = (
    "/api/v1/releases",
    "/api/v1/stats",
    "/api/v1/facets",
    "/api/v1/labs",
    "/api/v1/citations",
    "/api/v1/lenses",
    "/api/v1/shares",
    "/api/v1/side-by-side",
    "/api/v1/launches",
    "/api/v1/announcements",
    "/api/v1/review",
    "/api/v1/coverage",
    "/api/v1/brief/",
    "/api/v1/uptake",
    "/export.",
    "/feed.",
    "/launches.",
    "/briefs.",
    "/openapi.json",
)
"""Paths that scripts of other sites may read (CORS): public, without cookies."""
CONDITIONAL_HEADERS = ("If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "Range", "X-Request-ID")
"""Request headers that scripts of other sites may send, besides those that every site may."""
EXPOSED_HEADERS = (
    *("Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag", "Last-Modified", "Link"),
    *("RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"),
)
"""Response headers that scripts of other sites may read, besides those that every site may."""
COMPRESSED_PREFIXES = (
    *PUBLIC_PREFIXES,
    "/releases",
    "/labs",
    "/trends",
    "/lens",
    "/brief",
    "/c/",
    "/side-by-side",
    "/status",
    "/launches",
    "/embed",
    "/static/",
    "/sitemap.xml",
)
"""Paths with compressed responses; never those that show a secret (BREACH)."""
UNLIMITED_PREFIXES = (
    *("/healthz", "/static/", "/hooks/hub"),
    *("/slack/commands", "/slack/interactions", "/slack/events", "/telegram/updates"),
)
"""Paths that are not counted: cheap ones, and those that authenticate their caller (the Hub, Slack, Telegram)."""
MAX_BODY_BYTES = 8 << 20
"""Of any request; routes that read a body have lower limits of their own."""
BODY_SECONDS = 20
"""Time for a body to arrive."""
MAX_CONCURRENT_REQUESTS, MAX_WAITING_REQUESTS, MAX_WAIT_SECONDS = 2, 18, 10
"""For each client: how many requests run at the same time, how many wait for that, and for how long."""


def add_middleware(web: FastAPI, settings: Settings) -> None:
    """Adds all middleware but the security headers, which stand outside; the last one added sees a request first."""
    web.add_middleware(PathPrefixMiddleware, middleware=CompressionMiddleware, applies=_is_compressed)
    web.add_middleware(BodyLimitMiddleware)
    web.add_middleware(NulMiddleware)
    web.add_middleware(TrailingSlashMiddleware)
    if settings.requests_per_minute:
        storage = settings.rate_limit_storage
        limit = partial(RateLimitMiddleware, per_minute=settings.requests_per_minute, storage=storage)
        web.add_middleware(
            PathPrefixMiddleware, middleware=limit, applies=lambda path: not path.startswith(UNLIMITED_PREFIXES)
        )
    cors = partial(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        allow_headers=CONDITIONAL_HEADERS,
        expose_headers=EXPOSED_HEADERS,
        max_age=86_400,
    )
    web.add_middleware(PathPrefixMiddleware, middleware=cors, applies=_in(PUBLIC_PREFIXES))
    web.add_middleware(HeadMiddleware)
    web.add_middleware(TrustedProxyMiddleware, trusted=settings.trusted_proxies or ())


def _in(prefixes: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda path: path == "/" or path.startswith(prefixes)


def _is_compressed(path: str) -> bool:
    # Parquet is compressed inside.
    return _in(COMPRESSED_PREFIXES)(path) and not path.endswith(".parquet")


class PathPrefixMiddleware:
    """Applies another middleware to the paths for which ``applies`` is true, and to no others."""

    def __init__(self, app: ASGIApp, middleware: Callable[[ASGIApp], ASGIApp], applies: Callable[[str], bool]) -> None:
        self.app, self.wrapped, self.applies = app, middleware(app), applies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wrapped = scope["type"] == "http" and self.applies(scope.get("path", ""))
        await (self.wrapped if wrapped else self.app)(scope, receive, send)


class BodyLimitMiddleware:
    """Refuses a body of more than ``MAX_BODY_BYTES`` (413) or slower than ``BODY_SECONDS`` (408) when it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received, until, complete = 0, None, False

        async def limited() -> Message:
            nonlocal received, until, complete
            if complete:  # what comes now is that the client is gone, whenever that is
                return await receive()
            until = until or asyncio.get_running_loop().time() + BODY_SECONDS
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body did not arrive within {BODY_SECONDS} s") from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, f"a body of at most {MAX_BODY_BYTES} bytes expected")
            return message

        await self.app(scope, limited, send)


class NulMiddleware:
    """Refuses a NUL character in the path or in a parameter (422): PostgreSQL has no text with one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            query = scope["query_string"]
            found = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if b"%00" in query else []
            names = [name.replace("\x00", "") for name, value in found if "\x00" in name + value]
            if names or "\x00" in scope["path"]:
                field = names[0] if names else None
                await _refusal(422, "bad_parameter", "no NUL character expected", field)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class TrailingSlashMiddleware:
    """Redirects ``/labs/`` to ``/labs``, relative to the address that was requested.

    Starlette's own redirect names the host of the ``Host`` header, which anyone can choose.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.endswith("/") or path == "/" or not self._redirects(scope, path):
            await self.app(scope, receive, send)
            return
        # One slash at the beginning: two would name a host.
        target = quote(f"/{path.strip('/')}")
        query = scope["query_string"].decode("latin-1")
        await RedirectResponse(f"{target}?{query}" if query else target)(scope, receive, send)

    @staticmethod
    def _redirects(scope: Scope, path: str) -> bool:
        # Many MCP servers are at /mcp/, and their clients repeat a POST where a 307 leads.
        return scope["method"] in {"GET", "HEAD"} or path == "/mcp/"


class SecurityHeadersMiddleware:
    """Adds security headers to responses that do not set them, and gives each request an id for the logs.

    It stands outside Starlette's own middleware, which makes the answer to an exception that nobody handles.

    ``tls``: the public URL is https, so Strict-Transport-Security is sent.
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
                routed(under_way, getattr(scope.get("route"), "path", None), scope["path"], message["status"])
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = ident
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if headers["Content-Security-Policy"] == EMBED_CSP:
                    del headers["X-Frame-Options"]
            await send(message)

        about = {
            "url.scheme": scope.get("scheme", "http"),
            "network.protocol.version": scope.get("http_version", "1.1"),
            "user_agent.original": Headers(scope=scope).get("user-agent", "")[:200],
        } | _server(scope)
        asked = http_request(scope["method"], ident, **about)
        with bound_contextvars(request_id=ident, trace=ident), asked as under_way:
            await self.app(scope, receive, headed)


def _server(scope: Scope) -> dict[str, str | int]:
    """Address and port at which a request arrived, for its span."""
    address, port = scope.get("server") or (None, None)
    return ({"server.address": address} if address else {}) | ({"server.port": port} if port else {})


class RateLimitMiddleware:
    """Limits requests per minute and concurrent requests of each client: an IPv4 address, or a /64 of IPv6.

    Requests are counted in memory (one process) or in Redis (all processes); concurrent ones in each process.
    If Redis does not answer, no request is refused.
    """

    def __init__(self, app: ASGIApp, per_minute: int, storage: str) -> None:
        self.app = app
        self._item = RateLimitItemPerMinute(per_minute, namespace="hub-monitor-web")
        self._limiter = FixedWindowRateLimiter(storage_from_string(storage))
        self._remote = not storage.startswith("memory://")
        self._concurrency = ConcurrencyLimiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = client_key((scope.get("client") or ("", 0))[0])
        retry = await run_in_threadpool(self._hit, client) if self._remote else self._hit(client)
        if retry is not None:
            message = f"more than {self._item.amount} requests in this minute; try again in {retry} s"
            await _too_many(message, retry)(scope, receive, send)
            return
        if not await self._concurrency.begin(client):
            await _too_many("too many requests at the same time; try again later", 1)(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self._concurrency.end(client)

    def _hit(self, client: str) -> int | None:
        """Counts a request; seconds to wait if it is refused, else None."""
        try:
            if self._limiter.hit(self._item, client):
                return None
            return max(1, math.ceil(self._limiter.get_window_stats(self._item, client).reset_time - time.time()))
        except Exception as error:
            log.warning("rate limit storage failed", error=str(error))
            return None


class ConcurrencyLimiter:
    """Runs ``MAX_CONCURRENT_REQUESTS`` requests of each client at a time; ``MAX_WAITING_REQUESTS`` more wait."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[asyncio.Semaphore, int]] = {}

    async def begin(self, client: str) -> bool:
        """Waits until the request may run; False if too many wait or the wait is too long. Call :meth:`end` after."""
        limiter, number = self._of.get(client) or (asyncio.Semaphore(MAX_CONCURRENT_REQUESTS), 0)
        if number >= MAX_CONCURRENT_REQUESTS + MAX_WAITING_REQUESTS:
            return False
        self._of[client] = limiter, number + 1
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                await limiter.acquire()
        except BaseException as error:
            self._leave(client)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def end(self, client: str) -> None:
        """Marks a request that began as done."""
        self._of[client][0].release()
        self._leave(client)

    def _leave(self, client: str) -> None:
        limiter, number = self._of[client]
        if number > 1:
            self._of[client] = limiter, number - 1
        else:
            del self._of[client]


def _too_many(message: str, retry: int) -> Response:
    return _refusal(429, "too_many_requests", message, None, {"Retry-After": str(retry), "Cache-Control": "no-store"})


def _refusal(
    status: int, code: str, message: str, field: str | None, headers: dict[str, str] | None = None
) -> Response:
    body = orjson.dumps({"error": {"code": code, "message": message, "field": field}})
    return Response(body, status, headers, "application/json")
