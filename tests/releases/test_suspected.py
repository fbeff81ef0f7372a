"""Suspected foundations and the Hub's own counts: columns, object, lookup and view."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, event, inspect, text
from sqlmodel import col, select

from monitor import db
from monitor.classify import classify
from monitor.classify.suspected import comparable_size
from monitor.db import migrations
from monitor.db.engine import reading
from monitor.labs import load
from monitor.models import Release
from monitor.releases.adoption import track, update_popularity
from monitor.releases.classification import BaseModelLookup
from monitor.releases.schema import release_object
from monitor.releases.unrecorded import unrecorded
from tests.releases.query.test_query import release

SUSPECTED = {
    "suspected_repo_id": "Qwen/Qwen3.5-9B", "suspected_lab": "qwen", "suspected_origin": "CN",
    "suspected_confidence": 0.9,
}  # fmt: skip


def _object(**facts: Any) -> dict[str, Any]:
    facts = {"id": "x/one", **facts}
    return release_object(unrecorded(facts, classify(facts, load()), db.now(), "classify"))


def test_the_object_holds_the_suspicion_apart_from_the_foundation() -> None:
    total = 9_653_104_368
    found = _object(tags=["qwen3_5"], safetensors={"parameters": {"BF16": total}, "total": total})
    assert found["foundation"] is None
    suspected = found["suspected_foundation"]
    assert {key: suspected[key] for key in ("repo_id", "lab", "origin", "confidence")} == {
        "repo_id": "Qwen/Qwen3.5-9B", "lab": "qwen", "origin": "CN", "confidence": 0.9,
    }  # fmt: skip
    assert suspected["evidence"][0]["says"] == "shares architecture and exact size with Qwen/Qwen3.5-9B"
    assert "suspected_foundation" not in found["evidence"]
    assert _object()["suspected_foundation"] is None


def test_what_the_hub_counts_is_in_the_object_and_nothing_is_made_up() -> None:
    counts = {"finetune": 7, "adapter": 2, "merge": 0, "quantized": 3}
    found = _object(childrenModelCount=counts, downloadsAllTime=9_000)
    assert (found["derivatives_by_kind"], found["derivatives_source"]) == (counts, "hub")
    assert found["downloads_all_time"] == 9_000
    for odd in ({}, {"childrenModelCount": None, "downloadsAllTime": "9"}, {"childrenModelCount": [1]}):
        found = _object(**odd)
        assert (found["derivatives_by_kind"], found["derivatives_source"], found["downloads_all_time"]) == (None,) * 3


def test_the_history_knows_releases_of_labs_with_exactly_this_size(engine: Engine) -> None:
    def row(number: int, **values: Any) -> Release:
        known = {"lab": "qwen", "params_total": 7_615_616_512, "params_source": "safetensors"}
        return release(number, **{**known, "facts": {"config": {"model_type": "qwen2"}}, **values})

    with db.transaction(engine) as session:
        session.add_all([
            row(1, repo_id="Qwen/Qwen2.5-7B", created_at=datetime(2024, 9, 15, tzinfo=UTC)),
            row(2, repo_id="Qwen/Qwen2.5-7B-Instruct", created_at=datetime(2024, 9, 16, tzinfo=UTC)),
            row(3, lab=None),
            row(4, kind="quantized"),
            row(5, params_source="name"),
            row(6, params_total=1),
        ])  # fmt: skip
    facts = {
        "id": "someone/Thing", "config": {"model_type": "qwen2"},
        "safetensors": {"parameters": {"BF16": 7_615_616_512}, "total": 7_615_616_512},
    }  # fmt: skip
    with reading(engine) as session:
        lookup = BaseModelLookup(session)
        found = lookup.same_size(7_615_616_512)
        assert [one.repo_id for one in found] == ["Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B-Instruct"]
        assert {one.model_type for one in found} == {"qwen2"}
        assert lookup.same_size(2) == []
        suspected = classify(facts, load(), lookup, same_size=lookup.same_size).suspected_foundation
    assert suspected is not None
    assert suspected.repo_id == "Qwen/Qwen2.5-7B"


def _of_size(number: int, total: int, **values: Any) -> Release:
    facts = {"config": {"model_type": "qwen2"}}
    created = datetime(2024, 9, number % 28 + 1, tzinfo=UTC)
    known = {"lab": "qwen", "params_source": "safetensors", "created_at": created, "facts": facts}
    return release(number, params_total=total, **{**known, **values})


def test_the_releases_of_many_sizes_are_found_with_one_query(engine: Engine) -> None:
    """Each has its own oldest ones, as when it is asked for alone; sizes that no column can hold have none."""
    sizes = [1_000_000_007 + number for number in range(30)]
    with db.transaction(engine) as session:
        session.add_all([_of_size(number, sizes[number % 7], created_at=None) for number in range(1, 8)])
        session.add_all([_of_size(number, sizes[number % 2]) for number in range(8, 60)])
    counts = [*sizes, 10**30]
    models = [{"id": "x/y", "safetensors": {"parameters": {"BF16": size}, "total": size}} for size in counts]
    with reading(engine) as session:
        together, apart = BaseModelLookup(session), BaseModelLookup(session)
        statements: list[str] = []
        event.listen(session.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
        together.prefetch_sizes(models)
        found = [together.same_size(size) for size in counts]
        assert len([one for one in statements if "row_number" in one]) == 1
        assert found == [apart.same_size(size) for size in counts]
    assert [len(one) for one in found[:8]] == [20, 20, 1, 1, 1, 1, 1, 0]
    assert found[-1] == []


def test_sizes_are_asked_for_where_a_suspicion_could_follow() -> None:
    def asked(**facts: Any) -> int | None:
        size = {"parameters": {"BF16": 7_615_616_512}, "total": 7_615_616_512}
        return comparable_size({"id": "x/y", "config": {"model_type": "qwen2"}, "safetensors": size, **facts})

    assert asked() == 7_615_616_512
    assert asked(config={"model_type": "llama"}) is None
    assert asked(cardData={"base_model": "Qwen/Qwen2.5-7B"}) is None
    assert asked(safetensors={"parameters": {"BF16": 1_000}, "total": 1_000}) is None
    assert asked(safetensors=None) is None


def test_the_hubs_counts_are_refreshed_and_make_the_number_of_derivatives(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add_all([release(1, derivatives=2), release(2)])
    children = {"finetune": 7, "adapter": 2, "merge": 0, "quantized": 3}
    items = [{"_id": "id1", "downloads": 5, "downloadsAllTime": 900, "childrenModelCount": children}]
    with db.transaction(engine) as session:
        update_popularity(session, items)
    # A list row without these fields takes nothing back.
    with db.transaction(engine) as session:
        update_popularity(session, [{"_id": "id1", "downloads": 6}, {"_id": "id2", "downloads": 1}])
    track(engine, (), lambda _session, _news: None, load())
    with reading(engine) as session:
        one, two = (release_object(row) for row in session.exec(select(Release).order_by(col(Release.id))).all())
    assert (one["downloads"], one["downloads_all_time"], one["derivatives"]) == (6, 900, 12)
    assert (one["derivatives_by_kind"], one["derivatives_source"]) == (children, "hub")
    assert (two["derivatives_by_kind"], two["derivatives_source"], two["derivatives"]) == (None, None, None)


def test_the_columns_come_to_releases_that_are_there_and_to_the_view(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(release(1, derivatives=3, **SUSPECTED))
    migrations.downgrade(engine, "0015")
    assert not {*SUSPECTED, "hub_merges"} & {column["name"] for column in inspect(engine).get_columns("release")}
    with engine.connect() as connection:
        before = connection.execute(text("SELECT * FROM releases_view")).mappings().one()
    assert not {*SUSPECTED, "derivatives_source"} & set(before)
    migrations.upgrade(engine)
    migrations.check(engine)
    with engine.begin() as connection:
        after = connection.execute(text("SELECT * FROM releases_view")).mappings().one()
        assert {name: after[name] for name in before} == dict(before)
        assert after["derivatives_source"] == "history"
        connection.execute(text("UPDATE release SET hub_merges = 0"))
        source = connection.execute(text("SELECT derivatives_source FROM releases_view")).scalar_one()
    assert source == "hub"
