"""What is seen, and what is news: through a Hub on a real socket, into a real database, out of the outbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from monitor import db
from monitor.enums import Via
from monitor.ingest import polls, sweeps, webhook_events
from monitor.ingest.hub.responses import HubError
from monitor.models import Delivery, Namespace, Poll, Release, ReleaseObservation
from tests.fakes.hub import empty, model
from tests.house import House


def test_what_was_there_before_is_history_and_alerts_nobody(house: House) -> None:
    house.hub.add(model("Qwen/Qwen3-8B"))
    house.hub.add(model("someone/thing"))
    house.subscribe()
    house.begin("Qwen")
    assert set(house.releases()) == {"Qwen/Qwen3-8B", "someone/thing"}
    assert house.deliver() == 0
    assert house.release("Qwen/Qwen3-8B").released_precision == "created"


def test_what_is_made_after_the_first_look_is_told_once(house: House) -> None:
    house.hub.add(model("x/old"))
    house.subscribe()
    house.begin("Qwen")
    house.hub.add(model("Qwen/Qwen9-8B"))
    house.look("Qwen")
    house.look("Qwen")
    house.deliver()
    house.deliver()
    assert house.channel.told == [("release", "Qwen/Qwen9-8B")]
    row = house.release("Qwen/Qwen9-8B")
    assert (row.lab, row.origin, row.released_precision, row.status) == ("qwen", "CN", "window", "live")
    assert row.released_after is not None
    assert row.released_after <= row.released_at  # type: ignore[operator]


def test_a_repository_made_weeks_ago_in_private_is_news_when_it_turns_public(house: House) -> None:
    house.hub.add(model("google/gemma-9-9b", private=True, createdAt="2026-01-01T00:00:00.000Z",
                        lastModified="2026-01-01T00:00:00.000Z"))  # fmt: skip
    for n in range(300):
        house.hub.add(model(f"x/m{n}"))
    house.subscribe()
    house.begin("google")
    house.hub.publish("google/gemma-9-9b")
    house.look("google")
    house.deliver()
    assert house.channel.told == [("release", "google/gemma-9-9b")]
    assert house.release("google/gemma-9-9b").detected_via == "sweep"


def test_the_same_sighting_again_changes_nothing(house: House) -> None:
    house.hub.add(model("Qwen/Qwen3-8B"))
    house.begin("Qwen")
    before = house.releases()["Qwen/Qwen3-8B"].model_dump()
    done = polls.poll(house.ingest, Via.CREATED)
    assert done is not None
    assert (done.new, done.changed, done.same) == ([], [], 1)
    assert house.releases()["Qwen/Qwen3-8B"].model_dump() == before


def test_a_rename_is_a_rename_and_a_transfer_too(house: House) -> None:
    house.hub.add(model("Qwen/Old-8B"))
    house.subscribe()
    house.begin("Qwen", "google")
    house.hub.rename("Qwen/Old-8B", "Qwen/New-8B")
    house.look("Qwen", "google")
    house.hub.rename("Qwen/New-8B", "google/New-8B")
    house.look("Qwen", "google")
    house.deliver()
    assert house.channel.told == []
    assert set(house.releases()) == {"google/New-8B"}
    row = house.release("google/New-8B")
    assert (row.status, row.lab) == ("renamed", "google")
    assert ("repo_id", "Qwen/Old-8B", "Qwen/New-8B") in house.changes("google/New-8B")


def test_what_vanishes_is_gone_and_what_returns_is_live_and_no_news(house: House) -> None:
    house.hub.add(model("Qwen/A-8B"))
    house.hub.add(model("Qwen/B-8B"))
    house.subscribe()
    house.begin("Qwen")
    house.hub.hide("Qwen/A-8B")
    house.look("Qwen")
    assert house.release("Qwen/A-8B").status == "gone"
    house.hub.publish("Qwen/A-8B")
    house.look("Qwen")
    assert house.release("Qwen/A-8B").status == "live"
    house.deliver()
    assert house.channel.told == []


def test_a_name_deleted_and_made_again_is_another_release(house: House) -> None:
    first = house.hub.add(model("Qwen/A-8B"))
    house.subscribe()
    house.begin("Qwen")
    house.hub.delete("Qwen/A-8B")
    second = house.hub.add(model("Qwen/A-8B"))
    house.look("Qwen")
    house.deliver()
    with db.reading(house.engine) as session:
        rows = {row.hub_id: row.status for row in session.scalars(select(Release))}
    assert rows == {first: "gone", second: "live"}
    assert house.channel.told == [("release", "Qwen/A-8B")]


def test_a_placeholder_is_no_release_until_its_weights_arrive(house: House) -> None:
    house.subscribe()
    house.hub.add(model("x/before"))
    house.begin("Qwen")
    house.hub.add(empty("Qwen/Soon-8B"))
    house.look("Qwen")
    house.deliver()
    assert house.release("Qwen/Soon-8B").pending
    assert house.channel.told == []
    house.hub.upload("Qwen/Soon-8B", siblings=["model.safetensors"], safetensors=8_000_000_000)
    house.look("Qwen")
    house.look("Qwen")
    house.deliver()
    assert house.channel.told == [("release", "Qwen/Soon-8B")]
    assert house.release("Qwen/Soon-8B").released_precision == "window"


def test_a_burst_of_a_namespace_is_seen_whole(house: House) -> None:
    house.hub.add(model("x/before"))
    house.subscribe()
    house.begin("Qwen")
    for n in range(60):
        house.hub.add(model(f"Qwen/Burst-{n}B", private=True, createdAt="2026-01-01T00:00:00.000Z"))
    for n in range(60):
        house.hub.publish(f"Qwen/Burst-{n}B")
    house.look("Qwen")
    assert house.deliver() == 1
    assert len(house.channel.told) == 60


def test_a_sweep_that_fails_half_way_leaves_nothing_behind(house: House) -> None:
    house.begin("Qwen")
    house.hub.add(model("Qwen/A-8B"))
    house.hub.fail(429, times=1, path_prefix="/api/models/Qwen")
    with pytest.raises(HubError):
        sweeps.sweep(house.ingest, "Qwen")
    assert house.count(Release) == 0
    assert house.count(ReleaseObservation) == 0
    with db.reading(house.engine) as session:
        row = session.get_one(Namespace, "Qwen")
        assert row.failures == 1
        assert row.error is not None
        assert row.leased_until is None


def test_a_poll_that_fails_keeps_its_mark(house: House) -> None:
    house.hub.add(model("x/one"))
    house.begin()
    with db.reading(house.engine) as session:
        mark = session.get_one(Poll, "created").state
    house.hub.add(model("x/two"))
    house.hub.fail("truncated", times=1)
    with pytest.raises(HubError):
        polls.poll(house.ingest, Via.CREATED)
    with db.reading(house.engine) as session:
        row = session.get_one(Poll, "created")
        assert row.state == mark
        assert row.failures == 1
    polls.poll(house.ingest, Via.CREATED)
    assert house.release("x/two").is_backfilled is False


def test_a_namespace_that_lists_nothing_is_an_alarm(house: House) -> None:
    house.begin("qwen")
    with db.reading(house.engine) as session:
        assert "case matters" in (session.get_one(Namespace, "qwen").error or "")


def test_one_failing_namespace_stops_no_other(house: House) -> None:
    house.begin("Qwen", "google")
    house.hub.add(model("google/a-8b", createdAt="2026-01-01T00:00:00.000Z"))
    house.hub.add(model("Qwen/b-8b", createdAt="2026-01-01T00:00:00.000Z"))
    sweeps.request_sweeps(house.ingest, ["Qwen", "google"])
    house.hub.fail(503, times=1)
    sweeps.sweep_due(house.ingest)
    assert len(house.releases()) == 1


def test_a_lease_keeps_two_workers_from_one_poll(house: House) -> None:
    assert polls._begin_poll(house.ingest, Via.CREATED) is not None
    assert polls.poll(house.ingest, Via.CREATED) is None


def test_gated_later_is_an_update_to_those_who_were_told(house: House) -> None:
    house.hub.add(model("x/before"))
    told = house.subscribe("namespace:Qwen")
    house.subscribe("namespace:google")
    house.begin("Qwen")
    house.hub.add(model("Qwen/A-8B", gated=False))
    house.look("Qwen")
    house.deliver()
    house.hub.change("Qwen/A-8B", gated="manual")
    house.look("Qwen")
    house.deliver()
    assert house.channel.told == [("release", "Qwen/A-8B"), ("gated", "Qwen/A-8B")]
    assert {one.subscription.id for one in house.channel.messages} == {told}
    assert house.channel.messages[1].first_receipt == "kept-1"


def test_hints_of_the_webhook_give_the_exact_moment(house: House) -> None:
    from monitor.models import WebhookEvent

    house.hub.add(model("x/before"))
    house.subscribe()
    house.begin("Qwen")
    house.hub.add(model("Qwen/A-8B", createdAt="2026-01-01T00:00:00.000Z"))
    moment = db.now()
    with db.transaction(house.engine) as session:
        for _ in range(3):
            session.add(WebhookEvent(received_at=moment, due_at=moment, action="update", repo_id="Qwen/A-8B",
                             private=False, exact_at=moment))  # fmt: skip
    webhook_events.process_webhook_events(house.ingest)
    house.deliver()
    row = house.release("Qwen/A-8B")
    assert (row.released_at, row.released_precision, row.detected_via) == (moment, "exact", "webhook")
    assert house.count(WebhookEvent) == 0
    assert house.count(Delivery) == 1


def test_a_stranger_whose_model_trends_is_asked_where_it_is(house: House) -> None:
    house.begin("Qwen")
    house.hub.organization("new-lab-nobody-knows", fullname="New Lab", details="A company based in Seoul")
    house.hub.add(model("new-lab-nobody-knows/Thing-7B", trendingScore=900))
    polls.poll(house.ingest, Via.TRENDING)
    assert house.release("new-lab-nobody-knows/Thing-7B").origin == "KR"
    before = house.hub.requests
    polls.poll(house.ingest, Via.TRENDING)
    assert house.hub.requests == before + 1
    house.hub.touch("new-lab-nobody-knows/Thing-7B", likes=5)
    house.look()
    assert house.release("new-lab-nobody-knows/Thing-7B").origin == "KR"


def test_a_chain_of_strangers_is_followed_on_the_hub_to_its_root(house: House) -> None:
    house.hub.add(model("a/first", tags=["base_model:finetune:Qwen/Qwen3-8B"], createdAt="2025-01-01T00:00:00.000Z",
                        lastModified="2025-01-01T00:00:00.000Z"))  # fmt: skip
    house.hub.add(model("b/second", tags=["base_model:finetune:a/first"], createdAt="2025-02-01T00:00:00.000Z",
                        lastModified="2025-02-01T00:00:00.000Z"))  # fmt: skip
    for n in range(300):
        house.hub.add(model(f"x/m{n}"))
    house.subscribe()
    house.begin("Qwen")
    assert "a/first" not in house.releases()
    house.hub.add(model("c/third", tags=["base_model:finetune:b/second"]))
    house.look()
    third = house.release("c/third")
    assert third.foundation_repo_id == "Qwen/Qwen3-8B"
    assert [step["repo_id"] for step in third.lineage] == ["b/second", "a/first", "Qwen/Qwen3-8B"]
    assert house.release("b/second").is_backfilled
    house.deliver()
    assert house.channel.told == [("release", "c/third")]


def test_workers_that_add_what_is_watched_at_the_same_moment_do_not_hinder_each_other(house: House) -> None:
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: sweeps.watch(house.ingest, ["someone"]), range(8)))
    with db.reading(house.engine) as session:
        names = set(session.scalars(select(Namespace.name)))  # type: ignore[call-overload]
    assert names == {*house.registry.watched, "someone"}
    sweeps.watch(house.ingest)
    with db.reading(house.engine) as session:
        assert "someone" not in set(session.scalars(select(Namespace.name)))  # type: ignore[call-overload]
