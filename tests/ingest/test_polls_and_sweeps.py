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
from tests.environment import TestEnv
from tests.fakes.hub import empty, model


def test_what_was_there_before_is_history_and_alerts_nobody(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Qwen3-8B"))
    env.hub.add(model("someone/thing"))
    env.subscribe()
    env.begin("Qwen")
    assert set(env.releases()) == {"Qwen/Qwen3-8B", "someone/thing"}
    assert env.deliver() == 0
    assert env.release("Qwen/Qwen3-8B").released_precision == "created"


def test_what_is_made_after_the_first_look_is_sent_once(env: TestEnv) -> None:
    env.hub.add(model("x/old"))
    env.subscribe()
    env.begin("Qwen")
    env.hub.add(model("Qwen/Qwen9-8B"))
    env.look("Qwen")
    env.look("Qwen")
    env.deliver()
    env.deliver()
    assert env.channel.alerts == [("release", "Qwen/Qwen9-8B")]
    row = env.release("Qwen/Qwen9-8B")
    assert (row.lab, row.origin, row.released_precision, row.status) == ("qwen", "CN", "window", "live")
    assert row.released_after is not None
    assert row.released_after <= row.released_at  # type: ignore[operator]


def test_a_repository_made_weeks_ago_in_private_is_news_when_it_turns_public(env: TestEnv) -> None:
    env.hub.add(model("google/gemma-9-9b", private=True, createdAt="2026-01-01T00:00:00.000Z",
                        lastModified="2026-01-01T00:00:00.000Z"))  # fmt: skip
    for n in range(300):
        env.hub.add(model(f"x/m{n}"))
    env.subscribe()
    env.begin("google")
    env.hub.publish("google/gemma-9-9b")
    env.look("google")
    env.deliver()
    assert env.channel.alerts == [("release", "google/gemma-9-9b")]
    assert env.release("google/gemma-9-9b").detected_via == "sweep"


def test_the_same_sighting_again_changes_nothing(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Qwen3-8B"))
    env.begin("Qwen")
    before = env.releases()["Qwen/Qwen3-8B"].model_dump()
    done = polls.poll(env.ingest, Via.CREATED)
    assert done is not None
    assert (done.new, done.changed, done.same) == ([], [], 1)
    assert env.releases()["Qwen/Qwen3-8B"].model_dump() == before


def test_a_rename_is_a_rename_and_a_transfer_too(env: TestEnv) -> None:
    env.hub.add(model("Qwen/Old-8B"))
    env.subscribe()
    env.begin("Qwen", "google")
    env.hub.rename("Qwen/Old-8B", "Qwen/New-8B")
    env.look("Qwen", "google")
    env.hub.rename("Qwen/New-8B", "google/New-8B")
    env.look("Qwen", "google")
    env.deliver()
    assert env.channel.alerts == []
    assert set(env.releases()) == {"google/New-8B"}
    row = env.release("google/New-8B")
    assert (row.status, row.lab) == ("renamed", "google")
    assert ("repo_id", "Qwen/Old-8B", "Qwen/New-8B") in env.changes("google/New-8B")


def test_what_vanishes_is_gone_and_what_returns_is_live_and_no_news(env: TestEnv) -> None:
    env.hub.add(model("Qwen/A-8B"))
    env.hub.add(model("Qwen/B-8B"))
    env.subscribe()
    env.begin("Qwen")
    env.hub.hide("Qwen/A-8B")
    env.look("Qwen")
    assert env.release("Qwen/A-8B").status == "gone"
    env.hub.publish("Qwen/A-8B")
    env.look("Qwen")
    assert env.release("Qwen/A-8B").status == "live"
    env.deliver()
    assert env.channel.alerts == []


def test_a_name_deleted_and_made_again_is_another_release(env: TestEnv) -> None:
    first = env.hub.add(model("Qwen/A-8B"))
    env.subscribe()
    env.begin("Qwen")
    env.hub.delete("Qwen/A-8B")
    second = env.hub.add(model("Qwen/A-8B"))
    env.look("Qwen")
    env.deliver()
    with db.reading(env.engine) as session:
        rows = {row.hub_id: row.status for row in session.scalars(select(Release))}
    assert rows == {first: "gone", second: "live"}
    assert env.channel.alerts == [("release", "Qwen/A-8B")]


def test_a_placeholder_is_no_release_until_its_weights_arrive(env: TestEnv) -> None:
    env.subscribe()
    env.hub.add(model("x/before"))
    env.begin("Qwen")
    env.hub.add(empty("Qwen/Soon-8B"))
    env.look("Qwen")
    env.deliver()
    assert env.release("Qwen/Soon-8B").pending
    assert env.channel.alerts == []
    env.hub.upload("Qwen/Soon-8B", siblings=["model.safetensors"], safetensors=8_000_000_000)
    env.look("Qwen")
    env.look("Qwen")
    env.deliver()
    assert env.channel.alerts == [("release", "Qwen/Soon-8B")]
    assert env.release("Qwen/Soon-8B").released_precision == "window"


def test_a_burst_of_a_namespace_is_seen_whole(env: TestEnv) -> None:
    env.hub.add(model("x/before"))
    env.subscribe()
    env.begin("Qwen")
    for n in range(60):
        env.hub.add(model(f"Qwen/Burst-{n}B", private=True, createdAt="2026-01-01T00:00:00.000Z"))
    for n in range(60):
        env.hub.publish(f"Qwen/Burst-{n}B")
    env.look("Qwen")
    assert env.deliver() == 1
    assert len(env.channel.alerts) == 60


def test_a_sweep_that_fails_half_way_leaves_nothing_behind(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.add(model("Qwen/A-8B"))
    env.hub.fail(429, times=1, path_prefix="/api/models/Qwen")
    with pytest.raises(HubError):
        sweeps.sweep(env.ingest, "Qwen")
    assert env.count(Release) == 0
    assert env.count(ReleaseObservation) == 0
    with db.reading(env.engine) as session:
        row = session.get_one(Namespace, "Qwen")
        assert row.failures == 1
        assert row.error is not None
        assert row.leased_until is None


def test_a_poll_that_fails_keeps_its_mark(env: TestEnv) -> None:
    env.hub.add(model("x/one"))
    env.begin()
    with db.reading(env.engine) as session:
        mark = session.get_one(Poll, "created").state
    env.hub.add(model("x/two"))
    env.hub.fail("truncated", times=1)
    with pytest.raises(HubError):
        polls.poll(env.ingest, Via.CREATED)
    with db.reading(env.engine) as session:
        row = session.get_one(Poll, "created")
        assert row.state == mark
        assert row.failures == 1
    polls.poll(env.ingest, Via.CREATED)
    assert env.release("x/two").is_backfilled is False


def test_a_namespace_that_lists_nothing_is_an_alarm(env: TestEnv) -> None:
    env.begin("qwen")
    with db.reading(env.engine) as session:
        assert "case matters" in (session.get_one(Namespace, "qwen").error or "")


def test_one_failing_namespace_stops_no_other(env: TestEnv) -> None:
    env.begin("Qwen", "google")
    env.hub.add(model("google/a-8b", createdAt="2026-01-01T00:00:00.000Z"))
    env.hub.add(model("Qwen/b-8b", createdAt="2026-01-01T00:00:00.000Z"))
    sweeps.request_sweeps(env.ingest, ["Qwen", "google"])
    env.hub.fail(503, times=1)
    sweeps.sweep_due(env.ingest)
    assert len(env.releases()) == 1


def test_a_lease_keeps_two_workers_from_one_poll(env: TestEnv) -> None:
    assert polls._begin_poll(env.ingest, Via.CREATED) is not None
    assert polls.poll(env.ingest, Via.CREATED) is None


def test_gated_later_is_an_update_to_those_who_were_sent(env: TestEnv) -> None:
    env.hub.add(model("x/before"))
    alerts = env.subscribe("namespace:Qwen")
    env.subscribe("namespace:google")
    env.begin("Qwen")
    env.hub.add(model("Qwen/A-8B", gated=False))
    env.look("Qwen")
    env.deliver()
    env.hub.change("Qwen/A-8B", gated="manual")
    env.look("Qwen")
    env.deliver()
    assert env.channel.alerts == [("release", "Qwen/A-8B"), ("gated", "Qwen/A-8B")]
    assert {one.subscription.id for one in env.channel.messages} == {alerts}
    assert env.channel.messages[1].first_receipt == "kept-1"


def test_hints_of_the_webhook_give_the_exact_moment(env: TestEnv) -> None:
    from monitor.models import WebhookEvent

    env.hub.add(model("x/before"))
    env.subscribe()
    env.begin("Qwen")
    env.hub.add(model("Qwen/A-8B", createdAt="2026-01-01T00:00:00.000Z"))
    moment = db.now()
    with db.transaction(env.engine) as session:
        for _ in range(3):
            session.add(WebhookEvent(received_at=moment, due_at=moment, action="update", repo_id="Qwen/A-8B",
                             private=False, exact_at=moment))  # fmt: skip
    webhook_events.process_webhook_events(env.ingest)
    env.deliver()
    row = env.release("Qwen/A-8B")
    assert (row.released_at, row.released_precision, row.detected_via) == (moment, "exact", "webhook")
    assert env.count(WebhookEvent) == 0
    assert env.count(Delivery) == 1


def test_a_stranger_whose_model_trends_is_asked_where_it_is(env: TestEnv) -> None:
    env.begin("Qwen")
    env.hub.organization("new-lab-nobody-knows", fullname="New Lab", details="A company based in Seoul")
    env.hub.add(model("new-lab-nobody-knows/Thing-7B", trendingScore=900))
    polls.poll(env.ingest, Via.TRENDING)
    assert env.release("new-lab-nobody-knows/Thing-7B").origin == "KR"
    before = env.hub.requests
    polls.poll(env.ingest, Via.TRENDING)
    assert env.hub.requests == before + 1
    env.hub.touch("new-lab-nobody-knows/Thing-7B", likes=5)
    env.look()
    assert env.release("new-lab-nobody-knows/Thing-7B").origin == "KR"


def test_a_chain_of_strangers_is_followed_on_the_hub_to_its_root(env: TestEnv) -> None:
    env.hub.add(model("a/first", tags=["base_model:finetune:Qwen/Qwen3-8B"], createdAt="2025-01-01T00:00:00.000Z",
                        lastModified="2025-01-01T00:00:00.000Z"))  # fmt: skip
    env.hub.add(model("b/second", tags=["base_model:finetune:a/first"], createdAt="2025-02-01T00:00:00.000Z",
                        lastModified="2025-02-01T00:00:00.000Z"))  # fmt: skip
    for n in range(300):
        env.hub.add(model(f"x/m{n}"))
    env.subscribe()
    env.begin("Qwen")
    assert "a/first" not in env.releases()
    env.hub.add(model("c/third", tags=["base_model:finetune:b/second"]))
    env.look()
    third = env.release("c/third")
    assert third.foundation_repo_id == "Qwen/Qwen3-8B"
    assert [step["repo_id"] for step in third.lineage] == ["b/second", "a/first", "Qwen/Qwen3-8B"]
    assert env.release("b/second").is_backfilled
    env.deliver()
    assert env.channel.alerts == [("release", "c/third")]


def test_workers_that_add_what_is_watched_at_the_same_moment_do_not_hinder_each_other(env: TestEnv) -> None:
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: sweeps.watch(env.ingest, ["someone"]), range(8)))
    with db.reading(env.engine) as session:
        names = set(session.scalars(select(Namespace.name)))  # type: ignore[call-overload]
    assert names == {*env.registry.watched, "someone"}
    sweeps.watch(env.ingest)
    with db.reading(env.engine) as session:
        assert "someone" not in set(session.scalars(select(Namespace.name)))  # type: ignore[call-overload]
