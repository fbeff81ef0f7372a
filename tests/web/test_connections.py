"""Clients that send slowly, too much, or nothing: none holds a connection, memory or a thread for long."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.service import Service
from monitor.settings import Settings
from monitor.web import connections
from monitor.web import middleware as edge
from tests.fakes.hub import until
from tests.servers import free_port, served

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"


@pytest.fixture
def place(sqlite_engine: Engine, sqlite_url: str) -> Iterator[tuple[str, int]]:
    """Where the application is served, with a token and secrets set."""
    secrets = {"admin_token": SecretStr("t"), "hub_webhook_secret": SecretStr("t"), "secret_key": SecretStr("k"),
               "slack_signing_secret": SecretStr("t"),
               "telegram_bot_token": SecretStr("1:a-token-of-twenty-chars")}  # fmt: skip
    service = Service(Settings(database_url=sqlite_url, **secrets))  # type: ignore[arg-type]
    with served(service) as address:
        parts = urlsplit(address)
        yield str(parts.hostname), int(parts.port or 0)
    service.engine.dispose()


def sent(place: tuple[str, int], data: bytes) -> socket.socket:
    """A connection over which this was sent; whoever waits for more than a minute fails."""
    connection = socket.create_connection(place, timeout=60)
    connection.sendall(data)
    return connection


def answered(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    try:
        while some := connection.recv(65_536):
            found += some
    except ConnectionResetError:
        pass
    return found


def healthy(place: tuple[str, int]) -> bool:
    with sent(place, HEAD + b"Connection: close\r\n\r\n") as connection:
        return b'{"status":"ok"}' in answered(connection)


@pytest.mark.parametrize("begun", [b"", b"GET", HEAD, HEAD + b"X-Slow: ", HEAD + b"\r\n" + HEAD])
def test_half_sent_headers_are_closed(place: tuple[str, int], begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with sent(place, begun) as connection:
        assert answered(connection).count(b"HTTP/1.1 200") == begun.count(b"\r\n\r\n")
    assert healthy(place)


def test_a_half_sent_body_is_answered_and_closed(place: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(connections, "BODY_SECONDS", 60.0)
    token = b"Authorization: Bearer t\r\n"
    with sent(place, POST % (b"/api/v1/subscriptions", 100) + token + b'\r\n{"channel":') as connection:
        answer = answered(connection)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"did not arrive" in answer
    assert healthy(place)


def test_headers_without_end_are_refused(place: tuple[str, int]) -> None:
    with sent(place, HEAD) as connection:
        try:
            for _ in range(200):
                connection.sendall(b"X-Long: " + b"x" * 1_000 + b"\r\n")
        except OSError:
            pass
        assert answered(connection)[:12] in {b"HTTP/1.1 431", b""}  # a reset may overtake the answer
    assert healthy(place)


def test_the_oldest_that_waits_gives_its_place_to_a_new_connection(
    place: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    held = [sent(place, HEAD) for _ in range(60)]
    assert healthy(place)
    assert answered(held[0]) == b""  # closed long before its time
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        (b"/api/v1/subscriptions", b"", b"401"),
        (b"/api/v1/subscriptions", b"Authorization: Bearer wrong\r\n", b"401"),
        (b"/hooks/hub", b"X-Webhook-Secret: wrong\r\n", b"401"),
        (b"/hooks/email/bounce", b"", b"401"),
        (b"/slack/commands", b"", b"401"),
        (b"/slack/events", b"X-Slack-Signature: v0=0\r\nX-Slack-Request-Timestamp: 1\r\n", b"401"),
        (b"/telegram/updates", b"X-Telegram-Bot-Api-Secret-Token: wrong\r\n", b"401"),
        (b"/api/v1/subscriptions", b"Authorization: Bearer t\r\n", b"413"),
        (b"/hooks/hub", b"X-Webhook-Secret: t\r\n", b"413"),
        (b"/subscribe", b"", b"413"),
        (b"/api/v1/email/subscriptions", b"", b"413"),
    ],
)
def test_who_may_not_or_sends_too_much_is_answered_before_the_body(
    place: tuple[str, int], path: bytes, header: bytes, status: bytes
) -> None:
    """Not a byte of the body is sent, so nothing of it was waited for."""
    with sent(place, POST % (path, 200_000_000) + header + b"\r\n") as connection:
        assert connection.recv(12) == b"HTTP/1.1 " + status
    assert healthy(place)


def test_a_body_without_announced_length_is_cut_off_too(place: tuple[str, int]) -> None:
    head = b"POST /api/v1/subscriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n"
    with sent(place, head + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        for _ in range(8):
            connection.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.slow
def test_the_plain_command_of_uvicorn_is_guarded_too(tmp_path: Path, migrated_sqlite: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "monitor.db")
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "monitor.web.app:app", "--port", str(port), "--log-level", "error"]
    settings = {"MONITOR_DATABASE_URL": f"sqlite:///{tmp_path}/monitor.db"}
    process = subprocess.Popen(command, env={**os.environ, **settings})
    try:
        until(lambda: _listens(port), what="uvicorn to listen")
        with sent(("127.0.0.1", port), HEAD + b"X-Long: " + b"x" * 70_000) as connection:
            assert answered(connection)[:12] in {b"HTTP/1.1 431", b""}
        assert healthy(("127.0.0.1", port))
    finally:
        process.kill()
        process.wait(300)


def _listens(port: int) -> bool:
    try:
        return healthy(("127.0.0.1", port))
    except OSError:
        return False
