"""The keyboard shortcuts as a page, for readers without scripts and for links to it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from monitor.web.render import page

router = APIRouter()


@router.get("/shortcuts", response_class=HTMLResponse)
def shortcuts(request: Request) -> HTMLResponse:
    """Every key that does something on the pages."""
    return page(request, "shortcuts")
