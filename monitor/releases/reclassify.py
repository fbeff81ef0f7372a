"""The history judged again, after the registry or the tables of classification have changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Engine, select
from sqlmodel import Session, col

from monitor.classify import classify
from monitor.classify.subject import has_weights
from monitor.db.engine import now, reading, transaction
from monitor.labs import Registry
from monitor.models import Release
from monitor.releases.changes import record_change
from monitor.releases.classification import BaseModelLookup
from monitor.releases.columns import release_columns
from monitor.releases.corrections import active_corrections, apply_corrections
from monitor.releases.recorder import TRACKED_COLUMNS, promote_placeholder

BATCH = 500
PASSES = 20
"""A child judged before its parent is judged again in the next pass; lineages are no longer than this."""
RECLASSIFIED = "reclassified"


class ChangedValue(NamedTuple):
    """One classification that came out otherwise."""

    repo_id: str
    field: str
    before: Any
    after: Any


def reclassify(engine: Engine, registry: Registry, *, keep: bool = True) -> Iterator[ChangedValue]:
    """Judges every release again from the facts kept, and yields what changed; tells nobody.

    Each batch is one transaction, so that one that was cut off has lost nothing: run it again. ``keep=False`` writes
    nothing, and so does not see what a parent's new classification would do to its children.
    """
    for _ in range(PASSES if keep else 1):
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
            query = select(Release).where(col(Release.id) > last).order_by(col(Release.id)).limit(BATCH)
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
    """Judges some releases again, in the caller's transaction; returns what changed."""
    return list(_batch(session, rows, registry, reason))


def _batch(
    session: Session, rows: list[Release], registry: Registry, reason: str = RECLASSIFIED
) -> Iterator[ChangedValue]:
    history, moment, by_hand = BaseModelLookup(session), now(), active_corrections(session, rows)
    for row in rows:
        columns = release_columns(row.facts, classify(row.facts, registry, history))
        columns = apply_corrections(columns, by_hand.get(row.id, ()))
        # Where it is, and how popular, are facts of later looks; only judgements are made again.
        judgements = {name: value for name, value in columns.items() if name not in _FACTS}
        differing = {name: value for name, value in judgements.items() if getattr(row, name) != value}
        for name, value in differing.items():
            if name in TRACKED_COLUMNS:
                record_change(session, row, name, getattr(row, name), value, moment, reason)
            if name not in _REASONS:
                yield ChangedValue(row.repo_id, name, getattr(row, name), value)
            setattr(row, name, value)
        if row.pending and has_weights(row.facts) is not False:
            promote_placeholder(row)
            yield ChangedValue(row.repo_id, "pending", True, False)
            differing = {"pending": False}
        if differing:
            session.add(row)


_REASONS = {"evidence", "origin_confidence", "search_text"}
"""Why, and in which words to search: what changes with a classification, or in how it is put."""
_FACTS = {"repo_id", "namespace", "name", "created_at", "modified_at", "downloads", "likes"}
