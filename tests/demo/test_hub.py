"""The stand-in Hub, asked by the real huggingface_hub client over a real socket."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from typing import Any, get_args

import httpx2
import pytest
from huggingface_hub import HfApi, WebhookPayload
from huggingface_hub.errors import (
    BadRequestError,
    DisabledRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import ExpandModelProperty_T
from huggingface_hub.utils import parse_ratelimit_headers

from monitor.demo.wire import EXPAND
from tests.fakes.hub import OLDEST, ReplayHub, empty, model, until

START = datetime(2026, 9, 1, tzinfo=UTC)


class Clock:
    """A time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> Iterator[ReplayHub]:
    with ReplayHub(clock=clock, quota=10_000) as hub:
        yield hub


@pytest.fixture
def api(hub: ReplayHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=False)


@pytest.fixture
def http(hub: ReplayHub) -> Iterator[httpx2.Client]:
    """A bare client, for what the Hub's client hides."""
    with httpx2.Client(base_url=hub.endpoint, trust_env=False, timeout=60) as client:
        yield client


def names(rows: Any) -> list[str]:
    return [row.id for row in rows]


# Listing


@pytest.mark.parametrize("sort", ["created_at", "last_modified", "trending_score", "downloads", "likes"])
def test_each_sort_lists_the_highest_first(hub: ReplayHub, api: HfApi, sort: Any) -> None:
    field = {"created_at": "createdAt", "last_modified": "lastModified", "trending_score": "trendingScore"}.get(
        sort, sort
    )
    for number in (3, 1, 2):
        value: Any = START - timedelta(days=10 - number) if field in {"createdAt", "lastModified"} else number
        hub.add(model(f"lab/m{number}", **{field: value}))
    assert names(api.list_models(sort=sort)) == ["lab/m3", "lab/m2", "lab/m1"]


def test_the_default_order_is_trending(hub: ReplayHub, api: HfApi) -> None:
    hub.add(model("lab/cold", trendingScore=1))
    hub.add(model("lab/warm", trendingScore=11.2))
    hub.add(model("lab/hot", trendingScore=12))
    assert names(api.list_models()) == ["lab/hot", "lab/warm", "lab/cold"]


def test_an_order_in_use_follows_every_change(hub: ReplayHub, api: HfApi) -> None:
    for number in range(5):
        hub.add(model(f"lab/m{number}", downloads=number))
    assert names(api.list_models(sort="downloads", author="lab", limit=1)) == ["lab/m4"]
    hub.change("lab/m0", downloads=99)
    hub.delete("lab/m4")
    hub.hide("lab/m3")
    hub.rename("lab/m1", "other/m1")
    assert names(api.list_models(sort="downloads")) == ["lab/m0", "lab/m2", "other/m1"]
    assert names(api.list_models(sort="downloads", author="lab")) == ["lab/m0", "lab/m2"]
    assert names(api.list_models(author="other")) == ["other/m1"]


def test_ties_are_in_the_order_of_their_ids_over_pages(hub: ReplayHub, http: httpx2.Client) -> None:
    ids = [hub.add(model(f"lab/m{number}", likes=7)) for number in range(25)]
    seen: list[str] = []
    url: str | None = "/api/models?sort=likes&limit=4"
    while url:
        answer = http.get(url)
        assert len(answer.json()) <= 4
        seen += [row["_id"] for row in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == sorted(ids)
    assert hub.requests == 7


@pytest.mark.parametrize("sort", ["created_at", "trending_score"])
def test_the_client_walks_every_page(hub: ReplayHub, api: HfApi, sort: Any) -> None:
    hub.add_many(
        model(f"lab/m{number}", createdAt=START - timedelta(minutes=number // 3), trendingScore=number % 5 + 0.5)
        for number in range(2345)
    )
    walked = names(api.list_models(sort=sort))
    assert len(walked) == len(set(walked)) == 2345
    assert hub.requests_by_path["/api/models"] == 3


def test_the_next_page_repeats_the_question(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.add_many(model(f"lab/m{number}") for number in range(3))
    link = http.get("/api/models", params={"author": "lab", "limit": 2, "expand": ["sha", "author"]}).links["next"][
        "url"
    ]
    assert [set(row) for row in http.get(link).json()] == [{"_id", "id", "sha", "author"}]


def test_a_page_holds_a_thousand_at_most(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.add_many(model(f"lab/m{number}") for number in range(1001))
    assert len(http.get("/api/models?limit=5000").json()) == 1000
    assert len(http.get("/api/models").json()) == 1000


def test_an_author_is_case_sensitive_and_may_be_unknown(hub: ReplayHub, api: HfApi) -> None:
    hub.add(model("Qwen/Qwen3-8B"))
    assert names(api.list_models(author="Qwen")) == ["Qwen/Qwen3-8B"]
    assert names(api.list_models(author="qwen")) == []
    assert names(api.list_models(author="nobody")) == []


def test_filter_search_task_and_size_narrow_a_list(hub: ReplayHub, api: HfApi) -> None:
    hub.add(model("lab/Small-1B", params=10**9))
    hub.add(model("lab/Big-70B", params=70 * 10**9, license="mit"))
    hub.add(model("lab/pictures", params=None, pipeline_tag="text-to-image", license=None))
    assert names(api.list_models(filter="license:mit")) == ["lab/Big-70B"]
    assert names(api.list_models(filter=["license:mit", "license:apache-2.0"])) == []
    assert names(api.list_models(search="small")) == ["lab/Small-1B"]
    assert names(api.list_models(pipeline_tag="text-to-image")) == ["lab/pictures"]
    assert names(api.list_models(num_parameters="min:6B,max:128B")) == ["lab/Big-70B"]


def test_a_gated_repository_is_listed_and_says_how(hub: ReplayHub, api: HfApi) -> None:
    for name, gated in (("auto", "auto"), ("manual", "manual"), ("open", False)):
        hub.add(model(f"lab/{name}", gated=gated))
    listed = {row.id: row.gated for row in api.list_models(expand=["gated"])}
    assert listed == {"lab/auto": "auto", "lab/manual": "manual", "lab/open": False}
    assert sorted(names(api.list_models(gated=True))) == ["lab/auto", "lab/manual"]
    assert names(api.list_models(gated=False)) == ["lab/open"]
    assert api.model_info("lab/auto").gated == "auto"


def test_a_private_repository_appears_below_the_newest(hub: ReplayHub, api: HfApi, clock: Clock) -> None:
    hub.add(model("google/gemma", private=True))
    clock.forward(86_400)
    hub.add(model("lab/newer"))
    assert names(api.list_models()) == ["lab/newer"]
    hub.publish("google/gemma")
    assert names(api.list_models(sort="created_at")) == ["lab/newer", "google/gemma"]
    row = api.model_info("google/gemma")
    assert (row.created_at, row.last_modified) == (START, START)


def test_created_at_is_never_below_the_hubs_oldest(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.add(model("google-bert/bert", createdAt="2018-11-01T00:00:00Z"))
    assert http.get("/api/models").json()[0]["createdAt"] == OLDEST


# What a row holds


def test_a_plain_row_holds_what_the_hub_gives(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.add(model("lab/m"))
    (row,) = http.get("/api/models").json()
    assert set(row) == {
        *("_id", "id", "likes", "trendingScore", "private", "downloads", "tags", "pipeline_tag", "library_name"),
        *("createdAt", "modelId"),
    }
    assert len(row["_id"]) == 24 and int(row["_id"], 16)


def test_full_config_and_card_add_to_a_row(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.add(model("lab/m"))
    plain = set(http.get("/api/models").json()[0])
    full = set(http.get("/api/models?full=true").json()[0])
    assert full - plain == {"author", "sha", "lastModified", "gated", "siblings"}
    assert set(http.get("/api/models?config=true&cardData=true").json()[0]) - plain == {"config", "cardData"}


def test_expand_gives_what_it_names_only(hub: ReplayHub, api: HfApi, http: httpx2.Client) -> None:
    hub.add(model("lab/m", params=123))
    (row,) = api.list_models(expand=["safetensors", "siblings", "lastModified"])
    assert row.safetensors is not None and row.safetensors.total == 123
    assert row.siblings is not None and "model.safetensors" in [file.rfilename for file in row.siblings]
    assert row.last_modified == START and row.tags is None and row.created_at is None
    info = api.model_info("lab/m", expand=["sha", "author"])
    assert info.author == "lab" and info.sha and info.private is None
    assert set(http.get("/api/models/lab/m?expand=sha").json()) == {"_id", "id", "sha"}


def test_every_value_that_the_client_knows_can_be_expanded() -> None:
    assert set(get_args(ExpandModelProperty_T)) == EXPAND


@pytest.mark.parametrize(
    "query",
    ["sort=trending", "expand=nothing", "expand=sha&full=true", "limit=many", "limit=0", "cursor=%21", "cursor=e30="],
)
def test_a_wrong_question_is_a_400_in_json(hub: ReplayHub, http: httpx2.Client, query: str) -> None:
    answer = http.get(f"/api/models?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"] == answer.headers["x-error-message"]


def test_a_cursor_belongs_to_its_sort(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.add_many(model(f"lab/m{number}") for number in range(2))
    link = http.get("/api/models?sort=likes&limit=1").links["next"]["url"]
    assert http.get(link.replace("sort=likes", "sort=downloads")).status_code == 400


# Details


def test_a_detail_holds_what_the_hub_gives(hub: ReplayHub, api: HfApi, http: httpx2.Client) -> None:
    hub.add(model("lab/m", params=42, license="mit"))
    detail = http.get("/api/models/lab/m").json()
    assert set(detail) == {
        *("_id", "id", "private", "pipeline_tag", "library_name", "tags", "downloads", "likes", "modelId", "author"),
        *("sha", "lastModified", "gated", "disabled", "model-index", "config", "cardData", "siblings", "spaces"),
        *("createdAt", "safetensors", "usedStorage"),
    }
    info = api.model_info("lab/m")
    assert info.card_data is not None and info.card_data.license == "mit"


def test_unknown_facts_are_left_out(hub: ReplayHub, api: HfApi) -> None:
    hub.add({"id": "lab/m", "siblings": None, "gated": None})
    info = api.model_info("lab/m")
    assert info.siblings is None and info.gated is None and info.safetensors is None


def test_an_upload_adds_files_and_moves_the_date(hub: ReplayHub, api: HfApi, clock: Clock) -> None:
    hub.add(empty("lab/m"))
    before = api.model_info("lab/m")
    clock.forward(60)
    hub.upload(
        "lab/m",
        siblings=[{"rfilename": "model.safetensors", "size": 8}],
        safetensors={"parameters": {"BF16": 4}, "total": 4},
    )
    after = api.model_info("lab/m", files_metadata=True)
    assert [file.rfilename for file in after.siblings or ()] == [".gitattributes", "model.safetensors"]
    assert after.siblings is not None and after.siblings[1].size == 8
    assert after.sha != before.sha
    assert after.last_modified == START + timedelta(seconds=60) and after.created_at == START


@pytest.mark.parametrize("fate", ["missing", "private", "deleted", "renamed and private"])
def test_what_is_not_there_for_us_is_not_found(hub: ReplayHub, api: HfApi, http: httpx2.Client, fate: str) -> None:
    if fate != "missing":
        hub.add(model("lab/m", private=fate == "private"))
    if fate == "deleted":
        hub.delete("lab/m")
    if fate == "renamed and private":
        hub.rename("lab/m", "lab/n")
        hub.hide("lab/n")
    with pytest.raises(RepositoryNotFoundError) as caught:
        api.model_info("lab/m")
    assert caught.value.response.status_code == 401
    answer = http.get("/api/models/lab/m")
    assert answer.json() == {"error": "Invalid username or password."}
    assert answer.headers["x-error-message"] == "Invalid username or password."


def test_without_its_error_code_the_401_is_a_bare_one_over_http() -> None:
    with ReplayHub(repo_error_code=False) as hub, pytest.raises(HfHubHTTPError) as caught:
        HfApi(endpoint=hub.endpoint, token=False).model_info("lab/m")
    assert not isinstance(caught.value, RepositoryNotFoundError)
    assert caught.value.response.status_code == 401


def test_a_renamed_repository_is_found_under_its_old_names(hub: ReplayHub, api: HfApi, http: httpx2.Client) -> None:
    made = hub.add(model("lab/old"))
    hub.rename("lab/old", "lab/middle")
    hub.rename("lab/middle", "other/new")
    assert api.model_info("lab/old").id == "other/new"
    assert api.model_info("lab/middle", expand=["author"]).author == "other"
    answer = http.get("/api/models/lab/old?expand=sha")
    assert (answer.status_code, answer.headers["location"]) == (307, "/api/models/other/new?expand=sha")
    assert http.get("/api/models/other/new").json()["_id"] == made


def test_a_repository_made_again_is_another_one(hub: ReplayHub, api: HfApi, http: httpx2.Client) -> None:
    first = hub.add(model("lab/m"))
    with pytest.raises(ValueError, match="exists"):
        hub.add(model("lab/m"))
    hub.delete("lab/m")
    second = hub.add(model("lab/m"))
    assert first != second == http.get("/api/models/lab/m").json()["_id"]


def test_a_disabled_repository_says_so(hub: ReplayHub, api: HfApi) -> None:
    hub.add(model("lab/m", disabled=True))
    with pytest.raises(DisabledRepoError):
        api.model_info("lab/m")


def test_overviews_tell_organizations_from_users(hub: ReplayHub, api: HfApi) -> None:
    hub.organization("Qwen", fullname="Qwen", isVerified=True)
    hub.add(model("Qwen/a"))
    hub.add(model("someone/b"))
    organization = api.get_organization_overview("Qwen")
    assert (organization.name, organization.is_verified, organization.num_models) == ("Qwen", True, 1)
    assert api.get_user_overview("someone").username == "someone"
    for ask, name in ((api.get_organization_overview, "someone"), (api.get_user_overview, "Qwen")):
        with pytest.raises(HfHubHTTPError) as caught:
            ask(name)
        assert caught.value.response.status_code == 404


# Tokens


def test_a_wrong_token_is_refused_everywhere() -> None:
    with ReplayHub(tokens={"hf_right": "someone"}) as hub:
        hub.add(model("lab/m"))
        right, wrong = (HfApi(endpoint=hub.endpoint, token=token) for token in ("hf_right", "hf_wrong"))
        assert right.whoami()["name"] == "someone"
        assert names(right.list_models()) == ["lab/m"]
        assert names(HfApi(endpoint=hub.endpoint, token=False).list_models()) == ["lab/m"]
        for ask in (
            wrong.whoami,
            wrong.list_webhooks,
            lambda: list(wrong.list_models()),
            lambda: wrong.model_info("lab/m"),
        ):
            with pytest.raises(HfHubHTTPError) as caught:
                ask()
            assert caught.value.response.status_code == 401
            assert caught.value.response.json() == {"error": "Invalid credentials in Authorization header"}
            assert not isinstance(caught.value, RepositoryNotFoundError)
        with pytest.raises(RepositoryNotFoundError) as missing:
            right.model_info("lab/none")
        assert missing.value.response.status_code == 404


def test_whoami_wants_a_token(hub: ReplayHub, http: httpx2.Client) -> None:
    assert http.get("/api/whoami-v2").status_code == 401
    assert HfApi(endpoint=hub.endpoint, token="hf_any").whoami()["type"] == "user"


# The rate limit


def test_every_answer_says_what_is_left(clock: Clock) -> None:
    with ReplayHub(quota=3, window=300, clock=clock) as hub, httpx2.Client(trust_env=False, timeout=60) as http:
        answer = http.get(f"{hub.endpoint}/api/models")
        assert answer.headers["RateLimit"] == '"api";r=2;t=300'
        assert answer.headers["RateLimit-Policy"] == '"fixed window";"api";q=3;w=300'
        clock.forward(100.5)
        info = parse_ratelimit_headers(http.get(f"{hub.endpoint}/api/models/no/such").headers)
        assert info is not None
        assert (info.resource_type, info.remaining, info.reset_in_seconds) == ("api", 1, 200)
        assert (info.limit, info.window_seconds) == (3, 300)


def test_past_the_quota_it_refuses_until_the_window_ends(clock: Clock) -> None:
    with ReplayHub(quota=2, window=300, clock=clock) as hub, httpx2.Client(trust_env=False, timeout=60) as http:
        url = f"{hub.endpoint}/api/models"
        assert [http.get(url).status_code for _ in range(4)] == [200, 200, 429, 429]
        assert http.get(url).headers["RateLimit"] == '"api";r=0;t=300'
        assert (hub.requests, hub.refused) == (5, 3)
        with_token = http.get(url, headers={"Authorization": "Bearer hf_any"})  # another client, twice the quota
        assert with_token.headers["RateLimit"] == '"api";r=3;t=300'
        clock.forward(299)
        assert http.get(url).status_code == 429
        clock.forward(1)
        assert http.get(url).headers["RateLimit"] == '"api";r=1;t=300'


# Faults


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_status_on_demand_comes_once(hub: ReplayHub, api: HfApi, status: int) -> None:
    hub.add(model("lab/m"))
    hub.fail(status)
    with pytest.raises(HfHubHTTPError) as caught:
        api.model_info("lab/m")
    assert caught.value.response.status_code == status
    assert parse_ratelimit_headers(caught.value.response.headers) is not None
    assert api.model_info("lab/m").id == "lab/m"
    assert hub.refused == (status == 429)


def test_a_429_on_demand_leaves_nothing_for_a_while(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.fail(429, reset=7)
    assert http.get("/api/models").headers["RateLimit"] == '"api";r=0;t=7'


def test_faults_come_in_order_and_under_their_path(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.fail(503, times=2, path_prefix="/api/models/lab")
    hub.fail(500, times=None)
    paths = ("/api/models", "/api/models/lab/m", "/api/models/lab/m", "/api/models/lab/m")
    assert [http.get(path).status_code for path in paths] == [500, 503, 503, 500]
    hub.heal()
    assert http.get("/api/models").status_code == 200
    with pytest.raises(ValueError, match="no such fault"):
        hub.fail("nonsense")  # type: ignore[arg-type]


def test_cut_answers_end_too_early(hub: ReplayHub, api: HfApi) -> None:
    hub.add(model("lab/m"))
    hub.fail("cut")
    with pytest.raises(httpx2.RemoteProtocolError):
        api.model_info("lab/m")
    hub.fail("truncated")
    with pytest.raises(json.JSONDecodeError):
        api.model_info("lab/m")
    assert api.model_info("lab/m").id == "lab/m"


def test_garbage_is_html_with_a_200(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.fail("garbage")
    answer = http.get("/api/models")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!doctype html>")


def test_wrong_types_are_valid_json_of_another_shape(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.add(model("lab/m"))
    hub.fail("wrong-types", times=2)
    assert isinstance(http.get("/api/models").json(), dict)
    assert isinstance(http.get("/api/models/lab/m").json(), list)


def test_a_refused_connection_is_a_network_error(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.fail("refused")
    with pytest.raises((httpx2.NetworkError, httpx2.RemoteProtocolError)):
        http.get("/api/models")
    assert http.get("/api/models").status_code == 200


def test_a_timeout_holds_until_the_client_gives_up(hub: ReplayHub, http: httpx2.Client) -> None:
    hub.fail("timeout")
    with pytest.raises(httpx2.ReadTimeout):
        http.get("/api/models", timeout=httpx2.Timeout(60, read=0.1))
    until(lambda: hub.held == 0, what="noticing that the client hung up")


def test_a_held_connection_can_be_let_go(hub: ReplayHub) -> None:
    hub.fail("timeout")
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            httpx2.get(f"{hub.endpoint}/api/models", timeout=60, trust_env=False)
        except httpx2.TransportError as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: hub.held == 1, what="holding the connection")
    hub.release()
    thread.join(300)
    assert len(caught) == 1


def test_a_share_of_requests_fails_the_same_way_each_time(hub: ReplayHub, http: httpx2.Client) -> None:
    def run() -> list[int]:
        hub.fail_share(0.3, [500, 503], seed=4)
        return [http.get("/api/models").status_code for _ in range(100)]

    first, second = run(), run()
    assert first == second
    assert set(first) == {200, 500, 503} and 15 < sum(status != 200 for status in first) < 45
    hub.heal()
    assert http.get("/api/models").status_code == 200


def test_an_outage_ends_at_the_same_address(hub: ReplayHub) -> None:
    hub.add(model("lab/m"))
    with httpx2.Client(base_url=hub.endpoint, trust_env=False, timeout=60) as http:
        assert http.get("/api/models").status_code == 200
        hub.stop()
        with pytest.raises(httpx2.TransportError):
            http.get("/api/models")
        with pytest.raises(httpx2.ConnectError):
            http.get("/api/models")
        hub.start()
        assert [row["id"] for row in http.get("/api/models").json()] == ["lab/m"]


# A walk while the world moves


def test_an_item_can_be_skipped_or_come_twice_when_pages_shift(hub: ReplayHub, api: HfApi) -> None:
    for number in range(6):
        hub.add(model(f"lab/m{number}", downloads=100 - number))

    def shift(hub: ReplayHub) -> None:
        hub.shift_pages = None
        hub.change("lab/m0", downloads=1)  # seen on the first page, moves to the end
        hub.change("lab/m5", downloads=500)  # not seen yet, moves to the front

    hub.shift_pages = shift
    walked = names(islice(_walk(api, page=2), 10))
    assert walked == ["lab/m0", "lab/m1", "lab/m2", "lab/m3", "lab/m4", "lab/m0"]


def _walk(api: HfApi, page: int) -> Iterator[Any]:
    """`list_models` with pages smaller than the walk: its own `limit` is both."""
    from huggingface_hub.hf_api import ModelInfo
    from huggingface_hub.utils._pagination import paginate

    params = {"sort": "downloads", "limit": page}
    for row in paginate(f"{api.endpoint}/api/models", params=params, headers={}):
        yield ModelInfo(**row)  # type: ignore[no-untyped-call]


# Webhooks


def test_webhooks_are_made_changed_and_removed(hub: ReplayHub) -> None:
    api = HfApi(endpoint=hub.endpoint, token="hf_any")
    watched: Any = [{"type": "org", "name": "Qwen"}]
    made = api.create_webhook(url="https://example.org/hooks/hub", watched=watched, domains=["repo"], secret="s")
    assert [hook.id for hook in api.list_webhooks()] == [made.id]
    assert (made.domains, made.secret, made.disabled) == (["repo"], "s", False)
    watched.append({"type": "user", "name": "someone"})
    api.update_webhook(made.id, watched=watched)
    assert [item.name for item in api.get_webhook(made.id).watched] == ["Qwen", "someone"]
    assert api.get_webhook(made.id).url == "https://example.org/hooks/hub"
    assert api.disable_webhook(made.id).disabled
    assert not api.enable_webhook(made.id).disabled
    api.delete_webhook(made.id)
    assert api.list_webhooks() == []
    with pytest.raises(HfHubHTTPError) as caught:
        api.get_webhook(made.id)
    assert caught.value.response.status_code == 404
    with pytest.raises(BadRequestError):
        api.create_webhook(url="https://example.org", watched=[{"type": "planet", "name": "x"}])


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], Any]]]]:
    """A small server that keeps what is posted to it: (its URL, [(headers, JSON), …])."""
    came: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
            self.send_response(202 if self.path == "/hooks/hub" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", came
    server.shutdown()
    server.server_close()


def test_a_webhook_arrives_as_documented(hub: ReplayHub, receiver: tuple[str, list[Any]]) -> None:
    url, came = receiver
    made = hub.add(model("Qwen/Qwen4-8B"))
    old = hub.facts("Qwen/Qwen4-8B")["sha"]
    hub.upload("Qwen/Qwen4-8B", siblings=["more.safetensors"])
    assert hub.send_webhook(f"{url}/hooks/hub", repo_id="Qwen/Qwen4-8B", secret="s3cret") == 202
    headers, body = came.pop()
    assert headers["x-webhook-secret"] == "s3cret"
    payload = WebhookPayload(**body)
    assert (payload.event.action, payload.event.scope) == ("update", "repo.content")
    assert (payload.repo.id, payload.repo.name, payload.repo.type) == (made, "Qwen/Qwen4-8B", "model")
    assert payload.repo.url.api == f"{hub.endpoint}/api/models/Qwen/Qwen4-8B"
    assert payload.webhook.version == 3
    assert body["repo"]["headSha"] == hub.facts("Qwen/Qwen4-8B")["sha"]
    assert payload.updatedRefs is not None
    assert (payload.updatedRefs[0].oldSha, payload.updatedRefs[0].newSha) == (old, body["repo"]["headSha"])


def test_a_webhook_tells_of_moves_and_of_what_is_gone(hub: ReplayHub, receiver: tuple[str, list[Any]]) -> None:
    url, came = receiver
    made = hub.add(model("lab/m"))
    hub.rename("lab/m", "other/m")
    hub.send_webhook(f"{url}/hooks/hub", action="move", scope="repo", repo_id="lab/m", moved_to="other/m")
    hub.delete("other/m")
    assert hub.send_webhook(f"{url}/elsewhere", action="delete", scope="repo", repo_id="other/m") == 404
    moved, gone = (WebhookPayload(**body) for _, body in came)
    assert moved.movedTo is not None and moved.movedTo.name == "other/m"
    assert moved.repo.name == "lab/m" and moved.repo.id == gone.repo.id == made
    assert (gone.event.action, gone.repo.name, gone.updatedRefs) == ("delete", "other/m", None)
    assert all("x-webhook-secret" not in headers for headers, _ in came)


# Many at once


def test_many_clients_read_while_the_world_changes(hub: ReplayHub) -> None:
    hub.add_many(model(f"lab/m{number}", likes=number) for number in range(500))
    wrong: list[str] = []

    def read() -> None:
        with httpx2.Client(base_url=hub.endpoint, trust_env=False, timeout=60) as http:
            for _ in range(25):
                rows = http.get("/api/models?sort=likes&limit=200").json()
                likes = [row["likes"] for row in rows]
                if len(rows) != 200 or likes != sorted(likes, reverse=True):
                    wrong.append(str(likes))

    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    for number in range(300):
        hub.touch(f"lab/m{number}", likes=1000 - number)
        hub.add(model(f"new/m{number}", likes=number))
    for reader in readers:
        reader.join()
    assert wrong == []
    assert hub.requests == 150
