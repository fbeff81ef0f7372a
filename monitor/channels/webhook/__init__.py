"""Outgoing webhooks: the release object, signed in the form of Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit

from sqlalchemy import Engine

from monitor.channels.base import Channel
from monitor.db.engine import now
from monitor.models import Subscription, iso
from monitor.net.client import FetchError, post
from monitor.notify.message import Message, SendError
from monitor.releases.schema import release_object
from monitor.settings import Settings
from monitor.urls import masked_url


def secret_of(settings: Settings, url: str) -> str:
    """The secret that signs what goes to ``url``, as its receiver sets it up: ``whsec_`` and base64.

    Derived from the newest signing key, so that it need not be kept, and differs for each receiver.
    """
    return _secrets(settings, url)[0]


def _secrets(settings: Settings, url: str) -> list[str]:
    """The secret under each signing key, newest first: a receiver may still check with an older one."""
    keys = [hmac.new(key.encode(), f"webhook {url}".encode(), hashlib.sha256) for key in settings.signing_keys()]
    return [f"whsec_{base64.b64encode(key.digest()).decode()}" for key in keys]


def signed(secrets: Sequence[str], ident: str, moment: datetime, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: id, timestamp (seconds), a signature (``v1``, HMAC-SHA256) for each secret."""
    stamp = str(int(moment.timestamp()))
    content = f"{ident}.{stamp}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    macs = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": ident,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{mac}" for mac in macs),
        "content-type": "application/json",
    }


class Webhook(Channel):
    """POSTs messages to URLs. The same message has the same ``webhook-id``, by which a receiver knows a repetition."""

    name = "webhook"
    groups = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @classmethod
    def create(cls, settings: Settings, engine: Engine) -> Self:
        return cls(settings)

    @staticmethod
    def canonical_target(target: str) -> str:
        """The URL itself. Raises ValueError unless it is an ``http://`` or ``https://`` URL with a host."""
        try:
            parts = urlsplit(target)
            valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if not valid or re.search(r"\s", target):
            raise ValueError(f"{target!r}: an http:// or https:// URL expected")
        return target

    @staticmethod
    def describe_target(target: str) -> str:
        """The URL without a password or a query, which may hold a token."""
        return masked_url(target).partition("?")[0]

    def send(self, message: Message) -> str:
        data = {
            "subscription": message.subscription.id,
            "filter": message.subscription.filter,
            "subscriptions": [{"id": one.id, "filter": one.filter} for one in message.subscriptions],
            "items": [
                {
                    "id": item.id,
                    "event": item.event,
                    "launch": item.release.launch_id,
                    "release": release_object(item.release),
                }
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
        headers = signed(_secrets(self._settings, url), key, moment, body)
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
