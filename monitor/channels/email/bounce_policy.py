"""When bounces suppress an address: immediately, after several days, or never."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.channels.email.refusals import Refusal
from monitor.channels.email.suppression import suppress
from monitor.db.engine import now
from monitor.db.upsert import insert_or_ignore
from monitor.models import EmailBounce

SOFT_DAYS = 5
"""Different days (UTC) with a soft bounce, within WINDOW, after which an address is suppressed."""
WINDOW = timedelta(days=30)


def record_bounce(
    session: Session, address: str, kind: str, report: bytes, *, status: str | None, message: str | None
) -> str:
    """Records one bounce or complaint; returns ``suppressed``, ``counted``, or ``ignored`` for a repeated report.

    A hard bounce or a complaint suppresses the address immediately. Soft bounces suppress it when they occur on
    SOFT_DAYS different days within WINDOW, so a mailbox that is full for a few hours stays subscribed. A refusal that
    is about the sender (a block list, a policy) never suppresses an address.
    """
    if not _is_new(session, address, kind, report, status, message):
        return "ignored"
    if kind == Refusal.SENDER or (kind == Refusal.SOFT and _soft_bounce_days(session, address) < SOFT_DAYS):
        return "counted"
    suppress(session, address, kind, message)
    return "suppressed"


def _is_new(session: Session, address: str, kind: str, report: bytes, status: str | None, message: str | None) -> bool:
    row = {
        "digest": hashlib.blake2b(report, digest_size=16).hexdigest(),
        "address": address,
        "kind": kind,
        "status": status,
        "message": message,
        "at": now(),
    }
    new = session.execute(insert_or_ignore(session, EmailBounce).returning(col(EmailBounce.id)), [row])
    return new.first() is not None


def _soft_bounce_days(session: Session, address: str) -> int:
    query = select(col(EmailBounce.at)).where(
        col(EmailBounce.address) == address,
        col(EmailBounce.kind) == str(Refusal.SOFT),
        col(EmailBounce.at) > now() - WINDOW,
    )
    return len({at.date() for at in session.scalars(query)})
