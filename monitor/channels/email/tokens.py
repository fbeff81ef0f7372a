"""Signed tokens for links, each valid for one purpose only."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from itsdangerous import BadSignature, SignatureExpired, TimestampSigner


class Purpose(StrEnum):
    """What a link allows."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"
    UNDO = "undo"


TOKEN_LIFETIMES: dict[Purpose, timedelta | None] = {
    Purpose.CONFIRM: timedelta(hours=48),
    Purpose.PREFERENCES: timedelta(days=180),
    Purpose.UNSUBSCRIBE: None,
    Purpose.UNDO: timedelta(hours=24),
}
"""None: does not expire."""

_TAG = re.compile(r"([0-9a-f]{1,32})-([0-9a-f]{20})")
_MAX_TOKEN_CHARS = 500


class TokenError(ValueError):
    """An invalid token; ``expired``: it was valid before."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Claim:
    """The content of a token: the subscription, and when it was signed (to the second)."""

    subscription_id: str
    signed_at: datetime


class Tokens:
    """Signs tokens with the first of ``keys``, and verifies them with any."""

    def __init__(self, *keys: str) -> None:
        self._keys = [key.encode() for key in keys]
        oldest_first = list(reversed(keys))
        self._signers = {purpose: TimestampSigner(oldest_first, salt=f"email.{purpose}") for purpose in Purpose}

    def make(self, purpose: Purpose, subscription_id: str) -> str:
        """A token for one purpose and one subscription."""
        return self._signers[purpose].sign(subscription_id).decode()

    def read(self, purpose: Purpose, token: str) -> Claim:
        """The verified content of a token; raises TokenError if it is forged, expired, or for another purpose."""
        lasts = TOKEN_LIFETIMES[purpose]
        age = None if lasts is None else int(lasts.total_seconds())
        if len(token) > _MAX_TOKEN_CHARS:
            raise TokenError("this link is too long")
        try:
            subscription_id, signed_at = self._signers[purpose].unsign(token, max_age=age, return_timestamp=True)
        except SignatureExpired:
            raise TokenError("this link has expired", expired=True) from None
        except BadSignature:
            raise TokenError("this link is invalid, or part of it is missing") from None
        return Claim(subscription_id.decode(), signed_at)

    def tag(self, what: str, subscription_id: str) -> str:
        """A short signed tag for the local part of an address (at most 64 characters, case-insensitive)."""
        return f"{subscription_id}-{_signature(self._keys[0], what, subscription_id)}"

    def read_tag(self, what: str, tag: str) -> str:
        """The subscription of a tag; raises TokenError."""
        found = _TAG.fullmatch(tag.lower())
        if found is None or not any(
            hmac.compare_digest(_signature(key, what, found[1]), found[2]) for key in self._keys
        ):
            raise TokenError("this address is not signed by this service")
        return found[1]

    def digest(self, text: str) -> str:
        """A keyed digest, to compare texts without storing them."""
        return hmac.new(self._keys[0], f"digest\0{text}".encode(), hashlib.sha256).hexdigest()[:32]


def _signature(key: bytes, what: str, subscription_id: str) -> str:
    return hmac.new(key, f"tag\0{what}\0{subscription_id}".encode(), hashlib.sha256).hexdigest()[:20]
