"""Keeps the last comparison with each source, for the review queue, the metrics and the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, insert, select
from sqlmodel import Session, col

from monitor.compare.matching import Compared, Totals
from monitor.db.engine import now
from monitor.models import Comparison, ComparisonFinding

MAX_FINDINGS = 50_000
"""Findings of one source that are kept."""


def store(session: Session, source: str, file: str, results: Iterable[Compared], unreadable: int) -> Comparison:
    """Replaces the comparison with a source, and returns it."""
    totals = Totals()
    rows: list[dict[str, Any]] = []
    for one in results:
        totals.add(one)
        if (one.outcome == "missed" or one.disagreements) and len(rows) < MAX_FINDINGS:
            rows.append(_row(source, one))
    session.execute(delete(ComparisonFinding).where(col(ComparisonFinding.source) == source))
    session.execute(delete(Comparison).where(col(Comparison.source) == source))
    lag = totals.median_lag
    made = Comparison(
        source=source,
        file=file,
        compared_at=now(),
        claims=totals.claims,
        found=totals.found,
        missed=totals.missed,
        out_of_scope=totals.out_of_scope,
        disagreements=totals.disagreements,
        unreadable=unreadable,
        recall=totals.recall,
        median_lag_days=lag.total_seconds() / 86_400 if lag is not None else None,
    )
    session.add(made)
    session.flush()
    if rows:
        session.execute(insert(ComparisonFinding), rows)
    return made


def _row(source: str, one: Compared) -> dict[str, Any]:
    return {
        "source": source,
        "outcome": one.outcome,
        "place": one.claim.where,
        "name": one.claim.name,
        "repo_id": one.repo_id or one.claim.repo_id,
        "reason": one.reason,
        "disagreements": [item.as_json() for item in one.disagreements],
    }


def comparisons(session: Session) -> list[Comparison]:
    """The last comparison with each source."""
    return list(session.scalars(select(Comparison).order_by(col(Comparison.source))))


def findings(session: Session, source: str, outcome: str, limit: int) -> list[ComparisonFinding]:
    """Findings of a source: those that were missed, or those that were found and disagree."""
    query = select(ComparisonFinding).where(
        col(ComparisonFinding.source) == source, col(ComparisonFinding.outcome) == outcome
    )
    return list(session.scalars(query.order_by(col(ComparisonFinding.id)).limit(limit)))
