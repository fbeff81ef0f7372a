"""One repository that the Hub does not answer on, or answers oddly on, never hides the rest."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from monitor import db
from monitor.enums import LookupKind, Via
from monitor.ingest import base_models, lookups, polls, sweeps, webhook_events
from monitor.ingest.hub.client import GLANCE
from monitor.models import FailedLookup, Namespace, Poll
from monitor.schedule import MAX_LOOKUP_AGE_SECONDS
from tests.console import run
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model
from tests.web.test_operation import client_of, metrics_of

DISABLED = "Access to this resource is disabled."
REFUSALS = [(403, DISABLED), (403, "Forbidden"), (410, "Gone"), (451, "Unavailable"), (500, "Oops"), (503, "Oops")]
BURST = GLANCE + 50
"""Releases at once, of which a walk without a mark would miss some."""
OLD = {"createdAt": "2025-01-01T00:00:00.000Z", "lastModified": "2025-01-01T00:00:00.000Z"}


def _time_passes(env: TestEnv) -> None:
    """Every back-off runs out."""
    with db.transaction(env.engine) as session:
        session.execute(update(FailedLookup).values(due_at=db.now()))


def _failing(env: TestEnv) -> dict[tuple[str, str], int]:
    with db.reading(env.engine) as session:
        return {(row.kind, row.name): row.failures for row in session.scalars(select(FailedLookup))}


def _poll(env: TestEnv, via: Via) -> Poll:
    with db.reading(env.engine) as session:
        return session.get_one(Poll, str(via))


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_base_that_the_hub_refuses_does_not_stop_the_polls(env: TestEnv, refusal: tuple[int, str]) -> None:
    env.hub.add(model("a/base", base_model="Qwen/Qwen3-8B", relation="finetune", **OLD, _refused=refusal))
    for n in range(250):
        env.hub.add(model(f"x/m{n}"))
    env.subscribe()
    env.begin("Qwen")
    env.hub.add(model("b/child", base_model="a/base", relation="finetune"))
    for via in Via.CREATED, Via.MODIFIED, Via.TRENDING:
        polls.poll(env.ingest, via)
        assert _poll(env, via).error is None
    child = env.release("b/child")
    assert [step["repo_id"] for step in child.lineage] == ["a/base"]
    assert child.foundation_origin is None
    env.deliver()
    assert env.channel.alerts == [("release", "b/child")]
    assert _failing(env) == {("base", "a/base"): 1}


def test_a_base_is_asked_for_again_with_back_off_and_what_was_built_on_it_is_classified_anew(env: TestEnv) -> None:
    env.hub.add(model("a/base", base_model="Qwen/Qwen3-8B", relation="finetune", **OLD, _refused=(503, "Oops")))
    for n in range(250):
        env.hub.add(model(f"x/m{n}"))
    env.begin("Qwen")
    env.hub.add(model("b/child", base_model="a/base", relation="finetune"))
    env.look()
    asked = env.hub.requests_by_path["/api/models/a/base"]
    env.hub.add(model("b/second", base_model="a/base", relation="finetune"))
    env.look()
    base_models.retry_base_lookups(env.ingest)
    assert env.hub.requests_by_path["/api/models/a/base"] == asked, "not before its time"
    _time_passes(env)
    base_models.retry_base_lookups(env.ingest)
    assert _failing(env) == {("base", "a/base"): 2}
    env.hub.change("a/base", _refused=None)
    _time_passes(env)
    base_models.retry_base_lookups(env.ingest)
    assert _failing(env) == {}
    for child in env.release("b/child"), env.release("b/second"):
        assert [step["repo_id"] for step in child.lineage] == ["a/base", "Qwen/Qwen3-8B"]
        assert (child.foundation_repo_id, child.foundation_origin) == ("Qwen/Qwen3-8B", "CN")


def test_back_off_grows_and_what_fails_for_a_month_is_forgotten(env: TestEnv) -> None:
    asking = lookups.Lookups(env.engine, LookupKind.BASE, ["a/base"])
    waits = []
    for _ in range(20):
        before = db.now()
        asking.failed("a/base", "503")
        with db.reading(env.engine) as session:
            waits.append((session.get_one(FailedLookup, ("base", "a/base")).due_at - before).total_seconds())
    assert 50 < waits[0] < 70
    assert waits[4] > 800
    assert 70_000 < waits[-1] < 100_000
    with db.transaction(env.engine) as session:
        old = db.now() - 2 * timedelta(seconds=MAX_LOOKUP_AGE_SECONDS)
        session.execute(update(FailedLookup).values(failed_at=old, due_at=db.now()))
    assert lookups.due(env.engine, LookupKind.BASE, 5) == []
    assert _failing(env) == {}


@pytest.mark.parametrize("kind", [429, "refused"])
def test_what_stops_look_ups_does_not_stop_the_poll_that_made_them(env: TestEnv, kind: int | str) -> None:
    for n in range(250):
        env.hub.add(model(f"x/m{n}"))
    env.begin("Qwen")
    env.hub.add(model("b/child", base_model="a/base", relation="finetune"))
    env.hub.fail(kind, times=None, path_prefix="/api/models/a/base")  # type: ignore[arg-type]
    polls.poll(env.ingest, Via.CREATED)
    assert _poll(env, Via.CREATED).error is None
    assert env.release("b/child").is_backfilled is False


@pytest.mark.parametrize("refusal", [*REFUSALS, None])
def test_one_repository_does_not_end_the_sweeps_of_its_namespace(env: TestEnv, refusal: tuple[int, str] | None) -> None:
    env.hub.add(model("Qwen/Old-8B"))
    env.subscribe()
    env.begin("Qwen")
    env.hub.add(model("Qwen/A-8B"))
    env.hub.add(model("Qwen/Odd-8B", _refused=refusal))
    if refusal is None:
        env.hub.fail("garbage", times=None, path_prefix="/api/models/Qwen/Odd-8B")
    env.hub.add(model("Qwen/B-8B"))
    for _ in range(2):
        sweeps.sweep(env.ingest, "Qwen")
    with db.reading(env.engine) as session:
        row = session.get_one(Namespace, "Qwen")
        assert (row.failures, row.error) == (0, None)
    assert {"Qwen/A-8B", "Qwen/B-8B"} <= set(env.releases())
    withdrawn = refusal is not None and (refusal[1] == DISABLED or refusal[0] in {410, 451})
    assert ("Qwen/Odd-8B" in env.releases()) is not withdrawn, "the listing shows what the details do not"
    assert ("repository", "Qwen/Odd-8B") in _failing(env) or not withdrawn


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_vanished_release_is_gone_only_where_the_hub_says_so(env: TestEnv, refusal: tuple[int, str]) -> None:
    for name in "A", "B", "C":
        env.hub.add(model(f"Qwen/{name}-8B"))
    env.begin("Qwen")
    env.hub.change("Qwen/A-8B", private=True)
    env.hub.fail(refusal[0], times=None, path_prefix="/api/models/Qwen/A-8B")
    if refusal[1] == DISABLED:
        env.hub.heal()
        env.hub.change("Qwen/A-8B", private=False, disabled=True)
    env.hub.hide("Qwen/B-8B")
    sweeps.sweep(env.ingest, "Qwen")
    withdrawn = refusal[1] == DISABLED or refusal[0] in {410, 451}
    assert env.release("Qwen/A-8B").status == ("gone" if withdrawn else "live")
    assert env.release("Qwen/B-8B").status == "gone"
    assert env.release("Qwen/C-8B").status == "live"
    env.hub.heal()
    env.hub.change("Qwen/A-8B", private=False, disabled=False)
    sweeps.sweep(env.ingest, "Qwen")
    assert env.release("Qwen/A-8B").status == "live"


def test_what_a_listing_shows_as_disabled_is_withdrawn_and_no_release(env: TestEnv) -> None:
    env.hub.add(model("x/known"))
    env.subscribe()
    env.begin("Qwen")
    env.hub.touch("x/known", disabled=True)
    env.hub.add(model("x/never", disabled=True))
    env.look()
    assert env.release("x/known").status == "gone"
    assert ("status", "live", "gone") in env.changes("x/known")
    assert "x/never" not in env.releases()
    env.hub.touch("x/known", disabled=False)
    env.look()
    assert env.release("x/known").status == "live"


def test_a_webhook_event_of_a_disabled_repository_withdraws_it(env: TestEnv) -> None:
    from monitor.models import WebhookEvent

    env.hub.add(model("Qwen/A-8B"))
    env.begin("Qwen")
    env.hub.change("Qwen/A-8B", disabled=True)
    with db.transaction(env.engine) as session:
        session.add(
            WebhookEvent(received_at=db.now(), due_at=db.now(), action="update", repo_id="Qwen/A-8B", private=False)
        )
    webhook_events.process_webhook_events(env.ingest)
    assert env.release("Qwen/A-8B").status == "gone"
    assert env.count(WebhookEvent) == 0


@pytest.mark.parametrize("kind", [403, 500, "garbage", "refused"])
def test_an_organization_without_an_answer_does_not_stop_what_trends(env: TestEnv, kind: int | str) -> None:
    env.begin("Qwen")
    env.hub.organization("new-lab", fullname="New Lab", details="A company based in Seoul")
    env.hub.add(model("new-lab/Thing-7B", trendingScore=900))
    env.hub.fail(kind, times=None, path_prefix="/api/organizations")  # type: ignore[arg-type]
    polls.poll(env.ingest, Via.TRENDING)
    assert env.release("new-lab/Thing-7B").trending_rank == 1
    assert _failing(env) == {("organization", "new-lab"): 1}
    env.hub.heal()
    _time_passes(env)
    polls.poll(env.ingest, Via.TRENDING)
    assert env.release("new-lab/Thing-7B").origin == "KR"
    assert _failing(env) == {}


# --- dates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["2099-01-01T00:00:00.000Z", "soon", "9999", {"$date": 1}, 7, [], "0001-01-01", None])
def test_a_date_that_cannot_be_true_does_not_become_the_mark(env: TestEnv, date: Any) -> None:
    env.hub.add(model("x/old"))
    env.begin("Qwen")
    env.hub.add(model("x/odd", _served={"createdAt": date, "lastModified": date}))
    env.look()
    for n in range(BURST):
        env.hub.add(model(f"y/burst-{n}"))
    env.look()
    alerts = {name for name, row in env.releases().items() if not row.is_backfilled}
    assert {f"y/burst-{n}" for n in range(BURST)} <= alerts
    poll = _poll(env, Via.CREATED)
    assert datetime.fromisoformat(poll.state["mark"]) <= db.now()
    if date is not None:
        assert poll.state["implausible"] == {"x/odd": str(date)[:50]}
        assert env.release("x/odd").created_at is None


@pytest.mark.parametrize("bad", ["2099-01-01T00:00:00.000Z", "zzz", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("both", [True, False])
def test_a_bad_mark_of_an_older_version_heals_itself(env: TestEnv, bad: str, *, both: bool) -> None:
    env.hub.add(model("x/old"))
    env.begin("Qwen")
    with db.transaction(env.engine) as session:
        for row in session.scalars(select(Poll).where(col(Poll.name).in_(["created", "modified"]))):
            row.state = {**row.state, "mark": bad, **({"since": bad} if both else {})}
            session.add(row)
    for n in range(BURST):
        env.hub.add(model(f"y/burst-{n}"))
    env.look()
    rows = env.releases()
    assert all(f"y/burst-{n}" in rows and not rows[f"y/burst-{n}"].is_backfilled for n in range(BURST))
    state = _poll(env, Via.CREATED).state
    assert max(state["mark"], state["since"]) < db.now().isoformat()


# --- shown --------------------------------------------------------------------------------------------------


def test_what_fails_and_what_is_ignored_is_shown(env: TestEnv) -> None:
    client = client_of(env)
    env.hub.add(model("a/base", **OLD, _refused=(503, "Oops")))
    for n in range(250):
        env.hub.add(model(f"x/m{n}"))
    env.begin("Qwen")
    assert "Failed lookups" not in client.get("/status").text
    env.hub.add(model("b/child", base_model="a/base", relation="finetune", _served={"createdAt": "<b>soon"}))
    env.look()
    page = client.get("/status").text
    assert "Failed lookups" in page
    assert "a/base" in page
    assert "503" in page
    assert "&lt;b&gt;soon" in page
    figures = metrics_of(client)
    assert (figures["hub_monitor_failed_lookups", "base"], figures[("hub_monitor_implausible_dates",)]) == (1, 1)


def test_doctor_and_poll_go_on_beside_a_base_that_is_refused(tmp_path: Path) -> None:
    with ReplayHub() as hub:
        hub.add(model("a/base", **OLD, _refused=(403, "Forbidden")))
        for n in range(250):
            hub.add(model(f"x/m{n}"))
        hub.add(model("b/child", base_model="a/base", relation="finetune"))
        here = {"HF_ENDPOINT": hub.endpoint, "MONITOR_DATABASE_URL": f"sqlite:///{tmp_path}/hub.db"}
        here["MONITOR_HUB_REQUESTS_PER_WINDOW"] = "20"
        assert run("poll", "--source", "hub", **here).returncode == 0
        done = run("doctor", **here)
        assert "lookups: ok, 1 failing" in done.stdout
        assert "base a/base: the Hub refuses a/base: 403" in done.stdout
