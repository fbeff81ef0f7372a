"""The pages, made on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from sqlalchemy import func, select
from sqlmodel import col

from monitor.channels import words
from monitor.db import now
from monitor.history.query import QueryError, parse
from monitor.history.search import find, search
from monitor.models import Change, Delivery, Feed, Namespace, Poll, Release
from monitor.web.api import Q, Reading, service_of

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(Path(__file__).parent / "templates")
SHOWN = 100


def ago(moment: Any) -> str:
    """How long ago, in the largest unit that fits."""
    if moment is None:
        return "unknown"
    seconds = max(0, int((now() - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


templates.env.filters |= {"ago": ago, "flag": words.flag, "count": words.count, "plain": words.plain}


@router.get("/", response_class=HTMLResponse)
@router.get("/releases", response_class=HTMLResponse)
def releases(request: Request, session: Reading, q: Q = "") -> HTMLResponse:
    """The newest releases, or those that match; a bad query is told beside the box, and loses nothing."""
    items, problem = [], None
    try:
        items = search(session, parse(q), limit=SHOWN).items
    except QueryError as error:
        problem = str(error)
    watched = len(service_of(request).registry.watched)
    context = {"items": items, "q": q, "problem": problem, "watched": watched}
    return templates.TemplateResponse(
        request, "rows.html" if "hx-request" in request.headers else "releases.html", context
    )


@router.get("/releases/{namespace}/{name}", response_class=HTMLResponse)
def release(request: Request, session: Reading, namespace: str, name: str) -> HTMLResponse:
    """One release: all facts, why, what it was built on, what was built on it, what happened since."""
    row = find(session, f"{namespace}/{name}")
    if row is None:
        raise HTTPException(404, f"There is no release {namespace}/{name}.")
    built = select(Release).where(col(Release.foundation_repo_id) == row.repo_id, col(Release.id) != row.id)
    context = {
        "r": row,
        "children": list(session.scalars(built.order_by(col(Release.id).desc()).limit(SHOWN))),
        "changes": list(
            session.scalars(select(Change).where(col(Change.release_id) == row.id).order_by(col(Change.id)))
        ),
    }
    return templates.TemplateResponse(request, "release.html", context)


@router.get("/labs", response_class=HTMLResponse)
def labs(request: Request, session: Reading) -> HTMLResponse:
    """The registry by country."""
    count = select(col(Release.lab), func.count()).where(col(Release.lab).is_not(None)).group_by(col(Release.lab))
    counts = {row[0]: row[1] for row in session.execute(count)}
    found = sorted(service_of(request).registry.labs, key=lambda lab: (lab.origin or "~", lab.name.casefold()))
    return templates.TemplateResponse(request, "labs.html", {"labs": found, "counts": counts})


@router.get("/labs/{lab}", response_class=HTMLResponse)
def lab(request: Request, session: Reading, lab: str) -> HTMLResponse:
    """One lab and its newest releases."""
    found = service_of(request).registry.get(lab)
    if found is None:
        raise HTTPException(404, f"There is no lab {lab}.")
    items = search(session, parse(f"lab:{found.id}"), limit=SHOWN).items
    return templates.TemplateResponse(request, "lab.html", {"lab": found, "items": items, "problem": None})


@router.get("/status", response_class=HTMLResponse)
def status(request: Request, session: Reading) -> HTMLResponse:
    """How each source goes, and what waits."""
    states = select(col(Delivery.state), func.count()).group_by(col(Delivery.state))
    deliveries = {row[0]: row[1] for row in session.execute(states)}
    spaces = list(session.scalars(select(Namespace).order_by(col(Namespace.name))))
    context = {
        "allowance": service_of(request).allowance.left(),
        "waiting": deliveries.get("pending", 0),
        "dead": deliveries.get("dead", 0),
        "polls": list(session.scalars(select(Poll).order_by(col(Poll.name)))),
        "namespaces": len(spaces),
        "swept": sum(space.swept_at is not None for space in spaces),
        "troubled": [space for space in spaces if space.error][:SHOWN],
        "feeds": list(session.scalars(select(Feed).order_by(col(Feed.url)))),
    }
    return templates.TemplateResponse(request, "status.html", context)


def error(request: Request, status: int, message: str) -> HTMLResponse:
    """A page that says what is wrong."""
    return templates.TemplateResponse(request, "error.html", {"status": status, "message": message}, status_code=status)
