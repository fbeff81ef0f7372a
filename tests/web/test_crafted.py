"""Requests that somebody crafted: cursors, NUL characters, Host headers, and what makes an answer of 500."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import Engine
from structlog.testing import capture_logs

from monitor import db
from monitor.models import Launch
from monitor.releases.search import SORTS
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from monitor.web.middleware import HEADERS
from tests.generated import on_one_fixture
from tests.releases.query.test_query import release

DAY = datetime(2026, 5, 1, tzinfo=UTC)
TOKEN = "of the administration"
ELSEWHERE = "elsewhere.example"


@pytest.fixture
def web(engine: Engine, database_url: str) -> Iterator[FastAPI]:
    """The application over a few releases and launches."""
    with db.transaction(engine) as session:
        for n in range(1, 5):
            at = DAY + timedelta(days=n)
            session.add(Launch(id=n, publisher="qwen", family=f"f{n}", name=f"F{n}", first_at=at, last_at=at,
                               opened_at=at, settles_at=at, is_backfilled=True))  # fmt: skip
        session.flush()
        session.add_all([
            release(n, lab="qwen", launch_id=n, likes=n, downloads=n, released_at=DAY + timedelta(days=n),
                    notable_reasons="first-of-lab", notable_score=n)
            for n in range(1, 5)
        ])  # fmt: skip
    service = Service(
        Settings(database_url=database_url, requests_per_minute=0, admin_token=SecretStr(TOKEN),
                 secret_key=SecretStr("a key of this test that is long enough"), public_url="https://monitor.example")
    )  # fmt: skip
    yield create_app(service)
    service.dispose()


@pytest.fixture
def client(web: FastAPI) -> Iterator[TestClient]:
    """Asks it; an exception becomes an answer, as under uvicorn."""
    with TestClient(web, raise_server_exceptions=False, follow_redirects=False) as made:
        yield made


# --- cursors ----------------------------------------------------------------------------------------------

Place = tuple[str, dict[str, str]]
BY_DATE: tuple[Place, ...] = (("/api/v1/releases", {}), ("/releases", {}))
BY_NAME: tuple[Place, ...] = (("/api/v1/releases", {"sort": "repo"}), ("/releases", {"sort": "repo"}))
OF_LAUNCHES: tuple[Place, ...] = (
    ("/api/v1/launches", {}),
    ("/launches", {}),
    ("/", {"show": "notable"}),
    ("/", {"show": "labs"}),
)
PAGED: tuple[Place, ...] = (
    *(("/api/v1/releases", {"sort": sign + sort}) for sort in SORTS for sign in ("", "-")),
    *BY_DATE,
    *BY_NAME,
    ("/", {"sort": "likes"}),
    *OF_LAUNCHES,
)
"""Every address that takes a cursor, and the sorts that give its value another type."""

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5)
    | st.sampled_from((0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, "\x00", "\ud800", "a\x00b"))
    | st.sampled_from((
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-05-02T00:00:00", "2026-05-02T00:00:00+00:00",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-W18-6T00:00Z", "20260502T000000Z",
    )),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def packed(value: Any) -> str:
    """A cursor of releases with this content."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@st.composite
def cursors(draw: st.DrawFn) -> str:
    """Cursors of releases and launches with one part that is wrong, or none; and texts that are no cursors."""
    sort = draw(st.sampled_from([sign + sort for sort in SORTS for sign in ("", "-")]))
    value, key = draw(_JSON), draw(_JSON)
    return draw(st.sampled_from((
        packed([sort, value, draw(st.integers(1, 4))]),
        packed([sort, "2026-05-02T00:00:00Z", key]),
        packed(value),
        packed([sort, value, key, key]),
        f"{value}~{draw(st.integers(1, 4))}",
        f"2026-05-02T00:00:00Z~{key}",
        f"{value}~{key}",
        draw(st.text(max_size=20)),
    )))  # fmt: skip


DEEP = base64.urlsafe_b64encode(b"[" * 2_900).decode().rstrip("=")


@on_one_fixture(80)
@given(cursor=cursors(), places=st.sampled_from([(one,) for one in PAGED]))
@example(cursor=DEEP, places=PAGED)
@example(cursor="\x00", places=PAGED)
@example(cursor=packed(["released", "0001-01-01T00:00:00+23:59", 1]), places=PAGED)
@example(cursor=packed(["released", "2026-05-02T00:00:00Z", 2**63]), places=BY_DATE)
@example(cursor=packed(["repo", "a\x00b", 1]), places=BY_NAME)
@example(cursor=packed(["repo", "\ud800", 1]), places=BY_NAME)
@example(cursor="0001-01-01T00:00:00+23:59~1", places=OF_LAUNCHES)
@example(cursor="2026-05-02T00:00:00Z~" + "9" * 100, places=OF_LAUNCHES)
def test_no_cursor_makes_a_failure(client: TestClient, cursor: str, places: tuple[Place, ...]) -> None:
    text = quote(cursor.encode(errors="surrogatepass"))
    for path, given_ in places:
        answer = client.get(f"{path}?{''.join(f'{key}={value}&' for key, value in given_.items())}cursor={text}")
        assert answer.status_code in {200, 422}, (path, given_, cursor, answer.text[:300])


def test_a_cursor_serves_only_where_it_was_given(client: TestClient) -> None:
    first = client.get("/api/v1/releases?limit=2&sort=likes").json()["next"]
    assert client.get(f"/api/v1/releases?limit=2&sort=likes&cursor={first}").status_code == 200
    for path in (
        f"/api/v1/releases?cursor={first}",
        f"/api/v1/releases?sort=-likes&cursor={first}",
        f"/api/v1/releases?sort=likes&cursor={first}%3D",  # the same bytes, written otherwise
        f"/api/v1/launches?cursor={first}",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "cursor")


# --- NUL --------------------------------------------------------------------------------------------------


def _parameters(web: FastAPI) -> Iterator[tuple[str, str]]:
    """(path, parameter) of everything that is read with GET, as OpenAPI and the routes know it."""
    for found in iter_route_contexts(web.router.routes):
        if found.methods and "GET" in found.methods:
            path = found.path.replace("{form}", "csv").replace("{of}", "downloads")
            for name in _names(path):
                yield path, name
            for operation in ("q", "sort", "cursor", "by", "tz", "lab", "state", "month", "have", "as_of", "filter",
                              "when", "show", "limit", "code", "undeclared"):  # fmt: skip
                yield path, operation


def _names(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


def test_a_nul_in_any_parameter_is_refused_and_named(web: FastAPI, client: TestClient) -> None:
    tried = 0
    for path, name in _parameters(web):
        values = dict.fromkeys(_names(path), "1") | ({name: "a%00b"} if name in _names(path) else {})
        asked = path.format(**values) + ("" if name in _names(path) else f"?{name}=a%00b")
        answer = client.get(asked)
        assert answer.status_code == 422, (asked, answer.status_code)
        if name not in _names(path):
            assert answer.json()["error"] == {
                "code": "bad_parameter", "message": "no NUL character expected", "field": name,
            }  # fmt: skip
        tried += 1
    assert tried > 500
    for asked in ("/static/a%00b", "/nowhere%00", "/labs?q%00=1", "/%00"):
        assert client.get(asked).status_code == 422, asked


def test_a_nul_in_a_body_is_refused(client: TestClient) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    body = {"channel": "webhook", "target": "https://x.example/hook", "filter": "kind:base"}
    made = client.post("/api/v1/subscriptions", json=body, headers=token)
    assert made.status_code == 201, made.text
    for name in ("channel", "target", "filter", "when", "digest", "timezone", "undeclared"):
        nul = {name: "a\x00b"}
        answer = client.post("/api/v1/subscriptions", json=body | nul, headers=token)
        assert answer.status_code == 422, (name, answer.text)
        answer = client.patch(f"/api/v1/subscriptions/{made.json()['id']}", json=nul, headers=token)
        assert answer.status_code == 422, (name, answer.text)


# --- 500 --------------------------------------------------------------------------------------------------


def test_an_answer_of_500_has_the_security_headers_and_says_nothing_of_the_inside(web: FastAPI) -> None:
    def broken() -> None:
        raise RuntimeError("the password is hunter2")

    for path in ("/api/v1/broken", "/broken"):
        web.router.add_api_route(path, broken, methods=["GET"])
    with TestClient(web, raise_server_exceptions=False) as client, capture_logs():
        for path, kind in (("/api/v1/broken", "application/json"), ("/broken", "text/html")):
            answer = client.get(path)
            assert answer.status_code == 500
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert answer.headers["strict-transport-security"]
            assert answer.headers["x-request-id"]
            assert answer.headers["content-type"].startswith(kind)
            assert "hunter2" not in answer.text


# --- Location ---------------------------------------------------------------------------------------------

REDIRECTED = (
    "/labs/", "/releases/", "/api/v1/releases/?q=kind:base", "/labs/Qwen", "/releases?q=Qwen/Qwen3-1B",
    f"//{ELSEWHERE}/", f"/%5C{ELSEWHERE}/", f"/%09/{ELSEWHERE}/", "/status//",
)  # fmt: skip
SPOOFED = {
    "Host": ELSEWHERE,
    "X-Forwarded-Host": ELSEWHERE,
    "Forwarded": f"host={ELSEWHERE}",
    "X-Forwarded-Proto": "gopher",
}
PAGES = (
    "/", "/docs", "/releases", "/launches/1", "/status", "/feed.atom", "/sitemap.xml", "/robots.txt", "/labs/qwen",
    "/subscribe", "/nowhere",
)  # fmt: skip


def test_neither_redirects_nor_pages_follow_the_host_that_a_request_names(client: TestClient) -> None:
    followed = 0
    for path in REDIRECTED:
        answer = client.request("GET", f"http://testserver{path}", headers=SPOOFED)
        assert answer.status_code < 500
        if answer.is_redirect:
            followed += 1
            target = urlsplit(answer.headers["location"])
            assert (target.scheme, target.netloc) in {("", ""), ("https", "monitor.example")}, path
            assert not target.path.startswith(("//", "/\\")), path
    assert followed >= 7
    for path in PAGES:
        assert ELSEWHERE not in client.get(path, headers=SPOOFED).text, path


def test_a_slash_at_the_end_leads_to_the_page(client: TestClient) -> None:
    answer = client.get("/api/v1/releases/?q=kind:base&limit=3")
    assert (answer.status_code, answer.headers["location"]) == (307, "/api/v1/releases?q=kind:base&limit=3")
    assert client.get("/").status_code == 200
