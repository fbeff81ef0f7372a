"""Email: confirmations, bounces and suppressed addresses."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import (
    Column,
    Text,
)
from sqlmodel import Field, SQLModel

from monitor.models.columns import (
    nullable_text,
    nullable_timestamp,
    primary_key,
    required_text,
    timestamp,
)


class Suppression(SQLModel, table=True):
    """An address that gets no email. ``reason``: ``hard``, ``soft`` or ``complaint``; ``message``: of the report.

    Only confirming a newer email lifts it.
    """

    __tablename__: ClassVar[str] = "suppression"

    address: str = Field(sa_column=Column(Text, primary_key=True))
    reason: str = required_text()
    since: datetime = timestamp()
    message: str | None = nullable_text()


class EmailConfirmation(SQLModel, table=True):
    """A confirmation email that was requested: counted by the limits, with its own outbox.

    ``due_at``: None once it was sent or given up. ``client``: a keyed digest of the client's address.
    """

    __tablename__: ClassVar[str] = "email_confirmation"

    id: int | None = primary_key()
    subscription_id: str = required_text()
    address: str = required_text(index=True)
    client: str = required_text(index=True)
    created_at: datetime = timestamp()
    due_at: datetime | None = nullable_timestamp(index=True)
    attempts: int = Field(default=0)
    sent_at: datetime | None = nullable_timestamp()
    error: str | None = nullable_text()


class EmailBounce(SQLModel, table=True):
    """A report that an email bounced or was marked as spam. ``digest``: of the report, so that it counts once."""

    __tablename__: ClassVar[str] = "email_bounce"

    id: int | None = primary_key()
    digest: str = required_text(unique=True)
    address: str = required_text(index=True)
    kind: str = required_text()
    status: str | None = nullable_text()
    message: str | None = nullable_text()
    at: datetime = timestamp()
