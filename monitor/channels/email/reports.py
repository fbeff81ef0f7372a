"""Reading what comes back by mail: delivery reports (RFC 3464), complaints (RFC 5965), and letters of farewell.

Pure: from the bytes of a message to what it says. Whether it may be believed is for :mod:`bounces` to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.policy import default
from enum import StrEnum

from monitor.channels.words import plain

_TAGGED = re.compile(r"\b(bounce|unsubscribe)\+([0-9a-z-]{10,80})@", re.IGNORECASE)
_LINK = re.compile(r"/unsubscribe/([\w.-]{10,300})>")
_ADDRESS = re.compile(r"[^\s<>;:,]+@[^\s<>;:,]+")
_PASSING = re.compile(r"4\.|5\.2\.[23]|5\.3\.|5\.4\.|5\.6\.|5\.7\.")
"""Statuses that say nothing lasting about a mailbox: full, too large, the network, the content, the policy."""
_COMPLAINTS = {"abuse", "fraud", "virus", "opt-out", "opt-out-list", "other"}
_ENVELOPE = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to")


class Kind(StrEnum):
    """What a report means for us."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    FAREWELL = "unsubscribe"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``tag``, ``link``: marks of ours that it bears; ``addresses``: whom it names, on its own word."""

    kind: Kind
    tag: str | None = None
    link: str | None = None
    addresses: tuple[str, ...] = ()
    status: str | None = None
    says: str | None = None


def read(raw: bytes) -> Report:
    """What a message from outside says; anything that is no report says nothing."""
    try:
        message = message_from_bytes(raw, policy=default)
        return _read(message)
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, IndexError):
        # The standard library's header parser fails in its own ways on what the world sends.
        return Report(Kind.NOTHING)


def _read(message: EmailMessage) -> Report:
    tags = dict(_tags(message))
    if "unsubscribe" in tags:
        return Report(Kind.FAREWELL, tag=tags["unsubscribe"])
    form = str(message.get_param("report-type", "")).lower() if message.is_multipart() else ""
    if form == "delivery-status":
        return _delivery(message, tags.get("bounce"))
    if form == "feedback-report":
        return _complaint(message, tags.get("bounce"))
    return Report(Kind.NOTHING, tag=tags.get("bounce"))


def _tags(message: Message) -> Iterator[tuple[str, str]]:
    for header in _ENVELOPE:
        for value in message.get_all(header, []):
            for what, tag in _TAGGED.findall(str(value)):
                yield what.lower(), tag


def _delivery(message: EmailMessage, tag: str | None) -> Report:
    failed = [fields for fields in _fields(message, "message/delivery-status") if _says(fields, "action") == "failed"]
    own, link = _returned(message)
    if not failed:
        return Report(Kind.NOTHING, tag=tag or own)
    first = failed[0]
    status = _says(first, "status")
    kind = Kind.SOFT if _PASSING.match(status) or not status.startswith("5") else Kind.HARD
    named = [_says(fields, name) for fields in failed for name in ("original-recipient", "final-recipient")]
    diagnostic = plain(first.get("diagnostic-code", "")) or status
    return Report(kind, tag or own, link, _addresses(named), status or None, diagnostic[:500])


def _complaint(message: EmailMessage, tag: str | None) -> Report:
    for fields in _fields(message, "message/feedback-report"):
        what = _says(fields, "feedback-type")
        own, link = _returned(message)
        kind = Kind.COMPLAINT if what in _COMPLAINTS else Kind.NOTHING
        named = [str(value) for value in fields.get_all("original-rcpt-to", [])]
        return Report(kind, tag or own, link, _addresses(named), None, f"feedback: {what}"[:500])
    return Report(Kind.NOTHING)


def _fields(message: EmailMessage, kind: str) -> Iterator[Message]:
    """The groups of fields in the machine-readable parts."""
    for part in message.walk():
        if part.get_content_type() != kind:
            continue
        payload = part.get_payload()
        if isinstance(payload, list):
            yield from (group for group in payload if isinstance(group, Message))
        else:
            # An unknown message/* type is kept as text: read its fields as headers.
            for block in re.split(r"\r?\n\r?\n", str(part.get_payload())):
                yield message_from_string(block.strip())


def _returned(message: EmailMessage) -> tuple[str | None, str | None]:
    """The marks in the letter that came back with the report: its return path's tag, its unsubscribe link's token."""
    tag = link = None
    for headers in _letters_in(message):
        for value in headers.get_all("return-path", []):
            tag = next((found for what, found in _TAGGED.findall(str(value)) if what.lower() == "bounce"), tag)
        for value in headers.get_all("list-unsubscribe", []):
            # A mail server may have folded it anew, even within the address.
            link = next(iter(_LINK.findall("".join(str(value).split()))), link)
    return tag, link


def _letters_in(message: EmailMessage) -> Iterator[Message]:
    for part in message.walk():
        payload = part.get_payload()
        if part.get_content_type() == "message/rfc822" and isinstance(payload, list):
            yield from (inner for inner in payload if isinstance(inner, Message))
        elif part.get_content_type() == "text/rfc822-headers":
            yield message_from_string(str(payload).strip())


def _says(fields: Message, name: str) -> str:
    return plain(fields.get(name, "")).strip().lower()


def _addresses(texts: list[str]) -> tuple[str, ...]:
    found = [address.lower() for text in texts for address in _ADDRESS.findall(text)]
    return tuple(dict.fromkeys(found))
