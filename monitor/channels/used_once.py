"""Requests of chat services that count once: signatures, states and updates that were used."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import Engine, delete
from sqlmodel import Session, col

from monitor.db.engine import now, transaction
from monitor.db.upsert import insert_or_ignore
from monitor.models import UsedRequest

USED_TOKEN_RETENTION = timedelta(minutes=15)
"""How long what was used is stored: longer than any of it is valid."""


def first_use(engine: Engine, token: str) -> bool:
    """Records a signature, a state or an update; returns whether it is used for the first time."""
    with transaction(engine) as session:
        _delete_expired(session)
        digest = hashlib.sha256(token.encode()).hexdigest()
        # Without the option, the count of an INSERT is read from a cursor that may be closed by then: -1.
        connection = session.connection().execution_options(preserve_rowcount=True)
        return connection.execute(insert_or_ignore(session, UsedRequest), {"digest": digest, "at": now()}).rowcount == 1


def _delete_expired(session: Session) -> None:
    session.execute(delete(UsedRequest).where(col(UsedRequest.at) < now() - USED_TOKEN_RETENTION))
