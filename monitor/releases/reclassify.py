"""Reclassifies stored releases after the registry or the classification has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.classify import NO_FILES, classify
from monitor.classify.subject import has_weights
from monitor.db.engine import in_values, now, reading, transaction
from monitor.labs import Registry
from monitor.models import Release
from monitor.releases import records
from monitor.releases.changes import record_change
from monitor.releases.classification import BaseModelLookup, looked_up
from monitor.releases.columns import release_columns
from monitor.releases.corrections import active_corrections, add_corrections, apply_corrections, end_corrections
from monitor.releases.format_entries import date_added
from monitor.releases.format_queue import queue_formats
from monitor.releases.launches.grouping import leaves_launch
from monitor.releases.recorder import TRACKED_COLUMNS, promote_placeholder
from monitor.releases.repository_files import extract_statements, load_files

BATCH_ROWS = 500
MAX_PASSES = 20
"""A child that comes before its parent is classified again in the next pass; lineages are no longer than this."""
RECLASSIFIED = "reclassified"
MAX_RECLASSIFIED = 1_000
"""Releases that are classified again at once for a base that is known better now; `reclassify` does the rest."""


class ChangedValue(NamedTuple):
    """A value that changed."""

    repo_id: str
    field: str
    before: Any
    after: Any


def reclassify(engine: Engine, registry: Registry, *, keep: bool = True) -> Iterator[ChangedValue]:
    """Classifies every release again from its stored facts and kept files, and yields what changed; notifies nobody.

    Each batch is one transaction, so an interrupted run loses nothing: run it again. ``keep=False`` writes nothing, and
    so does not see what a parent's new classification would do to its children.
    """
    if keep:
        extract_statements(engine)
    for _ in range(MAX_PASSES if keep else 1):
        changed = False
        for item in _pass(engine, registry, keep=keep):
            changed = True
            yield item
        if not changed:
            return


def _pass(engine: Engine, registry: Registry, *, keep: bool) -> Iterator[ChangedValue]:
    last = 0
    while True:
        with transaction(engine) if keep else reading(engine) as session:
            query = select(Release).where(col(Release.id) > last).order_by(col(Release.id)).limit(BATCH_ROWS)
            rows = list(session.scalars(query))
            if not rows:
                return
            last = rows[-1].id or last
            found = list(_batch(session, rows, registry))
            if not keep:
                session.rollback()
        yield from found


def reclassify_releases(
    session: Session, rows: list[Release], registry: Registry, reason: str = RECLASSIFIED
) -> list[ChangedValue]:
    """Classifies some releases again, in the caller's transaction; returns what changed."""
    return list(_batch(session, rows, registry, reason))


def correct_release(
    session: Session, row: Release, values: Sequence[tuple[str, Any]], reason: str, registry: Registry, *, undo: bool
) -> list[ChangedValue]:
    """Corrects values of a release by hand, or ends the corrections of these fields; returns what that changed.

    Raises CorrectionError.
    """
    if undo:
        end_corrections(session, row, [field for field, _ in values])
    else:
        add_corrections(session, row, values, reason)
    why = f"{'no longer ' if undo else ''}corrected: {reason}"
    return reclassify_releases(session, [row], registry, why)


def reclassify_built_on(
    session: Session, roots: Collection[str], registry: Registry, reason: str
) -> tuple[list[Release], list[ChangedValue]]:
    """Classifies again what has one of these repositories as its root: (the releases, what changed), some at once."""
    if not roots:
        return [], []
    built = select(Release).where(in_values(session, "release.foundation_repo_id", roots))
    rows = list(session.scalars(built.where(col(Release.repo_id).not_in(roots)).limit(MAX_RECLASSIFIED)))
    return rows, reclassify_releases(session, rows, registry, reason)


def _batch(
    session: Session, rows: list[Release], registry: Registry, reason: str = RECLASSIFIED
) -> Iterator[ChangedValue]:
    lookup, at, by_hand = BaseModelLookup(session), now(), active_corrections(session, rows)
    files = load_files(session, {row.hub_id: row.repo_id for row in rows})
    lookup.prefetch(base for row in rows for base in looked_up(row.facts))
    lookup.prefetch_sizes(row.facts for row in rows)
    touched: list[str] = []
    for row in rows:
        found = classify(row.facts, registry, lookup, files=files.get(row.hub_id, NO_FILES), same_size=lookup.same_size)
        columns = release_columns(row.facts, found)
        columns["own_formats"] = date_added(columns["own_formats"], row.own_formats, (), at)
        columns = apply_corrections(columns, by_hand.get(row.id, ()))
        # Names and popularity come from later observations; only the classification is repeated.
        classified = {name: value for name, value in columns.items() if name not in _FACTS}
        differing = {name: value for name, value in classified.items() if getattr(row, name) != value}
        for name, value in differing.items():
            if name in TRACKED_COLUMNS:
                record_change(session, row, name, getattr(row, name), value, at, reason)
            if name not in _REASONS:
                yield ChangedValue(row.repo_id, name, getattr(row, name), value)
            setattr(row, name, value)
        if row.pending and has_weights(row.facts) is not False:
            promote_placeholder(row)
            yield ChangedValue(row.repo_id, "pending", True, False)
            differing = {"pending": False}
        if leaves_launch(row, registry):
            yield ChangedValue(row.repo_id, "launch", row.launch_id, None)
            row.launch_id = None
            differing = {"launch_id": None}
        if differing:
            session.add(row)
            touched.append(row.hub_id)
            lookup.replace(row.hub_id, {**columns, "repo_id": row.repo_id})
    records.lock(session)  # before the flush, which locks the rows
    session.flush()
    records.refresh(session, [row.hub_id for row in rows], registry, reason=reason)
    queue_formats(session, touched)


_REASONS = {"evidence", "origin_confidence", "origin_basis", "search_text"}
"""Columns that follow from others or explain them: their changes are not listed."""
_FACTS = {"repo_id", "namespace", "name", "created_at", "modified_at", "downloads", "likes"}
