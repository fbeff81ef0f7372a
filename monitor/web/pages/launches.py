"""Launches for people: a row for each, its members behind it; and what was announced only, and what is unsure."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from monitor.releases.coverage import coverage
from monitor.releases.launches.announcement_queries import list_announcements
from monitor.releases.launches.announcements import ANNOUNCED
from monitor.releases.launches.queries import (
    LaunchWithMembers,
    count_launches,
    get_launch,
    parse_cursor,
    summarize_launches,
)
from monitor.releases.notable import measured_against
from monitor.releases.query import QueryError, parse
from monitor.releases.query.describe import describe
from monitor.releases.query.values import ANY
from monitor.releases.review import review as doubtful
from monitor.releases.search import recorded_ids
from monitor.web.api import Present, Q, Reading, service_of
from monitor.web.cards import Card, card_response, launch_card
from monitor.web.launches_api import Lab, Month, State
from monitor.web.markdown import launch_text, markdown_response
from monitor.web.render import page
from monitor.web.rewrite import narrowed

router = APIRouter()
LAUNCHES_PER_PAGE = 30
MAX_ANNOUNCEMENTS = 500
"""Announcements on one page; the API has as many as are asked for."""


@router.get("/launches", response_class=HTMLResponse)
def launches(
    request: Request, session: Reading, q: Q = "", cursor: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """The newest launches, or those with a member that matches, and what was announced without weights."""
    seen = coverage(session, service_of(request).settings.hub_interval)
    try:
        query = parse(q)
    except QueryError as problem:
        nothing = {"items": [], "only": [], "number": (0, 0), "members": ""}
        return page(request, "launches", 422, q=q, problem=problem, coverage=seen, **nothing)
    items, following = summarize_launches(
        session, query, limit=LAUNCHES_PER_PAGE, before=parse_cursor(cursor) if cursor else None
    )
    only = list_announcements(session, state=ANNOUNCED, limit=20) if not q and not cursor else []
    return page(
        request, "launches", q=q, problem=None, items=items, next=following, coverage=seen, only=only,
        number=count_launches(session, query), members=narrowed(query, "launch", ANY), words=describe(query),
        recorded_roots=recorded_ids(session, (root for item in items for root in item.roots)),
    )  # fmt: skip


@router.get("/launches/{ident}", response_class=HTMLResponse)
def launch(request: Request, session: Reading, ident: int) -> HTMLResponse:
    """One launch: its members by size, kind and packing."""
    item = _found(session, ident)
    card = _card(request, item)
    shown = item.as_json()
    built_on = (one["repo_id"] for one in shown["built_on"])
    recorded = recorded_ids(session, [*built_on, *measured_against(shown["notable"])])
    return page(
        request,
        "launch",
        launch=item.launch,
        items=item.members,
        launch_object=shown,
        card=card,
        recorded_roots=recorded,
    )


@router.get("/launches/{ident}/card.png")
def card_picture(request: Request, session: Reading, ident: int) -> Response:
    """A launch as the picture of a link preview."""
    return card_response(request, _card(request, _found(session, ident)))


@router.get("/launches/{ident}/launch.md")
def as_markdown(request: Request, session: Reading, ident: int) -> Response:
    """A launch as Markdown, with the table of its members."""
    site = service_of(request).settings.public_url
    return markdown_response(request, launch_text(_found(session, ident), site, request.state.as_of))


def _found(session: Session, ident: int) -> LaunchWithMembers:
    item = get_launch(session, ident)
    if item is None:
        raise HTTPException(404, f"There is no launch {ident}.")
    return item


def _card(request: Request, item: LaunchWithMembers) -> Card:
    return launch_card(item, service_of(request).registry.get(item.launch.publisher))


@router.get("/announcements", response_class=HTMLResponse)
def announced(request: Request, session: Reading, month: Month, lab: Lab = None, state: State = None) -> HTMLResponse:
    """What the labs' feeds announced."""
    items = list_announcements(session, lab=lab, state=state, month=month, limit=MAX_ANNOUNCEMENTS)
    return page(request, "announcements", items=items, lab=lab, state=state, month=month)


@router.get("/review", response_class=HTMLResponse)
def review(request: Request, session: Present) -> HTMLResponse:
    """What is unsure, most followed first."""
    return page(request, "review", items=doubtful(session, LAUNCHES_PER_PAGE))
