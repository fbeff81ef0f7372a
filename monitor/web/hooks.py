"""``POST /hooks/hub``: the Hub's webhook. Stores the event, answers, and processes it afterwards."""

from __future__ import annotations

import hmac
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, HTTPException, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from monitor.channels.request_body import read_limited_body
from monitor.db.engine import now, transaction
from monitor.ingest.hub.webhook import PayloadError, parse_payload
from monitor.observability.logging import trace
from monitor.problems import refusals
from monitor.service import Service

router = APIRouter()
MAX_PAYLOAD_BYTES = 1_000_000
"""Bytes of a payload; the Hub's own hold a few thousand."""


class EventTaken(BaseModel):
    """What became of an event; ``ignored``: it is about no model."""

    status: Literal["accepted", "ignored"]


_secret = APIKeyHeader(
    name="X-Webhook-Secret",
    scheme_name="hubWebhookSecret",
    description="The value of `MONITOR_HUB_WEBHOOK_SECRET`, which the Hub sends.",
    auto_error=False,
)
_EVENT: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}
}


@router.post(
    "/hooks/hub",
    status_code=202,
    tags=["hooks"],
    operation_id="take_hub_event",
    response_model=EventTaken,
    responses=refusals(400, 401, 403, 408, 413),
    openapi_extra=_EVENT,
)
async def hub(
    request: Request, background: BackgroundTasks, given: Annotated[str | None, Security(_secret)]
) -> JSONResponse:
    """Takes the Hub's webhook: 202 at once, 401 for a wrong secret, 403 when none is set."""
    service: Service = request.app.state.service
    secret = service.settings.hub_webhook_secret
    if secret is None:
        raise HTTPException(403, "MONITOR_HUB_WEBHOOK_SECRET is not set, so no webhook is taken")
    if not hmac.compare_digest(secret.get_secret_value().encode(), (given or "").encode()):
        raise HTTPException(401, "X-Webhook-Secret is not the one that was set")
    kept = await run_in_threadpool(_keep, service, await _payload(request))
    if kept:
        background.add_task(service.notify_worker, "hints")
    return JSONResponse({"status": "accepted" if kept else "ignored"}, 202)


async def _payload(request: Request) -> object:
    body = await read_limited_body(request, MAX_PAYLOAD_BYTES)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is no JSON") from None


def _keep(service: Service, payload: object) -> bool:
    try:
        found = parse_payload(payload, now())
    except PayloadError as error:
        raise HTTPException(422, str(error)) from None
    if found is None:
        return False
    found.trace = trace()
    with transaction(service.engine) as session:
        session.add(found)
    return True
