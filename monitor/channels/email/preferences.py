"""Leaving and changing: each page is reached by a signed link from a letter, each change is a POST."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlmodel import Session

from monitor.channels.email import links, signup
from monitor.channels.email.forms import Fields, Form, one, terms
from monitor.channels.email.links import House, guarded, house_of
from monitor.channels.email.show import notice, page
from monitor.channels.email.signup import MOST_SUBSCRIPTIONS, OPERATOR, exported, forget, left_at
from monitor.channels.email.suppression import hold, of_address, postpone, suppressed
from monitor.channels.email.tokens import Purpose
from monitor.db.engine import reading, transaction
from monitor.models import Subscription
from monitor.notify.subscriptions import SubscriptionError, change, pause, resume

router = APIRouter(include_in_schema=False)
PAUSED = "by the subscriber"


# --- leaving ----------------------------------------------------------------------------------------------


@router.get("/unsubscribe/{token}", response_class=HTMLResponse)
@guarded
def ask(request: Request, token: str) -> Response:
    """What would end, and one button."""
    house = house_of(request)
    claim = house.tokens.read(Purpose.UNSUBSCRIBE, token)
    with reading(house.engine) as session:
        found = session.get(Subscription, claim.subscription_id)
    if found is None or left_at(found) is not None:
        return _left(request, house, claim.subscription_id, undoable=found is not None)
    return notice(
        request,
        "Unsubscribe from these emails?",
        f"Email alerts to {found.target}, {links.how_often(found)}, about:",
        quote=found.filter or "every release",
        action=f"/unsubscribe/{token}",
        label="Unsubscribe",
    )


@router.post("/unsubscribe/{token}", response_class=HTMLResponse)
@guarded
def leave(request: Request, token: str) -> Response:
    """Unsubscribes: one click, no session, no question, whatever the body says (RFC 8058)."""
    house = house_of(request)
    claim = house.tokens.read(Purpose.UNSUBSCRIBE, token)
    with transaction(house.engine) as session:
        found = signup.unsubscribe(session, claim.subscription_id)
    return _left(request, house, claim.subscription_id, undoable=found is not None)


def _left(request: Request, house: House, ident: str, *, undoable: bool) -> Response:
    if not undoable:
        return notice(request, "You are not subscribed", "No letters come from this subscription.")
    undo_token = house.tokens.make(Purpose.UNDO, ident)
    return notice(
        request,
        "You are unsubscribed",
        "No more letters come from this subscription.",
        "Was it someone to whom you forwarded a letter? It can be undone for 24 hours, and nothing is lost.",
        action=f"/unsubscribe/undo/{undo_token}",
        label="Undo",
    )


@router.post("/unsubscribe/undo/{token}", response_class=HTMLResponse)
@guarded
def undo(request: Request, token: str) -> Response:
    """Takes it back."""
    house = house_of(request)
    claim = house.tokens.read(Purpose.UNDO, token)
    with transaction(house.engine) as session:
        found = signup.undo(session, claim.subscription_id)
    if found is None:
        return links.gone(request)
    return notice(request, "You are subscribed again", "What came meanwhile is sent now.")


# --- changing ---------------------------------------------------------------------------------------------


@router.get("/preferences/{token}", response_class=HTMLResponse)
@guarded
def preferences(request: Request, token: str) -> Response:
    """All subscriptions of the address."""
    return _page(request, token)


@router.get("/preferences/{token}/data.json")
@guarded
def data(request: Request, token: str) -> Response:
    """Everything that is kept about the address."""
    house = house_of(request)
    with reading(house.engine) as session:
        mine = _mine(session, house, token)
        if mine is None:
            return links.gone(request)
        headers = {"Content-Disposition": 'attachment; filename="my-data.json"', "Cache-Control": "no-store"}
        return JSONResponse(exported(session, mine.target.lower()), headers=headers)


@router.post("/preferences/{token}", response_class=HTMLResponse)
@guarded
def decide(request: Request, token: str, form: Form) -> Response:
    """Does what the pressed button says, to the subscription that it stands beside."""
    house = house_of(request)
    action = one(form, "action")
    try:
        with transaction(house.engine) as session:
            mine = _mine(session, house, token)
            if mine is None:
                return links.gone(request)
            if action == "forget":
                return _forget(request, session, mine, form)
            told = _add(session, mine, form) if action == "add" else _change(session, mine, action, form)
    except SubscriptionError as error:
        return _page(request, token, problem=str(error), status=422)
    return _page(request, token, told=told)


def _page(
    request: Request, token: str, *, told: str | None = None, problem: str | None = None, status: int = 200
) -> Response:
    house = house_of(request)
    with reading(house.engine) as session:
        mine = _mine(session, house, token)
        if mine is None:
            return links.gone(request)
        address = mine.target.lower()
        rows = [(row, left_at(row) is not None, _resumable(session, row)) for row in of_address(session, address)]
    context = {"token": token, "address": address, "rows": rows, "told": told, "problem": problem}
    return page(request, "preferences", status, **context, paused_by_you=PAUSED)


def _mine(session: Session, house: House, token: str) -> Subscription | None:
    return session.get(Subscription, house.tokens.read(Purpose.PREFERENCES, token).subscription_id)


def _change(session: Session, mine: Subscription, action: str, form: Fields) -> str:
    chosen = one(form, "id")
    row = next((row for row in of_address(session, mine.target.lower()) if row.id == chosen), None)
    if row is None:
        raise SubscriptionError("id", "this subscription is not there any more")
    actions: dict[str, Callable[[Session, Subscription, Fields], str]] = {
        "change": _terms,
        "pause": _pause,
        "resume": _resume,
        "unsubscribe": _unsubscribe,
    }
    if action not in actions:
        raise SubscriptionError("action", f"one of {', '.join(actions)}, add, forget expected")
    told = actions[action](session, row, form)
    session.add(row)
    return told


def _terms(session: Session, row: Subscription, form: Fields) -> str:
    wish = terms(form)
    change(row, filter=wish.filter, digest=wish.digest, timezone=wish.timezone, hour=wish.hour)
    postpone(session, row)
    return "Changed."


def _pause(session: Session, row: Subscription, form: Fields) -> str:
    if not row.paused:
        pause(row, PAUSED)
        hold(session, row.id, PAUSED)
    return "Paused: nothing is kept for later."


def _resume(session: Session, row: Subscription, form: Fields) -> str:
    if row.paused and left_at(row) is not None:
        signup.undo(session, row.id)
    elif row.paused:
        if not _resumable(session, row):
            raise SubscriptionError("id", "this subscription cannot be resumed from here: sign up again")
        resume(row)
    return "You are told again."


def _resumable(session: Session, row: Subscription) -> bool:
    return row.paused and row.paused_because != OPERATOR and suppressed(session, row.target.lower()) is None


def _unsubscribe(session: Session, row: Subscription, form: Fields) -> str:
    signup.unsubscribe(session, row.id)
    return "Unsubscribed. For 24 hours it can be undone here."


def _add(session: Session, mine: Subscription, form: Fields) -> str:
    address = mine.target.lower()
    if len(of_address(session, address)) >= MOST_SUBSCRIPTIONS:
        raise SubscriptionError("id", f"an address has {MOST_SUBSCRIPTIONS} subscriptions at the most")
    if not mine.confirmed or suppressed(session, address) is not None:
        raise SubscriptionError("id", "confirm a letter to this address first: sign up again")
    row = signup.keep(session, address, terms(form), confirmed=True)
    row.confirmed = True
    session.add(row)
    return "Added." if not row.paused else _resume(session, row, form)


def _forget(request: Request, session: Session, mine: Subscription, form: Fields) -> Response:
    if one(form, "sure") != "yes":
        raise SubscriptionError("sure", "tick the box to say that you are sure")
    forget(session, mine.target.lower())
    return notice(
        request,
        "Everything about you is deleted",
        "Your subscriptions, what was sent for them, and your address.",
        "If letters to you bounced or were reported, we keep only that your address must not be written to.",
    )
