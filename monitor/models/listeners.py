"""What follows from a change of a release, whoever makes it: its revision is kept, its search text is put in step.

Registered with the models, so that no caller can change a release without them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Table, event, inspect
from sqlalchemy.orm import LoaderCallableStatus, Session

from monitor.dates import iso
from monitor.db.engine import now
from monitor.models.release import Release, ReleaseRevision
from monitor.models.search_text import build_search_text

BY_DAY = ("downloads", "likes", "derivatives", "trending_rank")
"""Columns that move all the time: kept a day each, in ``adoption``."""
UNKEPT = frozenset({"id", "hub_id", "facts", "facts_digest", "listed_digest", "modified_at", "search_text", *BY_DAY})
"""Columns whose changes are not kept by moment: they are in no answer, or follow from others, or are kept by day."""
_RELEASE: Table = Release.__table__  # type: ignore[attr-defined]
_KEPT = frozenset(column.key for column in _RELEASE.columns if column.key not in UNKEPT)


@event.listens_for(Session, "before_flush")
def _keep_revisions(session: Session, _context: Any, _instances: Any) -> None:
    """Appends what the columns of changed releases were, in the transaction that changes them."""
    moment = now()
    for row in session.dirty:
        if isinstance(row, Release) and row.id is not None:
            before = _before(row)
            if before:
                session.add(ReleaseRevision(release_id=row.id, at=moment, before=before))


def _before(row: Release) -> dict[str, Any]:
    state = inspect(row)
    before = {}
    # The values of changed columns alone: to ask each column for its history costs more than to write what it was.
    for name, old in state.committed_state.items():
        known = name in _KEPT and not isinstance(old, LoaderCallableStatus)
        if known and name in state.dict and state.dict[name] != old:
            before[name] = as_json_value(old)
    return before


def as_json_value(value: Any) -> Any:
    """A column's value as JSON holds it: moments as ISO 8601 in UTC."""
    return iso(value) if isinstance(value, datetime) else value


@event.listens_for(Release, "before_insert")
@event.listens_for(Release, "before_update")
def _keep_search_text(_mapper: Any, _connection: Any, row: Release) -> None:
    words = build_search_text(row.repo_id, row.lab, row.tags)
    if row.search_text != words:
        row.search_text = words
