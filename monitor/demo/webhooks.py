"""The Hub's webhooks: the ones that are set up, and the message that one sends."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from monitor.demo.wire import HubError
from monitor.demo.world import Facts, made_id

WATCHED = frozenset({"bucket", "dataset", "model", "org", "space", "user"})
DOMAINS = ("repo", "discussion")


class Webhooks:
    """The webhooks of the account: objects as `HfApi.list_webhooks` reads them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hooks: dict[str, Facts] = {}
        self._counter = count(1)

    def all(self) -> list[Facts]:
        with self._lock:
            return [dict(hook) for hook in self._hooks.values()]

    def get(self, hook_id: str) -> Facts:
        with self._lock:
            return dict(self._known(hook_id))

    def create(self, body: Any) -> Facts:
        changes = _checked(body)
        if "url" not in changes:
            raise HubError(400, "Invalid url")
        with self._lock:
            hook_id = made_id("webhook", str(next(self._counter)))
            hook = {"id": hook_id, "domains": list(DOMAINS), "secret": None, "disabled": False, **changes}
            self._hooks[hook_id] = hook
            return dict(hook)

    def update(self, hook_id: str, body: Any) -> Facts:
        changes = _checked(body)
        with self._lock:
            self._hooks[hook_id] = {**self._known(hook_id), **changes}
            return dict(self._hooks[hook_id])

    def disable(self, hook_id: str, disabled: bool) -> Facts:
        with self._lock:
            self._hooks[hook_id] = {**self._known(hook_id), "disabled": disabled}
            return dict(self._hooks[hook_id])

    def delete(self, hook_id: str) -> None:
        with self._lock:
            self._known(hook_id)
            del self._hooks[hook_id]

    def _known(self, hook_id: str) -> Facts:
        if hook_id not in self._hooks:
            raise HubError(404, "Webhook not found")
        return self._hooks[hook_id]


def _checked(body: Any) -> Facts:
    """The fields that a client may set, as `HfApi.create_webhook` sends them."""
    if not isinstance(body, dict) or not isinstance(body.get("watched"), list):
        raise HubError(400, "Invalid watched")
    for item in body["watched"]:
        if not isinstance(item, dict) or item.get("type") not in WATCHED or not item.get("name"):
            raise HubError(400, "Invalid watched item")
    if not set(body.get("domains", DOMAINS)) <= set(DOMAINS):
        raise HubError(400, "Invalid domains")
    return {key: body[key] for key in ("watched", "url", "domains", "secret") if key in body}


def payload(
    endpoint: str,
    facts: Facts,
    *,
    action: str,
    scope: str,
    moved_to: str | None = None,
    updated_refs: Sequence[Mapping[str, Any]] | None = None,
    updated_config: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The documented message (version 3) on one model repository; `huggingface_hub.WebhookPayload` reads it.

    Source: https://huggingface.co/docs/hub/webhooks, and `_webhooks_payload.py` of huggingface_hub 2.4.
    """
    name = facts["id"]
    message: dict[str, Any] = {
        "event": {"action": action, "scope": scope},
        "repo": {
            "type": "model",
            "name": name,
            "id": facts["_id"],
            "private": facts["private"],
            "url": {"web": f"{endpoint}/{name}", "api": f"{endpoint}/api/models/{name}"},
            "headSha": facts["sha"],
            "tags": facts["tags"],
            "owner": {"id": made_id("owner", facts["author"])},
        },
        "webhook": {"id": made_id("webhook", "1"), "version": 3},
    }
    if moved_to is not None:
        message["movedTo"] = {"name": moved_to, "owner": {"id": made_id("owner", moved_to.partition("/")[0])}}
    if updated_refs is not None:
        message["updatedRefs"] = [dict(ref) for ref in updated_refs]
    if updated_config is not None:
        message["updatedConfig"] = dict(updated_config)
    return message


def post(url: str, message: Mapping[str, Any], *, secret: str | None, timeout: float) -> int:
    """POST a message as the Hub does, the secret verbatim in `X-Webhook-Secret`; returns the status answered."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"not an http URL: {url}")
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers["X-Webhook-Secret"] = secret
    request = urllib.request.Request(url, json.dumps(message).encode(), headers, method="POST")  # noqa: S310
    # No proxy: the receiver is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
