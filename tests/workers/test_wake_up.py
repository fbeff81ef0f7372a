"""The wake-up signals of a web process, through a real Redis or one that does not answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import Engine, func, select

from monitor import db
from monitor.models import WebhookEvent
from monitor.service import Service
from monitor.settings import Settings
from tests.fakes.hub import ReplayHub, model, until
from tests.servers import RedisServer, served
from workers.wake_up import WakeUps

pytestmark = pytest.mark.slow

SECRET = "of the Hub's webhook"


@contextmanager
def web(engine: Engine, broker_url: str) -> Iterator[tuple[str, WakeUps]]:
    """The address that takes webhooks in a process whose workers are others, and its signals."""
    database_url = engine.url.render_as_string(hide_password=False)
    settings = Settings(database_url=database_url, broker_url=broker_url, hub_webhook_secret=SecretStr(SECRET))
    signals = WakeUps(settings)
    service = Service(settings, notify_worker=signals.request)
    with served(service) as address:
        yield f"{address}/hooks/hub", signals
    service.dispose()


def post(hub: ReplayHub, address: str, times: int) -> list[int]:
    """What so many webhooks are answered."""
    return [hub.send_webhook(address, repo_id="y/one", secret=SECRET, timeout=30) for _ in range(times)]


def stored(engine: Engine) -> int:
    with db.reading(engine) as session:
        return session.scalar(select(func.count()).select_from(WebhookEvent)) or 0


def waiting(url: str, queue: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.llen(queue))


def arrived(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait to be accepted."""
    listener.setblocking(False)
    connections = []
    with suppress(BlockingIOError):
        while True:
            connections.append(listener.accept()[0])
    return connections


def test_of_one_task_one_message_waits_however_many_webhooks_come(
    sqlite_engine: Engine, hub: ReplayHub, tmp_path: Path
) -> None:
    hub.add(model("y/one"))
    broker = RedisServer(tmp_path)
    broker.start()
    try:
        with web(sqlite_engine, broker.url) as (address, signals):
            for _ in range(3):
                assert post(hub, address, 5) == [202] * 5
                until(lambda: waiting(broker.url, "hints") > 0, 30, "the signal")
            signals.request("deliver")  # sent after everything that was requested before
            until(lambda: waiting(broker.url, "deliveries") == 1, 30, "the last signal")
        assert waiting(broker.url, "hints") == 1
        assert stored(sqlite_engine) == 15
    finally:
        broker.kill()


def test_webhooks_are_answered_while_redis_is_down_and_signals_go_on_when_it_is_back(
    sqlite_engine: Engine, hub: ReplayHub, tmp_path: Path
) -> None:
    hub.add(model("y/one"))
    broker = RedisServer(tmp_path)
    with web(sqlite_engine, broker.url) as (address, _):
        assert post(hub, address, 5) == [202] * 5
        broker.start()
        try:
            until(lambda: post(hub, address, 1) == [202] and waiting(broker.url, "hints") == 1, 30, "the signal")
            broker.kill()
            assert post(hub, address, 5) == [202] * 5
            broker.start()
            until(lambda: post(hub, address, 1) == [202] and waiting(broker.url, "hints") == 1, 30, "another signal")
        finally:
            broker.kill()


def test_a_redis_that_takes_connections_and_says_nothing_holds_up_no_webhook(
    sqlite_engine: Engine, hub: ReplayHub
) -> None:
    hub.add(model("y/one"))
    with (
        socket.create_server(("127.0.0.1", 0), backlog=100) as silent,
        web(sqlite_engine, f"redis://127.0.0.1:{silent.getsockname()[1]}/0") as (address, _),
    ):
        assert post(hub, address, 50) == [202] * 50
        assert stored(sqlite_engine) == 50
        assert 0 < len(arrived(silent)) < 25  # one signal after the other, not one for each webhook
