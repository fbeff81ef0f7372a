"""What has changed in some releases, and why: corrections, reclassification, the Hub, or because they are new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Engine, select
from sqlmodel import Session, col

from monitor.dates import iso
from monitor.db.engine import reading
from monitor.enums import Via
from monitor.models import Change, Correction, Release, ReleaseRevision
from monitor.releases.citations.kinds import (
    DAILY_FIELDS,
    RELEASE_COLUMNS,
    SOURCE_COLUMNS,
    canonical,
    canonical_of_columns,
)
from monitor.releases.corrections import ABOUT
from monitor.releases.query import parse
from monitor.releases.revisions import as_of as known
from monitor.releases.search import stream

BATCH_ROWS = 500
MATCHES = "matches"
"""In place of a column: whether an answer has the release at all."""
OBSERVED = frozenset(map(str, Via))


class Why(StrEnum):
    """Why a value differs."""

    CORRECTION = "correction"
    RECLASSIFICATION = "reclassification"
    HUB = "changed on the Hub"
    NEW = "recorded since"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs. ``field``: a column, or ``matches`` for a release that only one of both answers has."""

    repo_id: str
    field: str
    then: Any
    now: Any
    why: str
    at: str | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The row that the command line writes."""
        return asdict(self)


@dataclass(slots=True)
class _Pair:
    """One release in two answers, with its values in each; ``lacking``: the answer that does not have it.

    The values of that answer are None where the release was not known then.
    """

    ident: int
    then: dict[str, Any] | None = None
    now: dict[str, Any] | None = None
    lacking: str | None = None


def changed_since(engine: Engine, q: str, at: datetime) -> Iterator[Difference]:
    """Yields how the releases that match ``q`` differ now from what was known at ``at``, in the order of their ids.

    Both answers are read side by side, so memory does not grow with the rows.
    """
    query = parse(q)
    # Only what has a revision since, or is newer, can differ; numbers of a day have no revisions.
    since = () if query.fields & DAILY_FIELDS else (_touched_since(at),)
    with reading(engine) as past, reading(engine) as present, known(past, at):
        pairs = _differing(*(stream(one, query, SOURCE_COLUMNS, *since) for one in (past, present)))
        while some := list(islice(pairs, BATCH_ROWS)):
            _complete(past, some, "then")
            _complete(present, some, "now")
            causes = Causes(present, [pair.ident for pair in some], at)
            for pair in some:
                yield from _explained(pair, causes)


def _touched_since(at: datetime) -> ColumnElement[bool]:
    revised = select(col(ReleaseRevision.release_id)).where(col(ReleaseRevision.at) > at)
    return col(Release.id).in_(revised) | (col(Release.first_seen_at) > at)


def _differing(past: Iterator[Any], present: Iterator[Any]) -> Iterator[_Pair]:
    """Merges two answers by the id of the releases, and yields those that are not the same in both."""
    then, now = next(past, None), next(present, None)
    while then is not None or now is not None:
        if then is not None and (now is None or then.id < now.id):
            yield _Pair(then.id, then=canonical_of_columns(then), lacking="now")
            then = next(past, None)
        elif now is not None and (then is None or now.id < then.id):
            yield _Pair(now.id, now=canonical_of_columns(now), lacking="then")
            now = next(present, None)
        else:
            assert then is not None
            pair = _Pair(then.id, canonical_of_columns(then), canonical_of_columns(now))
            if pair.then != pair.now:
                yield pair
            then, now = next(past, None), next(present, None)


def _complete(session: Session, pairs: Sequence[_Pair], side: str) -> None:
    """Reads the values of releases that an answer lacks, where they were known."""
    wanted = {pair.ident: pair for pair in pairs if pair.lacking == side}
    if wanted:
        for row in session.scalars(select(Release).where(col(Release.id).in_(wanted), col(Release.pending).is_(False))):
            setattr(wanted[row.id or 0], side, canonical(row))


def _explained(pair: _Pair, causes: Causes) -> Iterator[Difference]:
    then, now = pair.then, pair.now
    names = [name for name in RELEASE_COLUMNS if then and now and then[name] != now[name]]
    found = [Difference(str((now or then or {})["repo_id"]), name, (then or {}).get(name), (now or {}).get(name),
                        *causes.of(pair.ident, name)) for name in names]  # fmt: skip
    if pair.lacking:
        repo_id = str((now or then or {})["repo_id"])
        known_why = next((one.why for one in found if one.why != Why.OTHER), str(Why.OTHER))
        why = str(Why.NEW) if then is None else known_why
        yield Difference(repo_id, MATCHES, pair.lacking != "then", pair.lacking != "now", why)
    yield from found


class Causes:
    """Why columns of some releases differ, by the newest record of a change after ``since`` (None: of any time)."""

    def __init__(self, session: Session, idents: Sequence[int], since: datetime | None) -> None:
        self._changes: dict[tuple[int, str], Change] = {}
        self._by_subject: dict[tuple[int, str], Change] = {}
        self._corrections: dict[tuple[int, str], Correction] = {}
        self._revisions: dict[tuple[int, str], datetime] = {}
        self._load(session, idents, since)

    def _load(self, session: Session, idents: Sequence[int], since: datetime | None) -> None:
        changes = select(Change).where(col(Change.release_id).in_(idents)).order_by(col(Change.id))
        corrections = select(Correction).where(col(Correction.release_id).in_(idents)).order_by(col(Correction.id))
        revisions = select(ReleaseRevision).where(col(ReleaseRevision.release_id).in_(idents))
        for change in session.scalars(changes if since is None else changes.where(col(Change.at) > since)):
            self._changes[change.release_id, change.field] = change
            self._by_subject[change.release_id, _subject(change.field)] = change
        for one in session.scalars(corrections):
            if since is None or one.at > since or (one.ended_at is not None and one.ended_at > since):
                self._corrections[one.release_id, _subject(one.field)] = one
        if since is not None:
            revisions = revisions.where(col(ReleaseRevision.at) > since)
        for revision in session.scalars(revisions.order_by(col(ReleaseRevision.id))):
            for name in revision.before:
                self._revisions[revision.release_id, name] = revision.at

    def of(self, ident: int, column: str) -> tuple[str, str | None, str | None]:
        """(why, when, reason) a column differs."""
        column = SOURCES.get(column, column)
        subject = _subject(column)
        correction = self._corrections.get((ident, subject))
        change = self._changes.get((ident, column)) or self._by_subject.get((ident, subject))
        if correction is not None:
            when = correction.ended_at or correction.at
            # A change that the Hub showed later outlasts no correction, but the end of one.
            if change is None or change.reason not in OBSERVED or change.at <= when:
                ended = "ended: " if correction.ended_at else ""
                return str(Why.CORRECTION), iso(when), f"{ended}{correction.reason}"
        if change is not None:
            why = Why.HUB if change.reason in OBSERVED else Why.RECLASSIFICATION
            return str(why), iso(change.at), change.reason
        why = Why.HUB if column in STATED_BY_HUB else Why.OTHER
        return str(why), iso(self._revisions.get((ident, column))), None


STATED_BY_HUB = frozenset({"task", "library", "tags", "created_at", "repo_id", "gated"})
"""Columns that no classification changes."""
SOURCES = {"launch": "launch_id", "notable_reasons": "notable"}
"""Columns of the table by those of exports, where they have other names."""
_FOLLOWS = {"size": "params", "params_source": "params", "origin_confidence": "origin", "origin_basis": "origin",
            "effective_license": "license", "effective_license_class": "license", "license_conflict": "license",
            "foundation_lab": "foundation"}  # fmt: skip
"""What columns are about that follow from a corrected one."""


def _subject(column: str) -> str:
    return _FOLLOWS.get(column) or ABOUT.get(column, column)
