"""The pages for people, made on the server: each is a permalink, and works without a script."""

from fastapi import APIRouter

from monitor.web.pages import (
    alert,
    chart,
    embed,
    front,
    labs,
    launches,
    reference,
    release,
    releases,
    shortcuts,
    status,
    trends,
)
from monitor.web.pages.problem import error

__all__ = ["error", "router"]

router = APIRouter(include_in_schema=False)
for room in (front, releases, release, launches, labs, trends, chart, embed, status, alert, reference, shortcuts):
    router.include_router(room.router)
