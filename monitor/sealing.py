"""Secrets that must be kept in a table (tokens of other services), encrypted under the secret key.

The secret key may be several, the newest first: what is sealed now is sealed under the first, what any of them sealed
can still be read. So a key can be changed while everything stays readable.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SealError(ValueError):
    """Something sealed that none of the keys opens: one line that says what to do."""


class Seal:
    """Seals and unseals under ``keys``, newest first (``Settings.signing_keys()``)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in keys])

    def seal(self, text: str) -> str:
        """``text``, authenticated and encrypted (Fernet: AES-128-CBC and HMAC-SHA256); never twice the same."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def unseal(self, sealed: str) -> str:
        """What was sealed; raises SealError where it was sealed under another key or changed since."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SealError(
                "sealed under another MONITOR_SECRET_KEY: put that key after the new one, separated by a comma"
            ) from None

    def reseal(self, sealed: str) -> str:
        """The same under the newest key, so that the older ones can be taken away; raises SealError."""
        return self.seal(self.unseal(sealed))


def _derived(key: str) -> bytes:
    """A key for this purpose alone, of the length that Fernet asks for."""
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"hub-monitor/sealing")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
