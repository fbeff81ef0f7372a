"""Pages to unsubscribe and to change alerts, reached by signed links in emails. Every change is a POST."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlmodel import Session

from monitor.channels.email import phrases, request_context, signup
from monitor.channels.email.form_fields import Fields, Form, alert_preferences, last_value
from monitor.channels.email.page_responses import notice, page
from monitor.channels.email.personal_data import delete_personal_data, export_personal_data
from monitor.channels.email.request_context import EmailContext, email_context, guarded
from monitor.channels.email.signup import (
    MAX_SUBSCRIPTIONS_PER_ADDRESS,
    unsubscribed_at,
)
from monitor.channels.email.suppression import hold_deliveries, postpone_deliveries, subscriptions_of, suppressed
from monitor.channels.email.tokens import Purpose
from monitor.channels.formatting import cut_words, describe_wanted
from monitor.db.engine import reading, transaction
from monitor.models import Subscription
from monitor.notify.subscriptions import BY_OPERATOR, SubscriptionError, change, describe_subscription, pause, resume

router = APIRouter(include_in_schema=False)
PAUSED = "by the subscriber"


# --- unsubscribe ----------------------------------------------------------------------------------------------


@router.get("/unsubscribe/{token}", response_class=HTMLResponse)
@guarded
def unsubscribe_page(request: Request, token: str) -> Response:
    """The page that asks to confirm unsubscribing."""
    context = email_context(request)
    claim = context.tokens.read(Purpose.UNSUBSCRIBE, token)
    with reading(context.engine) as session:
        found = session.get(Subscription, claim.subscription_id)
    if found is None or unsubscribed_at(found) is not None:
        return _unsubscribed_page(request, context, claim.subscription_id, undoable=found is not None)
    return notice(
        request,
        "Unsubscribe from these emails?",
        f"Email alerts to {found.target}, {phrases.how_often(found)}, about:",
        quote="every release" if describe_wanted(found) == "everything" else describe_wanted(found),
        action=f"/unsubscribe/{token}",
        label="Unsubscribe",
    )


@router.post("/unsubscribe/{token}", response_class=HTMLResponse)
@guarded
def unsubscribe(request: Request, token: str) -> Response:
    """Unsubscribes with one request, without a session and whatever the body says (RFC 8058)."""
    context = email_context(request)
    claim = context.tokens.read(Purpose.UNSUBSCRIBE, token)
    with transaction(context.engine) as session:
        found = signup.unsubscribe(session, claim.subscription_id)
    return _unsubscribed_page(request, context, claim.subscription_id, undoable=found is not None)


def _unsubscribed_page(request: Request, context: EmailContext, ident: str, *, undoable: bool) -> Response:
    if not undoable:
        return notice(request, "You are not subscribed", "You get no email from this subscription.")
    undo_token = context.tokens.make(Purpose.UNDO, ident)
    return notice(
        request,
        "You are unsubscribed",
        "You get no more email from this subscription.",
        "If someone you forwarded an email to unsubscribed you, undo it within 24 hours; no alert is lost.",
        action=f"/unsubscribe/undo/{undo_token}",
        label="Undo",
    )


@router.post("/unsubscribe/undo/{token}", response_class=HTMLResponse)
@guarded
def undo_unsubscribe(request: Request, token: str) -> Response:
    """Undoes unsubscribing."""
    context = email_context(request)
    claim = context.tokens.read(Purpose.UNDO, token)
    with transaction(context.engine) as session:
        found = signup.undo_unsubscribe(session, claim.subscription_id)
    if found is None:
        return request_context.gone(request)
    return notice(request, "You are subscribed again", "Alerts from the meantime are sent now.")


# --- preferences ---------------------------------------------------------------------------------------------


@router.get("/preferences/{token}", response_class=HTMLResponse)
@guarded
def preferences_page(request: Request, token: str) -> Response:
    """All subscriptions of the address."""
    return _page(request, token)


@router.get("/preferences/{token}/data.json")
@guarded
def export_data(request: Request, token: str) -> Response:
    """Everything stored about the address, as JSON."""
    context = email_context(request)
    with reading(context.engine) as session:
        mine = _mine(session, context, token)
        if mine is None:
            return request_context.gone(request)
        headers = {"Content-Disposition": 'attachment; filename="my-data.json"', "Cache-Control": "no-store"}
        return JSONResponse(export_personal_data(session, mine.target.lower()), headers=headers)


@router.post("/preferences/{token}", response_class=HTMLResponse)
@guarded
def update_preferences(request: Request, token: str, form: Form) -> Response:
    """Performs the action of the pressed button on its subscription."""
    context = email_context(request)
    action = last_value(form, "action")
    try:
        with transaction(context.engine) as session:
            mine = _mine(session, context, token)
            if mine is None:
                return request_context.gone(request)
            if action == "forget":
                return _delete_personal_data(request, session, mine, form)
            done = _add(session, mine, form) if action == "add" else _change(session, mine, action, form)
    except SubscriptionError as error:
        return _page(request, token, problem=str(error), status=422)
    return _page(request, token, done=done)


def _page(
    request: Request, token: str, *, done: str | None = None, problem: str | None = None, status: int = 200
) -> Response:
    context = email_context(request)
    with reading(context.engine) as session:
        mine = _mine(session, context, token)
        if mine is None:
            return request_context.gone(request)
        address = mine.target.lower()
        rows = [
            (row, unsubscribed_at(row) is not None, _resumable(session, row), cut_words(describe_subscription(row)))
            for row in subscriptions_of(session, address)
        ]
    values = {"token": token, "address": address, "rows": rows, "done": done, "problem": problem}
    return page(request, "preferences", status, **values, paused_by_you=PAUSED)


def _mine(session: Session, context: EmailContext, token: str) -> Subscription | None:
    return session.get(Subscription, context.tokens.read(Purpose.PREFERENCES, token).subscription_id)


def _change(session: Session, mine: Subscription, action: str, form: Fields) -> str:
    chosen = last_value(form, "id")
    row = next((row for row in subscriptions_of(session, mine.target.lower()) if row.id == chosen), None)
    if row is None:
        raise SubscriptionError("id", "this subscription no longer exists")
    actions: dict[str, Callable[[Session, Subscription, Fields], str]] = {
        "change": _change_preferences,
        "pause": _pause,
        "resume": _resume,
        "unsubscribe": _unsubscribe,
    }
    if action not in actions:
        raise SubscriptionError("action", f"one of {', '.join(actions)}, add, forget expected")
    done = actions[action](session, row, form)
    session.add(row)
    return done


def _change_preferences(session: Session, row: Subscription, form: Fields) -> str:
    wanted = alert_preferences(form)
    wish = {"when": wanted.when} if row.when is not None and wanted.when else {"filter": wanted.filter}
    change(row, **wish, digest=wanted.digest, timezone=wanted.timezone, hour=wanted.hour)
    postpone_deliveries(session, row)
    return "Changed."


def _pause(session: Session, row: Subscription, form: Fields) -> str:
    if not row.paused:
        pause(row, PAUSED)
        hold_deliveries(session, row.id, PAUSED)
    return "Paused. Releases from this time are not sent later."


def _resume(session: Session, row: Subscription, form: Fields) -> str:
    if row.paused and unsubscribed_at(row) is not None:
        signup.undo_unsubscribe(session, row.id)
        if row.paused:
            return "You are subscribed again; the operator of this monitor has paused this subscription."
    elif row.paused:
        if not _resumable(session, row):
            raise SubscriptionError("id", "this subscription cannot be resumed here; sign up again")
        resume(row)
    return "Resumed."


def _resumable(session: Session, row: Subscription) -> bool:
    return row.paused and row.paused_because != BY_OPERATOR and suppressed(session, row.target.lower()) is None


def _unsubscribe(session: Session, row: Subscription, form: Fields) -> str:
    signup.unsubscribe(session, row.id)
    return "Unsubscribed. You can undo this here for 24 hours."


def _add(session: Session, mine: Subscription, form: Fields) -> str:
    address = mine.target.lower()
    if len(subscriptions_of(session, address)) >= MAX_SUBSCRIPTIONS_PER_ADDRESS:
        raise SubscriptionError("id", f"an address can have at most {MAX_SUBSCRIPTIONS_PER_ADDRESS} subscriptions")
    if not mine.confirmed or suppressed(session, address) is not None:
        raise SubscriptionError("id", "this address is not confirmed; sign up again")
    row = signup.save_subscription(session, address, alert_preferences(form), confirmed=True)
    row.confirmed = True
    session.add(row)
    return "Added." if not row.paused else _resume(session, row, form)


def _delete_personal_data(request: Request, session: Session, mine: Subscription, form: Fields) -> Response:
    if last_value(form, "sure") != "yes":
        raise SubscriptionError("sure", "tick the box to confirm")
    delete_personal_data(session, mine.target.lower())
    return notice(
        request,
        "Your data is deleted",
        "We deleted your subscriptions, their sent alerts, and your address.",
        "If emails to you bounced or were reported as spam, we keep your address only to never email it again.",
    )
