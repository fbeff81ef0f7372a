"""Outgoing webhooks: release objects as JSON, signed as Standard Webhooks specifies."""

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

from monitor.channels.base import EVERY_TARGET, Channel
from monitor.channels.sealed_targets import open_target
from monitor.db.engine import now
from monitor.masking import masked
from monitor.models import Subscription, iso
from monitor.net.client import FetchError, post
from monitor.notify.message import Message, SendError
from monitor.notify.notices import BRIEF, NoticeData
from monitor.releases.schema import release_object
from monitor.sealing import SealError
from monitor.settings import Settings


def secret_of(settings: Settings, target: str) -> str | None:
    """The secret that signs requests to a stored target, as its receiver configures it: ``whsec_`` and base64.

    Derived from the newest signing key, so it is not stored; each receiver has a different one. None
    where no key in the settings opens the target.
    """
    try:
        return _secrets(settings, open_target(settings, target))[0]
    except SealError:
        return None


def _secrets(settings: Settings, url: str) -> list[str]:
    """The secret under each signing key, newest first: a receiver may still use an older one."""
    keys = [hmac.new(key.encode(), f"webhook {url}".encode(), hashlib.sha256) for key in settings.signing_keys()]
    return [f"whsec_{base64.b64encode(key.digest()).decode()}" for key in keys]


def signature_headers(secrets: Sequence[str], message_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: id, timestamp (seconds), a signature (``v1``, HMAC-SHA256) for each secret."""
    stamp = str(int(sent_at.timestamp()))
    content = f"{message_id}.{stamp}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    macs = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{mac}" for mac in macs),
        "content-type": "application/json",
    }


class Webhook(Channel):
    """POSTs messages to URLs. A repeated message has the same ``webhook-id``, so that a receiver can drop it."""

    name = "webhook"
    groups = False
    secret_targets = EVERY_TARGET

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
        return masked(target).partition("?")[0]

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

    def notify(
        self, subscription: Subscription, title: str, text: str, key: str, *, in_doubt: bool, data: NoticeData = None
    ) -> str:
        """POSTs a notice about the monitor itself, a trigger or a brief, with type ``notice``.

        ``trigger`` has the numbers of a trigger; ``brief`` says where the brief of a period is.
        """
        body: dict[str, object] = {"subscription": subscription.id, "title": title, "text": text}
        if data:
            body |= data if BRIEF in data else {"trigger": data}
        return self._post(subscription.target, "notice", body, key)

    def _post(self, target: str, kind: str, data: Mapping[str, object], key: str) -> str:
        sent_at = now()
        try:
            url = open_target(self._settings, target)
        except SealError as error:
            raise SendError(str(error), permanent=True) from None
        body = json.dumps({"type": kind, "timestamp": iso(sent_at.astimezone(UTC)), "data": data}).encode()
        headers = signature_headers(_secrets(self._settings, url), key, sent_at, body)
        try:
            response = post(
                url,
                body,
                user_agent="hub-release-monitor",
                allow_private=self._settings.allow_private_targets,
                headers=headers,
            )
        except FetchError as error:
            # A receiver that answers 404 or 401 may be restarting; only 410 means that it is gone.
            gone = error.permanent if error.status is None else error.status == 410
            # The receiver recognizes a repeated message by its id, so one in doubt is simply sent again.
            raise SendError(str(error), permanent=gone, retry_after=error.retry_after) from error
        if not 200 <= response.status < 300:
            raise SendError(f"the receiver answered {response.status}")
        return key
