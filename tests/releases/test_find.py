"""A release is found by its name, and by a name that it bore before."""

from __future__ import annotations

from sqlalchemy import Engine

from monitor.db.engine import now, transaction
from monitor.models import Change
from monitor.releases.classification import BaseModelLookup
from monitor.releases.search import find
from tests.channels.channel_test_env import release


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
                reason="sweep",
            )
        )
    with transaction(engine) as session:
        found = [find(session, name) for name in ("Qwen/New-Name", 'Qwen/Old "Name"', "Qwen/Nothing")]
        assert [one and one.id for one in found] == [row.id, row.id, None]


def test_ids_know_no_case_under_present_and_former_names(engine: Engine) -> None:
    row = release("New-Name")
    with transaction(engine) as session:
        session.add(row)
        session.flush()
        assert row.id is not None
        renamed = Change(
            release_id=row.id, at=now(), field="repo_id", before="Qwen/Old-Name", after=row.repo_id, reason=""
        )
        session.add(renamed)
    with transaction(engine) as session:
        known = BaseModelLookup(session)
        known.prefetch(["qwen/NEW-name", "QWEN/old-name", "Qwen/Nothing"])
        for name in ("qwen/NEW-name", "QWEN/old-name"):
            found, of_history = find(session, name), known(name)
            assert found is not None
            assert of_history is not None
            assert found.id == row.id
            assert of_history.repo_id == BaseModelLookup(session)(name).repo_id == "Qwen/New-Name"  # type: ignore[union-attr]
        assert known("Qwen/Nothing") is find(session, "Qwen/Nothing") is None
