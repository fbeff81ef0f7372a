"""The tally: how many releases there are of each combination of dimensions, kept in step by triggers of the database.

What it holds is counted from some ten thousand rows, however many releases there are.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlmodel import Session, col

from monitor.models import MEASURED, Tally

DIMENSIONS = {
    "origin": "origin",
    "foundation": "foundation_origin",
    "lab": "lab",
    "kind": "kind",
    "size": "size",
    "license_class": "license_class",
    "openness": "openness",
    "task": "task",
}
"""What releases are counted by, but for time, and the column that holds it."""

CELL: dict[str, Any] = {name: getattr(Tally, name) for name in (*DIMENSIONS.values(), "month")}
SUMS: dict[str, Any] = {
    name: getattr(Tally, name)
    for name in (
        "releases", "params_known", "params_high", "params_low",
        *(name for measure in MEASURED for name in (f"{measure}_known", measure)),
    )
}  # fmt: skip


def merge(session: Session) -> None:
    """Makes one row of each cell that has several, and none of an empty one. Others may write and merge meanwhile."""
    if session.get_bind().dialect.name == "sqlite":
        session.execute(delete(Tally).where(col(Tally.releases) == 0))
        return
    several = (func.count() > 1) | (func.sum(col(Tally.releases)) == 0)
    cells = select(func.unnest(func.array_agg(col(Tally.id)))).group_by(*CELL.values()).having(several)
    # What another one took first is not ours to add.
    taken = delete(Tally).where(col(Tally.id).in_(cells)).returning(*CELL.values(), *SUMS.values()).cte("taken")
    sums = [func.sum(taken.c[name]) for name in SUMS]
    keys = [taken.c[name] for name in CELL]
    merged = select(*keys, *sums).group_by(*keys).having(func.sum(taken.c.releases) != 0)
    session.execute(insert(Tally).from_select([*CELL, *SUMS], merged))
