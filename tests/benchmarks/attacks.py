"""Attacks of strangers on a running ``up`` and a cluster: what does each cost, and do alerts stay on time?

``python -m tests.benchmarks attacks``; ``NUMBER`` releases (150,000). First each known attack by itself, on both (see
``_attack_table``). Then, unless ``ATTACK_SECONDS`` (300) is 0, two phases without and with all attacks: the delay from
a repository that turns public on the replay Hub to its line on the terminal, and the time that ``/healthz`` takes.
Attackers come from 127.0.0.66, readers from 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from urllib.parse import quote

from sqlalchemy import NullPool, create_engine, make_url, text

from monitor import db
from tests.benchmarks import _attack_parts
from tests.benchmarks._attack_table import ATTACKER, ATTACKS, Target, print_table
from tests.benchmarks._million import databases
from tests.fakes.hub import ReplayHub, model, until
from tests.faults.cluster import Cluster
from tests.servers import RedisServer

NUMBER = int(os.environ.get("NUMBER", "150000"))
SECONDS = float(os.environ.get("ATTACK_SECONDS", "300"))
PARTS_ONLY = bool(os.environ.get("ATTACK_PARTS_ONLY"))
"""Leaves out the attacks of anonymous readers."""
POST = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
TAGS = " ".join(f"-tag:t{number}" for number in range(90))
SLOW = (
    f"/api/v1/facets?q={quote(TAGS)}",
    f"/api/v1/facets?as_of=2026-10-01&q={quote(TAGS)}",
    f"/releases?q={quote(' OR '.join(f'repo:*{number}*a*b*' for number in range(60)))}",
    f"/api/v1/releases?q={quote('repo:' + '*' * 20 + 'zz')}",
    f"/api/v1/stats?by=day,lab&median=true&q={quote(TAGS)}",
)


def _half_sent(port: int, ended: threading.Event) -> None:
    """Many connections with half of a head, or of a body."""
    held: list[socket.socket] = []
    while not ended.wait(0.01):
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=ATTACKER)
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" if len(held) % 2 else POST.format("/subscribe", 100).encode())
            held.append(one)
        if len(held) > 400:
            held.pop(0).close()
    for one in held:
        one.close()


def _bodies(port: int, ended: threading.Event) -> None:
    """200 MB to the administration API, without a token."""
    while not ended.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5, ATTACKER) as one:
            one.sendall(POST.format("/api/v1/subscriptions", 200_000_000).encode())
            for _ in range(200):
                one.sendall(b"x" * 1_000_000)
                if ended.is_set():
                    break


def _asked(port: int, ended: threading.Event, path: Callable[[int], str], *, read: bool = True) -> None:
    """Requests one after the other, each from a connection of its own; ``read``: whether the answer is."""
    number, unread = 0, []
    while not ended.wait(0.02):
        number += 1
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=ATTACKER)
            headers = {"X-Forwarded-For": f"198.51.{number // 250 % 250}.{number % 250}"}
            connection.request("GET", path(number), headers=headers)
            if read:
                connection.getresponse().read()
                connection.close()
            else:
                unread.append(connection)
                unread[:-16] = []


def _attacks(port: int, ended: threading.Event) -> list[threading.Thread]:
    def slow(number: int) -> str:
        return SLOW[number % len(SLOW)]

    def distinct(number: int) -> str:
        return f"/labs?n={'x' * 6_000}{number}"

    chosen: list[Callable[[], None]] = [lambda: _half_sent(port, ended), lambda: _bodies(port, ended)]
    chosen += [lambda: _asked(port, ended, slow)] * 12
    chosen += [lambda: _asked(port, ended, distinct)] * 2
    chosen += [lambda: _asked(port, ended, lambda _: "/export.jsonl", read=False)] * 2
    return [threading.Thread(target=one, daemon=True) for one in chosen]


def _health(port: int, seconds: float, answer: Connection) -> None:
    """Seconds of each look at ``/healthz``; a minute where none came. In a process of its own: not to wait for ours."""
    found: list[float] = []
    until_ = time.monotonic() + seconds
    while time.monotonic() < until_:
        time.sleep(0.2)
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/healthz")
            good = connection.getresponse().status == 200
            connection.close()
        except (OSError, http.client.HTTPException):
            good = False
        found.append(time.monotonic() - began if good else 60.0)
    answer.send(found)


def _phase(hub: ReplayHub, port: int, process: int, output: Path, name: str, *, attacked: bool) -> None:
    """One phase; prints its row."""
    ended, delays = threading.Event(), []
    here, there = Pipe()
    looking = get_context("spawn").Process(target=_health, args=(port, SECONDS, there), daemon=True)
    looking.start()
    threads = _attacks(port, ended) if attacked else []
    for thread in threads:
        thread.start()
    until_ = time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < until_:
        number += 1
        repo_id, began = f"attacks-{name}/new-{number}", time.monotonic()
        hub.add(model(repo_id))
        alerts = re.compile(rf"released {re.escape(repo_id)}\b")
        until(lambda alerts=alerts: alerts.search(output.read_text()) is not None, 120, f"the alert of {repo_id}")
        delays.append(time.monotonic() - began)
        time.sleep(min(1.0, SECONDS / 20))
    ended.set()
    for thread in threads:
        thread.join(90)
    health = here.recv()
    looking.join(90)
    status = Path(f"/proc/{process}/status").read_text()
    memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1_024  # type: ignore[index]
    health.sort()
    worst = health[max(0, int(len(health) * 0.99) - 1)]
    print(
        f"| {name} | {len(delays)} | {median(delays):.2f} / {max(delays):.2f} | {len(health)} | "
        f"{median(health) * 1_000:.0f} / {worst * 1_000:.0f} / {health[-1] * 1_000:.0f} | "
        f"{memory} |",
        flush=True,
    )


ENVIRONMENT = {
    "MONITOR_FEEDS": "", "MONITOR_HUB_INTERVAL": "1", "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
    "MONITOR_ADMIN_TOKEN": "bench", "MONITOR_SECRET_KEY": "a key of the benchmark, which is long enough",
    **_attack_parts.ENVIRONMENT,
}  # fmt: skip


class Up:
    """A running ``up`` on a copy of a SQLite database; as a context, ended whatever happens."""

    def __init__(self, folder: Path, hub: ReplayHub, database: str) -> None:
        copy = shutil.copy(database.removeprefix("sqlite:///"), folder / "up.db")
        self.url, self.output, self._errors = f"sqlite:///{copy}", folder / "out.txt", folder / "err.txt"
        environment = {**os.environ, **ENVIRONMENT, "HF_ENDPOINT": hub.endpoint, "MONITOR_DATABASE_URL": self.url}
        command = [str(Path(sys.executable).parent / "hub-monitor"), "up", "--port", "0"]
        with self.output.open("w") as out, self._errors.open("w") as err:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)

    def __enter__(self) -> Up:
        where = r"http://127\.0\.0\.1:(\d+)"
        self.port = int(until(lambda: re.search(where, self._errors.read_text()), 300, "its address")[1])
        until(lambda: _learnt(self.url), 300, "the first walk")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)


@contextlib.contextmanager
def _cluster(folder: Path, hub: ReplayHub, server: str) -> Iterator[Target]:
    """The parts of docker-compose.yml on a copy of a PostgreSQL database, and Redis."""
    administration = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with administration.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS attacked"))
        connection.execute(text("CREATE DATABASE attacked TEMPLATE postgres"))
        postmaster = int(connection.execute(text("SELECT pg_read_file('postmaster.pid')")).scalar_one().split()[0])
    url = make_url(server).set(database="attacked").render_as_string(hide_password=False)
    redis = RedisServer(folder)
    redis.start()
    try:
        with Cluster(folder, hub, url, redis.url, short=False) as parts:
            parts.environment |= ENVIRONMENT
            for service in ("worker", "beat", "web"):
                parts.start(service)
            until(lambda: _learnt(url), 300, "the first walk")
            until(lambda: _answers(parts.port), 60, "its answer")
            yield Target(parts.port, (parts.running["web-1"].pid, postmaster))
    finally:
        redis.kill()
        with administration.connect() as connection:
            connection.execute(text("DROP DATABASE attacked WITH (FORCE)"))


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False


def main() -> None:
    """Prints two tables: each attack by itself, and alerts without and with all of them."""
    with ExitStack() as stack:
        urls = stack.enter_context(databases(NUMBER))
        hub = stack.enter_context(ReplayHub(quota=1_000_000))
        hub.add(model("x/before"))
        one, other = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        feed = stack.enter_context(_attack_parts.EndlessFeed())
        print(f"{NUMBER:,} releases\n")
        ENVIRONMENT["MONITOR_FEEDS"] = feed.url
        parts = _attack_parts.attacks(feed)
        with _cluster(other, hub, urls["postgresql"]) as cluster, Up(one, hub, urls["sqlite"]) as up:
            targets = {"up, SQLite": Target(up.port, (up.process.pid,)), "cluster, PostgreSQL": cluster}
            print_table(targets, parts if PARTS_ONLY else (*parts, *ATTACKS))
        ENVIRONMENT["MONITOR_FEEDS"] = ""
        if not SECONDS:
            return
        for file in one.iterdir():
            file.unlink()
        with Up(one, hub, urls["sqlite"]) as up:
            print(f"\n{SECONDS:.0f} s each\n")
            print("| phase | alerts | delay, s: median / max | looks | /healthz, ms: median / p99 / max | memory, MB |")
            print("| --- | --- | --- | --- | --- | --- |")
            _phase(hub, up.port, up.process.pid, up.output, "quiet", attacked=False)
            _phase(hub, up.port, up.process.pid, up.output, "attacked", attacked=True)


def _learnt(url: str) -> bool:
    from monitor.models import Poll

    engine = db.make_engine(url)
    with db.reading(engine) as session:
        row = session.get(Poll, "created")
    engine.dispose()
    return row is not None and row.succeeded_at is not None


if __name__ == "__main__":
    main()
