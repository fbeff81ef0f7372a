"""The Hub as we ask it, against a Hub on a real socket through the real client."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest

from monitor.ingest.hub.client import FULL, GLANCE, Hub
from monitor.ingest.hub.rate_limiter import HubRateLimiter, RateLimited
from monitor.ingest.hub.responses import HubBusyError, HubError, models
from monitor.settings import Settings
from tests.fakes.hub import ReplayHub, model


@pytest.fixture
def rate_limiter() -> HubRateLimiter:
    return HubRateLimiter(400)


@pytest.fixture
def asked(hub: ReplayHub, rate_limiter: HubRateLimiter) -> Iterator[Hub]:
    yield Hub(Settings(hf_endpoint=hub.endpoint), rate_limiter)


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
    assert set(FULL) - set(facts) <= {"gguf", "childrenModelCount", "downloadsAllTime", "inferenceProviderMapping"}
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


def test_a_bare_401_is_no_repository_either(rate_limiter: HubRateLimiter) -> None:
    with ReplayHub(repo_error_code=False) as bare:
        assert Hub(Settings(hf_endpoint=bare.endpoint), rate_limiter).detail("lab/never") is None


def test_a_namespace_of_many_pages_is_listed_whole_and_its_case_matters(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, 2_300)
    assert len(asked.brief("lab")) == 2_300
    assert asked.brief("Lab") == []


@pytest.mark.parametrize("kind", [500, 502, 503, 504, 408, "cut", "truncated", "garbage", "wrong-types", "refused"])
def test_each_failure_is_one_line_and_nobody_sleeps(hub: ReplayHub, asked: Hub, kind: int | str) -> None:
    hub.add(model("lab/one"))
    hub.fail(kind, times=1)
    before = hub.requests
    with pytest.raises(HubError) as caught:
        asked.brief("lab")
    assert hub.requests <= before + 1  # who sleeps does so before asking again
    assert "\n" not in str(caught.value)
    assert [item["id"] for item in asked.brief("lab")] == ["lab/one"]


def test_a_429_shuts_the_allowance_until_the_reset_and_returns_at_once(
    hub: ReplayHub, asked: Hub, rate_limiter: HubRateLimiter
) -> None:
    hub.fail(429, times=1, reset=120)
    with pytest.raises(HubBusyError):
        asked.brief("lab")
    assert 100 < rate_limiter.shut_for() <= 122
    asked_before = hub.requests
    with pytest.raises(RateLimited):
        asked.brief("lab")
    assert hub.requests == asked_before


@pytest.mark.parametrize("bucket", ["pages", "resolvers"])
def test_a_low_bucket_of_another_kind_does_not_stop_the_api(hub: ReplayHub, asked: Hub, bucket: str) -> None:
    hub.other_buckets[bucket] = (0, 200)
    for _ in range(3):
        assert asked.brief("lab") == []


def test_the_hubs_quota_is_never_exceeded_though_ours_is_larger() -> None:
    with ReplayHub(quota=30) as small:
        rate_limiter = HubRateLimiter(400)
        asked = Hub(Settings(hf_endpoint=small.endpoint), rate_limiter)
        with pytest.raises(RateLimited):
            for _ in range(100):
                asked.brief("lab")
        assert small.refused == 0
        assert 15 <= small.requests <= 30


def test_one_odd_row_does_not_blind_a_walk(hub: ReplayHub, asked: Hub) -> None:
    hub.add(model("lab/odd", safetensors={"odd": 1}, createdAt="2026-01-02T00:00:00.000Z"))
    hub.add(model("lab/good"))
    assert {item["id"] for item in asked.newest("createdAt", None).items} == {"lab/odd", "lab/good"}


def test_a_listing_that_leads_back_to_itself_costs_two_requests_and_is_named(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, 1_300)
    turns = itertools.count()
    hub.links = lambda link: f"{link.partition('&cursor=')[0]}&turn={next(turns)}"
    with pytest.raises(HubError, match="circle"):
        asked.brief("lab")
    assert hub.requests == 2


@pytest.mark.parametrize("circle", [1, 2])
def test_a_listing_of_changing_pages_that_leads_in_a_circle_is_named(hub: ReplayHub, asked: Hub, circle: int) -> None:
    _fill(hub, 1_300)
    turns = itertools.count()

    def lead_back(_: str) -> str:
        hub.touch("lab/m1299", downloads=hub.requests)
        return f"{hub.endpoint}/api/models?author=lab&expand=downloads&turn={next(turns) % circle}"

    hub.links = lead_back
    with pytest.raises(HubError, match="circle"):
        asked.brief("lab")
    assert hub.requests == circle + 1


def test_a_mirror_whose_links_lead_to_the_hub_itself_is_read_to_the_end(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, 2_300)
    hub.links = lambda link: link.replace(hub.endpoint, "https://huggingface.co")
    assert len(asked.brief("lab")) == 2_300


@pytest.mark.parametrize("links", ["https://huggingface.co", "https://other.test/proxy", "", "/elsewhere/api/proxy"])
def test_a_mirror_below_a_path_is_asked_there(rate_limiter: HubRateLimiter, links: str) -> None:
    with ReplayHub(prefix="/api/proxy/hub") as mirror:
        below = Hub(Settings(hf_endpoint=mirror.endpoint), rate_limiter)
        _fill(mirror, 1_300)
        mirror.rename("lab/m0000", "lab/renamed")
        mirror.links = lambda link: link.replace(mirror.endpoint, links)
        assert mirror.endpoint.endswith("/api/proxy/hub")
        assert len(below.brief("lab")) == 1_300
        found = below.detail("lab/m0000")
        assert found is not None
        assert found["id"] == "lab/renamed"


def test_a_link_that_cannot_be_followed_names_both_hosts(hub: ReplayHub, asked: Hub) -> None:
    _fill(hub, 1_300)
    hub.links = lambda _: "https://huggingface.co/login?next=2"
    with pytest.raises(HubError, match=r"127\.0\.0\.1 leads on .* to huggingface\.co/login"):
        asked.brief("lab")
    hub.links = lambda _: "https://huggingface.co/api/models/"
    with pytest.raises(HubError, match=r"127\.0\.0\.1 refuses a further page .* huggingface\.co"):
        asked.brief("lab")
    hub.links = lambda _: "http://[::1"
    with pytest.raises(HubError, match="no URL"):
        asked.brief("lab")


def test_a_redirect_of_a_mirror_to_the_hub_stays_at_the_mirror(hub: ReplayHub, asked: Hub) -> None:
    ident = hub.add(model("lab/old"))
    hub.rename("lab/old", "lab/new")
    hub.links = lambda link: link.replace(hub.endpoint, "https://huggingface.co")
    found = asked.detail("lab/old")
    assert found is not None
    assert (found["_id"], found["id"]) == (ident, "lab/new")


@pytest.mark.parametrize(
    "name", ["..", "../..", "a/..", "../whoami-v2", "a/b/c", "a b", "a/\ud800", "a/b\x00", "ü/x", ""]
)
def test_what_can_be_no_repository_is_not_asked_for(hub: ReplayHub, asked: Hub, name: str) -> None:
    assert asked.detail(name) is None
    assert hub.requests == 0


@pytest.mark.parametrize(
    "row",
    [
        {"_id": 7, "id": "a/b"},
        {"_id": "1", "id": "a/../../b"},
        {"_id": "1\0", "id": "a/b"},
        {"_id": "1", "id": "a/\ud800"},
        {"_id": "", "id": "a/b"},
        {"_id": "1", "id": "<b>/x"},
        {"_id": "1"},
        {"id": "a/b"},
    ],
)
def test_a_row_without_both_ids_is_left_out(row: dict[str, object]) -> None:
    good = {"_id": "2", "id": "a/b"}
    assert models(json.dumps([row, good]).encode()) == [good]


def test_an_unreachable_hub_is_one_line() -> None:
    with pytest.raises(HubError, match=r"cannot reach 127\.0\.0\.1"):
        Hub(Settings(hf_endpoint="http://127.0.0.1:1"), HubRateLimiter(400)).ping()


def test_a_wrong_token_is_named(rate_limiter: HubRateLimiter) -> None:
    with ReplayHub(tokens={"hf_right": "me"}) as strict:
        with pytest.raises(HubError, match="HF_TOKEN"):
            Hub(Settings(hf_endpoint=strict.endpoint, hf_token="hf_wrong"), rate_limiter).whoami()
        assert Hub(Settings(hf_endpoint=strict.endpoint, hf_token="hf_right"), rate_limiter).whoami() == "me"


def test_a_page_that_is_nearly_json_is_read() -> None:
    (row,) = models(
        b'[{"_id": "1", "id": "a/b", "odd": NaN, "half": "\\ud800", "long": 123456789012345678901234567890}]'
    )
    assert (row["id"], row["half"], row["long"]) == ("a/b", "\ud800", 123456789012345678901234567890)


def test_a_client_keeps_to_its_rate_limiter_without_further_setup(hub: ReplayHub) -> None:
    asked = Hub(Settings(hf_endpoint=hub.endpoint), HubRateLimiter(2))
    asked.ping()
    asked.ping()
    with pytest.raises(RateLimited):
        asked.ping()
    with pytest.raises(RateLimited):
        asked.api.model_info("lab/m0000")  # huggingface_hub's own requests count too
    assert hub.requests == 2
