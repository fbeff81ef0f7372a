"""Parts of pages for frames of other sites: the card of a release or a launch, and lists of both.

These pages and the one of a chart are the only ones that may stand in a frame. They take no input and hold no form.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from monitor.releases.launches.facts import facts_of
from monitor.releases.launches.queries import LaunchSummary, get_launch, summarize_launches
from monitor.releases.query import parse
from monitor.releases.search import find, recorded_ids, search
from monitor.web.api import Q, Reading
from monitor.web.middleware import EMBED_CSP
from monitor.web.render import address, page, path

router = APIRouter()
Limit = Annotated[int, Query(ge=1, le=20, description="How many are shown.")]


@router.get("/embed/releases/{namespace}/{name}", response_class=HTMLResponse)
def release_embed(request: Request, session: Reading, namespace: str, name: str) -> HTMLResponse:
    """The card of one release."""
    row = find(session, f"{namespace}/{name}")
    if row is None:
        raise HTTPException(404, f"There is no release {namespace}/{name}.")
    own = address(f"/releases/{path(row.repo_id)}", as_of=request.state.as_of)
    return _framed(request, row.repo_id, own, "All about it", releases=[row])


@router.get("/embed/launches/{ident}", response_class=HTMLResponse)
def launch_embed(request: Request, session: Reading, ident: int) -> HTMLResponse:
    """The card of one launch."""
    item = get_launch(session, ident)
    if item is None:
        raise HTTPException(404, f"There is no launch {ident}.")
    shown = LaunchSummary(item.launch, len(item.members), item.members, facts_of(item.members))
    own = address(f"/launches/{ident}", as_of=request.state.as_of)
    roots = recorded_ids(session, shown.roots)
    return _framed(request, item.launch.name, own, "All about it", launches=[shown], recorded_roots=roots)


@router.get("/embed/releases", response_class=HTMLResponse)
def releases_embed(
    request: Request, session: Reading, q: Q = "", sort: str = "released", limit: Limit = 10
) -> HTMLResponse:
    """The releases that match, as cards."""
    query = parse(q)
    items = search(session, query, sort=sort, limit=limit).items
    shown_sort = sort if sort != "released" else None
    own = address("/releases", q=query.normal, sort=shown_sort, as_of=request.state.as_of)
    return _framed(request, query.normal or "Open-weight releases", own, "All that match", releases=items)


@router.get("/embed/launches", response_class=HTMLResponse)
def launches_embed(request: Request, session: Reading, q: Q = "", limit: Limit = 10) -> HTMLResponse:
    """The launches with a member that matches, newest first, as cards."""
    query = parse(q)
    items, _ = summarize_launches(session, query, limit=limit)
    own = address("/launches", q=query.normal, as_of=request.state.as_of)
    roots = recorded_ids(session, (root for item in items for root in item.roots))
    title = query.normal or "Launches of open-weight models"
    return _framed(request, title, own, "All that match", launches=items, recorded_roots=roots)


def _framed(request: Request, title: str, own: str, own_name: str, **context: Any) -> HTMLResponse:
    """The page; frames of other sites may show it."""
    given: dict[str, Any] = {"title": title, "own": own, "own_name": own_name, "nothing": "Nothing matches."}
    response = page(request, "embed_list", **given, **context)
    response.headers["Content-Security-Policy"] = EMBED_CSP
    return response
