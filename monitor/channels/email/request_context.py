"""What the routes share: the service behind them, pages for links that do not count, and who may report."""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from monitor.channels.email.page_responses import notice
from monitor.channels.email.tokens import TokenError, Tokens
from monitor.models import Subscription
from monitor.settings import Settings, SettingsError

_HOW_OFTEN = {"immediate": "at once", "hourly": "every hour", "daily": "every day", "weekly": "every Monday"}


@dataclass(frozen=True, slots=True)
class EmailContext:
    """What a route works with."""

    engine: Engine
    settings: Settings
    tokens: Tokens


def email_context(request: Request) -> EmailContext:
    """From the service behind the application; 503 where there is no key to sign links with."""
    service = request.app.state.service
    try:
        return EmailContext(service.web_engine, service.settings, Tokens(*service.settings.signing_keys()))
    except SettingsError as error:
        raise HTTPException(503, str(error)) from None


def guarded(route: Callable[..., Response]) -> Callable[..., Response]:
    """Turns a link that does not count into a page that says what to do."""

    @functools.wraps(route)
    def answer(request: Request, *args: object, **kwargs: object) -> Response:
        try:
            return route(request, *args, **kwargs)
        except TokenError as error:
            return _refused(request, error)

    return answer


def _refused(request: Request, error: TokenError) -> Response:
    if error.expired:
        return notice(
            request,
            "This link has expired",
            "Links to confirm last 48 hours, links to undo 24 hours, links to preferences 180 days.",
            "Use the one in your newest email, or sign up again: it costs one more email.",
            status=410,
            link=("/subscribe", "Sign up"),
        )
    return notice(
        request,
        "This link does not work",
        "It is not one of ours, it is for something else, or the mail program has cut it.",
        "Copy it whole from the email, from https:// to its end.",
        status=400,
        link=("/subscribe", "Sign up"),
    )


def gone(request: Request) -> Response:
    """The page for a subscription that was there once."""
    return notice(
        request,
        "This subscription is over",
        "It was ended or deleted after this email was written, so no emails come from it.",
        status=410,
        link=("/subscribe", "Sign up again"),
    )


def how_often(subscription: Subscription) -> str:
    """``every day at 08:00 (Europe/Paris)``."""
    line = _HOW_OFTEN.get(subscription.digest, subscription.digest)
    if subscription.digest in {"daily", "weekly"}:
        return f"{line} at {subscription.hour:02d}:00 ({subscription.timezone})"
    return line


def administrator(request: Request, context: EmailContext) -> None:
    """Refuses whoever does not bear the admin token: 403 where none is set, 401 for a wrong one."""
    token = context.settings.admin_token
    if token is None:
        raise HTTPException(403, "MONITOR_ADMIN_TOKEN is not set, so reports are not taken")
    borne = request.headers.get("authorization", "")
    if not hmac.compare_digest(f"Bearer {token.get_secret_value()}".encode(), borne.encode()):
        raise HTTPException(401, "a bearer token is needed, the one of MONITOR_ADMIN_TOKEN")
