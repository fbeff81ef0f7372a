"""The SMTP side: one connection a thread, kept open, and a dialogue that knows how far it came."""

from __future__ import annotations

import os
import re
import smtplib
import ssl
import threading
import time

from monitor.channels.email.refusals import classify_refusal
from monitor.channels.email.servers import Server
from monitor.channels.formatting import plain
from monitor.notify.message import SendError

SEND_TIMEOUT_SECONDS = 25.0
"""Seconds for one email, connection and all: less than what a worker's lease leaves it."""
MAX_IDLE_SECONDS = 60.0
"""Seconds after which a connection is taken to be gone."""


class RefusedError(SendError):
    """The server said no. ``about``: what a refusal for good says of the reader's mailbox; None where nothing."""

    def __init__(self, stage: str, code: int, text: str) -> None:
        # Up to MAIL FROM it is about us (our login, our sender), which says nothing about the reader.
        permanent = code >= 500 and stage in {"RCPT TO", "DATA", "message"}
        super().__init__(f"{stage} refused: {code} {text}"[:400], permanent=permanent)
        self.code = code
        self.about = classify_refusal("", f"{code} {text}") if permanent and stage == "RCPT TO" else None


class _ConnectionLostError(Exception):
    """The connection was gone before the server had taken anything."""


class SmtpClient:
    """Hands emails to a relay. Threads share it, each with a connection of its own."""

    def __init__(self, relay: Server, context: ssl.SSLContext | None = None) -> None:
        self.relay = relay
        self._context = context
        self._local = threading.local()

    def send(self, sender: str, recipient: str, email: bytes) -> None:
        """Delivers one email (CRLF lines) to the relay, or raises SendError; see :mod:`monitor.notify.outbox`."""
        deadline = time.monotonic() + SEND_TIMEOUT_SECONDS
        kept = self._reusable_connection()
        if kept is not None:
            try:
                self._send_on(kept, sender, recipient, email, deadline)
                return
            except _ConnectionLostError:
                pass  # it was open for long, and nothing was taken: a new one, at once
        try:
            self._send_on(self._open(deadline), sender, recipient, email, deadline)
        except _ConnectionLostError as error:
            raise SendError(f"{self.relay}: connection lost before the email was taken: {error}") from error

    def probe(self) -> str:
        """Connects, logs in and hangs up; returns what was agreed, or raises SendError."""
        smtp = self._open(time.monotonic() + SEND_TIMEOUT_SECONDS)
        version = getattr(smtp.sock, "version", lambda: None)()
        self.close()
        login = f", as {self.relay.user}" if self.relay.user else ""
        return f"{self.relay}, {version or 'no encryption'}{login}"

    def close(self) -> None:
        """Hangs up this thread's connection."""
        smtp = getattr(self._local, "smtp", None)
        self._local.smtp = None
        if smtp is not None:
            try:
                smtp.close()
            except OSError:
                return

    def _reusable_connection(self) -> smtplib.SMTP | None:
        """This thread's connection, if it may still be good."""
        smtp: smtplib.SMTP | None = getattr(self._local, "smtp", None)
        if smtp is None:
            return None
        if self._local.pid != os.getpid():
            self._local.smtp = None  # a forked child must not speak on its parent's line
            return None
        if time.monotonic() - self._local.used > MAX_IDLE_SECONDS:
            self.close()
            return None
        return smtp

    def _open(self, deadline: float) -> smtplib.SMTP:
        self.close()
        relay = self.relay
        try:
            smtp = self._connect(deadline)
        except (OSError, UnicodeError) as error:
            # OSError: also everything of smtplib and of ssl.
            raise SendError(f"{relay}: {_error_text(error)}") from error
        self._local.smtp, self._local.pid, self._local.used = smtp, os.getpid(), time.monotonic()
        return smtp

    def _connect(self, deadline: float) -> smtplib.SMTP:
        relay, timeout = self.relay, max(1.0, deadline - time.monotonic())
        context = self._context or ssl.create_default_context()
        smtp: smtplib.SMTP
        if relay.tls == "implicit":
            smtp = smtplib.SMTP_SSL(relay.host, relay.port, timeout=timeout, context=context)
        else:
            smtp = smtplib.SMTP(relay.host, relay.port, timeout=timeout)
        try:
            smtp.ehlo_or_helo_if_needed()
            if relay.tls == "starttls":
                code, text = smtp.starttls(context=context)
                if code != 220:
                    raise smtplib.SMTPResponseException(code, text)
                smtp.ehlo_or_helo_if_needed()
            if relay.user is not None:
                smtp.login(relay.user, relay.password or "")
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _send_on(self, smtp: smtplib.SMTP, sender: str, recipient: str, email: bytes, deadline: float) -> None:
        try:
            _send_email(smtp, sender, recipient, email, deadline)
        except RefusedError as error:
            self._reset(smtp, error)
            raise
        except BaseException:
            self.close()
            raise
        self._local.used = time.monotonic()

    def _reset(self, smtp: smtplib.SMTP, error: RefusedError) -> None:
        """Makes the connection fit for the next email, or drops it."""
        try:
            if error.code == 421 or smtp.rset()[0] != 250:
                self.close()
        except OSError:
            self.close()


def _send_email(smtp: smtplib.SMTP, sender: str, recipient: str, email: bytes, deadline: float) -> None:
    _send_envelope(smtp, sender, recipient, deadline)
    try:
        _set_timeout(smtp, deadline)
        smtp.send(_dot_stuffed(email))
        code, answer = smtp.getreply()
    except OSError as error:
        # The final dot may have gone out: only a second email with the same Message-ID is sure to arrive.
        raise SendError(f"no answer to the email: {_error_text(error)}", in_doubt=True) from error
    if not 200 <= code < 300:
        raise RefusedError("message", code, _text(answer))


def _send_envelope(smtp: smtplib.SMTP, sender: str, recipient: str, deadline: float) -> None:
    """Everything before the email, in one packet where the server can (RFC 2920): one wait instead of three."""
    commands = (
        ("MAIL FROM", f"MAIL FROM:<{sender}>", (250,)),
        ("RCPT TO", f"RCPT TO:<{recipient}>", (250, 251)),
        ("DATA", "DATA", (354,)),
    )
    together = smtp.has_extn("pipelining")
    refused: RefusedError | None = None
    code = 0
    try:
        _set_timeout(smtp, deadline)
        if together:
            smtp.send("".join(f"{line}\r\n" for _, line, _ in commands))
        for stage, line, wanted in commands:
            if not together:
                smtp.putcmd(line)
            _set_timeout(smtp, deadline)
            code, answer = smtp.getreply()
            if code == 421 and stage == "MAIL FROM":
                raise _ConnectionLostError("the server closes the connection")
            if code not in wanted and refused is None:
                refused = RefusedError(stage, code, _text(answer))
                if not together:
                    break
        if refused is not None and code == 354:
            smtp.send(".\r\n")  # it wants an email, for nobody
            smtp.getreply()
    except OSError as error:
        if refused is None:
            raise _ConnectionLostError(_error_text(error)) from error
    if refused is not None:
        raise refused


def _set_timeout(smtp: smtplib.SMTP, deadline: float) -> None:
    if smtp.sock is None:
        raise smtplib.SMTPServerDisconnected("not connected")
    smtp.sock.settimeout(max(0.1, deadline - time.monotonic()))


def _dot_stuffed(email: bytes) -> bytes:
    """The email as DATA wants it: no line begins with a lone dot, and a dot ends it."""
    stuffed = re.sub(rb"(?m)^\.", b"..", email)
    return stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return plain(" ".join(text.split()))


def _error_text(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"login refused: {error.smtp_code} {_text(error.smtp_error)}; see MONITOR_SMTP_URL"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, UnicodeError):
        return "user or password has characters that SMTP login does not take"
    return plain(error) or type(error).__name__
