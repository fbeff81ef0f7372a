"""Changes of releases: every change is recorded, and becomes an event once it has held.

A source may flap: a licence that changes and changes back, a repository that one listing leaves out. So a change that
subscribers are to be notified of waits; if the next one reverts it before it has settled, there is no event.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.enums import Event, Status
from monitor.models import Change, Release, iso

PUBLIC = frozenset({str(Status.LIVE), str(Status.RENAMED)})


def record_change(
    session: Session,
    row: Release,
    name: str,
    before: Any,
    after: Any,
    at: datetime,
    reason: str,
    *,
    notify: bool | None = None,
) -> Change:
    """Records a change of a release. ``notify``: True: it becomes an event once it has settled, with notifications.

    False: an event without notifications (backfill). None: no event, as where only our classification has changed.
    """
    assert row.id is not None
    before, after = (iso(value) if isinstance(value, datetime) else value for value in (before, after))
    change = Change(release_id=row.id, at=at, field=name, before=before, after=after, reason=reason)
    if notify is not None:
        event = what_happened(name, before, after)
        if notify:
            _wait(session, change)
        elif event is not None:
            change.event = str(event)
    session.add(change)
    return change


def _wait(session: Session, change: Change) -> None:
    """Makes a change wait, with the value before the first waiting change; not if it reverts to that value."""
    change.since = change.before
    waiting = select(Change).where(
        col(Change.release_id) == change.release_id, col(Change.field) == change.field, col(Change.waiting).is_(True)
    )
    # If another worker is settling one now, this waits for it; then that one is no longer waiting.
    for earlier in session.scalars(waiting.with_for_update()):
        change.since, earlier.waiting = earlier.since, False
        session.add(earlier)
    change.waiting = what_happened(change.field, change.since, change.after) is not None


def what_happened(name: str, before: Any, after: Any) -> Event | None:  # noqa: PLR0911
    """Returns the event of a column's change from ``before`` to ``after``; None for none, or if unknown before."""
    if before == after:
        return None
    match name:
        case "license" | "license_class":
            return Event.RELICENSED
        case "gated":
            known = before is not None and after is not None
            return (Event.UNGATED if after == "no" else Event.GATED) if known else None
        case "repo_id":
            return Event.RENAMED
        case "namespace":
            return Event.MOVED
        case "status":
            if (before in PUBLIC) == (after in PUBLIC):
                return None
            return Event.RETURNED if after in PUBLIC else Event.WITHDRAWN
        case "weights":
            return Event.WEIGHTS if before is not None else None
        case "foundation_repo_id":
            return Event.REBASED if before is not None else None
        case "announcement_url":
            return Event.ANNOUNCED
    return None
