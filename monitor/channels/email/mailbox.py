"""Reads the mailbox for bounces and unsubscribe emails over IMAP."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Engine

from monitor.channels.email import bounces
from monitor.channels.email.form_fields import MAX_REPORT_BYTES
from monitor.channels.email.servers import Server
from monitor.channels.email.tokens import Tokens
from monitor.channels.formatting import plain
from monitor.observability.tracing import call
from monitor.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 20.0
"""Timeout of one response."""
MAX_MESSAGES = 200
"""Messages processed in one pass."""


class MailboxError(Exception):
    """The mailbox cannot be read; the message says why in one line."""


def server_of(url: str) -> Server:
    """From ``imaps://user:pass@host/INBOX`` or ``imap://…?starttls=true``; raises SettingsError."""
    server = Server.from_url(url, "MONITOR_BOUNCE_URL")
    if server.user is None:
        raise SettingsError("MONITOR_BOUNCE_URL: imaps://user:password@host/INBOX expected")
    return server


def _folder(server: Server) -> str:
    return server.path or "INBOX"


def collect(settings: Settings, engine: Engine) -> dict[str, int]:
    """Processes unread messages; returns a count for each result of :func:`bounces.process_bounce`.

    Processed reports are deleted; anything else stays in the mailbox, marked as read. After a crash the next pass reads
    the same messages again, which changes nothing. Raises MailboxError.
    """
    if settings.bounce_url is None:
        return {}
    tokens = Tokens(*settings.signing_keys())
    done: dict[str, int] = {}
    server = server_of(settings.bounce_url.get_secret_value())
    with call("IMAP read", "imap", server.host, server.port), _connection(server) as imap:
        for number in _unread(imap):
            status = _process(imap, number, engine, tokens)
            done[status] = done.get(status, 0) + 1
        if done:
            imap.expunge()
            log.info("bounce mailbox read", **done)
    return done


def probe(settings: Settings) -> str:
    """Logs in and counts unread messages; returns a summary, or raises MailboxError or SettingsError."""
    if settings.bounce_url is None:
        return "not set up: see MONITOR_BOUNCE_URL"
    server = server_of(settings.bounce_url.get_secret_value())
    with _connection(server) as imap:
        return f"ok, {server.user} at {server}, folder {_folder(server)}, {len(_unread(imap))} unread"


@contextmanager
def _connection(server: Server) -> Iterator[imaplib.IMAP4]:
    context = ssl.create_default_context()
    imap: imaplib.IMAP4 | None = None
    try:
        if server.tls == "implicit":
            imap = imaplib.IMAP4_SSL(server.host, server.port, ssl_context=context, timeout=TIMEOUT_SECONDS)
        else:
            imap = imaplib.IMAP4(server.host, server.port, timeout=TIMEOUT_SECONDS)
        if server.tls == "starttls":
            imap.starttls(context)
        imap.login(server.user or "", server.password or "")
        folder = _folder(server)
        quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
        _checked(imap.select(f'"{quoted}"'), f"folder {folder}")
        yield imap
    except (imaplib.IMAP4.error, OSError, UnicodeError) as error:
        raise MailboxError(f"{server}: {plain(error)}") from error
    finally:
        if imap is not None:
            try:
                imap.logout()
            except (imaplib.IMAP4.error, OSError):
                imap.shutdown()


def _unread(imap: imaplib.IMAP4) -> list[str]:
    """The UIDs of unread messages, oldest first."""
    found = _checked(imap.uid("SEARCH", "UNSEEN UNDELETED"), "SEARCH")
    return b" ".join(found).decode().split()[:MAX_MESSAGES]


def _process(imap: imaplib.IMAP4, number: str, engine: Engine, tokens: Tokens) -> str:
    raw = _message(imap, number)
    status = "ignored" if raw is None else bounces.process_bounce(engine, tokens, raw)
    _checked(imap.uid("STORE", number, "+FLAGS", r"(\Seen)" if status == "ignored" else r"(\Seen \Deleted)"), "STORE")
    return status


def _message(imap: imaplib.IMAP4, number: str) -> bytes | None:
    """A whole message; None if it is too large or no longer there."""
    size = re.search(rb"RFC822\.SIZE (\d+)", b" ".join(_checked(imap.uid("FETCH", number, "(RFC822.SIZE)"), "FETCH")))
    if size is None or int(size[1]) > MAX_REPORT_BYTES:
        return None
    pieces = _checked(imap.uid("FETCH", number, "(BODY.PEEK[])"), "FETCH")
    return pieces[1] if len(pieces) > 1 else None


def _checked(answer: tuple[str, Any], what: str) -> list[bytes]:
    """The data of a response: lines, and each literal after the line that announces it. Raises IMAP4.error."""
    status, found = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"{what}: {plain(found)}")
    return [piece for part in found if part for piece in (part if isinstance(part, tuple) else (part,))]
