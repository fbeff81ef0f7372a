"""The Hub's webhook: reading its payloads, and creating the webhooks at the Hub.

A payload may be lost, repeated, out of order, or of an unknown scope. So it only says which repository to look up;
the facts are read from the Hub afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
from huggingface_hub import HfApi, WebhookInfo
from huggingface_hub.errors import HfHubHTTPError

from monitor.enums import LabKind
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import HubError
from monitor.labs import Registry
from monitor.models import WebhookEvent

ACTIONS = {"create", "update", "move", "delete"}
LONGEST = 200
WATCHED = 25
"""Namespaces of one webhook: the Hub stops one after 1,000 triggers in 24 hours."""


class PayloadError(ValueError):
    """A body that is no payload of the Hub: one line, with the field that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse_payload(payload: Any, received_at: datetime) -> WebhookEvent | None:
    """The event in a payload; None if it is not about a model's repository. Raises PayloadError."""
    event, repo = _object(payload, "event"), _object(payload, "repo")
    action, scope = _string(event, "event", "action"), _string(event, "event", "scope")
    if repo.get("type") != "model" or scope.partition(".")[0] != "repo" or action not in ACTIONS:
        return None
    name = _string(repo, "repo", "name")
    moved = payload.get("movedTo")
    if action == "move" and isinstance(moved, Mapping):
        name = _string(moved, "movedTo", "name")
    private = repo.get("private")
    appeared = private is False and (action == "create" or (action == "update" and _turned_public(payload, scope)))
    return WebhookEvent(
        received_at=received_at,
        due_at=received_at,
        action=action,
        repo_id=name,
        hub_id=repo["id"] if isinstance(repo.get("id"), str) else None,
        private=private if isinstance(private, bool) else None,
        exact_at=received_at if appeared else None,
    )


def _turned_public(payload: Mapping[str, Any], scope: str) -> bool:
    """Whether an update says that the repository turned public.

    ``repo.config`` fires on secrets, settings, DOIs and disabling too; ``updatedConfig`` is ``{"private": false}``
    for that flip alone, and ``{}`` for every other key (the Hub's webhooks, version 3).
    """
    updated = payload.get("updatedConfig")
    return scope.startswith("repo.config") and isinstance(updated, Mapping) and updated.get("private") is False


def _object(payload: Any, field: str) -> Mapping[str, Any]:
    value = payload.get(field) if isinstance(payload, Mapping) else None
    if not isinstance(value, Mapping):
        raise PayloadError(field, f"{field}: an object expected, as the Hub sends it")
    return value


def _string(source: Mapping[str, Any], where: str, field: str) -> str:
    value = source.get(field)
    if not isinstance(value, str) or not value or len(value) > LONGEST or "\x00" in value:
        raise PayloadError(f"{where}.{field}", f"{where}.{field}: a short text expected")
    return value


# --- making the Hub send ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that ``sync`` does, or would do: create, update, enable, delete or keep a webhook."""

    action: str
    webhook_id: str | None
    namespaces: tuple[str, ...]
    error: str | None = None


def sync(api: HfApi, registry: Registry, url: str, secret: str, *, dry_run: bool = False) -> Iterator[Step]:
    """Makes the token's webhooks at ``url`` watch the registry's namespaces, and no others. Yields each step."""
    try:
        ours = sorted((hook for hook in api.list_webhooks() if hook.url == url), key=lambda hook: hook.id)
    except (HfHubHTTPError, HubError, RateLimited, httpx2.HTTPError) as error:
        raise HubError(f"cannot list the Hub's webhooks: {_reason(error)}; is HF_TOKEN one that may write?") from error
    wanted = _shards(registry)
    kept = {names: hook for names in wanted for hook in ours if _watches(hook, names)}
    others = [hook for hook in ours if hook not in kept.values()]
    for names in wanted:
        hook = kept.get(names) or (others.pop(0) if others else None)
        step = _step(hook, names)
        keep = dry_run or step.action == "keep"
        yield step if keep else _done(step, api, registry, url, secret, disabled=hook is not None and hook.disabled)
    for hook in others:
        step = Step("delete", hook.id, tuple(item.name for item in hook.watched))
        yield step if dry_run else _done(step, api, registry, url, secret)


def _shards(registry: Registry) -> list[tuple[str, ...]]:
    names = registry.watched
    return [tuple(names[start : start + WATCHED]) for start in range(0, len(names), WATCHED)]


def _watches(hook: WebhookInfo, names: tuple[str, ...]) -> bool:
    return {item.name for item in hook.watched} == set(names)


def _step(hook: WebhookInfo | None, names: tuple[str, ...]) -> Step:
    if hook is None:
        return Step("create", None, names)
    if not _watches(hook, names) or "repo" not in hook.domains:
        return Step("update", hook.id, names)
    return Step("enable" if hook.disabled else "keep", hook.id, names)


def _done(step: Step, api: HfApi, registry: Registry, url: str, secret: str, *, disabled: bool = False) -> Step:
    watched: list[Any] = [{"type": _type(registry, name), "name": name} for name in step.namespaces]
    try:
        if step.action == "create":
            api.create_webhook(url=url, watched=watched, domains=["repo"], secret=secret)
        elif step.action == "update":
            api.update_webhook(step.webhook_id or "", url=url, watched=watched, domains=["repo"], secret=secret)
        elif step.action == "delete":
            api.delete_webhook(step.webhook_id or "")
        if disabled:
            api.enable_webhook(step.webhook_id or "")
    except (HfHubHTTPError, HubError, RateLimited, httpx2.HTTPError) as error:
        return Step(step.action, step.webhook_id, step.namespaces, _reason(error))
    return step


def _type(registry: Registry, namespace: str) -> str:
    lab = registry.of(namespace)
    return "user" if lab is not None and lab.kind is LabKind.INDIVIDUAL else "org"


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
