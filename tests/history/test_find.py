"""A release is found by its name, and by a name that it bore before."""

from __future__ import annotations

from sqlalchemy import Engine

from monitor.db import now, transaction
from monitor.history.search import find
from monitor.models import Change
from tests.channels.room import release


def test_by_its_name_its_former_name_or_not_at_all(engine: Engine) -> None:
    row = release("New-Name")
    with transaction(engine) as session:
        session.add(row)
        session.flush()
        assert row.id is not None
        session.add(
            Change(
                release_id=row.id,
                at=now(),
                field="repo_id",
                before='Qwen/Old "Name"',
                after=row.repo_id,
                because="sweep",
            )
        )
    with transaction(engine) as session:
        found = [find(session, name) for name in ("Qwen/New-Name", 'Qwen/Old "Name"', "Qwen/Nothing")]
        assert [one and one.id for one in found] == [row.id, row.id, None]
