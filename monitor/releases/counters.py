"""Counts that only grow, kept in the database: whichever process is asked, and whenever it was started, they are true.

They are written with what they count, in the same transaction, as its last statement, so that nobody waits long for
whoever holds the row.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.db.upsert import conflict_aware_insert
from monitor.models import Counter

Key = tuple[str, str]
"""What is counted (``releases``), and of which sort (``sweep``; several labels with a space between)."""


def count(session: Session, *counts: Mapping[Key, float]) -> None:
    """Adds to the counts. Always in one order, so that two transactions cannot wait for each other."""
    total: dict[Key, float] = {}
    for key, by in (item for some in counts for item in some.items()):
        total[key] = total.get(key, 0.0) + by
    rows = [{"name": name, "label": label, "value": by} for (name, label), by in sorted(total.items()) if by]
    if not rows:
        return
    statement = conflict_aware_insert(session, Counter)
    added = col(Counter.value) + statement.excluded.value
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=["name", "label"], set_={"value": added}), rows
    )


def counted(session: Session) -> dict[str, dict[str, float]]:
    """All counts, by name and label."""
    found: dict[str, dict[str, float]] = {}
    for row in session.scalars(select(Counter)):
        found.setdefault(row.name, {})[row.label] = row.value
    return found


BUCKETS = (1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0)
"""Upper edges, in seconds, into which delays are counted; what is longer counts in the sum and the total alone."""


def delays(name: str, label: str, seconds: float) -> dict[Key, float]:
    """What one delay counts: the first bucket that holds it, and the sum."""
    edge = next((f"{edge:g}" for edge in BUCKETS if seconds <= edge), "+Inf")
    return {(name, f"{label} {edge}"): 1.0, (f"{name}_sum", label): max(0.0, seconds)}
