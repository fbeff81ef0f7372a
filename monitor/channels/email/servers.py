"""Mail servers as settings name them: ``smtps://user:pass@host:465``, ``imap://…?starttls=true``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from monitor.settings import SettingsError

Tls = Literal["none", "starttls", "implicit"]

_PORTS = {"smtp": 25, "smtps": 465, "imap": 143, "imaps": 993}
_SUBMISSION = 587
"""Message submission with STARTTLS."""
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Server:
    """Address and login of a mail server; ``path``: the path of its URL."""

    host: str
    port: int
    tls: Tls
    user: str | None
    password: str | None
    path: str

    @classmethod
    def from_url(cls, url: str, variable: str) -> Server:
        """Parses the URL in the setting ``variable``, whose scheme is already validated; raises SettingsError."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise SettingsError(f"{variable}: the port must be a number up to 65535") from None
        if not host:
            raise SettingsError(f"{variable}: has no host name")
        asked = _BOOLEANS.get(parse_qs(parts.query).get("starttls", ["false"])[-1].lower())
        if asked is None:
            raise SettingsError(f"{variable}: starttls must be true or false")
        tls: Tls = "implicit" if parts.scheme in {"smtps", "imaps"} else "starttls" if asked else "none"
        default = _SUBMISSION if parts.scheme == "smtp" and tls == "starttls" else _PORTS[parts.scheme]
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password or "") if user else None
        return cls(host, port or default, tls, user, password, unquote(parts.path.strip("/")))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
