"""Fills in the works of a database from before there were any, in steps; until then nothing is claimed."""

from __future__ import annotations

from sqlalchemy import Engine, or_, select
from sqlmodel import Session, col

from monitor.db.engine import let_others_write, transaction
from monitor.enums import Kind
from monitor.labs import Registry
from monitor.models import NotableFill, Release
from monitor.releases import records

BATCH_ROWS = 500
MAX_BATCHES = 100
"""Batches of one run: some seconds. The next run goes on."""


def fill(engine: Engine, registry: Registry, batches: int = MAX_BATCHES) -> bool:
    """Looks at some more of the releases that were there before; returns whether all have been looked at.

    First at all works, then again at each of them for its reasons, which need them all. Nobody is notified.
    """
    for _ in range(batches):
        with transaction(engine) as session:
            row = session.scalars(select(NotableFill).with_for_update()).first()
            if row is None:
                return True
            _step(session, row, registry)
        let_others_write(engine)
    return False


def _step(session: Session, row: NotableFill, registry: Registry) -> None:
    may_be = or_(col(Release.lab).is_not(None), col(Release.kind) == str(Kind.BASE))
    some = select(col(Release.id), col(Release.hub_id)).where(col(Release.id) > row.reached, may_be)
    found = session.execute(some.order_by(col(Release.id)).limit(BATCH_ROWS)).all()
    if found:
        hub_ids = [hub_id for _, hub_id in found]
        records.refresh(session, hub_ids, registry)
        row.reached = found[-1][0]
        session.add(row)
        return
    session.delete(row)
    if row.stage == "works":
        session.add(NotableFill(stage="reasons", reached=0))
