"""Outgoing webhooks: the release object, signed in the form of Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from monitor.alerts.outbox import Message, SendError
from monitor.db import now
from monitor.models import Subscription, iso
from monitor.settings import Settings
from monitor.sources.fetch import FetchError, post


def secret_of(settings: Settings, url: str) -> str:
    """The secret that signs what goes to ``url``, as its receiver sets it up: ``whsec_`` and base64.

    Derived from the signing key, so that it need not be kept, and differs for each receiver.
    """
    digest = hmac.new(settings.signing_key().encode(), f"webhook {url}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(digest).decode()}"


def signed(secret: str, ident: str, moment: datetime, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks: id, timestamp (seconds), signature (``v1``, HMAC-SHA256)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = str(int(moment.timestamp()))
    mac = hmac.new(key, f"{ident}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": ident,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        "content-type": "application/json",
    }


class Webhook:
    """POSTs messages to URLs. The same message has the same ``webhook-id``, by which a receiver knows a repetition."""

    name = "webhook"
    pace = 0.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, message: Message) -> str:
        data = {
            "subscription": message.subscription.id,
            "filter": message.subscription.filter,
            "items": [
                {"event": item.event, "launch": item.release.launch_id, "release": item.release.as_json()}
                for item in message.items
            ],
        }
        return self._post(message.target, "releases", data, message.key)

    def notify(self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool) -> str:
        """The same, of type ``notice``: something about the monitor itself."""
        data = {"subscription": subscription.id, "title": title, "text": text}
        return self._post(subscription.target, "notice", data, key)

    def _post(self, url: str, kind: str, data: Mapping[str, object], key: str) -> str:
        moment = now()
        body = json.dumps({"type": kind, "timestamp": iso(moment.astimezone(UTC)), "data": data}).encode()
        headers = signed(secret_of(self._settings, url), key, moment, body)
        try:
            answer = post(
                url,
                body,
                user_agent="hub-release-monitor",
                allow_private=self._settings.allow_private_targets,
                headers=headers,
            )
        except FetchError as error:
            # A receiver that answers 404 or 401 may be in the middle of a change; only 410 says that it is gone.
            gone = error.permanent if error.status is None else error.status == 410
            # It knows a repetition by its id, so one in doubt is simply sent again.
            raise SendError(str(error), permanent=gone, retry_after=error.retry_after) from error
        if not 200 <= answer.status < 300:
            raise SendError(f"the receiver answered {answer.status}")
        return key
