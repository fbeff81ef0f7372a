"""Session listeners that write a revision and update the search text whenever a release changes.

They are registered with the models, so that no caller can change a release without them.
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

BY_DAY = (
    "downloads", "likes", "trending_rank", "derivatives", "downloads_all_time", "hub_finetunes", "hub_adapters",
    "hub_merges", "hub_quantized",
)  # fmt: skip
"""Columns that change all the time: ``adoption`` has one value a day."""
UNTRACKED = frozenset({"id", "hub_id", "facts", "facts_digest", "listed_digest", "modified_at", "search_text", *BY_DAY})
"""Columns that revisions leave out: no surface shows them, or they follow from others, or ``adoption`` has them."""
_RELEASE: Table = Release.__table__  # type: ignore[attr-defined]
_TRACKED = frozenset(column.key for column in _RELEASE.columns if column.key not in UNTRACKED)


@event.listens_for(Session, "before_flush")
def _keep_revisions(session: Session, _context: Any, _instances: Any) -> None:
    """Appends the old values of changed releases, in the transaction that changes them."""
    at = now()
    for row in session.dirty:
        if isinstance(row, Release) and row.id is not None:
            before = _before(row)
            if before:
                session.add(ReleaseRevision(release_id=row.id, at=at, before=before))


def _before(row: Release) -> dict[str, Any]:
    state = inspect(row)
    before = {}
    # Only the changed columns: the history of every attribute takes longer to read than a revision to write.
    for name, old in state.committed_state.items():
        known = name in _TRACKED and not isinstance(old, LoaderCallableStatus)
        if known and name in state.dict and state.dict[name] != old:
            before[name] = as_json_value(old)
    return before


def as_json_value(value: Any) -> Any:
    """Returns a column's value for JSON: timestamps as ISO 8601 in UTC."""
    return iso(value) if isinstance(value, datetime) else value


@event.listens_for(Release, "before_insert")
@event.listens_for(Release, "before_update")
def _keep_search_text(_mapper: Any, _connection: Any, row: Release) -> None:
    search_text = build_search_text(row.repo_id, row.lab, row.tags)
    if row.search_text != search_text:
        row.search_text = search_text
