"""``/mcp``: the MCP server as streamable HTTP, without sessions, so that any worker answers any request.

Read-only, unless the administrator's token is given: that is checked before the body is read.
"""

from __future__ import annotations

import hmac
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import anyio
import orjson
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from monitor.channels.request_body import read_limited_body
from monitor.service import Service
from monitor.settings import Settings, SettingsError
from monitor.text import short
from monitor.web.api import service_of
from monitor.web.audits import MAX_BODY_BYTES

router = APIRouter()
PATH = "/mcp"
INVALID_REQUEST = -32600
"""A code of JSON-RPC."""
INSTALL = "the MCP server needs the package mcp: pip install 'hub-release-monitor[mcp]'"


def require_sdk() -> None:
    """Raises SettingsError where the SDK is not installed."""
    if find_spec("mcp") is None:
        raise SettingsError(INSTALL)


@router.post(PATH, include_in_schema=False)
async def serve(request: Request) -> Response:
    """Answers one message."""
    service = service_of(request)
    refuse_rebinding(request, service.settings)
    is_admin = has_token(request.headers.get("authorization"), service.settings)
    require_sdk()
    refuse_other_types(request.headers.get("content-type", ""))
    body = await read_limited_body(request, MAX_BODY_BYTES)
    problem = problem_of(body)
    if problem is not None:
        error = {"code": INVALID_REQUEST, "message": problem}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400, {"Cache-Control": "no-store"})
    servers: dict[bool, Any] = request.app.state.mcp_servers
    if is_admin not in servers:
        servers[is_admin] = await run_in_threadpool(_server, service, is_admin)
    return await _answered(request, servers[is_admin], body)


def refuse_other_types(content_type: str) -> None:
    """Raises HTTPException for a body that is not declared as JSON."""
    media_type = content_type.partition(";")[0].strip()
    if media_type.lower() != "application/json":
        raise HTTPException(415, f"Content-Type {short(media_type, 80)!r}: application/json expected")


def problem_of(body: bytes) -> str | None:
    """What makes a body that is JSON no message of JSON-RPC; None for one that is, and for what is no JSON.

    The SDK would answer with the report of its validation, in many lines.
    """
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(message, list):
        return "one message expected, not a list: batches are not answered"
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return 'a message of JSON-RPC expected: an object with "jsonrpc": "2.0"'
    return _problem_in(message)


def _problem_in(message: dict[str, Any]) -> str | None:
    if not isinstance(message.get("method"), str) and not message.keys() & {"result", "error"}:
        return "method: a text expected"
    if not isinstance(message.get("params", {}), dict):
        return "params: an object expected"
    if "id" in message and (not isinstance(message["id"], str | int) or isinstance(message["id"], bool)):
        return "id: a text or a whole number expected"
    return None


def _server(service: Service, is_admin: bool) -> Any:
    # Imported by the first request, in a thread: it takes a second.
    from monitor.web.model_context.server import make_server
    from monitor.web.model_context.tool import Caller

    return make_server(Caller(service, is_admin))


async def _answered(request: Request, server: Any, body: bytes) -> Response:
    """The SDK's response. What it asks of the database is cancelled if the client disconnects."""
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    # The SDK compares the media type as it is written.
    others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
    headers = [*others, (b"content-type", b"application/json")]
    started: Message = {"status": 499, "headers": []}
    answer = bytearray()
    is_read = False

    async def receive() -> Message:
        nonlocal is_read
        if is_read:
            await anyio.sleep_forever()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal started
        if message["type"] == "http.response.start":
            started = message
        else:
            answer.extend(message.get("body", b""))

    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        async with manager.run():
            await manager.handle_request({**request.scope, "headers": headers}, receive, send)
        group.cancel_scope.cancel()
    response = Response(bytes(answer), started["status"], {"Cache-Control": "no-store"})
    kept = [(name, value) for name, value in started["headers"] if name.lower() != b"content-length"]
    response.raw_headers.extend(kept)
    return response


def has_token(authorization: str | None, settings: Settings) -> bool:
    """Whether the administrator's token is given; False without a token. Raises HTTPException for a wrong one."""
    if authorization is None:
        return False
    if settings.admin_token is None:
        raise HTTPException(403, "MONITOR_ADMIN_TOKEN is not set: leave the Authorization header out to read")
    scheme, _, token = authorization.partition(" ")
    right = hmac.compare_digest(settings.admin_token.get_secret_value().encode(), token.strip().encode())
    if scheme.lower() != "bearer" or not right:
        raise HTTPException(
            401,
            "the bearer token is not the value of MONITOR_ADMIN_TOKEN; leave the Authorization header out to read",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return True


def refuse_rebinding(request: Request, settings: Settings) -> None:
    """Refuses what a page of another site may have sent to an address in this network (DNS rebinding).

    Such a page sends its own Origin, and a Host that is its name.
    """
    host = _host(f"//{request.headers.get('host', '')}")
    public = urlsplit(settings.public_url)
    if not (host == public.hostname or _is_local(host)):
        problem = f"Host {short(host or '', 80)!r} is not that of MONITOR_PUBLIC_URL ({public.hostname})"
        raise HTTPException(421, f"{problem}: set that to the address that clients use, or have the proxy pass Host")
    origin = request.headers.get("origin")
    if origin is None or origin == f"{public.scheme}://{public.netloc}":
        return
    if not (_is_loopback(_host(origin)) and _is_loopback(host)):
        raise HTTPException(
            403, f"Origin {short(origin, 80)!r} is not that of MONITOR_PUBLIC_URL: pages of other sites are refused"
        )


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_local(host: str | None) -> bool:
    """Whether it is an address, or a name without a dot (localhost, a service of compose): not one that a page has."""
    return host is not None and (_is_address(host) or "." not in host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str | None) -> bool:
    return host is not None and (host == "localhost" or (_is_address(host) and ip_address(host).is_loopback))
