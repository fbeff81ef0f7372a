"""Audits over HTTP: ``POST /api/v1/audit``, and the page ``/audit``.

Nothing that is sent is kept, and the Hub is not asked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from monitor import db
from monitor.audit.documents import Document, Unreadable, decode
from monitor.audit.mentions import Mention, Place, hub_mention
from monitor.audit.policy import Policy, PolicyError, read_policy
from monitor.audit.recognise import read_document
from monitor.audit.report import Summary, verdict
from monitor.audit.resolve import Entry, resolve
from monitor.audit.sarif import to_sarif
from monitor.channels.request_body import described_body, read_limited_body
from monitor.notify.stacks import ANONYMOUS_KEPT_FOR, StackError, save_anonymous_stack
from monitor.problems import refusals
from monitor.web.api import service_of
from monitor.web.exports import Export
from monitor.web.own_forms import own_pages_only
from monitor.web.render import page
from monitor.web.stack_links import stack_token

router = APIRouter()

MAX_BODY_BYTES = 2 << 20
MAX_DOCUMENTS = 50
MAX_MODELS = 2_000
"""Places that name a model, in one request."""
MAX_FILES = 20
"""Files of one form."""
STACKS_PER_HOUR = 5
"""Stacks that one client saves on the page."""


class AuditedDocument(BaseModel):
    """A document, as a file has it. ``name`` helps where contents are alike, and stands in the result."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("document", max_length=300)
    text: str


class AuditRequest(BaseModel):
    """What to audit: documents, ids of repositories, or both; and a policy as TOML."""

    model_config = ConfigDict(extra="forbid")

    documents: list[AuditedDocument] = Field([], max_length=MAX_DOCUMENTS)
    ids: list[Annotated[str, Field(max_length=300)]] = Field([], max_length=MAX_MODELS)
    policy: str = Field("", max_length=100_000, description="A policy: rules and waivers, as TOML.")
    format: Literal["jsonl", "sarif"] = Field("jsonl", description="JSON lines, one entry each; or SARIF 2.1.0.")


class StackForm(BaseModel):
    """What the page sends to save a stack: its name, and repositories with or without a revision, one a line."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=300)
    models: str = Field("", max_length=MAX_BODY_BYTES)


_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON lines: an entry each, and the summary last; or SARIF 2.1.0.",
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "application/sarif+json": {"schema": {"type": "object"}},
        },
    }
}


@router.post(
    "/api/v1/audit",
    tags=["audit"],
    operation_id="audit",
    response_class=Response,
    responses=refusals(400, 408, 413, 429) | _ANSWER,
    openapi_extra=described_body(AuditRequest),
)
async def audit(request: Request) -> Response:
    """Says of each model that the documents name whose it is, what it was built on and under which terms.

    The answer is streamed: an entry a line, and a summary last. Only the history is asked, and nothing is kept.
    """
    wanted = audit_request(await read_limited_body(request, MAX_BODY_BYTES))
    policy = policy_of(wanted.policy)
    mentions, unreadable = mentions_of(wanted)
    chunks = _answer(request, mentions, unreadable, policy, wanted.format)
    media_type = "application/sarif+json" if wanted.format == "sarif" else "application/x-ndjson"
    return Export(request.app.state.exports, chunks, media_type, {"Cache-Control": "no-store"})


def audit_request(body: bytes) -> AuditRequest:
    """The body of a request. Raises RequestValidationError."""
    try:
        return AuditRequest.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def policy_of(text: str) -> Policy:
    """The policy of a request; none forbids nothing. Raises HTTPException (422)."""
    try:
        return read_policy(text, "of the request") if text.strip() else Policy()
    except PolicyError as error:
        raise HTTPException(422, str(error)) from None


def mentions_of(wanted: AuditRequest) -> tuple[list[Mention], list[Unreadable]]:
    """What the documents name. Raises HTTPException (422) for more than MAX_MODELS."""
    mentions = [hub_mention(text, Place("ids", number)) for number, text in enumerate(wanted.ids, start=1)]
    unreadable: list[Unreadable] = []
    for one in wanted.documents:
        found = decode(one.text.encode("utf-8", "replace"), one.name)
        for item in read_document(found) if isinstance(found, Document) else [found]:
            if isinstance(item, Unreadable):
                unreadable.append(item)
            else:
                mentions.append(item)
        if len(mentions) > MAX_MODELS:
            raise HTTPException(422, f"at most {MAX_MODELS:,} models in one request expected: send the documents apart")
    return mentions, unreadable


def _answer(
    request: Request, mentions: list[Mention], unreadable: list[Unreadable], policy: Policy, form: str
) -> Generator[bytes]:
    service, totals = service_of(request), Summary()
    with db.reading(service.export_engine) as session:
        entries = totals.count(checked(resolve(session, mentions), policy))
        if form == "sarif":
            yield orjson.dumps(to_sarif(entries, unreadable, policy, service.settings.public_url))
            return
        for entry in entries:
            yield orjson.dumps(entry.as_json()) + b"\n"
    summary: dict[str, Any] = {
        "summary": {name: getattr(totals, name) for name in Summary.__slots__},
        "unreadable": [{"source": one.name, "problem": one.problem} for one in unreadable],
    }
    yield orjson.dumps(summary) + b"\n"


def checked(entries: Iterator[Entry], policy: Policy) -> Iterator[Entry]:
    """Yields the entries with what the policy says of each."""
    at = db.now()
    for entry in entries:
        entry.findings = policy.check(entry, at)
        yield entry


# --- the page ---------------------------------------------------------------------------------------------


@router.get("/audit", response_class=HTMLResponse, include_in_schema=False)
def audit_form(request: Request) -> HTMLResponse:
    """The form."""
    return page(request, "audit", text="", policy="", entries=None)


@router.post("/audit", response_class=HTMLResponse, include_in_schema=False)
async def audit_page(request: Request) -> HTMLResponse:
    """The form with the result for what was pasted or uploaded."""
    async with request.form(max_files=MAX_FILES, max_fields=10, max_part_size=MAX_BODY_BYTES) as form:
        text, policy = (value if isinstance(value := form.get(name, ""), str) else "" for name in ("text", "policy"))
        documents = [AuditedDocument(name="pasted text", text=text)] if text.strip() else []
        for upload in form.getlist("files"):
            if isinstance(upload, UploadFile) and upload.filename:
                content = (await upload.read()).decode("utf-8", "replace")
                documents.append(AuditedDocument(name=upload.filename[:300], text=content))
    # Reading documents and the history takes time, in which others are answered.
    return await run_in_threadpool(_page, request, AuditRequest(documents=documents), text, policy)


@router.post("/audit/stack", include_in_schema=False, dependencies=[Depends(own_pages_only)])
def save_as_stack(request: Request, form: Annotated[StackForm, Form()]) -> Response:
    """Saves the models of an audit as a stack, and leads to its page, whose address is the link to it."""
    service = service_of(request)
    ids = [line for line in form.models.splitlines() if line.strip()]
    try:
        mentions, _ = mentions_of(AuditRequest(ids=ids))
        with db.transaction(service.web_engine) as session:
            entries = list(resolve(session, mentions))
            request.app.state.new_stacks.take(request)
            saved = save_anonymous_stack(session, form.name.strip(), entries)
    except ValidationError:
        problem = f"At most {MAX_MODELS:,} models of at most 300 characters each expected."
    except StackError as error:
        problem = str(error)
    else:
        return RedirectResponse(f"/stack/{stack_token(service, saved.name)}", 303, {"Cache-Control": "no-store"})
    return _page(request, AuditRequest(), "\n".join(ids), "", problem)


def _page(request: Request, wanted: AuditRequest, text: str, policy: str, problem: str | None = None) -> HTMLResponse:
    shown: dict[str, Any] = {"text": text, "policy": policy, "entries": None, "days": ANONYMOUS_KEPT_FOR.days}
    if problem is not None:
        return page(request, "audit", 422, problem=problem, **shown)
    if not wanted.documents:
        return page(request, "audit", 422, problem="Paste a text, or choose a file.", **shown)
    try:
        rules = policy_of(policy)
        mentions, unreadable = mentions_of(wanted)
    except HTTPException as error:
        return page(request, "audit", 422, problem=str(error.detail), **shown)
    totals = Summary()
    with db.reading(service_of(request).read_engine) as session:
        entries = [(verdict(one), one) for one in totals.count(checked(resolve(session, mentions), rules))]
    summary = totals.text(len(unreadable))
    found = {"entries": entries, "summary": summary, "unreadable": unreadable, "models": _models(entries)}
    return page(request, "audit", **shown | found)


def _models(entries: list[tuple[str, Entry]]) -> str:
    """The repositories of an audit, one a line, as the form that saves them sends them."""
    named = (entry for _, entry in entries if entry.repo_id is not None)
    return "\n".join(f"{entry.repo_id}@{entry.revision}" if entry.revision else str(entry.repo_id) for entry in named)
