"""HEAD, on every route that answers GET."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import time_machine
from fastapi.testclient import TestClient

from monitor.db import now
from monitor.service import Service
from monitor.web.app import create_app
from tests.servers import served
from tests.web.history import BASE

VALUES = {"namespace": BASE.split("/")[0], "name": BASE.split("/")[1], "lab": "qwen", "ident": "1", "token": "none",
          "form": "csv", "of": "downloads", "path": "style.css",
          "period": "2019-05"}  # fmt: skip
NEEDED = {"/api/v1/stats": "?by=kind", "/trends/table": "?by=kind"} | dict.fromkeys(
    ("/brief/{period}", "/api/v1/brief/{period}"), "?as_of=2020-01-01"
)
CHANGING = {"date", "x-request-id", "set-cookie", "content-length"}
"""Headers that differ between two requests (the length: of what tells how long ago something was)."""


def all_routes(routes: Any, before: str = "") -> Iterator[tuple[str, set[str]]]:
    """The path template and the methods of every route."""
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        path = before + getattr(route, "path", "")
        if getattr(route, "methods", None):
            yield path, set(route.methods)
        elif hasattr(inner, "routes"):
            yield from all_routes(inner.routes, path if not hasattr(route, "original_router") else before)


def get_routes(routes: Any) -> Iterator[str]:
    """The path templates of all routes that answer GET."""
    return (path for path, methods in all_routes(routes) if "GET" in methods)


def test_every_route_that_answers_get_answers_head_alike(service: Service) -> None:
    web = create_app(service)
    templates = sorted({*get_routes(web.routes), "/static/style.css"})
    assert len(templates) > 40
    # A page says how long ago something was: its tag is another one a second later.
    with time_machine.travel(now(), tick=False), TestClient(web, follow_redirects=False) as client:
        for template in templates:
            path = template.format_map(VALUES) + NEEDED.get(template, "")
            get, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert get.status_code != 405, path
            names = set(get.headers) - CHANGING
            assert names == set(head.headers) - CHANGING, path
            same = ("content-type", "cache-control", "etag", "content-disposition", "content-encoding")
            if path not in {"/metrics", "/readyz", "/healthz"}:
                assert {key: get.headers.get(key) for key in same} == {key: head.headers.get(key) for key in same}, path


def test_head_of_an_export_sends_none_and_takes_no_slot(service: Service) -> None:
    with served(service) as address, httpx.Client(base_url=address, timeout=60) as client:
        for _ in range(2 * service.settings.concurrent_exports):
            answer = client.head("/export.parquet")
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert client.get("/healthz").json() == {"status": "ok"}  # on the same connection


def test_head_of_what_takes_only_orders_is_refused_as_get_is(client: httpx.Client) -> None:
    assert client.head("/hooks/hub").status_code == client.get("/hooks/hub").status_code == 405


def test_what_is_not_there_is_said_in_words(client: httpx.Client) -> None:
    for path, method, said in (
        ("/api/v1/nothing", "GET", "/openapi.json lists"),
        ("/mcp", "GET", "GET is not answered here, POST only"),
        ("/api/v1/labs", "DELETE", "DELETE is not answered here, GET, HEAD only"),
    ):
        assert said in client.request(method, path).json()["error"]["message"]
    wrong = client.get("/api/v1/announcements?month=May").json()["error"]
    assert (wrong["field"], wrong["message"]) == ("month", "month 'May': a month expected, like 2026-05")


def test_a_refused_method_is_answered_with_all_those_that_its_path_takes(service: Service) -> None:
    web = create_app(service)
    taken: dict[str, set[str]] = {"/static/style.css": {"GET", "HEAD"}}
    for template, methods in all_routes(web.routes):
        taken.setdefault(template, set()).update(methods | ({"HEAD"} if "GET" in methods else set()))
    refused = 0
    with TestClient(web, follow_redirects=False) as client:
        for template, methods in taken.items():
            for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} - methods:
                answer = client.request(method, template.format_map(VALUES))
                assert answer.status_code == 405, (method, template)
                assert set(answer.headers["allow"].split(", ")) == methods, (method, template)
                refused += 1
    assert refused > 250
