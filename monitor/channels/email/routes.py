"""Sign-up and confirmation: API and pages. No GET changes anything, because link scanners follow every link."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitor.channels.admin_token import BearerToken, require_admin_token
from monitor.channels.email import bounces, phrases, preferences, request_context, signup
from monitor.channels.email.confirmations import TooManyRequestsError
from monitor.channels.email.form_fields import (
    MAX_REPORT_BYTES,
    Body,
    Fields,
    Form,
    alert_preferences,
    client_of,
    filter_of,
    last_value,
)
from monitor.channels.email.page_responses import PACKAGE_DIR, notice, page
from monitor.channels.email.preview import Preview, preview
from monitor.channels.email.request_context import EmailContext, email_context
from monitor.channels.email.signup import MAX_FILTER_CHARS, AlertPreferences
from monitor.channels.email.tokens import Purpose
from monitor.channels.formatting import describe_wanted
from monitor.channels.request_body import described_body, read_limited_body
from monitor.db.engine import reading, transaction
from monitor.enums import Digest
from monitor.models import Subscription
from monitor.notify.subscriptions import SubscriptionError
from monitor.problems import refusals

router = APIRouter()
pages = APIRouter(include_in_schema=False)

ANSWER = (
    "If this address can receive email, a confirmation email is on its way. You get no alerts until you follow its "
    "link and confirm. At most one confirmation email is sent in 10 minutes."
)
"""The same for every address, known or not."""


class NewEmailSubscription(BaseModel):
    """The body of a sign-up request."""

    model_config = ConfigDict(extra="forbid")
    email: str = Field(max_length=254)
    filter: str = Field("", max_length=MAX_FILTER_CHARS)
    when: str = Field("", max_length=MAX_FILTER_CHARS)
    digest: Digest = Digest.IMMEDIATE
    timezone: str = Field("UTC", max_length=64)
    hour: int = Field(8, ge=0, le=23)


class Accepted(BaseModel):
    """The answer to a sign-up, the same for every address."""

    status: Literal["accepted"]
    message: str


class BounceResult(BaseModel):
    """What a returned email led to: ``suppressed`` and ``counted`` are of its address; ``ignored``: not one of ours."""

    status: Literal["suppressed", "counted", "unsubscribed", "ignored"]


@router.post(
    "/api/v1/email/subscriptions",
    status_code=202,
    tags=["email"],
    operation_id="subscribe_by_email",
    response_model=Accepted,
    openapi_extra=described_body(NewEmailSubscription),
    responses=refusals(400, 408, 413, 429),
)
def subscribe(request: Request, body: Body) -> dict[str, str]:
    """Signs up for email alerts: sends a confirmation email. The response is the same for every address."""
    try:
        wanted = NewEmailSubscription.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else "body"
        raise SubscriptionError(field, str(first["msg"])) from None
    _sign_up(request, wanted.email, AlertPreferences(**wanted.model_dump(exclude={"email"})))
    return {"status": "accepted", "message": ANSWER}


def _sign_up(request: Request, email: str, wanted: AlertPreferences) -> None:
    context = email_context(request)
    if context.settings.smtp_url is None:
        raise HTTPException(503, "this monitor cannot send email: MONITOR_SMTP_URL is not set")
    try:
        signup.sign_up(context.engine, email, wanted, context.tokens.digest(client_of(request)))
    except TooManyRequestsError as error:
        raise HTTPException(429, str(error), headers={"Retry-After": str(error.wait_seconds)}) from None


@pages.get("/subscribe", response_class=HTMLResponse)
def subscribe_page(
    request: Request,
    filter: str = "",  # noqa: A002 - names in the address
    when: str = "",
    digest: str = "",
) -> Response:
    """The sign-up page, for a filter, a trigger or a digest."""
    fields = {"filter": [filter[:MAX_FILTER_CHARS]], "when": [when[:MAX_FILTER_CHARS]]}
    return _subscribe_page(request, fields | ({"digest": [digest]} if digest in list(Digest) else {}))


def _subscribe_page(request: Request, fields: Fields, problem: str | None = None, field: str | None = None) -> Response:
    context = email_context(request)
    values: dict[str, Any] = {
        "form": {name: list(values) for name, values in fields.items()},
        "problem": problem,
        "wrong": field,
        "sends": context.settings.smtp_url is not None,
        "found": _preview(request, fields),
    }
    return page(request, "subscribe", 200 if problem is None else 422, **values)


def _preview(request: Request, fields: Fields) -> Preview:
    engine, when = request.app.state.service.read_engine, last_value(fields, "when")
    return preview(engine, filter_of(fields), when, last_value(fields, "digest"))


@pages.get("/subscribe/preview", response_class=HTMLResponse)
def preview_fragment(request: Request, filter: Annotated[str, Query()] = "") -> Response:  # noqa: A002
    """The preview of a filter, as a fragment of the page."""
    fields: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        fields.setdefault(name, []).append(value)
    found = _preview(request, fields)
    too_long = len(filter) > MAX_FILTER_CHARS
    return page(request, "preview", 422 if too_long else 200, found=found)


@pages.get("/subscribe/form.css")
def stylesheet() -> FileResponse:
    """The stylesheet of the forms."""
    return FileResponse(PACKAGE_DIR / "static" / "form.css", media_type="text/css")


@pages.post("/subscribe", response_class=HTMLResponse)
def submit_form(request: Request, form: Form) -> Response:
    """Signs up from the page. Requests that fill in the hidden field (bots) are ignored with the same response."""
    if not last_value(form, "website"):
        try:
            _sign_up(request, last_value(form, "email"), alert_preferences(form))
        except SubscriptionError as error:
            return _subscribe_page(request, form, str(error), error.field)
    return notice(request, "Check your inbox", ANSWER, status=202)


@pages.get("/confirm/{token}", response_class=HTMLResponse)
@request_context.guarded
def confirm_page(request: Request, token: str) -> Response:
    """The page that asks to confirm the subscription."""
    context = email_context(request)
    claim = context.tokens.read(Purpose.CONFIRM, token)
    with reading(context.engine) as session:
        found = session.get(Subscription, claim.subscription_id)
        if found is None:
            return request_context.gone(request)
        return notice(
            request,
            "Confirm your email alerts",
            f"To {found.target}, {phrases.how_often(found)}, about:",
            quote=describe_wanted(found) if found.when or found.filter else "every release",
            action=f"/confirm/{token}",
            label="Confirm",
        )


@pages.post("/confirm/{token}", response_class=HTMLResponse)
@request_context.guarded
def confirm(request: Request, token: str) -> Response:
    """Confirms the subscription. Repeating it changes nothing and returns the same page."""
    context = email_context(request)
    claim = context.tokens.read(Purpose.CONFIRM, token)
    with transaction(context.engine) as session:
        found = signup.confirm(session, claim)
    if found is None:
        return request_context.gone(request)
    manage = context.tokens.make(Purpose.PREFERENCES, found.id)
    return notice(
        request,
        "Your alerts are confirmed",
        f"Alerts are sent to {found.target}, {phrases.how_often(found)}.",
        "Each email has links to change your alerts and to unsubscribe.",
        link=(f"/preferences/{manage}", "Change your alerts"),
    )


def _admin_context(request: Request, token: BearerToken) -> EmailContext:
    context = email_context(request)
    require_admin_token(context.settings, token, "reports are not accepted")
    return context


AdminContext = Annotated[EmailContext, Depends(_admin_context)]


async def _report(request: Request, _: AdminContext) -> bytes:
    """The returned message, read only with the admin token; 413 beyond 8 MiB."""
    return await read_limited_body(request, MAX_REPORT_BYTES)


@router.post(
    "/hooks/email/bounce",
    tags=["email"],
    operation_id="report_bounce",
    response_model=BounceResult,
    responses=refusals(401, 403, 408, 413, 429),
    openapi_extra={"requestBody": {"content": {"message/rfc822": {"schema": {"type": "string"}}}, "required": True}},
)
def bounced(context: AdminContext, body: Annotated[bytes, Depends(_report)]) -> JSONResponse:
    """Processes a raw returned email: a delivery report, complaint or unsubscribe email (with the admin token)."""
    return JSONResponse({"status": bounces.process_bounce(context.engine, context.tokens, body)})


router.include_router(pages)
router.include_router(preferences.router)
