"""A release is found by its name, and by a name that it bore before."""

from __future__ import annotations

from sqlalchemy import Engine

from monitor.classify import classify
from monitor.db.engine import now, transaction
from monitor.enums import Via
from monitor.ingest.context import observation
from monitor.labs import load
from monitor.models import Change
from monitor.releases.classification import BaseModelLookup, classify_new
from monitor.releases.search import find
from tests.channels.channel_test_env import release
from tests.releases.query.test_query import release as release_row


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


def test_a_renamed_base_is_the_same_root_by_its_permanent_id(engine: Engine) -> None:
    hub_id, other = "6" * 24, "7" * 24
    base = {"hub_id": hub_id, "repo_id": "x/Now", "foundation_repo_id": "x/Now", "foundation_origin": "KR"}
    with transaction(engine) as session:
        # Another repository has its former name now.
        session.add_all([release_row(1, **base), release_row(2, hub_id=other, repo_id="x/Before")])

    def parents(hub_id: str | None, *names: str) -> list[str]:
        models = [{"id": name, "_id": hub_id} for name in names]
        facts = {"id": "y/Tuned", "baseModels": {"relation": "finetune", "models": models}}
        with transaction(engine) as session:
            found = classify(facts, load(), BaseModelLookup(session))
        assert found.foundation is not None
        return [found.foundation.repo_id, *(parent.repo_id for parent in found.lineage)]

    assert parents(hub_id, "x/Before") == ["x/Now", "x/Now"]
    assert parents(hub_id, "x/Before", "x/NOW") == ["x/Now", "x/Now"]
    assert parents(other, "x/Before") == ["x/Before", "x/Before"]
    for unknown in ("8" * 24, "no id", None):
        assert parents(unknown, "x/before") == ["x/Before", "x/Before"]


def test_a_base_and_what_is_built_on_it_may_be_seen_in_one_batch_under_two_names(engine: Engine) -> None:
    base = {"_id": "6" * 24, "id": "x/Now", "tags": [], "createdAt": "2026-01-01T00:00:00Z"}
    built = {
        "_id": "7" * 24, "id": "y/Tuned", "createdAt": "2026-01-02T00:00:00Z",
        "baseModels": {"relation": "finetune", "models": [{"_id": "6" * 24, "id": "x/Before"}]},
    }  # fmt: skip
    with transaction(engine) as session:
        found = classify_new(session, [observation(one, Via.CREATED) for one in (built, base)], load())
    assert found["7" * 24]["lineage"] == [{"repo_id": "x/Now", "relation": "finetune"}]
