"""Clients that ask for much and read nothing: they hold up nobody else, and are disconnected."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from monitor import db
from monitor.service import Service
from monitor.settings import Settings
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model, until
from tests.releases.test_launches import release
from tests.servers import served

ALLOWED, STALLED = 3, 16
LARGE = "x" * 20_000
"""A tag that makes an export larger than the buffers of a connection."""


@pytest.fixture
def service(engine: Engine, database_url: str) -> Iterator[Service]:
    with db.transaction(engine) as session:
        session.add_all([release(f"n{n}", db.now(), tags=[LARGE], namespace="x", lab=None) for n in range(1_500)])
    made = Service(Settings(database_url=database_url, concurrent_exports=ALLOWED, requests_per_minute=0))
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
    one.settimeout(30)
    head = one.recv(2_000, socket.MSG_PEEK).decode("latin-1").partition("\r\n\r\n")[0]
    return int(head.split()[1]), head.lower()


def held(engine: Engine) -> int:
    """Connections of a pool that somebody has."""
    pool: Any = engine.pool
    return int(pool.checkedout())


def test_sixteen_exports_that_nobody_reads_hold_up_neither_pages_nor_alerts(service: Service, hub: ReplayHub) -> None:
    env = TestEnv(service.engine, hub)
    env.begin("Qwen")
    env.subscribe("kind:base OR kind:unknown")
    with served(service) as address, asking(address, "/export.jsonl", STALLED) as connections:
        statuses = [status_of(one) for one in connections]
        assert [status for status, _ in statuses].count(200) == ALLOWED
        refused = [head for status, head in statuses if status == 503]
        assert len(refused) == STALLED - ALLOWED
        assert all("retry-after: " in head for head in refused)
        assert held(service.export_engine) == ALLOWED
        for path in ("/releases", "/api/v1/stats?by=kind", "/feed.atom", "/healthz", "/metrics"):
            assert httpx.get(address + path, timeout=30).status_code == 200
        hub.add(model("Qwen/Qwen9-4B"))
        env.look("Qwen")
        env.deliver()
        assert [name for _, name in env.channel.alerts] == ["Qwen/Qwen9-4B"]
        assert [held(one) for one in (service.engine, service.web_engine, service.read_engine)] == [0, 0, 0]


def test_an_export_that_nobody_reads_is_cut_off_and_gives_back_its_connection(service: Service) -> None:
    service.settings.reader_timeout = 0.5
    with served(service) as address, asking(address, "/export.jsonl", ALLOWED) as connections:
        assert [status_of(one)[0] for one in connections] == [200] * ALLOWED
        until(lambda: not held(service.export_engine), 30, "all connections to be given back")
        assert len(httpx.get(f"{address}/export.csv?q=repo:x/n7", timeout=30).text.splitlines()) == 2
        for one in connections:
            until(lambda one=one: broken(one), 30, "the client to see that it was cut off")


def broken(one: socket.socket) -> bool:
    """Whether a connection was reset, once all that had come is read."""
    one.settimeout(0.2)
    try:
        return not one.recv(1 << 20)
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_a_whole_response_that_nobody_reads_is_cut_off_too(service: Service) -> None:
    service.settings.reader_timeout = 0.5
    path = "/api/v1/releases?limit=1000"
    with served(service) as address, asking(address, path, 1) as (one,):
        assert status_of(one)[0] == 200
        assert held(service.read_engine) == 0
        until(lambda: broken(one), 30, "the client to see that it was cut off")


def test_a_reader_who_leaves_gives_back_the_connection(service: Service) -> None:
    with served(service) as address:
        with asking(address, "/export.jsonl", ALLOWED) as connections:
            assert [status_of(one)[0] for one in connections] == [200] * ALLOWED
        until(lambda: not held(service.export_engine), 30, "all connections to be given back")
        assert httpx.get(f"{address}/export.csv?q=repo:x/n7", timeout=30).status_code == 200


def test_a_slow_reader_that_reads_gets_all(service: Service) -> None:
    service.settings.reader_timeout = 5.0
    with served(service) as address, httpx.stream("GET", f"{address}/export.jsonl", timeout=60) as answer:
        lines = sum(1 for _ in answer.iter_lines())
    assert lines == 1_500


def test_a_failure_before_the_first_row_is_said_and_not_cut(service: Service) -> None:
    with served(service) as address:
        with service.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE release RENAME TO gone")
        try:
            answer = httpx.get(f"{address}/export.csv", timeout=30)
        finally:
            with service.engine.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE gone RENAME TO release")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "database_unavailable"
