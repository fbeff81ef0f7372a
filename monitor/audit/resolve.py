"""From mentions to entries: what the history says of each model, and of the models that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, TypeVar, cast

from sqlalchemy import ColumnElement, Text, and_, func, select, tuple_
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from monitor.audit.mentions import Mention
from monitor.models import Change, Release, iso
from monitor.releases.schema import release_object
from monitor.releases.standings import WORKS

CHUNK = 500
"""Models that are looked up at a time."""
MAX_SUCCESSORS, MAX_COMPARED = 5, 100
"""Successors that are named, and releases of a version that they are chosen from."""

T = TypeVar("T")
State = Literal["recorded", "from-hub", "not-found", "unresolved"]
"""Whether the release is in the history, was read from the Hub now, is in neither, or names no repository."""
LookUp = Callable[[str], "Release | None"]
"""Reads a repository from the Hub and classifies it, without recording it; None if the Hub has none.

Raises LookUpError, which becomes the problem of that entry alone.
"""


class LookUpError(RuntimeError):
    """The Hub could not be asked for a repository: one line that says why."""


@dataclass(slots=True)
class Entry:
    """A model of the audited inputs with each place that names it, and what is known of it.

    ``chain``: what it was made from, nearest first and the foundation last; what is not in the history has nulls.
    ``successors``: releases of the newest version of its family, if that is newer than its own. ``last_change``: the
    newest change that was an event. ``findings``: what the policy says.
    """

    repo_id: str | None
    revision: str | None
    mentions: tuple[Mention, ...]
    state: State
    problem: str | None = None
    row: Release | None = None
    sha: str | None = None
    chain: list[dict[str, Any]] = field(default_factory=list)
    successors: list[str] = field(default_factory=list)
    last_change: dict[str, Any] | None = None
    findings: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The repository id, or the text that names none."""
        return self.repo_id or self.mentions[0].text

    def as_json(self) -> dict[str, Any]:
        """The entry as a JSON object; ``release`` is the release object."""
        first = self.mentions[0]
        return {
            "model": self.name,
            "repo_id": self.repo_id,
            "revision": self.revision,
            "state": self.state,
            "problem": self.problem,
            "confidence": first.confidence if self.repo_id else None,
            "identified_by": first.evidence,
            "places": [
                {"source": one.place.source, "line": one.place.line or None, "text": one.text} for one in self.mentions
            ],
            "sha": self.sha,
            "release": release_object(self.row) if self.row is not None else None,
            "chain": self.chain,
            "successors": self.successors,
            "last_change": self.last_change,
            "findings": [finding.as_json() for finding in self.findings],
        }


def resolve(session: Session, mentions: Iterable[Mention], look_up: LookUp | None = None) -> Iterator[Entry]:
    """Yields an entry for each model and revision, in the order of the first mention; those without a repository last.

    The history is read in chunks, so that memory holds one of them. ``look_up``: asked for what the history lacks.
    """
    grouped: dict[tuple[str, str | None], list[Mention]] = {}
    unresolved: dict[tuple[str, str | None], list[Mention]] = {}
    for mention in mentions:
        if mention.repo_id is None:
            unresolved.setdefault((mention.text, mention.problem), []).append(mention)
        else:
            grouped.setdefault((mention.repo_id.lower(), mention.revision), []).append(mention)
    groups = iter(grouped.values())
    while chunk := list(islice(groups, CHUNK)):
        yield from _resolve_chunk(session, chunk, look_up)
    for (_, problem), found in unresolved.items():
        yield Entry(None, None, tuple(found), "unresolved", problem)


def _resolve_chunk(session: Session, chunk: list[list[Mention]], look_up: LookUp | None) -> Iterator[Entry]:
    names = {str(group[0].repo_id) for group in chunk}
    found = _find(session, names)
    entries = [_entry(group, found.get(str(group[0].repo_id).lower()), look_up) for group in chunk]
    rows = [entry.row for entry in entries if entry.row is not None]
    _add_chains(session, entries)
    _add_changes(session, entries)
    _add_successors(session, entries)
    yield from entries
    for row in rows:
        if row in session:
            session.expunge(row)


def _entry(group: list[Mention], known: tuple[Release, str | None] | None, look_up: LookUp | None) -> Entry:
    first = group[0]
    if known is not None:
        row, sha = known
        return Entry(row.repo_id, first.revision, tuple(group), "recorded", row=row, sha=sha)
    problem = "not in the history, and the Hub was not asked"
    if look_up is not None:
        try:
            read = look_up(str(first.repo_id))
        except LookUpError as error:
            return Entry(first.repo_id, first.revision, tuple(group), "not-found", problem=str(error))
        if read is not None:
            return Entry(read.repo_id, first.revision, tuple(group), "from-hub", row=read, sha=read.facts.get("sha"))
        problem = "neither in the history nor on the Hub: it does not exist, or is private"
    return Entry(first.repo_id, first.revision, tuple(group), "not-found", problem=problem)


def _find(session: Session, names: Iterable[str]) -> dict[str, tuple[Release, str | None]]:
    """The releases by each name in lower case, current or former, with the commit that was last seen."""
    wanted = {name.lower() for name in names}
    found = _by(session, func.lower(col(Release.repo_id)), wanted, key=lambda row: row.repo_id.lower())
    missing = wanted - set(found)
    if missing:
        written = func.lower(sql_cast(col(Change.before), Text))
        quoted = {f'"{name}"': name for name in missing}
        former = select(written, col(Change.release_id)).where(col(Change.field) == "repo_id", written.in_(quoted))
        idents = {ident: quoted[text] for text, ident in session.execute(former.order_by(col(Change.id)))}
        renamed = _by(session, col(Release.id), set(idents), key=lambda row: idents[row.id])
        found |= renamed
    return found


def _by(
    session: Session, column: Any, values: set[Any], key: Callable[[Release], str]
) -> dict[str, tuple[Release, str | None]]:
    if not values:
        return {}
    sha = col(Release.facts)["sha"].as_string()
    some = select(Release, sha).options(defer(cast(Any, Release.facts))).where(column.in_(values))
    found: dict[str, tuple[Release, str | None]] = {}
    for row, commit in session.execute(some.order_by(col(Release.id))):
        known = found.get(key(row))
        # Of two with one name, the one that is there now is meant.
        if known is None or known[0].status == "gone" or row.status != "gone":
            found[key(row)] = (row, commit)
    return found


_ANCESTOR = ("lab", "origin", "license", "license_class", "openness", "status", "gated")


def _add_chains(session: Session, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.row is not None:
            entry.chain = [dict(parent) for parent in entry.row.lineage]
            root = entry.row.foundation_repo_id
            own = {entry.row.repo_id.lower(), *(parent["repo_id"].lower() for parent in entry.chain)}
            if root is not None and root.lower() not in own:
                entry.chain.append({"repo_id": root, "relation": "foundation"})
    ids = sorted({parent["repo_id"].lower() for entry in entries for parent in entry.chain})
    name: ColumnElement[str] = func.lower(col(Release.repo_id))
    columns = [getattr(Release, one) for one in _ANCESTOR]
    known: dict[str, Any] = {}
    for some in batched(ids, CHUNK):
        rows = session.execute(select(name, *columns).where(name.in_(some)).order_by(col(Release.id)))
        known |= {row[0]: row[1:] for row in rows}
    for entry in entries:
        for parent in entry.chain:
            values = known.get(parent["repo_id"].lower(), (None,) * len(_ANCESTOR))
            parent.update(zip(_ANCESTOR, values, strict=True))
            row = entry.row
            if row is not None and parent["repo_id"] == row.foundation_repo_id and parent["origin"] is None:
                parent["lab"], parent["origin"] = row.foundation_lab, row.foundation_origin


def _add_changes(session: Session, entries: Sequence[Entry]) -> None:
    idents = [entry.row.id for entry in entries if entry.state == "recorded" and entry.row is not None]
    newest = (
        select(func.max(col(Change.id)))
        .where(col(Change.release_id).in_(idents), col(Change.event).is_not(None))
        .group_by(col(Change.release_id))
    )
    changes = session.scalars(select(Change).where(col(Change.id).in_(newest))) if idents else ()
    by_release = {change.release_id: change for change in changes}
    for entry in entries:
        change = by_release.get(entry.row.id or 0) if entry.row is not None else None
        if change is not None:
            entry.last_change = {
                "event": change.event,
                "at": iso(change.at),
                "before": change.before,
                "after": change.after,
                "reason": change.reason,
            }


def _add_successors(session: Session, entries: Sequence[Entry]) -> None:
    """Adds the newest version of the family of each model, or of the nearest one that it was made from."""
    lines = {
        index: [entry.row.repo_id.lower(), *(parent["repo_id"].lower() for parent in entry.chain)]
        for index, entry in enumerate(entries)
        if entry.row is not None
    }
    works = _works(session, {name for line in lines.values() for name in line})
    wanted: dict[int, Any] = {}
    for index, line in lines.items():
        work = next((works[name] for name in line if name in works), None)
        if work is not None and work.stem is not None and work.version is not None:
            wanted[index] = work
    families = _newest(session, {(work.lab, work.stem) for work in wanted.values()})
    for index, work in wanted.items():
        newest = families.get((work.lab, work.stem))
        if newest is not None and newest > work.version:
            entries[index].successors = _nearest(session, work, newest)


def _works(session: Session, names: set[str]) -> dict[str, Any]:
    name: ColumnElement[str] = func.lower(col(Release.repo_id)).label("name")
    work = select(name, WORKS.c.lab, WORKS.c.stem, WORKS.c.version, WORKS.c.params)
    joined = work.join(WORKS, WORKS.c.hub_id == col(Release.hub_id))
    found: dict[str, Any] = {}
    for some in batched(sorted(names), CHUNK):
        found |= {row.name: row for row in session.execute(joined.where(func.lower(col(Release.repo_id)).in_(some)))}
    return found


def _newest(session: Session, families: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The newest version of each family."""
    found: dict[tuple[str, str], int] = {}
    newest = select(WORKS.c.lab, WORKS.c.stem, func.max(WORKS.c.version)).group_by(WORKS.c.lab, WORKS.c.stem)
    for some in batched(sorted(families), CHUNK):
        for lab, stem, version in session.execute(newest.where(tuple_(WORKS.c.lab, WORKS.c.stem).in_(some))):
            found[lab, stem] = version
    return found


def _nearest(session: Session, work: Any, version: int) -> list[str]:
    """Releases of a version of a work's family, those of the nearest size first."""
    same = and_(WORKS.c.lab == work.lab, WORKS.c.stem == work.stem, WORKS.c.version == version)
    rows = session.execute(select(WORKS.c.repo_id, WORKS.c.params).where(same).limit(MAX_COMPARED)).all()
    ordered = sorted(rows, key=lambda row: (abs((row.params or 0) - (work.params or 0)), row.repo_id))
    return [row.repo_id for row in ordered[:MAX_SUCCESSORS]]


def batched(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The values in slices of at most ``size``."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
