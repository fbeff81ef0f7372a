"""SMTP client: one open connection a thread, and errors that say whether the email may have been delivered."""

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
from monitor.observability.tracing import call

SEND_TIMEOUT_SECONDS = 25.0
"""For one email including the connection; shorter than a worker's lease."""
MAX_IDLE_SECONDS = 60.0
"""An older connection is assumed to be closed."""


class RefusedError(SendError):
    """The server refused. ``about``: what a permanent refusal says about the recipient's mailbox, or None."""

    def __init__(self, stage: str, code: int, text: str) -> None:
        # Up to MAIL FROM a refusal is about our login or sender, not about the recipient.
        permanent = code >= 500 and stage in {"RCPT TO", "DATA", "message"}
        super().__init__(f"{stage} refused: {code} {text}"[:400], permanent=permanent)
        self.code = code
        self.about = classify_refusal("", f"{code} {text}") if permanent and stage == "RCPT TO" else None


class _ConnectionLostError(Exception):
    """The connection was lost before the server accepted anything."""


class SmtpClient:
    """Sends emails to a relay. Thread-safe: each thread has its own connection."""

    def __init__(self, relay: Server, context: ssl.SSLContext | None = None) -> None:
        self.relay = relay
        self._context = context
        self._local = threading.local()

    def send(self, sender: str, recipient: str, email: bytes) -> None:
        """Delivers one email (CRLF lines) to the relay, or raises SendError; see :mod:`monitor.notify.outbox`."""
        with call("SMTP send", "smtp", self.relay.host, self.relay.port):
            self._send(sender, recipient, email)

    def _send(self, sender: str, recipient: str, email: bytes) -> None:
        deadline = time.monotonic() + SEND_TIMEOUT_SECONDS
        kept = self._reusable_connection()
        if kept is not None:
            try:
                self._send_on(kept, sender, recipient, email, deadline)
                return
            except _ConnectionLostError:
                pass  # the idle connection was closed and nothing was accepted: reconnect
        try:
            self._send_on(self._open(deadline), sender, recipient, email, deadline)
        except _ConnectionLostError as error:
            raise SendError(f"{self.relay}: connection lost before the email was accepted: {error}") from error

    def probe(self) -> str:
        """Connects, logs in and disconnects; returns a summary of the connection, or raises SendError."""
        smtp = self._open(time.monotonic() + SEND_TIMEOUT_SECONDS)
        version = getattr(smtp.sock, "version", lambda: None)()
        self.close()
        login = f", as {self.relay.user}" if self.relay.user else ""
        return f"{self.relay}, {version or 'no encryption'}{login}"

    def close(self) -> None:
        """Closes this thread's connection."""
        smtp = getattr(self._local, "smtp", None)
        self._local.smtp = None
        if smtp is not None:
            try:
                smtp.close()
            except OSError:
                return

    def _reusable_connection(self) -> smtplib.SMTP | None:
        """This thread's connection, if it may still be open."""
        smtp: smtplib.SMTP | None = getattr(self._local, "smtp", None)
        if smtp is None:
            return None
        if self._local.pid != os.getpid():
            self._local.smtp = None  # a forked child must not use its parent's connection
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
            # OSError includes the errors of smtplib and ssl.
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
        """Resets the connection for the next email, or closes it."""
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
        # The server may have accepted the email: send it again under the same Message-ID.
        raise SendError(f"no answer to the email: {_error_text(error)}", in_doubt=True) from error
    if not 200 <= code < 300:
        raise RefusedError("message", code, _text(answer))


def _send_envelope(smtp: smtplib.SMTP, sender: str, recipient: str, deadline: float) -> None:
    """Sends the envelope, in one packet if the server offers PIPELINING (RFC 2920): one round trip instead of three."""
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
            smtp.send(".\r\n")  # DATA was accepted without a recipient: send an empty email
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
    """The email with dot-stuffing (RFC 5321, 4.5.2) and the final dot."""
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
        return "user or password has characters that SMTP login does not support"
    return plain(error) or type(error).__name__
