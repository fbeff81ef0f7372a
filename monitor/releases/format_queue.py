"""The queue of releases whose formats, and whose place among the copies of others, are to be looked at."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Table, insert, select
from sqlmodel import Session, col

from monitor.db.engine import in_values
from monitor.models import FormatQueue, Release

_QUEUE: Table = FormatQueue.__table__  # type: ignore[attr-defined]


def queue_formats(session: Session, hub_ids: Collection[str]) -> None:
    """Queues releases that are new or have changed, in the transaction that writes them."""
    if hub_ids:
        some = select(col(Release.id)).where(in_values(session, "release.hub_id", hub_ids))
        session.execute(insert(_QUEUE).from_select(["release_id"], some))
