"""An SMTP server on loopback that keeps emails, and goes wrong at whichever stage it is asked to.

Real sockets and real TLS (a certificate made here), on aiosmtpd.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Tls = Literal["none", "starttls", "implicit"]
Stage = Literal["connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "message"]
DROP = "drop"
KEEP_AND_DROP = "keep and drop"
"""At the message: it is taken, but the connection breaks before the answer."""


@dataclass(frozen=True)
class Received:
    """An email as it came."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    encrypted: bool
    user: str | None

    @cached_property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)


class SmtpSink:
    """The server. ``login``: user and password that it asks for. ``pipelining``: it takes commands in one packet."""

    def __init__(self, tls: Tls = "none", login: tuple[str, str] | None = None, *, pipelining: bool = True) -> None:
        self.tls = tls
        self.login = login
        self.pipelining = pipelining
        self.emails: list[Received] = []
        self.connections = 0
        self.port = 0
        self._trouble: deque[tuple[Stage, str]] = deque()
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="smtp-")
        self._context = None if tls == "none" else self._made_context()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp-sink", daemon=True)
        self._server: asyncio.Server | None = None
        self._transports: set[Any] = set()

    # --- for tests ----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        scheme = "smtps" if self.tls == "implicit" else "smtp"
        login = f"{self.login[0]}:{self.login[1]}@" if self.login else ""
        query = "?starttls=true" if self.tls == "starttls" else ""
        return f"{scheme}://{login}127.0.0.1:{self.port}{query}"

    @property
    def certificate(self) -> Path:
        """To be trusted, by SSL_CERT_FILE or :meth:`trusting`."""
        return Path(self._folder.name) / "cert.pem"

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this server."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def fail(self, stage: Stage, how: str, times: int = 1) -> None:
        """At its next ``times`` visits to ``stage`` it answers ``how`` (``550 no``), or drops the connection."""
        with self._lock:
            self._trouble.extend([(stage, how)] * times)

    @property
    def troubles_left(self) -> int:
        return len(self._trouble)

    def hang_up(self) -> None:
        """Closes every open connection from its side."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)

    def to(self, address: str) -> list[Received]:
        """The emails to one address."""
        return [email for email in self.emails if address in email.recipients]

    def __enter__(self) -> SmtpSink:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._folder.cleanup()

    # --- inside -------------------------------------------------------------------------------------------

    def trouble(self, stage: Stage) -> str | None:
        with self._lock:
            if self._trouble and self._trouble[0][0] == stage:
                return self._trouble.popleft()[1]
        return None

    def opened(self, transport: Any) -> None:
        self.connections += 1
        self._transports.add(transport)

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self.login, handled=False, auth_data=data)

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], *(["250-PIPELINING"] if self.pipelining else []), *responses[1:]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        how = self.trouble("message")
        if how is None or how == KEEP_AND_DROP:
            user = session.auth_data.login.decode() if session.auth_data else None
            raw = envelope.original_content or b""
            sender, recipients = envelope.mail_from or "", tuple(envelope.rcpt_tos)
            encrypted = server.transport is not None and server.transport.get_extra_info("sslcontext") is not None
            self.emails.append(Received(sender, recipients, raw, encrypted, user))
        if how in {DROP, KEEP_AND_DROP}:
            drop(server)
        return how or "250 taken"

    async def _listen(self) -> asyncio.Server:
        implicit = self._context if self.tls == "implicit" else None
        return await self._loop.create_server(lambda: _Dialogue(self), "127.0.0.1", 0, ssl=implicit)

    def options(self) -> dict[str, Any]:
        return {
            "loop": self._loop,
            "hostname": "sink",
            "tls_context": self._context if self.tls == "starttls" else None,
            "require_starttls": self.tls == "starttls",
            "auth_required": self.login is not None,
            "auth_require_tls": False,
            "authenticator": self.authenticate,
        }

    async def _hang_up(self) -> None:
        for transport in self._transports:
            transport.abort()
        self._transports.clear()

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._hang_up()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _made_context(self) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smtp sink")])
        today = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - datetime.timedelta(days=400))
            .not_valid_after(today + datetime.timedelta(days=400))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret = self.certificate.with_name("key.pem")
        form = serialization.PrivateFormat.PKCS8
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, secret)
        return context


def drop(server: SMTP) -> None:
    """Breaks the connection without a word; the dialogue ends here."""
    assert server.transport is not None
    server.transport.abort()
    raise asyncio.CancelledError


class _Dialogue(SMTP):
    """One connection, which looks for trouble at each of its stages."""

    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink
        super().__init__(sink, **sink.options())

    def connection_made(self, transport: Any) -> None:
        if self._original_transport is None:
            self._sink.opened(transport)
        super().connection_made(transport)

    async def _handle_client(self) -> None:
        if not await self._met("connect"):
            await super()._handle_client()

    async def smtp_EHLO(self, hostname: str) -> None:
        if not await self._met("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:
        if not await self._met("STARTTLS"):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:
        if not await self._met("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        if not await self._met("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        if not await self._met("RCPT"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        if not await self._met("DATA"):
            await super().smtp_DATA(arg)

    async def _met(self, stage: Stage) -> bool:
        how = self._sink.trouble(stage)
        if how is None:
            return False
        if how == DROP:
            drop(self)
        await self.push(how)
        if how.startswith("421") or stage == "connect":
            assert self.transport is not None
            self.transport.close()
            raise asyncio.CancelledError
        return True
