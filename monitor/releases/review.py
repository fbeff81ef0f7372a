"""Releases with an uncertain classification, most liked first, for a person to correct."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from monitor.enums import Kind
from monitor.models import ComparisonFinding, Release
from monitor.releases.changes import PUBLIC

MIN_CONFIDENCE = 0.6
"""Confidence in an origin from which on it needs no review."""
MAX_EXAMINED = 20_000
"""How many of the most liked releases are examined."""
_PAGE_ROWS = 500


def review(session: Session, limit: int = 50) -> list[dict[str, Any]]:
    """Returns uncertain releases: ``{repo_id, doubts, origin, origin_confidence, kind, params_total, …}``."""
    found = []
    others = _disagreements(session)
    for row in _followed(session):
        doubts = [*doubts_of(row), *others.get(row.repo_id, ())]
        if doubts:
            found.append(
                {
                    "repo_id": row.repo_id,
                    "doubts": doubts,
                    "origin": row.origin,
                    "origin_confidence": row.origin_confidence,
                    "kind": row.kind,
                    "params_total": row.params_total,
                    "downloads": row.downloads,
                    "likes": row.likes,
                }
            )
            if len(found) == limit:
                break
    return found


MAX_DISAGREEMENTS = 20_000
"""Releases on which reference data sets disagree with us, of which the queue is made."""


def _disagreements(session: Session) -> dict[str, list[str]]:
    """By repository, on what the reference data sets that were last compared with disagree, in a few words each."""
    columns = (col(ComparisonFinding.repo_id), col(ComparisonFinding.source), col(ComparisonFinding.disagreements))
    query = select(*columns).where(col(ComparisonFinding.outcome) == "found").limit(MAX_DISAGREEMENTS)
    found: dict[str, list[str]] = {}
    for repo_id, source, disagreements in session.execute(query):
        for one in disagreements:
            text = f"{one['field']} by {source}: {one['theirs']}, here {one['ours']}"
            found.setdefault(repo_id, []).append(text[:200])
    return found


def _followed(session: Session) -> Iterator[Release]:
    likes, key = col(Release.likes), col(Release.id)
    slim: Any = defer(Release.facts)  # type: ignore[arg-type]
    query = select(Release).options(slim).where(col(Release.pending).is_(False), col(Release.status).in_(PUBLIC))
    query = query.where(likes.is_not(None)).order_by(likes.desc(), key.desc())
    for start in range(0, MAX_EXAMINED, _PAGE_ROWS):
        rows = list(session.scalars(query.offset(start).limit(_PAGE_ROWS)))
        yield from rows
        if len(rows) < _PAGE_ROWS:
            return


def doubts_of(row: Release) -> list[str]:
    """Returns what is uncertain about a release, each in a few words; corrected values are not."""
    by_hand = {
        item["value"].partition("=")[0]
        for items in row.evidence.values()
        for item in items
        if item.get("signal") == "correction"
    }
    doubts = []
    if row.origin is None and "origin" not in by_hand:
        doubts.append("origin unknown")
    elif row.origin_confidence is not None and row.origin_confidence < MIN_CONFIDENCE:
        doubts.append(f"origin unsure ({row.origin_confidence:.2f})")
    if "params_total" not in by_hand:
        if any(item.get("says") == "disagrees" for item in row.evidence.get("params", [])):
            doubts.append("sizes disagree")
        elif row.params_total is None:
            doubts.append("size unknown")
    if row.kind == Kind.UNKNOWN and "kind" not in by_hand:
        doubts.append("kind unknown")
    return doubts
