"""The mailbox that bounces and farewells come to, read over IMAP."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from sqlalchemy import Engine

from monitor.channels.email import bounces
from monitor.channels.email.forms import LARGEST_REPORT
from monitor.channels.email.tokens import Tokens
from monitor.channels.words import plain
from monitor.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

PATIENCE = 20.0
"""Seconds for one answer."""
AT_ONCE = 200
"""Messages in one pass."""


class MailboxError(Exception):
    """The mailbox cannot be read: one line that says why."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where it is."""

    host: str
    port: int
    implicit_tls: bool
    starttls: bool
    user: str
    password: str
    folder: str

    @classmethod
    def of(cls, url: str) -> Mailbox:
        """From ``imaps://user:pass@host/INBOX`` or ``imap://…?starttls=true``; raises SettingsError."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise SettingsError("MONITOR_BOUNCE_URL: the port must be a number up to 65535") from None
        if not host or not parts.username:
            raise SettingsError("MONITOR_BOUNCE_URL: imaps://user:password@host/INBOX expected")
        starttls = parse_qs(parts.query).get("starttls", ["false"])[-1].lower() in {"true", "1", "yes"}
        implicit = parts.scheme == "imaps"
        user, password = unquote(parts.username), unquote(parts.password or "")
        folder = unquote(parts.path.strip("/")) or "INBOX"
        return cls(host, port or (993 if implicit else 143), implicit, starttls, user, password, folder)

    def __str__(self) -> str:
        return f"{self.user} at {self.host}:{self.port}, folder {self.folder}"


def collect(settings: Settings, engine: Engine) -> dict[str, int]:
    """Acts on the messages that nobody has read; returns how many did what, see :func:`bounces.take`.

    Reports and farewells are deleted when they have been acted on; anything else is left there, marked as read. Where
    it dies in between, the next pass reads the same again, which changes nothing. Raises MailboxError.
    """
    if settings.bounce_url is None:
        return {}
    tokens = Tokens(*settings.signing_keys())
    done: dict[str, int] = {}
    with _opened(Mailbox.of(settings.bounce_url.get_secret_value())) as imap:
        for number in _unread(imap):
            status = _one(imap, number, engine, tokens)
            done[status] = done.get(status, 0) + 1
        if done:
            imap.expunge()
            log.info("mailbox of bounces read", **done)
    return done


def probe(settings: Settings) -> str:
    """Logs in and looks; returns what is there, or raises MailboxError or SettingsError."""
    if settings.bounce_url is None:
        return "not set up: see MONITOR_BOUNCE_URL"
    mailbox = Mailbox.of(settings.bounce_url.get_secret_value())
    with _opened(mailbox) as imap:
        return f"ok, {mailbox}, {len(_unread(imap))} unread"


@contextmanager
def _opened(mailbox: Mailbox) -> Iterator[imaplib.IMAP4]:
    context = ssl.create_default_context()
    imap: imaplib.IMAP4 | None = None
    try:
        if mailbox.implicit_tls:
            imap = imaplib.IMAP4_SSL(mailbox.host, mailbox.port, ssl_context=context, timeout=PATIENCE)
        else:
            imap = imaplib.IMAP4(mailbox.host, mailbox.port, timeout=PATIENCE)
        if mailbox.starttls:
            imap.starttls(context)
        imap.login(mailbox.user, mailbox.password)
        folder = mailbox.folder.replace("\\", "\\\\").replace('"', '\\"')
        _ok(imap.select(f'"{folder}"'), f"folder {mailbox.folder}")
        yield imap
    except (imaplib.IMAP4.error, OSError, UnicodeError) as error:
        raise MailboxError(f"{mailbox.host}:{mailbox.port}: {plain(error)}") from error
    finally:
        if imap is not None:
            try:
                imap.logout()
            except (imaplib.IMAP4.error, OSError):
                imap.shutdown()


def _unread(imap: imaplib.IMAP4) -> list[str]:
    """The UIDs of messages that nobody has read, oldest first."""
    found = _ok(imap.uid("SEARCH", "UNSEEN UNDELETED"), "SEARCH")
    return b" ".join(found).decode().split()[:AT_ONCE]


def _one(imap: imaplib.IMAP4, number: str, engine: Engine, tokens: Tokens) -> str:
    raw = _message(imap, number)
    status = "ignored" if raw is None else bounces.take(engine, tokens, raw)
    _ok(imap.uid("STORE", number, "+FLAGS", r"(\Seen)" if status == "ignored" else r"(\Seen \Deleted)"), "STORE")
    return status


def _message(imap: imaplib.IMAP4, number: str) -> bytes | None:
    """A message whole; None for one that is too large, or gone."""
    size = re.search(rb"RFC822\.SIZE (\d+)", b" ".join(_ok(imap.uid("FETCH", number, "(RFC822.SIZE)"), "FETCH")))
    if size is None or int(size[1]) > LARGEST_REPORT:
        return None
    pieces = _ok(imap.uid("FETCH", number, "(BODY.PEEK[])"), "FETCH")
    return pieces[1] if len(pieces) > 1 else None


def _ok(answer: tuple[str, Any], what: str) -> list[bytes]:
    """What came with an answer: lines, and before each literal the line that announced it."""
    status, found = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"{what}: {plain(found)}")
    return [piece for part in found if part for piece in (part if isinstance(part, tuple) else (part,))]
