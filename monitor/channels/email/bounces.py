"""What reports do: a hard bounce or a complaint ends the letters at once, soft bounces when they are five."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor.channels.email.reports import Kind, Report, read
from monitor.channels.email.signup import unsubscribe
from monitor.channels.email.suppression import of_address, suppress
from monitor.channels.email.tokens import Purpose, TokenError, Tokens
from monitor.db import now, transaction
from monitor.history.record import ignoring
from monitor.models import EmailBounce, Subscription

SOFT = 5
"""Soft bounces within 30 days after which an address is not written to."""
WITHIN = timedelta(days=30)


def take(engine: Engine, tokens: Tokens, raw: bytes) -> str:
    """Acts on one message that came back; returns what it did: suppressed, counted, unsubscribed or ignored.

    The same report a second time is ignored.
    """
    report = read(raw)
    if report.kind is Kind.NOTHING:
        return "ignored"
    with transaction(engine) as session:
        if report.kind is Kind.FAREWELL:
            return _farewell(session, tokens, report)
        address = _address(session, tokens, report)
        if address is None or not _kept(session, report, address, raw):
            return "ignored"
        if report.kind is Kind.SOFT and _soft(session, address) < SOFT:
            return "counted"
        suppress(session, address, str(report.kind), report.says)
        return "suppressed"


def _farewell(session: Session, tokens: Tokens, report: Report) -> str:
    try:
        ident = tokens.read_tag("unsubscribe", report.tag or "")
    except TokenError:
        return "ignored"
    return "ignored" if unsubscribe(session, ident) is None else "unsubscribed"


def _address(session: Session, tokens: Tokens, report: Report) -> str | None:
    """Whom a report is about: our own marks decide, and a forged one is worth nothing.

    Without any mark it is the address that the report names, if letters go there: the mail server that handed the
    report over vouches for it.
    """
    idents = []
    try:
        if report.tag is not None:
            idents.append(tokens.read_tag("bounce", report.tag))
        if report.link is not None:
            idents.append(tokens.read(Purpose.UNSUBSCRIBE, report.link).subscription_id)
    except TokenError:
        return None
    for ident in idents:
        found = session.get(Subscription, ident)
        return found.target.lower() if found else None
    return next((address for address in report.addresses if of_address(session, address)), None)


def _kept(session: Session, report: Report, address: str, raw: bytes) -> bool:
    digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
    row = {
        "digest": digest,
        "address": address,
        "kind": str(report.kind),
        "status": report.status,
        "says": report.says,
        "at": now(),
    }
    new = session.execute(ignoring(session, EmailBounce).returning(col(EmailBounce.id)), [row])
    return new.first() is not None


def _soft(session: Session, address: str) -> int:
    query = select(func.count()).where(
        col(EmailBounce.address) == address,
        col(EmailBounce.kind) == str(Kind.SOFT),
        col(EmailBounce.at) > now() - WITHIN,
    )
    return session.scalar(query) or 0
