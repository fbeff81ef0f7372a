"""Secrets that must be kept in a table (tokens of other services), encrypted under the secret key.

The secret key may be several, the newest first: what is sealed now is sealed under the first, what any of them sealed
can still be read. So a key can be changed while everything stays readable.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEALED = "sealed:"
"""What the alike sealed texts of :meth:`Seal.seal_alike` begin with."""


class SealError(ValueError):
    """Something sealed that none of the keys opens: one line that says what to do."""


class Seal:
    """Seals and unseals under ``keys``, newest first (``Settings.signing_keys()``)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in keys])
        self._keys = keys

    def seal(self, text: str) -> str:
        """``text``, authenticated and encrypted (Fernet: AES-128-CBC and HMAC-SHA256); never twice the same."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def unseal(self, sealed: str) -> str:
        """What was sealed; raises SealError where it was sealed under another key or changed since."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SealError(_OTHER_KEY) from None

    def reseal(self, sealed: str) -> str:
        """The same under the newest key, so that the older ones can be taken away; raises SealError."""
        return self.seal(self.unseal(sealed))

    def forms(self, text: str) -> list[str]:
        """``text`` sealed under each key, the newest first; the same text always alike, so that it can be looked for.

        AES-SIV (RFC 5297), which is made for this: a form tells whether two texts are the same, and nothing else.
        """
        sealed = (_siv(key).encrypt(text.encode(), None) for key in self._keys)
        return [SEALED + base64.urlsafe_b64encode(one).decode("ascii") for one in sealed]

    def open(self, text: str) -> str:
        """What one of :meth:`forms` holds; a text that is not sealed as it is. Raises SealError as ``unseal`` does."""
        if not text.startswith(SEALED):
            return text
        with suppress(ValueError):
            sealed = base64.urlsafe_b64decode(text.removeprefix(SEALED))
            for key in self._keys:
                with suppress(InvalidTag):
                    return _siv(key).decrypt(sealed, None).decode()
        raise SealError(_OTHER_KEY)


_OTHER_KEY = "sealed under another MONITOR_SECRET_KEY: put that key after the new one, separated by a comma"


def _siv(key: str) -> AESSIV:
    return AESSIV(HKDF(algorithm=SHA256(), length=64, salt=None, info=b"hub-monitor/targets").derive(key.encode()))


def _derived(key: str) -> bytes:
    """A key for this purpose alone, of the length that Fernet asks for."""
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"hub-monitor/sealing")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
