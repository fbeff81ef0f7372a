"""What happens to a release after it is out: every change is kept, and is an event once it has held.

A source may flap: a licence that changes and changes back, a repository that one listing leaves out. So a change that
is to be told waits; where the next one takes it back before it has settled, nothing has happened.
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
    tell: bool | None = None,
) -> Change:
    """Keeps a change of a release. ``tell``: it is an event, to be told once it has settled.

    False: an event that nobody is told of (history). None: none, as where only our judgement has changed.
    """
    assert row.id is not None
    before, after = (iso(value) if isinstance(value, datetime) else value for value in (before, after))
    change = Change(release_id=row.id, at=at, field=name, before=before, after=after, reason=reason)
    if tell is not None:
        event = what_happened(name, before, after)
        if tell:
            _wait(session, change)
        elif event is not None:
            change.event = str(event)
    session.add(change)
    return change


def _wait(session: Session, change: Change) -> None:
    """Lets a change wait with what it was when this began; no change where it is that again."""
    change.since = change.before
    waiting = select(Change).where(
        col(Change.release_id) == change.release_id, col(Change.field) == change.field, col(Change.waiting).is_(True)
    )
    # Where one is being settled at this moment, it is waited for, and then it waits no more.
    for earlier in session.scalars(waiting.with_for_update()):
        change.since, earlier.waiting = earlier.since, False
        session.add(earlier)
    change.waiting = what_happened(change.field, change.since, change.after) is not None


def what_happened(name: str, before: Any, after: Any) -> Event | None:  # noqa: PLR0911
    """The event that a column's change from ``before`` to ``after`` is; None for none, or for what was only learnt."""
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
