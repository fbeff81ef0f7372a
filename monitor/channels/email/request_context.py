"""Shared by the routes: the service behind them, pages for invalid links, and the admin check."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from monitor.channels.email.page_responses import notice
from monitor.channels.email.tokens import TokenError, Tokens
from monitor.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class EmailContext:
    """What a route needs: database engine, settings and tokens."""

    engine: Engine
    settings: Settings
    tokens: Tokens


def email_context(request: Request) -> EmailContext:
    """The context from the application's service; 503 if there is no key to sign links with."""
    service = request.app.state.service
    try:
        return EmailContext(service.web_engine, service.settings, Tokens(*service.settings.signing_keys()))
    except SettingsError as error:
        raise HTTPException(503, str(error)) from None


def guarded(route: Callable[..., Response]) -> Callable[..., Response]:
    """Answers an invalid or expired link with a page that says what to do."""

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
            "Confirmation links are valid for 48 hours, undo links for 24 hours, preferences links for 180 days.",
            "Use the link in your latest email, or sign up again.",
            status=410,
            link=("/subscribe", "Sign up"),
        )
    return notice(
        request,
        "This link does not work",
        "The link is invalid, or your email program has cut it off.",
        "Copy the whole link from the email, from https:// to its end.",
        status=400,
        link=("/subscribe", "Sign up"),
    )


def gone(request: Request) -> Response:
    """The page for a deleted subscription."""
    return notice(
        request,
        "This subscription has ended",
        "It was ended or deleted after this email was sent. You get no more email from it.",
        status=410,
        link=("/subscribe", "Sign up again"),
    )
