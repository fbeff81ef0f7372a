"""What was recorded of releases that are shown together: how much changed, when the last time, and what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select
from sqlmodel import Session, col

from monitor.enums import Event
from monitor.models import Change, Release
from monitor.releases.changes import what_happened

_OWN = ("status", "repo_id")
"""Columns whose changes are shown at once: the release is shown in its new state, before the change has settled."""


class Changed(NamedTuple):
    """The number of changes, and when the last one was."""

    number: int
    last_at: datetime


def count_changes(
    session: Session, key: Literal["id", "launch_id"], values: Collection[int | None]
) -> dict[int, Changed]:
    """The changes of the releases with one of the ``values`` in a column, by that value; those without are left out."""
    grouped: ColumnElement[int] = getattr(Release, key)
    which = grouped.in_(values), col(Release.pending).is_(False)
    found = select(grouped, func.count(), func.max(col(Change.at))).join(Release, col(Release.id) == Change.release_id)
    return {row[0]: Changed(int(row[1]), row[2]) for row in session.execute(found.where(*which).group_by(grouped))}


def events_of(session: Session, idents: Sequence[int | None]) -> dict[int, list[tuple[Event, Change]]]:
    """The changes of these releases that were events, by release, the newest first."""
    which = or_(col(Change.event).is_not(None), col(Change.field).in_(_OWN))
    rows = select(Change).where(col(Change.release_id).in_(idents), which).order_by(col(Change.id).desc())
    found: dict[int, list[tuple[Event, Change]]] = defaultdict(list)
    for row in session.scalars(rows):
        event = Event(row.event) if row.event else what_happened(row.field, row.before, row.after)
        if event is not None:
            found[row.release_id].append((event, row))
    return found
