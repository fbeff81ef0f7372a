"""Parameters that an address does not take: the API says so, pages and feeds go on."""

from __future__ import annotations

import httpx
import pytest

from tests.web.history import BASE

ASKED = {
    "/api/v1/releases": "lmit", "/api/v1/facets": "query", "/api/v1/stats?by=month": "as-of",
    f"/api/v1/releases/{BASE}": "q", "/api/v1/labs": "limit", "/api/v1/launches": "Q", "/api/v1/shares?of=CN": "lense",
    "/api/v1/uptake": "day", "/api/v1/brief/last-week": "format", "/api/v1/lenses": "x" * 300, "/export.csv": "filter",
    f"/api/v1/side-by-side?id={BASE}": "ids", "/api/v1/announcements": "labs",
}  # fmt: skip


@pytest.mark.parametrize("path", ASKED)
def test_the_api_refuses_a_parameter_that_it_does_not_take(client: httpx.Client, path: str) -> None:
    name = ASKED[path]
    answer = client.get(f"{path}{'&' if '?' in path else '?'}{name}=3")
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == "bad_parameter"
    assert error["field"] == (name if len(name) < 40 else error["field"]) and len(error["field"]) <= 40
    assert "this address takes " in error["message"] and len(error["message"]) < 300


def test_the_nearest_parameter_is_named(client: httpx.Client) -> None:
    error = client.get("/api/v1/releases?q=kind:base&lmit=3").json()["error"]
    assert error["message"].startswith("parameter 'lmit': did you mean limit? this address takes ")
    assert "cursor" in error["message"] and "as_of" in error["message"]
    assert client.head("/api/v1/releases?lmit=3").status_code == 422


def test_every_parameter_that_is_described_is_taken(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    asked = 0
    for path, item in paths.items():
        if not path.startswith(("/api/", "/export")) or "get" not in item:
            continue
        parameters = item["get"].get("parameters", [])
        where = path.replace("{form}", "csv").replace("{", "").replace("}", "")
        for name in (one["name"] for one in parameters if one["in"] == "query"):
            message = client.get(where, params={name: ""}).text
            assert "this address takes" not in message, (path, name)
            asked += 1
    assert asked > 30


@pytest.mark.parametrize("path", ["/releases?utm_source=news", "/feed.atom?utm_source=news", "/?fbclid=1"])
def test_pages_and_feeds_go_on(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200
