"""Queries whose client has gone: nothing works for it any more, on either database."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Engine, text, update

from monitor import db
from monitor.models import Release
from monitor.service import Service
from monitor.settings import Settings
from tests.fakes.hub import until
from tests.releases.query.test_query import release
from tests.servers import served
from tests.web.test_stalled import held

TAGS = [f"t{number}" for number in range(5_000)]
RELEASES = 400
SLOW = quote(" OR ".join(f"-tag:t{number}" for number in range(90)))
"""Reads every list of tags ninety times, for some 15 s, and matches nothing."""
PATHS = [f"/api/v1/facets?q={SLOW}", f"/releases?q={SLOW}", f"/export.csv?q={SLOW}", f"/export.parquet?q={SLOW}"]


@pytest.fixture
def service(engine: Engine, database_url: str) -> Iterator[Service]:
    """A service whose queries may take as long as they like."""
    with db.transaction(engine) as session:
        session.add_all([release(number, kind="base") for number in range(RELEASES)])
        session.flush()
        session.execute(update(Release).values(tags=TAGS))
    made = Service(Settings(database_url=database_url, query_timeout=600, requests_per_minute=0))
    yield made
    made.dispose()


@contextmanager
def busy(engine: Engine) -> Iterator[None]:
    """Lets no query of releases come to its end: on SQLite, the one of ``SLOW`` takes long enough."""
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE release IN ACCESS EXCLUSIVE MODE"))
        yield


def ask(address: str, path: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    one = socket.create_connection((host, int(port)), timeout=60)
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return one


def working(service: Service) -> int:
    """Connections that requests have."""
    return sum(held(one) for one in (service.read_engine, service.export_engine))


def keeps_working(service: Service) -> bool:
    """Whether a request has its connection for a while, as the query does: what comes before it is soon over."""
    for _ in range(20):
        if not working(service):
            return False
        time.sleep(0.01)
    return True


def test_a_query_ends_when_its_client_disconnects(service: Service) -> None:
    with served(service) as address, busy(service.engine):
        for path in PATHS:
            one = ask(address, path)
            until(lambda: keeps_working(service), what="the query to run")
            began = time.process_time()
            one.close()
            until(lambda: not working(service), what="its connection to be given back")
            # On SQLite it works in this process; on PostgreSQL it would wait for the lock without end.
            assert time.process_time() - began < 4, path


def test_more_queries_than_threads_end_with_their_clients(service: Service) -> None:
    """What waits for a thread is cancelled, too; the cancelling waits for none."""
    with served(service) as address:
        with busy(service.engine):
            some = [ask(address, PATHS[0]) for _ in range(45)]
            until(lambda: working(service) >= 20, what="all connections to be busy")
            for one in some:
                one.close()
            until(lambda: not working(service), what="all connections to be given back")
        assert httpx.get(f"{address}/api/v1/facets?q=kind:merge", timeout=60).status_code == 200


def test_a_connection_that_was_cancelled_serves_others(service: Service) -> None:
    with served(service) as address:
        with busy(service.engine):
            one = ask(address, PATHS[0])
            until(lambda: keeps_working(service), what="the query to run")
            one.close()
            until(lambda: not working(service), what="its connection to be given back")
        for _ in range(5):
            answer: Any = httpx.get(f"{address}/api/v1/releases?q=kind:base&limit=3", timeout=60)
            assert [item["kind"] for item in answer.json()["items"]] == ["base"] * 3
