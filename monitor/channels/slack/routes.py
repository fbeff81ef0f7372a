"""The routes that Slack calls. Each answers at once (Slack waits three seconds) and works afterwards.

This module is imported with the web, so it imports no slack-sdk: what works comes with the first request.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, BackgroundTasks, Cookie, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from monitor.channels.page_templates import ChannelPages
from monitor.notify.message import SendError
from monitor.settings import SettingsError

if TYPE_CHECKING:
    from monitor.channels.slack.request_verification import House

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/slack", tags=["slack"], include_in_schema=False)

_PAGES = ChannelPages(Path(__file__).parent / "pages")
COOKIE = "slack_install"


async def _signed(request: Request) -> bytes:
    from monitor.channels.slack.request_verification import signed_body

    return await signed_body(request)


def _house(request: Request) -> House:
    from monitor.channels.slack.request_verification import house_of

    return house_of(request)


Signed = Annotated[bytes, Depends(_signed)]


# --- commands and clicks ----------------------------------------------------------------------------------


@router.post("/commands")
def command(request: Request, body: Signed, background: BackgroundTasks) -> Response:
    """``/hub …``: an answer, or 200 at once and the answer to the response_url."""
    from monitor.channels.slack.commands import Command, answer
    from monitor.channels.slack.subscriptions import Room

    form = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    room = Room(form.get("team_id", ""), form.get("channel_id", ""), form.get("channel_name", ""))
    if not room.team or not room.channel:
        raise HTTPException(422, "team_id and channel_id expected")
    house = _house(request)
    found = answer(house, Command.of(room, form.get("text", "")))
    if not callable(found):
        return JSONResponse(found)
    background.add_task(_later, form.get("response_url"), found)
    return Response(status_code=200)


@router.post("/interactions")
def interaction(request: Request, body: Signed, background: BackgroundTasks) -> Response:
    """A click or a modal."""
    from monitor.channels.slack import interactions

    payload = _payload(body)
    house = _house(request)
    shown: dict[str, Any] | None = None
    work: Callable[[], dict[str, Any] | None] | None = None
    if payload.get("type") == "block_actions":
        work = interactions.clicked(house, payload)
    elif payload.get("type") == "view_submission":
        shown, work = interactions.submitted(house, payload)
    if work is not None:
        background.add_task(_later, interactions.response_url(payload), work)
    return JSONResponse(shown) if shown is not None else Response(status_code=200)


def _payload(body: bytes) -> dict[str, Any]:
    text = parse_qs(body.decode("utf-8", "replace")).get("payload", ["null"])[-1]
    return _object(text)


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise HTTPException(422, "a JSON object expected")
    return payload


def _later(url: str | None, work: Callable[[], dict[str, Any] | None]) -> None:
    """Works, and answers to the response_url; what goes wrong is told there, too."""
    from monitor.channels.slack.api import hand_in, webhook_client
    from monitor.channels.slack.replies import said

    try:
        found = work()
    except Exception:
        log.exception("a command from Slack failed")
        found = said("Something went wrong here; it is in the log. Try again in a moment.")
    if found is None or not url:
        return
    try:
        hand_in(webhook_client(url), found)
    except SendError as error:
        log.warning("Slack did not take an answer", error=str(error))


# --- events -----------------------------------------------------------------------------------------------


@router.post("/events")
def event(request: Request, body: Signed) -> Response:
    """An event: Slack's check of the address, and workspaces that take the app away."""
    from monitor.channels.slack import installs
    from monitor.db.engine import transaction

    payload = _object(body)
    if payload.get("type") == "url_verification":
        return JSONResponse({"challenge": str(payload.get("challenge", ""))})
    told = payload.get("event") if isinstance(payload.get("event"), dict) else {}
    kind, team = (told or {}).get("type"), str(payload.get("team_id", ""))
    revoked = kind == "tokens_revoked" and bool(((told or {}).get("tokens") or {}).get("bot"))
    if kind == "app_uninstalled" or revoked:
        with transaction(_house(request).engine) as session:
            paused = installs.remove(session, team, "the workspace has removed the app: add it again to go on")
        log.info("a workspace has removed the app", team=team, paused=paused)
    return Response(status_code=200)


# --- adding the app ---------------------------------------------------------------------------------------


@router.get("/install")
def install(request: Request) -> Response:
    """ "Add to Slack": on to Slack, which asks for leave."""
    from monitor.channels.slack import oauth

    house = _house(request)
    try:
        url, nonce = oauth.begin(house)
    except SettingsError as error:
        raise HTTPException(503, f"This monitor cannot be added to Slack: {error}") from None
    answer = RedirectResponse(url, 302)
    secure = house.settings.public_url.startswith("https://")
    answer.set_cookie(COOKIE, nonce, max_age=oauth.LASTS, path="/slack", secure=secure, httponly=True, samesite="lax")
    return answer


@router.get("/oauth_redirect", response_class=HTMLResponse)
def oauth_redirect(
    request: Request,
    code: str = "",
    state: str = "",
    error: str = "",
    slack_install: Annotated[str, Cookie()] = "",
) -> Response:
    """Back from Slack, with a code or with a refusal."""
    from monitor.channels.slack import oauth

    if error or not code:
        return _page(request, 400, "Not added", "Slack was not given leave. Nothing was changed.")
    try:
        team = oauth.finish(_house(request), code[:500], state, slack_install)
    except oauth.StateError as problem:
        return _page(request, 400, "Not added", f"{str(problem).capitalize()}. Begin again at /slack/install.")
    except SettingsError as problem:
        raise HTTPException(503, str(problem)) from None
    except SendError as problem:
        return _page(request, 502, "Not added", f"Slack refused: {problem}. Begin again at /slack/install.")
    answer = _page(
        request, 200, f"Added to {team}", "In any channel, type /hub subscribe and a query, like origin:CN kind:base."
    )
    answer.delete_cookie(COOKIE, path="/slack")
    return answer


def _page(request: Request, status: int, title: str, *lines: str) -> HTMLResponse:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    context = {"title": title, "lines": lines}
    return _PAGES.render(request, "slack", context, status, headers)
