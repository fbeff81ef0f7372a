"""The Hub as we ask it, against a Hub on a real socket through the real client."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from monitor.settings import Settings
from monitor.sources import transport
from monitor.sources.answers import HubBusyError, HubError, models
from monitor.sources.budget import Allowance, AllowanceSpent
from monitor.sources.hub import FULL, GLANCE, Hub
from tests.fakes.hub import ReplayHub, model


@pytest.fixture
def allowance() -> Allowance:
    return Allowance(400)


@pytest.fixture
def asked(hub: ReplayHub, allowance: Allowance) -> Iterator[Hub]:
    transport.use(allowance)
    yield Hub(Settings(hf_endpoint=hub.endpoint))


def _fill(hub: ReplayHub, number: int, namespace: str = "lab") -> None:
    for n in range(number):
        minute, second = divmod(n, 60)
        moment = f"2026-01-01T{minute // 60:02}:{minute % 60:02}:{second:02}.000Z"
        hub.add(model(f"{namespace}/m{n:04}", createdAt=moment, lastModified=moment))


def test_a_first_walk_takes_one_page_of_the_newest(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, GLANCE + 60)
    walk = asked.newest("createdAt", None)
    assert len(walk.items) == GLANCE
    assert walk.items[0]["id"] == f"lab/m{GLANCE + 59:04}"
    assert hub.requests == 1


def test_a_walk_gets_back_to_the_mark_and_past_it(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, 700)
    mark = "2026-01-01T00:02:00.000Z"
    walk = asked.newest("createdAt", mark)
    assert walk.complete
    assert len([item for item in walk.items if item["createdAt"] > mark]) == 700 - 121
    assert len([item for item in walk.items if item["createdAt"] <= mark]) >= 50


def test_a_walk_misses_nothing_while_its_pages_shift(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, 2_500)
    before = {f"lab/m{n:04}" for n in range(200, 2_500)}
    moved: list[str] = []

    def shift(world: ReplayHub) -> None:
        moved.append(world.add(model(f"lab/new{len(moved)}")))
        world.touch(f"lab/m{2_000 + len(moved)}")

    hub.shift_pages = shift
    walk = asked.newest("createdAt", "2026-01-01T00:03:19.000Z")
    assert before <= {item["id"] for item in walk.items}
    assert len({item["_id"] for item in walk.items}) == len(walk.items)


def test_the_facts_asked_for_come(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/one", params=8_000_000_000, base_model="other/base", relation="finetune"))
    facts = asked.detail("lab/one")
    assert facts is not None
    assert set(FULL) - set(facts) <= {"gguf"}
    assert facts["safetensors"]["total"] == 8_000_000_000


def test_what_is_private_deleted_or_missing_is_none_and_a_renamed_one_is_found(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/hidden", private=True))
    ident = hub.add(model("lab/old"))
    hub.rename("lab/old", "lab/new")
    assert asked.detail("lab/hidden") is None
    assert asked.detail("lab/never") is None
    found = asked.detail("lab/old")
    assert found is not None
    assert (found["_id"], found["id"]) == (ident, "lab/new")


def test_a_bare_401_is_no_repository_either(allowance: Allowance) -> None:
    with ReplayHub(repo_error_code=False) as bare:
        transport.use(allowance)
        assert Hub(Settings(hf_endpoint=bare.endpoint)).detail("lab/never") is None


def test_a_namespace_of_many_pages_is_listed_whole_and_its_case_matters(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, 2_300)
    assert len(asked.brief("lab")) == 2_300
    assert asked.brief("Lab") == []


@pytest.mark.parametrize("kind", [500, 502, 503, 504, 408, "cut", "truncated", "garbage", "wrong-types", "refused"])
def test_each_failure_is_one_line_and_nobody_sleeps(hub: ReplayHub, asked: Hub, kind: int | str) -> None:
    hub.add(model("lab/one"))
    hub.fail(kind, times=1)
    before = time.monotonic()
    with pytest.raises(HubError) as caught:
        asked.brief("lab")
    assert time.monotonic() - before < 5
    assert "\n" not in str(caught.value)
    assert [item["id"] for item in asked.brief("lab")] == ["lab/one"]


def test_a_429_shuts_the_allowance_until_the_reset_and_returns_at_once(
    hub: ReplayHub, asked: Hub, allowance: Allowance
) -> None:
    hub.fail(429, times=1, reset=120)
    with pytest.raises(HubBusyError):
        asked.brief("lab")
    assert 100 < allowance.shut_for() <= 122
    asked_before = hub.requests
    with pytest.raises(AllowanceSpent):
        asked.brief("lab")
    assert hub.requests == asked_before


@pytest.mark.parametrize("bucket", ["pages", "resolvers"])
def test_a_low_bucket_of_another_kind_does_not_stop_the_api(hub: ReplayHub, asked: Hub, bucket: str) -> None:
    hub.other_buckets[bucket] = (0, 200)
    for _ in range(3):
        assert asked.brief("lab") == []


def test_the_hubs_quota_is_never_exceeded_though_ours_is_larger() -> None:
    with ReplayHub(quota=30) as small:
        allowance = Allowance(400)
        transport.use(allowance)
        asked = Hub(Settings(hf_endpoint=small.endpoint))
        with pytest.raises(AllowanceSpent):
            for _ in range(100):
                asked.brief("lab")
        assert small.refused == 0
        assert 15 <= small.requests <= 30


def test_one_odd_row_does_not_blind_a_walk(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/odd", safetensors={"odd": 1}, createdAt="2026-01-02T00:00:00.000Z"))
    hub.add(model("lab/good"))
    assert {item["id"] for item in asked.newest("createdAt", None).items} == {"lab/odd", "lab/good"}


def test_an_unreachable_hub_is_one_line() -> None:
    transport.use(Allowance(400))
    with pytest.raises(HubError, match=r"cannot reach 127\.0\.0\.1"):
        Hub(Settings(hf_endpoint="http://127.0.0.1:1")).ping()


def test_a_wrong_token_is_named(allowance: Allowance) -> None:
    with ReplayHub(tokens={"hf_right": "me"}) as strict:
        transport.use(allowance)
        with pytest.raises(HubError, match="HF_TOKEN"):
            Hub(Settings(hf_endpoint=strict.endpoint, hf_token="hf_wrong")).whoami()
        assert Hub(Settings(hf_endpoint=strict.endpoint, hf_token="hf_right")).whoami() == "me"


def test_a_page_that_is_nearly_json_is_read() -> None:
    (row,) = models(
        b'[{"_id": "1", "id": "a/b", "odd": NaN, "half": "\\ud800", "long": 123456789012345678901234567890}]'
    )
    assert (row["id"], row["half"], row["long"]) == ("a/b", "\ud800", 123456789012345678901234567890)
