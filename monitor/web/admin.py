"""The administration API: subscriptions, with the admin token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlmodel import Session, col

from monitor.channels import canonical_target
from monitor.channels.admin_token import BearerToken, require_admin_token
from monitor.channels.request_body import described_body, read_limited_body
from monitor.channels.sealed_targets import shown_target, store_target
from monitor.channels.webhook import secret_of
from monitor.db.engine import reading, transaction
from monitor.enums import Digest
from monitor.models import Subscription, iso
from monitor.notify.subscriptions import (
    BY_OPERATOR,
    SubscriptionCreate,
    change,
    describe_subscription,
    pause,
    resume,
    subscribe,
)
from monitor.notify.subscriptions import remove as drop
from monitor.notify.triggers import trigger_state
from monitor.problems import refusals
from monitor.service import Service
from monitor.web.http_responses import answer
from monitor.web.schemas import SubscriptionObject, Subscriptions


def authorized(request: Request, token: BearerToken) -> Service:
    """The service, if the request has the admin token; 403 if none is set, 401 for a wrong one."""
    service: Service = request.app.state.service
    require_admin_token(service.settings, token, "the administration API is disabled")
    return service


router = APIRouter(prefix="/api/v1/subscriptions", tags=["administration"])
Admin = Annotated[Service, Depends(authorized)]
Ident = Annotated[str, Path(description="The id of a subscription.")]


class NewSubscription(BaseModel):
    """A subscription to create."""

    model_config = ConfigDict(extra="forbid")
    channel: str = Field(max_length=40)
    target: str = Field(min_length=1, max_length=2_000)
    filter: str = Field("", max_length=2_000)
    when: str = Field("", max_length=2_000)
    stack: str = Field("", max_length=60, description="The name of a stack, instead of a filter.")
    digest: Digest = Digest.IMMEDIATE
    timezone: str = Field("UTC", max_length=64)
    hour: int = Field(8, ge=0, le=23)


class ChangedSubscription(BaseModel):
    """Changes to a subscription; omitted fields stay as they are."""

    model_config = ConfigDict(extra="forbid")
    filter: str | None = Field(None, max_length=2_000)
    when: str | None = Field(None, max_length=2_000)
    digest: Digest | None = None
    timezone: str | None = Field(None, max_length=64)
    hour: int | None = Field(None, ge=0, le=23)
    paused: bool | None = None


MAX_BODY_BYTES = 64 << 10
_Body = TypeVar("_Body", bound=BaseModel)


def _body(kind: type[_Body]) -> Callable[..., Awaitable[_Body]]:
    """A dependency that reads the body after authorization; FastAPI would parse a body parameter before it."""

    async def read(request: Request, _service: Admin) -> _Body:
        try:
            return kind.model_validate_json(await read_limited_body(request, MAX_BODY_BYTES))
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None

    return read


def as_json(service: Service, session: Session, subscription: Subscription) -> dict[str, Any]:
    """A subscription as the API shows it; of an outgoing webhook also the secret that its receiver checks with.

    ``target``: without the secrets in it.
    ``trigger``: the state of its trigger; None where it has none.
    """
    keys = (
        "id",
        "channel",
        "target",
        "filter",
        "when",
        "digest",
        "timezone",
        "hour",
        "confirmed",
        "paused",
        "paused_because",
    )
    secret = {"secret": secret_of(service.settings, subscription.target)} if subscription.channel == "webhook" else {}
    return {key: getattr(subscription, key) for key in keys} | {
        "target": shown_target(service.settings, subscription.channel, subscription.target),
        "created_by": subscription.created_by,
        "created_at": iso(subscription.created_at),
        "description": describe_subscription(subscription),
        "trigger": trigger_state(session, subscription),
        **secret,
    }


@router.get(
    "",
    operation_id="list_subscriptions",
    response_model=None,
    responses=refusals(401, 403, 429) | answer(Subscriptions, "All subscriptions."),
)
def all_subscriptions(service: Admin) -> dict[str, Any]:
    """Every subscription, oldest first."""
    with reading(service.read_engine) as session:
        rows = session.scalars(select(Subscription).order_by(col(Subscription.created_at), col(Subscription.id)))
        return {"items": [as_json(service, session, row) for row in rows]}


@router.post(
    "",
    status_code=201,
    operation_id="create_subscription",
    response_model=None,
    responses=refusals(400, 401, 403, 408, 413, 429) | answer(SubscriptionObject, "The subscription.", 201),
    openapi_extra=described_body(NewSubscription),
)
def add(service: Admin, body: Annotated[NewSubscription, Depends(_body(NewSubscription))]) -> dict[str, Any]:
    """Creates a subscription; an identical one is returned if it exists."""
    if body.channel not in service.channels:
        raise HTTPException(422, f"channel {body.channel!r}: one of {', '.join(service.channels)} expected")
    target = canonical_target(body.channel, body.target)
    with transaction(service.web_engine) as session:
        terms = body.model_dump() | {"target": store_target(session, service.settings, body.channel, target)}
        return as_json(service, session, subscribe(session, SubscriptionCreate(**terms, created_by="api")))


@router.get(
    "/{ident}",
    operation_id="get_subscription",
    response_model=None,
    responses=refusals(401, 403, 404, 429) | answer(SubscriptionObject, "The subscription."),
)
def one(service: Admin, ident: Ident) -> dict[str, Any]:
    """One subscription."""
    with reading(service.read_engine) as session:
        return as_json(service, session, _found(session, ident))


@router.patch(
    "/{ident}",
    operation_id="change_subscription",
    response_model=None,
    responses=refusals(400, 401, 403, 404, 408, 413, 429)
    | answer(SubscriptionObject, "The subscription with its changes."),
    openapi_extra=described_body(ChangedSubscription),
)
def patch(
    service: Admin, ident: Ident, body: Annotated[ChangedSubscription, Depends(_body(ChangedSubscription))]
) -> dict[str, Any]:
    """Changes a subscription."""
    with transaction(service.web_engine) as session:
        found = _found(session, ident)
        change(found, **body.model_dump(exclude={"paused"}, exclude_none=True))
        if body.paused is not None:
            pause(found, BY_OPERATOR) if body.paused else resume(found)
        session.add(found)
        return as_json(service, session, found)


@router.delete("/{ident}", status_code=204, operation_id="remove_subscription", responses=refusals(401, 403, 404, 429))
def remove(service: Admin, ident: Ident) -> None:
    """Removes a subscription and its pending alerts."""
    with transaction(service.web_engine) as session:
        drop(session, _found(session, ident))


def _found(session: Session, ident: str) -> Subscription:
    found = session.get(Subscription, ident)
    if found is None:
        raise HTTPException(404, f"there is no subscription {ident}")
    return found
