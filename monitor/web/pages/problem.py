"""The page that says what is wrong, and where to go from there."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import HTMLResponse

from monitor.web.render import page

TITLES = {
    404: "Not found",
    405: "Method not allowed",
    422: "Invalid request",
    429: "Too many requests",
    503: "Temporarily unavailable",
}


def error(request: Request, status: int, message: str, hub: str | None = None) -> HTMLResponse:
    """The page of an error; ``hub``: a repository that the Hub may know."""
    known = TITLES.get(status) or (HTTPStatus(status).phrase if status in set(HTTPStatus) else "An error")
    return page(request, "error", status, code=status, title=known, message=message, hub=hub)
