"""Which version of the registry releases were classified by, and since when: a row for each switch, never rewritten."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from monitor.db.engine import now
from monitor.labs import Registry
from monitor.models import Counter, iso

NAME = "registry"
"""The rows' name in the table ``counter``; the label holds time and version, the value is the time since 1970."""


def note_registry(session: Session, registry: Registry) -> None:
    """Records that this registry is in use from now on, unless it is already."""
    at = now()
    if registry_at(session, at) != registry.version:
        session.add(Counter(name=NAME, label=f"{iso(at)} {registry.version}", value=at.timestamp()))


def registry_at(session: Session, at: datetime) -> str | None:
    """The version of the registry that was in use; None if none was recorded by then."""
    rows = select(Counter.label).where(col(Counter.name) == NAME, col(Counter.value) <= at.timestamp())
    label = session.exec(rows.order_by(col(Counter.value).desc(), col(Counter.label).desc()).limit(1)).first()
    return label.rpartition(" ")[2] if label else None
