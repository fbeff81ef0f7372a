"""The FastAPI application: ``uvicorn monitor.web.app:app``, or in the embedded process."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import FileSystemLoader
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor import __version__
from monitor.channels import email, slack, telegram
from monitor.channels.page_templates import set_page_layout
from monitor.db.engine import DatabaseError, timed_out
from monitor.labs import LabsError
from monitor.masking import masked
from monitor.notify.subscriptions import SubscriptionError
from monitor.observability import logging as logs
from monitor.releases.query import QueryError
from monitor.releases.search import SearchError
from monitor.service import Service
from monitor.settings import Settings, SettingsError, load
from monitor.text import short
from monitor.web import (
    admin,
    api,
    audits,
    badges,
    brief_feed,
    briefs,
    calendar_feed,
    citations,
    comparisons,
    connections,
    crawlers,
    hooks,
    launch_feed,
    metrics,
    openapi,
    pages,
    saved,
    shares,
    side_by_side,
    stacks,
    syndication,
    uptake,
)
from monitor.web import launches_api as stories
from monitor.web import middleware as edge
from monitor.web.disconnect import CancelOnDisconnect
from monitor.web.error_messages import explained
from monitor.web.export_files import ExportFiles
from monitor.web.exports import ExportSlots, ExportVersion
from monitor.web.head import allowed_methods
from monitor.web.known_parameters import refuse_unknown_parameters
from monitor.web.model_context import endpoint as model_context
from monitor.web.own_forms import HourlyLimit
from monitor.web.stalled import StalledReaders

STATIC = Path(__file__).parent / "static"
FOR_PROGRAMS = (
    "/api/", "/hooks/", "/slack/", "/export", "/feed", "/launches.", "/briefs.", "/healthz", "/readyz", "/mcp",
)  # fmt: skip
"""Paths whose errors are JSON; of others they are pages."""
LAYOUTS = FileSystemLoader(Path(__file__).parent / "templates")
"""What the pages of channels extend."""


class Application(FastAPI):
    """FastAPI inside the middleware that needs the server's own ``send``, with its OpenAPI document completed."""

    outermost: ASGIApp

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._document: dict[str, Any] | None = None
        self._describing = Lock()

    def openapi(self) -> dict[str, Any]:
        with self._describing:
            if self._document is None:
                self._document = openapi.completed(super().openapi())
            return self._document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.outermost(scope, receive, send)


def create_app(service: Service) -> FastAPI:
    """The application over one service."""
    web = Application(
        title="Hub Release Monitor",
        version=__version__,
        **openapi.about(service.settings),
        redoc_url=None,
        docs_url=None,
        openapi_url=None,  # see pages/reference.py: with an ETag
        redirect_slashes=False,  # see TrailingSlashMiddleware
        # FastAPI's own would record whole paths and queries, and so the signatures of links in emails.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    tls = service.settings.public_url.startswith("https://")
    headed = edge.SecurityHeadersMiddleware(partial(FastAPI.__call__, web), tls=tls)
    web.outermost = StalledReaders(CancelOnDisconnect(headed), service.settings.reader_timeout)
    web.state.service = service
    web.state.lenses = service.lenses  # a file that is none stops the start, not the first who asks
    web.state.exports = ExportSlots(service.settings.concurrent_exports)
    web.state.export_files = ExportFiles(service.settings.export_files_mb << 20)
    web.state.mcp_servers = {}
    web.state.route_contexts = {}
    web.state.new_stacks = HourlyLimit(service.settings, "stacks", audits.STACKS_PER_HOUR)
    web.state.export_version = ExportVersion(service.read_engine)
    set_page_layout(web, LAYOUTS)
    for questions in (api, stories, briefs, uptake, citations, shares, side_by_side):
        web.include_router(questions.router, dependencies=[Depends(refuse_unknown_parameters)])
    web.include_router(admin.router)
    web.include_router(hooks.router)
    web.include_router(syndication.router)
    web.include_router(launch_feed.router)
    web.include_router(crawlers.router)
    web.include_router(email.router)
    web.include_router(slack.router)
    web.include_router(telegram.router)
    web.include_router(calendar_feed.router)
    web.include_router(brief_feed.router)
    web.include_router(comparisons.router)
    saved.install(web, service.settings)
    web.include_router(audits.router)
    web.include_router(badges.router)
    web.include_router(model_context.router)
    web.include_router(stacks.admin)
    web.include_router(stacks.router)
    web.include_router(pages.router)
    web.include_router(metrics.router)
    web.mount("/static", StaticFiles(directory=STATIC), name="static")
    edge.add_middleware(web, service.settings)
    for kind, status, code in (
        (QueryError, 422, "bad_query"),
        (SearchError, 422, "bad_parameter"),
        (SubscriptionError, 422, "bad_parameter"),
        (RequestValidationError, 422, "bad_parameter"),
        (HTTPException, None, "error"),
        (DBAPIError, 503, "database_unavailable"),
        (NoConnectionError, 503, "database_busy"),
        (DatabaseError, 503, "database_unavailable"),
        (SettingsError, 503, "not_set_up"),
        (Exception, 500, "internal_error"),
    ):
        web.add_exception_handler(kind, _answer(status, code))
    return web


ERROR_CODES = {
    401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    412: "precondition_failed", 416: "range_not_satisfiable", 501: "not_installed",
}  # fmt: skip
"""The `code` of errors that have one status."""


def _without_detail(number: int, method: str, allowed: str) -> str | None:
    """What an error says that the router has only named."""
    if number == HTTPStatus.NOT_FOUND:
        return "there is nothing at this address; /openapi.json lists the addresses of the API"
    if number == HTTPStatus.METHOD_NOT_ALLOWED and allowed:
        return f"{short(method, 20)} is not answered here, {allowed} only"
    return None


def _answer(status: int | None, code: str) -> Any:
    async def answer(request: Request, error: Exception) -> Response:
        message, field, number = explained(error, status)
        if number >= 500:
            message = masked(message)
        headers = dict(getattr(error, "headers", None) or {})
        if number == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = allowed_methods(request.app.routes, request.scope) or headers["Allow"]
        name = ERROR_CODES.get(number, code)
        if isinstance(error, DBAPIError) and timed_out(error):
            name = "query_timeout"
        if request.url.path.startswith(FOR_PROGRAMS):
            if number in set(HTTPStatus) and message == HTTPStatus(number).phrase:
                message = _without_detail(number, request.method, headers.get("Allow", "")) or message
            return JSONResponse({"error": {"code": name, "message": message, "field": field}}, number, headers)
        response = pages.error(request, number, message)
        response.headers.update(headers)
        return response

    return answer


def _app() -> FastAPI:
    logs.configure()
    try:
        settings = load()
        service = Service(settings, notify_worker=_wake_ups(settings))
        # Report a broken labs file or sender now, not at the first request.
        service.registry, service.channels  # noqa: B018
        web = create_app(service)
        connections.guard_default()
        # Keep a full collection from walking what was made at start, which would delay a request by 0.17 s.
        gc.freeze()
        return web
    except (SettingsError, LabsError) as error:
        sys.exit(f"hub-monitor: {error}")


def _wake_ups(settings: Settings) -> Callable[[str], None]:
    """Returns what wakes the workers, which are other processes; does nothing where no webhook is taken."""
    if settings.embedded or settings.hub_webhook_secret is None:
        return lambda _task: None
    from workers.wake_up import WakeUps  # Celery, which a web process needs for nothing else

    return WakeUps(settings).request


def __getattr__(name: str) -> Any:
    # Created when uvicorn asks for it, so that importing create_app reads no settings.
    if name == "app":
        globals()["app"] = _app()
        return globals()["app"]
    raise AttributeError(name)
