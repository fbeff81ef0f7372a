"""DKIM signatures (RFC 6376), for relays that do not sign."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from monitor.settings import Settings, SettingsError

_SIGNED = (
    "From", "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type",
    "Auto-Submitted", "Feedback-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
)  # fmt: skip
"""Signed headers, including those that one-click unsubscribe needs (RFC 8058, section 4). ``From`` is listed twice, so
that adding a second one breaks the signature."""
MIN_KEY_BITS = 1024


class Signer:
    """Signs for one domain under one selector. ``key``: an RSA private key as PEM. Raises SettingsError."""

    def __init__(self, domain: str, selector: str, key: bytes) -> None:
        try:
            import dkim
        except ImportError:
            raise SettingsError("MONITOR_DKIM_KEY needs an extra: pip install 'hub-release-monitor[dkim]'") from None
        self._dkim_sign = dkim.sign
        self._domain = domain.encode()
        self._selector = selector.encode()
        self._public, self._pem = _read(key)

    @classmethod
    def from_settings(cls, settings: Settings, domain: str) -> Signer | None:
        """The signer for the settings; None without a key. Raises SettingsError for an unusable key."""
        if settings.dkim_key is None:
            return None
        return cls(domain, settings.dkim_selector, _contents(settings.dkim_key))

    @property
    def record(self) -> tuple[str, str]:
        """Name and text of the TXT record with the public key."""
        name = f"{self._selector.decode()}._domainkey.{self._domain.decode()}"
        return name, f"v=DKIM1; k=rsa; p={self._public}"

    def sign(self, email: bytes) -> bytes:
        """The email (CRLF lines) with a DKIM-Signature header."""
        header: bytes = self._dkim_sign(
            email,
            self._selector,
            self._domain,
            self._pem,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[name.lower().encode() for name in _SIGNED],
        )
        return header + email


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"MONITOR_DKIM_KEY: cannot read {path}: {error.strerror}") from None


def _read(key: bytes) -> tuple[str, bytes]:
    """(public key in base64, private key in the old PEM form that dkimpy reads)."""
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError("MONITOR_DKIM_KEY: expected a PEM private key without a password") from None
    if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < MIN_KEY_BITS:
        raise SettingsError(f"MONITOR_DKIM_KEY: expected an RSA key of at least {MIN_KEY_BITS} bits")
    encoding = serialization.Encoding
    public = private.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    old = serialization.PrivateFormat.TraditionalOpenSSL
    pem = private.private_bytes(encoding.PEM, old, serialization.NoEncryption())
    return base64.b64encode(public).decode(), pem
