"""Every route that costs is limited, and every question has an end."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from monitor import db
from monitor.service import Service
from monitor.settings import Settings
from monitor.web import middleware as edge
from monitor.web.app import create_app
from tests.releases.query.test_query import release

FREE = {
    ("GET", "/healthz"), ("POST", "/hooks/hub"), ("POST", "/slack/commands"), ("POST", "/slack/interactions"),
    ("POST", "/slack/events"), ("POST", "/telegram/updates"),
}  # fmt: skip
"""What is not counted; a new route is, unless it is named here and in ``edge.UNLIMITED_PREFIXES``."""


def test_every_route_is_limited_but_those_named(sqlite_engine: Engine, sqlite_url: str) -> None:
    web = create_app(Service(Settings(database_url=sqlite_url, requests_per_minute=1)))
    routes = [(method, path) for path, methods in _paths(web) for method in sorted(methods)]
    assert len(routes) > 40
    with TestClient(web, raise_server_exceptions=False, follow_redirects=False) as client:
        while client.get("/labs").status_code != 429:
            pass
        free = set()
        for method, path in routes:
            code = client.request(method, re.sub(r"\{[^}]*\}", "1", path)).status_code
            if code != 429:  # a minute may have ended: the next one counts again
                code = client.request(method, re.sub(r"\{[^}]*\}", "1", path)).status_code
            if code != 429:
                free.add((method, path))
        assert free == FREE
        assert client.get("/nowhere").status_code == 429


def _paths(web: FastAPI) -> Iterator[tuple[str, set[str]]]:
    """Every path of the application, also of routers within routers."""
    for found in iter_route_contexts(web.router.routes):
        if found.methods and not found.path.startswith("/openapi"):
            yield found.path, found.methods - {"HEAD"}


SLOW = " OR ".join(f"-tag:t{number}" for number in range(90))


@pytest.fixture
def hurried(engine: Engine, database_url: str) -> Iterator[TestClient]:
    """A service over some releases that gives up at once what it is asked."""
    with db.transaction(engine) as session:
        session.add_all([release(number, tags=[f"t{n}" for n in range(50)]) for number in range(300)])
    service = Service(Settings(database_url=database_url, query_timeout=0.001, requests_per_minute=0))
    with TestClient(create_app(service)) as made:
        yield made
    service.engine.dispose()


@pytest.mark.parametrize(
    "path", ["/api/v1/facets?q=", "/releases?q=", "/subscribe/preview?filter=", "/export.csv?q=", "/export.parquet?q="]
)
def test_a_question_that_takes_too_long_is_given_up_with_a_clear_answer(
    hurried: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("monitor.db.engine._STEPS", 100)
    monkeypatch.setattr("monitor.service.EXPORT_TIMEOUT_SECONDS", 0.001)
    answer = hurried.get(path + quote(SLOW))
    assert answer.status_code == 503
    if path.startswith(("/api", "/export")):
        assert answer.json()["error"]["code"] == "query_timeout"
    else:
        assert answer.headers["content-type"].startswith("text/html")
    assert "takes too long" in answer.text


def test_a_connection_that_was_limited_is_not_any_more(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.db.engine._STEPS", 100)
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n"
    with pytest.raises(Exception) as given_up, db.reading(engine, timeout=0.001) as session:
        session.execute(text(counting))
    assert db.timed_out(given_up.value)  # type: ignore[arg-type]
    with db.reading(engine) as session:
        assert session.scalar(text(counting)) == 300_000
    with db.reading(engine, timeout=600) as session:
        assert session.scalar(text(counting)) == 300_000


def test_an_export_is_limited_by_the_statement_and_not_as_a_whole(engine: Engine) -> None:
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT max(i) FROM n"
    limited = engine.execution_options(timeout=2.0, timeout_each=True)
    with db.reading(limited) as session:
        for _ in range(3):
            assert session.scalar(text(counting)) == 200_000
            time.sleep(0.9)
    endless = counting.replace("200000", "2000000000")
    with pytest.raises(Exception) as given_up, db.reading(limited) as session:
        session.execute(text(endless))
    assert db.timed_out(given_up.value)  # type: ignore[arg-type]


def test_a_client_has_few_turns_at_the_same_time_and_others_have_theirs() -> None:
    async def alerts() -> None:
        limiter = edge.ConcurrencyLimiter()
        first = [await limiter.begin("a") for _ in range(edge.MAX_CONCURRENT_REQUESTS)]
        waiting = [asyncio.ensure_future(limiter.begin("a")) for _ in range(edge.MAX_WAITING_REQUESTS)]
        await asyncio.sleep(0)
        assert first == [True] * edge.MAX_CONCURRENT_REQUESTS
        assert not await limiter.begin("a")
        assert await limiter.begin("b")
        assert not any(one.done() for one in waiting)
        for _ in range(edge.MAX_CONCURRENT_REQUESTS):
            limiter.end("a")
        assert all(await asyncio.gather(*waiting[: edge.MAX_CONCURRENT_REQUESTS]))
        for one in waiting[edge.MAX_CONCURRENT_REQUESTS :]:
            one.cancel()
        await asyncio.gather(*waiting[edge.MAX_CONCURRENT_REQUESTS :], return_exceptions=True)
        for _ in range(edge.MAX_CONCURRENT_REQUESTS):
            limiter.end("a")
        limiter.end("b")
        assert not limiter._of  # nothing is kept of who is gone

    asyncio.run(alerts())
