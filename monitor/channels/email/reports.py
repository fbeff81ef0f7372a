"""Parses returned emails: delivery reports (RFC 3464), complaints (RFC 5965), and unsubscribe emails.

Pure: from the bytes of a message to its content. :mod:`bounces` verifies the tags.
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

from monitor.channels.email.refusals import Refusal, classify_refusal
from monitor.channels.formatting import plain

_TAGGED = re.compile(r"\b(bounce|unsubscribe)\+([0-9a-z-]{10,80})@", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"\.([0-9a-f]{1,32}-[0-9a-f]{20})@", re.IGNORECASE)
_MAX_TAGS = 20
"""Tags of one report whose signature is checked."""
_COMPLAINTS = {"abuse", "fraud", "virus", "opt-out", "opt-out-list", "other"}
_ENVELOPE = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to")


class Kind(StrEnum):
    """The kinds of returned emails."""

    HARD = "hard"
    SOFT = "soft"
    SENDER = "sender"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``tags``: tags of return paths or of an unsubscribe address; ``message_ids``: tags of Message-IDs.
    None of them can be trusted until its signature is verified."""

    kind: Kind
    tags: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    status: str | None = None
    message: str | None = None


def parse_report(raw: bytes) -> Report:
    """The report in a message; ``Kind.NOTHING`` if it is not a report."""
    try:
        message = message_from_bytes(raw, policy=default)
        return _read(message)
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, IndexError):
        # The standard library's header parser raises any of these on malformed messages.
        return Report(Kind.NOTHING)


def _read(message: EmailMessage) -> Report:
    tags = list(_tags(message, _ENVELOPE))
    unsubscribed = tuple(tag for what, tag in tags if what == "unsubscribe")
    if unsubscribed:
        return Report(Kind.UNSUBSCRIBE, unsubscribed)
    bounced = [tag for what, tag in tags if what == "bounce"]
    form = str(message.get_param("report-type", "")).lower() if message.is_multipart() else ""
    if form == "delivery-status":
        return _delivery(message, bounced)
    if form == "feedback-report":
        return _complaint(message, bounced)
    return Report(Kind.NOTHING)


def _tags(message: Message, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for header in names:
        for value in message.get_all(header, []):
            for what, tag in _TAGGED.findall(str(value)):
                yield what.lower(), tag


def _delivery(message: EmailMessage, tags: list[str]) -> Report:
    failed = [fields for fields in _fields(message, "message/delivery-status") if _field(fields, "action") == "failed"]
    if not failed:
        return Report(Kind.NOTHING)
    # A subscriber may forward to several mailboxes: one that no longer exists does not end the subscription.
    kinds = [classify_refusal(_field(fields, "status"), plain(fields.get("diagnostic-code", ""))) for fields in failed]
    worst = next((kind for kind in (Refusal.SENDER, Refusal.SOFT) if kind in kinds), Refusal.HARD)
    first = failed[kinds.index(worst)]
    status = _field(first, "status")
    text = plain(first.get("diagnostic-code", "")) or status
    return Report(Kind(worst), *_signed_tags(message, tags), status or None, text[:500])


def _complaint(message: EmailMessage, tags: list[str]) -> Report:
    for fields in _fields(message, "message/feedback-report"):
        what = _field(fields, "feedback-type")
        if what in _COMPLAINTS:
            return Report(Kind.COMPLAINT, *_signed_tags(message, tags), None, f"feedback: {what}"[:500])
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
            # The parser keeps an unknown message/* type as text: parse its fields as headers.
            for block in re.split(r"\r?\n\r?\n", str(part.get_payload())):
                yield message_from_string(block.strip())


def _signed_tags(message: EmailMessage, tags: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(tags, tags of Message-IDs) of the report's envelope and of the returned email."""
    tags, message_ids = list(tags), []
    for headers in _returned_headers(message):
        tags += [tag for what, tag in _tags(headers, ("return-path",)) if what == "bounce"]
        for value in headers.get_all("message-id", []):
            # A mail server may have folded the header within the id.
            message_ids += _MESSAGE_ID.findall("".join(str(value).split()))
    return tuple(tags[:_MAX_TAGS]), tuple(message_ids[:_MAX_TAGS])


def _returned_headers(message: EmailMessage) -> Iterator[Message]:
    for part in message.walk():
        payload = part.get_payload()
        if part.get_content_type() == "message/rfc822" and isinstance(payload, list):
            yield from (inner for inner in payload if isinstance(inner, Message))
        elif part.get_content_type() == "text/rfc822-headers":
            yield message_from_string(str(payload).strip())


def _field(fields: Message, name: str) -> str:
    return plain(fields.get(name, "")).strip().lower()
