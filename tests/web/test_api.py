"""The API: what it promises of pages, errors, caches, clients and files."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import Engine

from monitor import db
from monitor.models import Poll, Release
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.releases.query.test_query import release

schemathesis.serializer.alias("message/rfc822", "text/plain")  # of the bodies that it can write
DAY = datetime(2026, 5, 1, tzinfo=UTC)
HOSTILE = "=cmd|' /C calc'!A0<script>alert(1)</script>\u202e" + "x" * 200


def filled() -> list[Release]:
    """Seven releases, a day between each; one with a hostile name."""
    some = [
        release(n, lab="qwen", origin="CN", params_total=n * 10**9, released_at=DAY + timedelta(days=n),
                evidence={"origin": [{"signal": "registry", "value": "qwen", "says": "CN"}]}, tags=["a", "b"])
        for n in range(6)
    ]  # fmt: skip
    return [*some, release(9, repo_id=f"x/{HOSTILE}", namespace="x", name=HOSTILE, released_at=DAY)]


@pytest.fixture
def client(engine: Engine, database_url: str) -> Iterator[TestClient]:
    with db.transaction(engine) as session:
        session.add_all(filled())
    with TestClient(create_app(Service(Settings(database_url=database_url, requests_per_minute=0)))) as made:
        yield made


@pytest.fixture
def small(sqlite_engine: Engine, sqlite_url: str) -> Iterator[TestClient]:
    with db.transaction(sqlite_engine) as session:
        session.add_all(filled())
    with TestClient(create_app(Service(Settings(database_url=sqlite_url, requests_per_minute=12)))) as made:
        yield made


def test_pages_follow_each_other(client: TestClient) -> None:
    found, cursor = [], None
    while True:
        page = client.get(
            "/api/v1/releases", params={"q": "origin:CN", "limit": 4} | ({"cursor": cursor} if cursor else {})
        )
        found += [item["name"] for item in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert found == [f"Qwen3-{n}B" for n in (5, 4, 3, 2, 1, 0)]


def test_counts_facets_and_one_release(client: TestClient) -> None:
    rows = client.get("/api/v1/stats", params={"by": "day,origin", "tz": "Asia/Tokyo", "q": "origin:CN"}).json()[
        "items"
    ]
    assert [row["count"] for row in rows] == [1] * 6
    assert rows[5] == {"day": "2026-05-06", "origin": "CN", "count": 1, "share": 1.0, "launches": 0,
                       "params_total": 5 * 10**9, "params_known": 1, "params_median": 5 * 10**9}  # fmt: skip
    shares = client.get("/api/v1/stats", params={"by": "origin"}).json()["items"]
    assert [(row["origin"], row["share"]) for row in shares] == [("CN", 0.857143), (None, 0.142857)]
    facets = client.get("/api/v1/facets").json()
    assert (facets["total"], facets["exact"]) == (7, True)
    assert facets["origin"] == [{"value": "CN", "count": 6}, {"value": None, "count": 1}]
    one = client.get("/api/v1/releases/Qwen/Qwen3-3B").json()
    assert one["origin_evidence"][0]["says"] == "CN"
    assert client.get("/api/v1/releases/Qwen/Qwen3-3B/adoption").json() == {"items": []}


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/api/v1/releases?q=orign:CN", 422, "q"),
        ("/api/v1/releases?q=%22%22", 422, "q"),
        ("/api/v1/releases?sort=size", 422, "sort"),
        ("/api/v1/releases?limit=1001", 422, "limit"),
        ("/api/v1/releases?cursor=zzz", 422, "cursor"),
        ("/api/v1/stats", 422, "by"),
        ("/api/v1/stats?by=year", 422, "by"),
        ("/api/v1/stats?by=day&tz=Mars/Base", 422, "tz"),
        ("/api/v1/releases/a/b", 404, None),
        ("/api/v1/labs/nobody", 404, None),
        ("/export.xlsx", 422, "form"),
    ],
)
def test_an_error_names_the_parameter(client: TestClient, path: str, status: int, field: str | None) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.json()["error"]["field"] == field


def test_who_has_the_answer_is_not_sent_it_again(client: TestClient) -> None:
    for path in ("/api/v1/releases", "/api/v1/stats?by=month", "/api/v1/labs", "/feed.atom", "/feed.json"):
        first = client.get(path)
        assert first.headers["cache-control"] == "public, max-age=60"
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_answers_are_compressed_and_any_page_may_read_them(client: TestClient) -> None:
    asked = {"Accept-Encoding": "gzip", "Origin": "https://elsewhere.example"}
    with client.stream("GET", "/api/v1/releases", headers=asked) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert json.loads(gzip.decompress(b"".join(answer.iter_raw())))["items"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-security-policy"]
    preflight = asked | {"Access-Control-Request-Method": "DELETE"}
    assert client.options("/api/v1/releases", headers=preflight).status_code == 400
    assert "access-control-allow-origin" not in client.get("/api/v1/subscriptions", headers=asked).headers


def test_scripts_of_other_sites_may_ask_conditionally_and_read_what_is_answered(client: TestClient) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    public = [
        path
        for path, methods in client.get("/openapi.json").json()["paths"].items()
        if "get" in methods and not {"401", "202"} & methods["get"]["responses"].keys()
    ]
    assert len(public) > 20
    for template in public:
        path = template.replace("{form}", "csv").replace("{period}", "last-week")
        for header in ("If-None-Match", "If-Range", "Range"):
            answer = client.options(path, headers=asked | {"Access-Control-Request-Headers": header})
            if path in {"/healthz", "/readyz"}:  # for operators, not for scripts
                assert answer.status_code == 405
                continue
            assert answer.status_code == 200, (path, header)
            assert header.lower() in answer.headers["access-control-allow-headers"].lower()
    refused = client.options("/export.csv", headers=asked | {"Access-Control-Request-Headers": "authorization"})
    assert refused.status_code == 400
    read = client.get("/api/v1/labs", headers=asked)
    exposed = set(read.headers["access-control-expose-headers"].split(", "))
    assert {"ETag", "Link", "Content-Range", "Accept-Ranges", "RateLimit", "Retry-After"} <= exposed
    again = client.get("/api/v1/labs", headers=asked | {"If-None-Match": read.headers["etag"]})
    assert (again.status_code, again.headers["access-control-allow-origin"]) == (304, "*")


def test_one_client_may_ask_so_often_a_minute_and_is_sent_when_to_come_back(small: TestClient) -> None:
    codes = [small.get("/api/v1/labs").status_code for _ in range(30)]
    assert codes.count(200) in {12, 24}  # a minute may end meanwhile
    refused = small.get("/api/v1/labs")
    if refused.status_code == 429:
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["code"] == "too_many_requests"
    assert small.get("/healthz").status_code == 200


def test_a_file_of_csv_holds_no_formula(client: TestClient) -> None:
    rows = list(csv.DictReader(io.StringIO(client.get("/export.csv", params={"q": "cmd"}).text)))
    assert rows[0]["name"].startswith("'=cmd")
    lines = client.get("/export.jsonl").text.splitlines()
    assert len(lines) == 7
    parquet = client.get("/export.parquet", headers={"Accept-Encoding": "gzip"})
    assert parquet.content[:4] == parquet.content[-4:] == b"PAR1"


def _asked(small: TestClient, examples: int, **chosen: Any) -> int:
    """Lets schemathesis ask the chosen operations, with all set up and the right secrets; how many there were."""
    given_ = {"requests_per_minute": 0, "admin_token": SecretStr("t"), "hub_webhook_secret": SecretStr("t"),
              "smtp_url": SecretStr("smtp://127.0.0.1:1"), "email_from": "hub@example.org"}  # fmt: skip
    service = Service(small.app.state.service.settings.model_copy(update=given_))  # type: ignore[attr-defined]
    with db.transaction(service.engine) as session:  # it sees the Hub, lest it say that it is not ready
        session.add_all([Poll(name=name, succeeded_at=db.now()) for name in ("created", "modified", "trending")])
    schema, tried = schemathesis.openapi.from_asgi("/openapi.json", create_app(service)), 0
    for result in schema.include(**chosen).get_all_operations():

        @given(case=result.ok().as_strategy())
        @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
        def check(case: schemathesis.Case) -> None:
            headers = {"Authorization": "Bearer t", "X-Webhook-Secret": "t"}
            # That a query is text does not make it one that can be read.
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        check()
        tried += 1
    service.dispose()
    return tried


def test_no_question_makes_it_stumble_or_answer_what_it_does_not_say(small: TestClient) -> None:
    assert _asked(small, 5, method="GET") >= 20


def test_no_order_makes_it_stumble_or_answer_what_it_does_not_say(small: TestClient) -> None:
    assert _asked(small, 6, method=["POST", "PATCH", "DELETE"]) == 9
