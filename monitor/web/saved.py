"""Saved searches: a page to save one on, and the page of a list, which whoever has its link sees and changes.

No GET changes a search: mail scanners and link previews follow links. There are no cookies, so a form of another site
can do nothing without the link; it is refused all the same, so that nobody is led into a list of another's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from monitor.db.engine import now, reading, transaction
from monitor.models import SavedList
from monitor.releases.saved_searches import (
    KEPT_FOR,
    MAX_COUNTED,
    MAX_NAME_CHARS,
    MAX_SEARCHES,
    SavedSearchError,
    add_search,
    change_search,
    counted_searches,
    find_list,
    is_used_today,
    look_at,
    move_search,
    new_list,
    remove_search,
    replace_link,
)
from monitor.settings import Settings
from monitor.web.api import service_of
from monitor.web.own_forms import HourlyLimit, own_pages_only
from monitor.web.render import address, page

router = APIRouter(include_in_schema=False)

PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
LISTS_PER_HOUR = 20
"""New lists of one client."""
Token = Annotated[str, Path(max_length=100)]


def install(web: FastAPI, settings: Settings) -> None:
    """Adds the pages of saved searches to the application."""
    web.state.new_lists = HourlyLimit(settings, "lists", LISTS_PER_HOUR)
    web.include_router(router)


class SaveForm(BaseModel):
    """What the page for saving sends. ``link``: of the list to add to; empty: a new one."""

    model_config = ConfigDict(extra="forbid")
    q: str = Field("", max_length=5_000)
    name: str = Field("", max_length=1_000)
    link: str = Field("", max_length=1_000)


class ListForm(BaseModel):
    """What the page of a list sends: what to do, with which search."""

    model_config = ConfigDict(extra="forbid")
    do: Literal["open", "add", "change", "up", "down", "remove", "seen", "replace", "delete"]
    id: str = Field("", max_length=20)
    q: str = Field("", max_length=5_000)
    name: str = Field("", max_length=1_000)


# --- saving -----------------------------------------------------------------------------------------------


@router.get("/saved", response_class=HTMLResponse)
def save_page(
    request: Request,
    q: Annotated[str, Query(max_length=5_000)] = "",
    name: Annotated[str, Query(max_length=1_000)] = "",
) -> HTMLResponse:
    """The form that saves a search, in a new list or in one whose link the reader has."""
    return _save_page(request, SaveForm(q=q, name=name))


@router.post("/saved", dependencies=[Depends(own_pages_only)])
def save(request: Request, form: Annotated[SaveForm, Form()]) -> Response:
    """Saves a search, and leads to its list."""
    token = form.link.strip().rstrip("/").rpartition("/")[2]
    try:
        with transaction(service_of(request).web_engine) as session:
            if token:
                found = find_list(session, token, change=True)
                if found is None:
                    raise SavedSearchError("link", "there is no list with this link: it was replaced, or never there")
                ident = add_search(found, form.name, form.q)
                return _to(f"/saved/{token}#s-{ident}")
            request.app.state.new_lists.take(request)
            token = new_list(session, form.name, form.q)
    except SavedSearchError as error:
        return _save_page(request, form, error)
    return _to(f"/saved/{token}")


def _save_page(request: Request, form: SaveForm, problem: SavedSearchError | None = None) -> HTMLResponse:
    context = {"form": form, "problem": problem, "days": KEPT_FOR.days, "most_chars": MAX_NAME_CHARS}
    return _private(page(request, "save_search", 422 if problem else 200, **context))


# --- the list ---------------------------------------------------------------------------------------------


@router.get("/saved/{token}", response_class=HTMLResponse)
def list_page(request: Request, token: Token) -> HTMLResponse:
    """A list of saved searches, with what is new in each."""
    return _list_page(request, token)


@router.get("/saved/{token}/part", response_class=HTMLResponse)
def list_part(request: Request, token: Token) -> HTMLResponse:
    """The searches alone, for the front page of the browser that remembers the link."""
    return _private(page(request, "saved_part", token=token, **_searches(request, token)))


@router.post("/saved/{token}", dependencies=[Depends(own_pages_only)])
def change_list(request: Request, token: Token, form: Annotated[ListForm, Form()]) -> Response:
    """Changes a list, or opens one of its searches."""
    try:
        with transaction(service_of(request).web_engine) as session:
            found = find_list(session, token, change=True)
            if found is None:
                raise _gone()
            if form.do == "delete":
                session.delete(found)
                return _to("/saved")
            if form.do == "replace":
                return _to(f"/saved/{replace_link(session, found)}")
            where = _CHANGES[form.do](found, form)
    except SavedSearchError as error:
        return _list_page(request, token, form, error)
    return _to(where or f"/saved/{token}{f'#s-{form.id}' if form.id.isalnum() and form.id.isascii() else ''}")


def _open(found: SavedList, form: ListForm) -> str:
    q = look_at(found, form.id)
    if q is None:
        raise _gone()
    return address("/releases", q=q, sort="seen")


def _add(found: SavedList, form: ListForm) -> None:
    add_search(found, form.name, form.q)


_CHANGES: dict[str, Callable[[SavedList, ListForm], str | None]] = {
    "open": _open,
    "add": _add,
    "change": lambda found, form: change_search(found, form.id, form.name, form.q),
    "up": lambda found, form: move_search(found, form.id, -1),
    "down": lambda found, form: move_search(found, form.id, 1),
    "remove": lambda found, form: remove_search(found, form.id),
    "seen": lambda found, form: look_at(found, None) and None,
}
"""What each button of a list does; where it leads to, if not to the list again."""


def _list_page(
    request: Request, token: str, form: ListForm | None = None, problem: SavedSearchError | None = None
) -> HTMLResponse:
    context: dict[str, Any] = {"token": token, "form": form, "problem": problem, "days": KEPT_FOR.days}
    context |= _searches(request, token)
    context |= {"until": (now() + KEPT_FOR).date(), "most": MAX_SEARCHES, "most_chars": MAX_NAME_CHARS}
    return _private(page(request, "saved", 422 if problem else 200, **context))


def _searches(request: Request, token: str) -> dict[str, Any]:
    """The searches of a list for its templates; the day is noted once."""
    service = service_of(request)
    with reading(service.read_engine) as session:
        found = find_list(session, token)
    if found is None:
        raise _gone()
    if not is_used_today(found):
        with transaction(service.web_engine) as session:
            find_list(session, token, change=True)
    return {"searches": counted_searches(service.read_engine, found), "max_counted": MAX_COUNTED}


def _gone() -> HTTPException:
    message = (
        "There is no such list of saved searches. Part of the link may be missing, it was replaced or deleted, or"
        f" nobody opened the list for {KEPT_FOR.days} days."
    )
    return HTTPException(404, message, headers=PRIVATE)


def _private(response: HTMLResponse) -> HTMLResponse:
    response.headers.update(PRIVATE)
    return response


def _to(where: str) -> Response:
    return RedirectResponse(where, 303, headers=PRIVATE)
