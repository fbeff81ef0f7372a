"""Stacks over HTTP: administration, and links that let whoever has one see a stack, update it and show its badge."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import Session, col

from monitor.audit.mentions import Mention, Place
from monitor.audit.resolve import Entry, resolve
from monitor.channels.request_body import described_body, read_limited_body
from monitor.db.engine import reading, transaction
from monitor.labs.countries import name as country
from monitor.models import Stack, StackMember, iso
from monitor.notify.stacks import ANONYMOUS_KEPT_FOR, StackError, remove_stack, save_stack
from monitor.problems import refusals
from monitor.service import Service
from monitor.web.admin import Admin
from monitor.web.api import service_of
from monitor.web.audits import MAX_BODY_BYTES, AuditRequest, audit_request, mentions_of
from monitor.web.badges import badge
from monitor.web.http_responses import answer
from monitor.web.render import page
from monitor.web.schemas import SavedStackObject, Stacks, WatchedStackObject
from monitor.web.stack_links import stack_name, stack_token
from monitor.web.stack_tree import tree

admin = APIRouter(prefix="/api/v1/stacks", tags=["administration"])
router = APIRouter(include_in_schema=False)
Name = Annotated[str, Path(max_length=60, description="The name of a stack.")]


# --- administration ---------------------------------------------------------------------------------------


@admin.get(
    "",
    operation_id="list_stacks",
    response_model=None,
    responses=refusals(401, 403, 429) | answer(Stacks, "All stacks."),
)
def listed(service: Admin) -> dict[str, Any]:
    """All stacks."""
    with reading(service.read_engine) as session:
        rows = session.scalars(select(Stack).order_by(col(Stack.name)))
        return {"items": [as_json(service, row) for row in rows]}


@admin.get(
    "/{name}",
    operation_id="get_stack",
    response_model=None,
    responses=refusals(401, 403, 404, 429) | answer(WatchedStackObject, "The stack."),
)
def shown(service: Admin, name: Name) -> dict[str, Any]:
    """One stack, with the models that it watches."""
    with reading(service.read_engine) as session:
        return as_json(service, _found(session, name)) | {"watched": _watched(session, name)}


@admin.put(
    "/{name}",
    operation_id="save_stack",
    response_model=None,
    responses=refusals(400, 401, 403, 408, 413, 429) | answer(SavedStackObject, "What was saved, and what changed."),
    openapi_extra=described_body(AuditRequest),
)
async def saved(service: Admin, request: Request, name: Name) -> dict[str, Any]:
    """Saves the models that documents name as a stack, or as its next version; the body is that of an audit."""
    return _save(service, name, await read_limited_body(request, MAX_BODY_BYTES))


@admin.delete("/{name}", status_code=204, operation_id="remove_stack", responses=refusals(401, 403, 404, 429))
def removed(service: Admin, name: Name) -> Response:
    """Removes a stack and the subscriptions to it."""
    with transaction(service.web_engine) as session:
        if not remove_stack(session, name):
            raise HTTPException(404, f"no stack {name}")
    return Response(status_code=204)


def as_json(service: Service, stack: Stack) -> dict[str, Any]:
    """A stack as the API shows it. ``link``: whoever has it sees the stack and may update it."""
    return {
        "name": stack.name,
        "version": stack.version,
        "models": stack.entries,
        "unresolved": stack.unresolved,
        "created_at": iso(stack.created_at),
        "updated_at": iso(stack.updated_at),
        "checked_at": iso(stack.checked_at),
        "link": f"{service.settings.public_url}/stack/{stack_token(service, stack.name)}",
    }


def _save(service: Service, name: str, body: bytes) -> dict[str, Any]:
    mentions, unreadable = mentions_of(audit_request(body))
    try:
        with transaction(service.web_engine) as session:
            done = save_stack(session, name, list(resolve(session, mentions)))
    except StackError as error:
        raise HTTPException(422, str(error)) from None
    problems = [{"source": one.name, "problem": one.problem} for one in unreadable]
    counts = {key: getattr(done, key) for key in ("name", "version", "models", "watched", "unresolved")}
    return counts | {"added": done.added, "removed": done.removed, "unreadable": problems}


def _found(session: Session, name: str) -> Stack:
    stack = session.get(Stack, name)
    if stack is None:
        raise HTTPException(404, f"no stack {name}")
    return stack


def _watched(session: Session, name: str) -> list[dict[str, Any]]:
    rows = session.scalars(select(StackMember).where(col(StackMember.stack) == name).order_by(col(StackMember.member)))
    return [
        {
            "repo_id": row.state.get("repo_id") or row.member,
            "is_entry": row.is_entry,
            "is_recorded": row.release_id is not None,
            "entries": row.entries,
        }
        for row in rows
    ]


# --- links ------------------------------------------------------------------------------------------------


Linked = Annotated[str, Depends(stack_name)]


@router.put("/api/v1/stack/{token}")
async def updated(request: Request, name: Linked) -> dict[str, Any]:
    """Makes the next version of the stack of a link; the body is that of an audit."""
    return _save(service_of(request), name, await read_limited_body(request, MAX_BODY_BYTES))


@router.get("/stack/{token}", response_class=HTMLResponse)
def stack_page(request: Request, name: Linked, token: str) -> HTMLResponse:
    """The page of a stack."""
    with reading(service_of(request).read_engine) as session:
        stack = _found(session, name)
        entries = _entries(session, stack)
    response = page(
        request,
        "stack",
        stack=stack,
        entries=entries,
        token=token,
        counts=_counts(entries),
        days=ANONYMOUS_KEPT_FOR.days,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get("/stack/{token}/tree.svg")
def stack_tree(request: Request, name: Linked) -> Response:
    """The stack as a tree: by the country of the foundation, and by licence."""
    with reading(service_of(request).read_engine) as session:
        entries = _entries(session, _found(session, name))
    return _picture(tree(name, entries))


@router.get("/stack/{token}/badge.svg")
def stack_badge(request: Request, name: Linked) -> Response:
    """How many models of a stack have a foundation from which country."""
    with reading(service_of(request).read_engine) as session:
        entries = _entries(session, _found(session, name))
    numbers = _counts(entries)
    words = ", ".join(f"{number} {origin}" for origin, number in numbers[:4])
    return _picture(badge(f"{name}: foundations", words or None))


def _picture(text: str) -> Response:
    return Response(text, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=300"})


def _entries(session: Session, stack: Stack) -> list[Entry]:
    found = resolve(session, (_mention(one) for one in stack.entries))
    return list(found)


def _mention(entry: dict[str, Any]) -> Mention:
    return Mention(entry["repo_id"], Place("stack", 0), entry["repo_id"], entry["revision"])


def _counts(entries: list[Entry]) -> list[tuple[str, int]]:
    """Numbers of entries by the country of their foundation, the largest first."""
    origins = (entry.row.foundation_origin or entry.row.origin if entry.row else None for entry in entries)
    numbers = Counter(country(origin) if origin else "unknown" for origin in origins)
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
