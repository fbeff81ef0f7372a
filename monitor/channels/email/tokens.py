"""Signed links: each made for one purpose, and useless for any other."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from itsdangerous import BadSignature, SignatureExpired, TimestampSigner


class Purpose(StrEnum):
    """What a link may do."""

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
"""How long each lasts; None: for ever."""

_TAG = re.compile(r"([0-9a-f]{1,32})-([0-9a-f]{20})")
_MAX_TOKEN_CHARS = 500


class TokenError(ValueError):
    """A link that does not count; ``expired``: it did once."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says: which subscription, and when it was signed (to the second)."""

    subscription_id: str
    signed_at: datetime


class Tokens:
    """Makes tokens under the first of ``keys``, and reads those of any."""

    def __init__(self, *keys: str) -> None:
        self._keys = [key.encode() for key in keys]
        oldest_first = list(reversed(keys))
        self._signers = {purpose: TimestampSigner(oldest_first, salt=f"email.{purpose}") for purpose in Purpose}

    def make(self, purpose: Purpose, subscription_id: str) -> str:
        """A token for one purpose and one subscription."""
        return self._signers[purpose].sign(subscription_id).decode()

    def read(self, purpose: Purpose, token: str) -> Claim:
        """What a token says; raises TokenError where it is forged, expired, or made for something else."""
        lasts = TOKEN_LIFETIMES[purpose]
        age = None if lasts is None else int(lasts.total_seconds())
        if len(token) > _MAX_TOKEN_CHARS:
            raise TokenError("no token of ours is as long")
        try:
            subscription_id, signed_at = self._signers[purpose].unsign(token, max_age=age, return_timestamp=True)
        except SignatureExpired:
            raise TokenError("this link has expired", expired=True) from None
        except BadSignature:
            raise TokenError("this link is not one of ours, or part of it is missing") from None
        return Claim(subscription_id.decode(), signed_at)

    def tag(self, what: str, subscription_id: str) -> str:
        """A short mark for the local part of an address, where 64 characters must do and case may be lost."""
        return f"{subscription_id}-{_mark(self._keys[0], what, subscription_id)}"

    def read_tag(self, what: str, tag: str) -> str:
        """The subscription of a tag; raises TokenError."""
        found = _TAG.fullmatch(tag.lower())
        if found is None or not any(hmac.compare_digest(_mark(key, what, found[1]), found[2]) for key in self._keys):
            raise TokenError("this address is not one of ours")
        return found[1]

    def digest(self, text: str) -> str:
        """A keyed digest: tells equal from unequal, and nothing else."""
        return hmac.new(self._keys[0], f"digest\0{text}".encode(), hashlib.sha256).hexdigest()[:32]


def _mark(key: bytes, what: str, subscription_id: str) -> str:
    return hmac.new(key, f"tag\0{what}\0{subscription_id}".encode(), hashlib.sha256).hexdigest()[:20]
