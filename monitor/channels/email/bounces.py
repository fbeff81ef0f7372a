"""Processes bounces and complaints. A report counts only if it carries a tag that this service signed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine
from sqlmodel import Session

from monitor.channels.email import bounce_policy
from monitor.channels.email.reports import Kind, Report, parse_report
from monitor.channels.email.signup import unsubscribe
from monitor.channels.email.tokens import TokenError, Tokens
from monitor.db.engine import transaction
from monitor.models import Subscription


def process_bounce(engine: Engine, tokens: Tokens, raw: bytes) -> str:
    """Processes one returned message; returns suppressed, counted, unsubscribed or ignored.

    A repeated report is ignored, and so is one without a signed tag: anybody can write to the bounce mailbox and name
    any address.
    """
    report = parse_report(raw)
    if report.kind is Kind.NOTHING:
        return "ignored"
    with transaction(engine) as session:
        if report.kind is Kind.UNSUBSCRIBE:
            return _unsubscribe(session, tokens, report)
        address = _address(session, tokens, report)
        if address is None:
            return "ignored"
        return bounce_policy.record_bounce(
            session, address, str(report.kind), raw, status=report.status, message=report.message
        )


def _unsubscribe(session: Session, tokens: Tokens, report: Report) -> str:
    ended = [unsubscribe(session, ident) for ident in _verified(tokens, "unsubscribe", report.tags)]
    return "unsubscribed" if any(found is not None for found in ended) else "ignored"


def _address(session: Session, tokens: Tokens, report: Report) -> str | None:
    """The subscriber's address that a report is about, found by its signed tags; None without one."""
    marks = (("bounce", report.tags), ("message", report.message_ids))
    for ident in (ident for what, tags in marks for ident in _verified(tokens, what, tags)):
        found = session.get(Subscription, ident)
        if found is not None and found.channel == "email":
            return found.target.lower()
    return None


def _verified(tokens: Tokens, what: str, tags: tuple[str, ...]) -> Iterator[str]:
    """The subscription ids of the ``tags`` whose signature for this purpose is valid, without duplicates."""
    for tag in dict.fromkeys(tag.lower() for tag in tags):
        try:
            yield tokens.read_tag(what, tag)
        except TokenError:
            continue
