"""Who serves a release: from the Hub's mapping to the object, the query, and the news of the first."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from monitor import db
from monitor.channels.formatting import format_change, headline
from monitor.classify import classify
from monitor.enums import Observation, Via
from monitor.ingest import polls, sweeps
from monitor.ingest.backfill import backfill
from monitor.labs import load
from monitor.models import Change, Release, ReleaseRevision
from monitor.notify.matching import enqueue
from monitor.releases.hub_facts import normalize
from monitor.releases.providers import MAX_PROVIDERS, has_moved, live, read_providers
from monitor.releases.query import parse
from monitor.releases.recorder import record, record_providers
from monitor.releases.revisions import as_of
from monitor.releases.schema import release_object
from monitor.releases.search import find, search
from monitor.releases.unrecorded import unrecorded
from tests.environment import TestEnv
from tests.fakes.hub import made_id, model

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
QWEN = "Qwen/Qwen3-8B"


def entry(status: str = "live", task: str = "conversational", **more: Any) -> dict[str, Any]:
    return {"status": status, "providerId": "qwen/qwen3-8b", "task": task, **more}


def served(**providers: dict[str, Any]) -> dict[str, Any]:
    """The Hub's mapping, as details have it."""
    return {"inferenceProviderMapping": {name.replace("_", "-"): one for name, one in providers.items()}}


def providers(env: TestEnv, repo_id: str = QWEN) -> Any:
    return release_object(env.release(repo_id))["providers"]


def names(env: TestEnv, query: str) -> set[str]:
    with db.reading(env.engine) as session:
        return {row.repo_id for row in search(session, parse(query)).items}


# --- what the Hub says ------------------------------------------------------------------------------------


def test_the_hub_says_it_where_it_is_asked_and_in_two_forms(env: TestEnv) -> None:
    env.hub.add(model(QWEN, **served(novita=entry())))
    env.hub.add(model("x/y"))
    api = f"{env.hub.endpoint}/api/models"
    asked = {"expand": "inferenceProviderMapping"}
    detail, listing = (
        httpx.get(f"{api}/{QWEN}", params=asked, timeout=60).json(),
        httpx.get(api, params=asked, timeout=60).json(),
    )
    assert detail["inferenceProviderMapping"] == {"novita": entry()}
    by_name = {row["id"]: row for row in listing}
    assert by_name[QWEN]["inferenceProviderMapping"] == [{"provider": "novita", **entry()}]
    assert "inferenceProviderMapping" not in by_name["x/y"]  # of that one it is not known
    for params in ({}, {"full": "true"}, {"expand": "likes"}):
        assert all("inferenceProviderMapping" not in row for row in httpx.get(api, params=params, timeout=60).json())
    assert "inferenceProviderMapping" not in httpx.get(f"{api}/{QWEN}", timeout=60).json()


def test_both_forms_mean_the_same() -> None:
    found = read_providers(served(together=entry("staging"), novita=entry()))
    assert found == [
        {"provider": "novita", "provider_id": "qwen/qwen3-8b", "status": "live", "task": "conversational"},
        {"provider": "together", "provider_id": "qwen/qwen3-8b", "status": "staging", "task": "conversational"},
    ]
    listed = [{"provider": "together", **entry("staging")}, {"provider": "novita", **entry(), "features": {}}]
    assert read_providers({"inferenceProviderMapping": listed}) == found
    assert live(found) == ["novita"]


def test_null_where_it_was_not_asked_and_empty_where_there_are_none() -> None:
    assert read_providers({}) is None
    assert read_providers({"inferenceProviderMapping": None}) is None
    assert read_providers(served()) == read_providers({"inferenceProviderMapping": []}) == []


def test_an_adapter_that_a_rule_serves_is_not_said_to_be_served() -> None:
    rule = entry(type="tag-filter", adapter="lora")
    assert read_providers(served(fal_ai=rule, novita=entry(type="single-model"))) == read_providers(
        served(novita=entry())
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
_ENTRY = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("provider", "providerId", "status", "task", "type"), _JSON),
)


@given(mapping=_JSON | st.lists(_ENTRY | _JSON, max_size=5) | st.dictionaries(st.text(max_size=9), _ENTRY, max_size=5))
def test_whatever_the_hub_says_it_is_read_as_providers_or_left_out(mapping: Any) -> None:
    found = read_providers({"inferenceProviderMapping": mapping})
    if not isinstance(mapping, dict | list):
        assert found is None
        return
    assert found is not None
    for one in found:
        assert set(one["provider"]) <= {*string.ascii_letters, *string.digits, *"._-"}
        assert set(one["status"]) <= {*string.ascii_lowercase, *string.digits, "-"}
    assert not has_moved({"inferenceProviderMapping": mapping}, found)


def test_what_is_no_name_is_left_out_and_their_number_is_bounded() -> None:
    odd = {"a b": entry(), "<b>": entry(), "": entry(), "x;y": entry(), "n" * 65: entry(), "\u202ex": entry()}
    assert read_providers({"inferenceProviderMapping": odd}) == []
    many = {f"p{n}": entry() for n in range(MAX_PROVIDERS + 1)}
    assert len(read_providers({"inferenceProviderMapping": many}) or ()) == MAX_PROVIDERS
    (one,) = read_providers(served(novita=entry(task="<x>", providerId="a\x00b"))) or ()
    assert (one["task"], one["provider_id"]) == (None, None)


def test_no_classification_depends_on_it() -> None:
    facts = model(QWEN)
    assert normalize(facts) == normalize(facts | served(novita=entry()))


# --- what is stored ---------------------------------------------------------------------------------------


def test_a_sweep_reads_who_serves_known_releases_without_a_request_of_its_own(env: TestEnv) -> None:
    env.hub.add(model(QWEN, **served()))
    env.begin("Qwen")
    assert providers(env) == []
    with time_machine.travel(later := db.now() + timedelta(hours=1), tick=False):
        env.hub.change(QWEN, **served(novita=entry(), together=entry("staging")))
        before = env.hub.requests
        sweeps.sweep(env.ingest, "Qwen")
        assert env.hub.requests == before + 1
    novita, together = providers(env)
    says = "the Hub's mapping of inference providers names it; first seen by sweep"
    evidence = [{"signal": "inferenceProviderMapping", "value": "qwen/qwen3-8b", "says": says}]
    first_seen = later.isoformat().replace("+00:00", "Z")
    assert novita == {
        "provider": "novita", "status": "live", "task": "conversational", "first_seen": first_seen,
        "evidence": evidence,
    }  # fmt: skip
    assert (together["provider"], together["status"]) == ("together", "staging")
    with time_machine.travel(later + timedelta(hours=1), tick=False):
        env.hub.change(QWEN, **served(together=entry()))
        sweeps.sweep(env.ingest, "Qwen")
    (together,) = providers(env)
    assert (together["status"], together["first_seen"]) == ("live", first_seen)
    with db.reading(env.engine) as session, as_of(session, later + timedelta(minutes=1)):
        row = find(session, QWEN)
        assert row is not None
        assert [one["provider"] for one in release_object(row)["providers"]] == ["novita", "together"]
        assert len(search(session, parse("provider:novita")).items) == 1


def test_what_has_not_moved_is_not_written(env: TestEnv) -> None:
    env.hub.add(model(QWEN, **served(novita=entry())))
    env.begin("Qwen")
    env.look("Qwen")
    before = env.count(ReleaseRevision)
    for _ in range(2):
        env.look("Qwen")
    assert env.count(ReleaseRevision) == before
    assert env.count(Change) == 0


@pytest.mark.parametrize("via", [Via.MODIFIED, Via.TRENDING])
def test_a_poll_sees_a_provider_of_a_repository_that_it_shows_unchanged(env: TestEnv, via: Via) -> None:
    env.hub.add(model("who/knows-8B", **served()))
    env.begin()
    polls.poll(env.ingest, via)
    env.hub.change("who/knows-8B", **served(novita=entry()))
    done = polls.poll(env.ingest, via)
    assert done is not None
    assert [item.event.partition(":")[0] for item in done.news] == ["served"]
    assert names(env, "provider:novita") == {"who/knows-8B"}


def test_a_backfill_reads_it_too_and_reclassifying_keeps_it(env: TestEnv) -> None:
    env.hub.add(model(QWEN, **served(novita=entry())))
    backfill(env.ingest, since=None, namespaces=(), limit=None, report=lambda _: None)
    assert [one["provider"] for one in providers(env)] == ["novita"]
    env.hub.touch(QWEN, tags=["changed"])
    env.begin("Qwen")
    assert [one["provider"] for one in providers(env)] == ["novita"]
    assert env.count(Change) == 0


def test_a_release_that_was_never_asked_for_is_unknown(env: TestEnv) -> None:
    env.hub.add(model(QWEN))
    env.begin("Qwen")
    assert providers(env) is None
    assert names(env, "provider:none") == {QWEN}
    assert names(env, "provider:any") == set()


def test_what_is_in_no_history_is_looked_at_too() -> None:
    facts = model(QWEN, _id=made_id(QWEN)) | served(novita=entry())
    registry = load()
    for looked_at, wanted in ((facts, ["novita"]), (facts | served(), [])):
        found = release_object(unrecorded(looked_at, classify(normalize(looked_at).facts, registry), DAY, "classify"))
        assert [one["provider"] for one in found["providers"]] == wanted
    assert (
        release_object(unrecorded(model(QWEN), classify(model(QWEN), registry), DAY, "classify"))["providers"] is None
    )


# --- the news ---------------------------------------------------------------------------------------------


def test_the_first_provider_is_news_once(env: TestEnv) -> None:
    env.subscribe("event:served origin:CN")
    env.subscribe("event:served provider:together")
    env.subscribe("origin:CN")
    env.begin("Qwen")
    env.hub.add(model(QWEN, **served()))
    env.look("Qwen")
    env.deliver()
    for mapping in (
        served(novita=entry("staging")), served(novita=entry("error")), served(novita=entry()), served(),
        served(together=entry()), served(novita=entry(), together=entry()),
    ):  # fmt: skip
        env.hub.change(QWEN, **mapping)
        env.look("Qwen")
        env.deliver()
    assert env.channel.alerts == [("release", QWEN), ("served", QWEN)]
    assert env.changes(QWEN) == [("providers", None, "novita")]
    assert names(env, "event:served") == {QWEN}


def test_what_is_served_when_it_is_first_seen_is_history(env: TestEnv) -> None:
    env.subscribe("event:served")
    env.begin("Qwen")
    env.hub.add(model(QWEN, **served(novita=entry())))  # new, and served already
    env.hub.add(model("Qwen/Qwen3-4B"))
    env.look("Qwen")
    env.hub.change("Qwen/Qwen3-4B", **served(novita=entry()))  # asked for the first time, long after
    env.look("Qwen")
    env.hub.change(QWEN, **served(novita=entry(), together=entry()))
    env.look("Qwen")
    env.deliver()
    assert env.channel.alerts == []
    assert names(env, "provider:novita") == {QWEN, "Qwen/Qwen3-4B"}


def test_an_old_release_that_gets_its_first_provider_is_news(env: TestEnv) -> None:
    env.subscribe("event:served")
    env.hub.add(model(QWEN, **served()))
    env.begin("Qwen")
    env.hub.change(QWEN, **served(fal_ai=entry()))
    env.look("Qwen")
    env.deliver()
    assert env.channel.alerts == [("served", QWEN)]


def test_two_workers_that_see_the_same_tell_it_once(engine: Engine) -> None:
    def looked(mapping: dict[str, Any], at: datetime) -> Observation:
        return Observation(made_id(QWEN), QWEN, model(QWEN) | mapping, Via.SWEEP, at)

    registry = load()
    with db.transaction(engine) as session:
        record(session, [looked(served(), DAY)], registry, enqueue)
    counts = []
    for _ in range(2):
        with db.transaction(engine) as session:
            done = record_providers(session, [looked(served(novita=entry()), DAY + timedelta(hours=1))], enqueue)
            counts.append(len(done.news))
    assert counts == [1, 0]
    with db.reading(engine) as session:
        assert len(search(session, parse("provider:NOVITA event:served")).items) == 1
        assert not search(session, parse("provider:nov")).items
        assert not search(session, parse("provider:none")).items


def test_the_news_is_put_into_words() -> None:
    row = Release(repo_id=QWEN, namespace="Qwen", lab="qwen", origin="CN")
    change = Change(release_id=1, field="providers", before=None, after="novita, together", reason="sweep")
    assert headline(row, "served:7") == f"{QWEN}: now served"
    assert format_change("served:7", change, row) == (
        "now served by novita and together, its first known inference providers"
    )
    change.after = "a, b, c, d, e"
    assert format_change("served:7", change, row) == (
        "now served by a, b, c and 2 more, its first known inference providers"
    )
