"""What was corrected of releases after a brief was published: by hand, by a new classification, or seen later.

Old values are those of the revisions since; new ones those of the time that the session answers as of. What a publisher
changed (a licence, a base model) is no correction: the brief of that time has it among its changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select
from sqlmodel import Session, col

from monitor.enums import Via, kind_name
from monitor.labs import in_use
from monitor.labs.countries import name as country
from monitor.models import Change, Release, ReleaseRevision, iso
from monitor.releases.briefs.model import Brief, BriefPeriod, Section, Sentence
from monitor.releases.briefs.source import Source, address, number, release_address
from monitor.text import short

MAX_LISTED = 20
"""Releases that a section names, the last corrected ones."""
MAX_REVISIONS = 5_000
"""Revisions that are read; of more, the newest."""
MOVED_WITHIN = timedelta(days=30)
"""A release whose date is corrected later than this is not looked for where it was before."""
_SHOWN: Mapping[str, str] = {
    "origin": "country",
    "lab": "lab",
    "kind": "kind",
    "foundation_origin": "country of the model at the root",
    "license_class": "licence",
    "size": "size",
    "params_total": "parameters",
    "released_at": "release date",
}
"""The columns that a brief counts or names, and what they are called."""
_CHANGED_BY_PUBLISHER = {"license": "license_class", "foundation_repo_id": "foundation_origin"}
"""Columns whose observed changes are events, and the column of ``_SHOWN`` that they explain."""


@dataclass(frozen=True, slots=True)
class CorrectedRelease:
    """A release, what was corrected of it (``country: China → France``), and when for the last time."""

    repo_id: str
    texts: tuple[str, ...]
    at: datetime


def earlier_corrections(source: Source) -> Iterable[Sentence]:
    """What was corrected in the period of releases from before it."""
    begin, until = source.period.begin, min(source.period.end, source.at)
    earlier = (col(Release.released_at) < begin, col(Release.first_seen_at) <= begin)
    found, more = corrections(source.session, begin, until, *earlier)
    yield from _listed(found, more)
    if not found:
        yield source.sentence("No correction of an earlier release is known.", f"released:<{begin:%Y-%m-%d}")


def with_corrections(session: Session, brief: Brief, at: datetime) -> Brief:
    """A published brief with what was corrected between its time and ``at``, as of which the session answers."""
    known, (within, left) = col(Release.first_seen_at) <= brief.as_of, _touched(brief.period)
    found, more = corrections(session, brief.as_of, at, known, within, few_releases=True)
    moved, _ = corrections(session, brief.as_of, min(at, brief.as_of + MOVED_WITHIN), known, ~within, left)
    found = sorted([*found, *moved], key=lambda one: (-one.at.timestamp(), one.repo_id))
    late, last_seen = _late(session, brief)
    sentences = (*_listed(found, more), *late)
    last = max([*(one.at for one in found), *([last_seen] if last_seen else [])], default=None)
    section = Section("Corrected since this brief was published", sentences) if sentences else None
    return replace(brief, corrections=section, corrected_at=last)


def _touched(period: BriefPeriod) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The conditions for releases of a period, and for those that a correction of their date took out of it."""
    released, before = col(Release.released_at), col(ReleaseRevision.before)["released_at"].as_string()
    within = and_(released.is_not(None), released >= period.begin, released < period.end)
    return within, and_(before >= iso(period.begin), before < iso(period.end))


def _late(session: Session, brief: Brief) -> tuple[list[Sentence], datetime | None]:
    """What is said of the releases of the period that were first seen later, and when the last of them was."""
    seen, words = col(Release.first_seen_at), f"released:{brief.period.name} seen:>={brief.as_of:%Y-%m-%d}"
    of_it = (seen > brief.as_of, _touched(brief.period)[0], col(Release.pending).is_(False))
    count, last = session.execute(select(func.count(), func.max(seen)).where(*of_it)).one()
    if not count:
        return [], None
    text = f"Releases of the period that were first seen since: {number(count)}."
    return [Sentence(text, words, address("/releases", last, q=words))], last


def corrections(
    session: Session, since: datetime, until: datetime, *which: ColumnElement[bool], few_releases: bool = False
) -> tuple[list[CorrectedRelease], bool]:
    """What was corrected after ``since`` and by ``until`` of the releases that meet the conditions, the last first.

    Also returns whether there were more revisions than are read. ``few_releases``: whether their revisions are sought
    by release; else by time, which takes as long as there are revisions in that time.
    """
    at: Any = col(ReleaseRevision.at)
    release = col(ReleaseRevision.release_id)
    if few_releases:
        at = func.coalesce(at, at)  # so that the index of times is not used
    rows = session.execute(
        select(release, at, col(ReleaseRevision.before))
        .join(Release, col(Release.id) == release)
        .where(at > since, at <= until, _names(_SHOWN), col(Release.pending).is_(False), *which)
        .order_by(at.desc(), col(ReleaseRevision.id).desc())
        .limit(MAX_REVISIONS + 1)
    ).all()
    before: dict[int, dict[str, Any]] = {}
    last: dict[int, datetime] = {}
    for ident, when, values in rows[:MAX_REVISIONS]:
        # The newest first: so the oldest value of each column is what is left.
        before.setdefault(ident, {}).update(values)
        last.setdefault(ident, when)
    explained = _changed_by_publisher(session, since, until, list(before))
    columns = [col(Release.id), col(Release.repo_id), *(col(getattr(Release, name)) for name in _SHOWN)]
    current = {row.id: row for row in session.execute(select(*columns).where(col(Release.id).in_(list(before))))}
    found = []
    for ident, values in before.items():
        texts = _texts(values, current[ident], explained.get(ident, set()))
        if texts:
            found.append(CorrectedRelease(current[ident].repo_id, texts, last[ident]))
    return found, len(rows) > MAX_REVISIONS


def _names(columns: Iterable[str]) -> ColumnElement[bool]:
    """Whether a revision replaced a value of one of these columns."""
    text = cast(col(ReleaseRevision.before), Text)
    return or_(*(text.like(f'%"{name}"%') for name in columns))


def _changed_by_publisher(
    session: Session, since: datetime, until: datetime, idents: Sequence[int]
) -> dict[int, set[str]]:
    """The columns of releases that changed because their publishers changed something."""
    rows = session.execute(
        select(col(Change.release_id), col(Change.field)).where(
            col(Change.release_id).in_(idents),
            col(Change.field).in_(list(_CHANGED_BY_PUBLISHER)),
            col(Change.reason).in_(list(map(str, Via))),
            col(Change.at) > since,
            col(Change.at) <= until,
        )
    )
    found: dict[int, set[str]] = {}
    for ident, field in rows:
        found.setdefault(ident, set()).add(_CHANGED_BY_PUBLISHER[field])
    return found


def _texts(before: Mapping[str, Any], row: Any, explained: set[str]) -> tuple[str, ...]:
    return tuple(
        f"{noun}: {_value(name, before[name])} → {_value(name, new)}"
        for name, noun in _SHOWN.items()
        if name in before and name not in explained and _plain(new := getattr(row, name)) != before[name]
    )


def _plain(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


def _value(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if name in {"origin", "foundation_origin"}:
        return country(value)
    if name == "kind":
        return kind_name(value)
    if name == "lab":
        known = in_use().get(value)
        return short(known.name if known else value, 80)
    if name == "released_at":
        return str(_plain(value))[:16].replace("T", " ")
    return number(value) if isinstance(value, int) else short(str(value), 80)


def _listed(found: Sequence[CorrectedRelease], more: bool) -> Iterable[Sentence]:
    for one in found[:MAX_LISTED]:
        link = release_address(one.repo_id, one.at)
        yield Sentence(f"{short(one.repo_id, 120)}: {'; '.join(one.texts)}.", None, link)
    if len(found) > MAX_LISTED or more:
        rest = f"{'at least ' if more else ''}{number(len(found) - MAX_LISTED)}"
        yield Sentence(f"Other releases that were corrected: {rest}.", None, "/releases")
