"""How fast works reached a line of adoption: the fastest so far, at the time when they reached it.

Read from the crossings that :mod:`monitor.releases.adoption` records as changes, so a work counts only if it was seen
below the line before, or was observed since its release. Days are of UTC, as in ``adoption``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from sqlalchemy import Table, or_, select
from sqlmodel import Session, col

from monitor.db.engine import in_values
from monitor.enums import Event
from monitor.models import Change, NotableWork, Release
from monitor.releases.notable import PACES, Pace
from monitor.releases.works import UNDATED

_WORKS: Table = NotableWork.__table__  # type: ignore[attr-defined]
_FIELDS = {f"crossed {line}": word for word, line in PACES.items()}


class Crossing(NamedTuple):
    """A work that reached a line: on which day, and how many days after its release."""

    on: date
    days: int
    hub_id: str
    repo_id: str


def fastest(crossings: Iterable[Crossing]) -> dict[str, Pace]:
    """By hub id, the works that were faster than all that had reached the line before. ``crossings``: of one line."""
    found: dict[str, Pace] = {}
    best: Crossing | None = None
    in_order = sorted(crossings)
    for place, one in enumerate(in_order):
        if best is None or one.days < best.days:
            before = (best.repo_id, best.days) if best is not None else None
            found[one.hub_id] = Pace(one.days, before, known=place, since=in_order[0].on.year)
            best = one
    return found


def paces(session: Session, hub_ids: Collection[str]) -> dict[str, dict[str, Pace]]:
    """By hub id and reason, those of these works that were the fastest to a line."""
    found: dict[str, dict[str, Pace]] = defaultdict(dict)
    for word in _reached(session, hub_ids):
        for hub_id, pace in fastest(_crossings(session, word)).items():
            if hub_id in hub_ids:
                found[hub_id][word] = pace
    return found


def paced(session: Session, hub_ids: Collection[str] | None = None) -> set[str]:
    """Hub ids of the works whose reasons may differ when these become works, cease to be or change their time.

    None: of all that were the fastest to a line.
    """
    words = PACES if hub_ids is None else _reached(session, hub_ids)
    found: set[str] = set()
    for word in words:
        found |= fastest(_crossings(session, word)).keys()
        has_it = col(Release.notable_reasons).contains(word, autoescape=True)
        found |= set(
            session.scalars(select(col(Release.hub_id)).where(col(Release.notable_score).is_not(None), has_it))
        )
    return found


_CROSSED = (
    select(col(Change.field))
    .join(Release, col(Release.id) == col(Change.release_id))
    .where(col(Change.event) == str(Event.MOMENTUM), col(Change.field).in_(_FIELDS))
    .distinct()
)
_OBSERVED = (
    select(col(Change.at), _WORKS.c.at, _WORKS.c.hub_id, _WORKS.c.repo_id)
    .join(Release, col(Release.id) == col(Change.release_id))
    .join(_WORKS, _WORKS.c.hub_id == col(Release.hub_id))
    .where(
        col(Change.event) == str(Event.MOMENTUM),
        _WORKS.c.at > UNDATED,
        or_(col(Change.before).is_not(None), col(Release.is_backfilled).is_(False)),
    )
)


def _reached(session: Session, hub_ids: Collection[str]) -> list[str]:
    """The reasons whose line one of these releases has reached."""
    if not hub_ids:
        return []
    fields = session.scalars(_CROSSED.where(in_values(session, "release.hub_id", hub_ids)))
    return sorted(_FIELDS[field] for field in fields)


def _crossings(session: Session, word: str) -> list[Crossing]:
    rows = session.execute(_OBSERVED.where(col(Change.field) == f"crossed {PACES[word]}"))
    found = (Crossing(at.date(), (at.date() - made.date()).days, *names) for at, made, *names in rows)
    return [one for one in found if one.days >= 0]
