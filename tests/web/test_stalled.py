"""Clients that ask for much and read nothing: they hold up nobody else, and are disconnected."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, make_url
from structlog.testing import capture_logs

from monitor import db
from monitor.service import Service
from monitor.settings import Settings
from tests.conftest import postgres_database
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model, until
from tests.releases.test_launches import release
from tests.servers import served

ALLOWED, STALLED = 3, 16
LARGE = "x" * 20_000
"""A tag that makes an export larger than the buffers of a connection."""


@pytest.fixture(scope="session")
def large_sqlite(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Path:
    """The file of a database with large releases, for tests to copy."""
    path = shutil.copy(migrated_sqlite, tmp_path_factory.mktemp("large") / "monitor.db")
    _fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def large_postgres(postgres_server: str, migrated_postgres: str) -> Iterator[str]:
    """The name of the same on PostgreSQL."""
    with postgres_database(postgres_server, migrated_postgres) as url:
        _fill(url)
        yield str(make_url(url).database)


def _fill(url: str) -> None:
    engine = db.make_engine(url)
    with db.transaction(engine) as session:
        session.add_all([release(f"n{n}", db.now(), tags=[LARGE], namespace="x", lab=None) for n in range(1_500)])
    engine.dispose()  # closes the log of SQLite, and lets PostgreSQL copy it


@pytest.fixture(params=["sqlite", "postgresql"])
def large_url(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[str]:
    """A database with large releases: the test runs once on each dialect."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("large_sqlite"), sqlite_url.removeprefix("sqlite:///"))
        yield sqlite_url
        return
    with postgres_database(*map(request.getfixturevalue, ("postgres_server", "large_postgres"))) as url:
        yield url


@pytest.fixture
def service(large_url: str) -> Iterator[Service]:
    made = Service(Settings(database_url=large_url, concurrent_exports=ALLOWED, requests_per_minute=0))
    yield made
    made.dispose()


@contextmanager
def asking(address: str, path: str, number: int) -> Iterator[list[socket.socket]]:
    """Connections that ask for a path and take nothing of the answer but what the kernel takes."""
    host, port = address.removeprefix("http://").split(":")
    with ExitStack() as stack:
        found = []
        for _ in range(number):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            one.connect((host, int(port)))
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            found.append(one)
        yield found


def status_of(one: socket.socket) -> tuple[int, str]:
    """The status of an answer that has begun, and its headers; all else stays unread."""
    one.settimeout(60)
    head = one.recv(2_000, socket.MSG_PEEK).decode("latin-1").partition("\r\n\r\n")[0]
    return int(head.split()[1]), head.lower()


def statuses_of(connections: list[socket.socket]) -> list[tuple[int, str]]:
    """The same of several, each as soon as it comes: who looks late may find the connection cut off."""
    with ThreadPoolExecutor(len(connections)) as pool:
        return list(pool.map(status_of, connections))


def held(engine: Engine) -> int:
    """Connections of a pool that somebody has."""
    pool: Any = engine.pool
    return int(pool.checkedout())


def test_sixteen_exports_that_nobody_reads_hold_up_neither_pages_nor_alerts(service: Service, hub: ReplayHub) -> None:
    env = TestEnv(service.engine, hub)
    env.begin("Qwen")
    env.subscribe("kind:base OR kind:unknown")
    with served(service) as address, asking(address, "/export.jsonl", STALLED) as connections:
        statuses = statuses_of(connections)
        assert [status for status, _ in statuses].count(200) == ALLOWED
        refused = [head for status, head in statuses if status == 503]
        assert len(refused) == STALLED - ALLOWED
        assert all("retry-after: " in head for head in refused)
        assert held(service.export_engine) == ALLOWED
        for path in ("/releases", "/api/v1/stats?by=kind", "/feed.atom", "/healthz", "/metrics"):
            assert httpx.get(address + path, timeout=60).status_code == 200
        hub.add(model("Qwen/Qwen9-4B"))
        env.look("Qwen")
        env.deliver()
        assert [name for _, name in env.channel.alerts] == ["Qwen/Qwen9-4B"]
        assert [held(one) for one in (service.engine, service.web_engine, service.read_engine)] == [0, 0, 0]


def test_an_export_that_nobody_reads_is_cut_off_and_gives_back_its_connection(service: Service) -> None:
    service.settings.reader_timeout = 1.5
    with served(service) as address, asking(address, "/export.jsonl", ALLOWED) as connections:
        assert [status for status, _ in statuses_of(connections)] == [200] * ALLOWED
        until(lambda: not held(service.export_engine), what="all connections to be given back")
        assert len(httpx.get(f"{address}/export.csv?q=repo:x/n7", timeout=60).text.splitlines()) == 2
        for one in connections:
            assert not rest_of(one).endswith(b"\r\n0\r\n\r\n")


def rest_of(one: socket.socket) -> bytes:
    """What had come before the connection ended, one way or the other."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # through the small one it would trickle for seconds
    found = b""
    with suppress(ConnectionResetError):
        while some := one.recv(1 << 20):
            found += some
    return found


def test_a_whole_response_that_nobody_reads_is_cut_off_too(service: Service) -> None:
    service.settings.reader_timeout = 1.5
    path = "/api/v1/releases?limit=1000"
    with capture_logs() as logs, served(service) as address, asking(address, path, 1) as (one,):
        status, head = status_of(one)
        assert status == 200
        assert held(service.read_engine) == 0
        until(
            lambda: "stalled client disconnected" in [line["event"] for line in logs], what="the client to be cut off"
        )
        assert len(rest_of(one)) < int(head.partition("content-length: ")[2].split()[0])


def test_a_reader_who_leaves_gives_back_the_connection(service: Service) -> None:
    with served(service) as address:
        with asking(address, "/export.jsonl", ALLOWED) as connections:
            assert [status for status, _ in statuses_of(connections)] == [200] * ALLOWED
        until(lambda: not held(service.export_engine), what="all connections to be given back")
        assert httpx.get(f"{address}/export.csv?q=repo:x/n7", timeout=60).status_code == 200


def test_a_slow_reader_that_reads_gets_all(service: Service) -> None:
    service.settings.reader_timeout = 60.0
    with served(service) as address, httpx.stream("GET", f"{address}/export.jsonl", timeout=60) as answer:
        lines = sum(1 for _ in answer.iter_lines())
    assert lines == 1_500


def test_a_failure_before_the_first_row_is_said_and_not_cut(service: Service) -> None:
    with served(service) as address:
        with service.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE release RENAME TO gone")
        try:
            answer = httpx.get(f"{address}/export.csv", timeout=60)
        finally:
            with service.engine.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE gone RENAME TO release")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "database_unavailable"
