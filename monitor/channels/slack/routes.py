"""HTTP routes for Slack. Each responds at once (Slack waits three seconds) and works in the background."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, BackgroundTasks, Cookie, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from monitor.channels.page_templates import ChannelPages
from monitor.channels.slack import installs, interactions, oauth
from monitor.channels.slack.api import post_to_webhook, webhook_client
from monitor.channels.slack.commands import Command, handle_command
from monitor.channels.slack.replies import text_reply
from monitor.channels.slack.request_verification import (
    SlackContext,
    command_body,
    signed_body,
)
from monitor.channels.slack.subscriptions import ChannelRef
from monitor.db.engine import transaction
from monitor.notify.message import SendError
from monitor.settings import SettingsError

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/slack", tags=["slack"], include_in_schema=False)

_PAGES = ChannelPages(Path(__file__).parent / "pages")
COOKIE = "slack_install"
Signed = Annotated[bytes, Depends(signed_body)]


# --- commands and clicks ----------------------------------------------------------------------------------


@router.post("/commands")
def command(
    request: Request, body: Annotated[bytes | None, Depends(command_body)], background: BackgroundTasks
) -> Response:
    """``/hub …``: responds with the reply, or with 200 and posts the reply to the response_url."""
    if body is None:
        return Response(status_code=200)
    form = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    channel = ChannelRef(form.get("team_id", ""), form.get("channel_id", ""), form.get("channel_name", ""))
    if not channel.team or not channel.id:
        raise HTTPException(422, "expected team_id and channel_id")
    context = SlackContext.of(request)
    found = handle_command(context, Command.parse(channel, form.get("text", "")))
    if not callable(found):
        return JSONResponse(found)
    background.add_task(_run_and_reply, form.get("response_url"), found, context)
    return Response(status_code=200)


@router.post("/interactions")
def interaction(request: Request, body: Signed, background: BackgroundTasks) -> Response:
    """Handles a click or a submitted modal."""

    payload = _payload(body)
    context = SlackContext.of(request)
    shown: dict[str, Any] | None = None
    work: Callable[[], dict[str, Any] | None] | None = None
    if payload.get("type") == "block_actions":
        work = interactions.handle_click(context, payload)
    elif payload.get("type") == "view_submission":
        shown, work = interactions.handle_submission(context, payload)
    if work is not None:
        background.add_task(_run_and_reply, interactions.response_url(payload), work, context)
    return JSONResponse(shown) if shown is not None else Response(status_code=200)


def _payload(body: bytes) -> dict[str, Any]:
    text = parse_qs(body.decode("utf-8", "replace")).get("payload", ["null"])[-1]
    return _json_object(text)


def _json_object(text: str | bytes) -> dict[str, Any]:
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise HTTPException(422, "expected a JSON object")
    return payload


def _run_and_reply(url: str | None, work: Callable[[], dict[str, Any] | None], context: SlackContext) -> None:
    """Runs ``work`` and posts its reply, or an error message, to the response_url."""

    try:
        # Asked before any transaction: Slack may take seconds to answer.
        with suppress(SendError):
            context.transport.own_team()
        found = work()
    except Exception:
        log.exception("Slack command failed")
        found = text_reply("Something went wrong. Please try again; details are in the monitor's log.")
    if found is None or not url:
        return
    try:
        post_to_webhook(webhook_client(url), found)
    except SendError as error:
        log.warning("Slack rejected a reply", error=str(error))


# --- events -----------------------------------------------------------------------------------------------


@router.post("/events")
def event(request: Request, body: Signed) -> Response:
    """Handles events: URL verification and workspaces that remove the app."""

    payload = _json_object(body)
    if payload.get("type") == "url_verification":
        return JSONResponse({"challenge": str(payload.get("challenge", ""))})
    details = payload.get("event") if isinstance(payload.get("event"), dict) else {}
    kind, team = (details or {}).get("type"), str(payload.get("team_id", ""))
    revoked = kind == "tokens_revoked" and bool(((details or {}).get("tokens") or {}).get("bot"))
    if kind == "app_uninstalled" or revoked:
        with transaction(SlackContext.of(request).engine) as session:
            paused = installs.remove_installation(
                session, team, "the workspace removed the app: install it again to resume"
            )
        log.info("Slack workspace removed the app", team=team, paused=paused)
    return Response(status_code=200)


# --- adding the app ---------------------------------------------------------------------------------------


@router.get("/install")
def install(request: Request) -> Response:
    """ "Add to Slack": redirects to Slack's permission page."""

    context = SlackContext.of(request)
    try:
        url, nonce = oauth.start_installation(context)
    except SettingsError as error:
        raise HTTPException(503, f"Adding the app to Slack is not set up: {error}") from None
    answer = RedirectResponse(url, 302)
    secure = context.settings.public_url.startswith("https://")
    answer.set_cookie(
        COOKIE, nonce, max_age=oauth.STATE_MAX_AGE_SECONDS, path="/slack", secure=secure, httponly=True, samesite="lax"
    )
    return answer


@router.get("/oauth_redirect", response_class=HTMLResponse)
def oauth_redirect(
    request: Request,
    code: str = "",
    state: str = "",
    error: str = "",
    slack_install: Annotated[str, Cookie()] = "",
) -> Response:
    """Handles the redirect from Slack, with a code or an error."""

    if error or not code:
        return _page(request, 400, "Not added", "Permission was not granted. Nothing was changed.")
    try:
        team = oauth.complete_installation(SlackContext.of(request), code[:500], state, slack_install)
    except oauth.StateError as problem:
        return _page(request, 400, "Not added", f"{str(problem).capitalize()}. Start again at /slack/install.")
    except SettingsError as problem:
        raise HTTPException(503, str(problem)) from None
    except SendError as problem:
        return _page(request, 502, "Not added", f"Slack refused: {problem}. Start again at /slack/install.")
    answer = _page(
        request,
        200,
        f"Added to {team}",
        "In any channel, type /hub subscribe and a query, for example origin:CN kind:base.",
    )
    answer.delete_cookie(COOKIE, path="/slack")
    return answer


def _page(request: Request, status: int, title: str, *lines: str) -> HTMLResponse:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    context = {"title": title, "lines": lines}
    return _PAGES.render(request, "slack", context, status, headers)
