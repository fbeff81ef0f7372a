"""Attacks of strangers on a running ``up``: do alerts and ``/healthz`` stay on time?

``python -m tests.benchmarks attacks``; ``NUMBER`` releases (100,000), ``ATTACK_SECONDS`` of each phase (300). The same
is measured without and with attacks: the delay from a repository that turns public on the replay Hub to its line on the
terminal, and the time that ``/healthz`` takes. Attackers come from 127.0.0.66, readers from 127.0.0.1.
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
from collections.abc import Callable
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from urllib.parse import quote

from monitor import db
from monitor.db import migrations
from tests.benchmarks._million import FOLDER, fill
from tests.fakes.hub import ReplayHub, model, until

NUMBER = int(os.environ.get("NUMBER", "100000"))
SECONDS = float(os.environ.get("ATTACK_SECONDS", "300"))
ATTACKER = ("127.0.0.66", 0)
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


def _database(folder: Path) -> str:
    """A copy of a history of so many releases, made once."""
    kept = FOLDER / f"attacks-{NUMBER}.db"
    if not kept.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        making = kept.with_suffix(".making")
        engine = db.make_engine(f"sqlite:///{making}")
        migrations.upgrade(engine)
        fill(engine, NUMBER)
        engine.dispose()
        making.rename(kept)
    shutil.copy(kept, folder / "up.db")
    return f"sqlite:///{folder}/up.db"


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as name, ReplayHub(quota=1_000_000) as hub:
        folder = Path(name)
        hub.add(model("x/before"))
        environment = {
            **os.environ, "HF_ENDPOINT": hub.endpoint, "MONITOR_DATABASE_URL": _database(folder), "MONITOR_FEEDS": "",
            "MONITOR_HUB_INTERVAL": "1", "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000", "MONITOR_ADMIN_TOKEN": "bench",
        }  # fmt: skip
        command = [str(Path(sys.executable).parent / "hub-monitor"), "up", "--port", "0"]
        output, errors = folder / "out.txt", folder / "err.txt"
        with output.open("w") as out, errors.open("w") as err:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
        try:
            where = r"http://127\.0\.0\.1:(\d+)"
            port = int(until(lambda: re.search(where, errors.read_text()), 120, "its address")[1])
            hub.add(model("x/first"))
            until(lambda: _learnt(environment["MONITOR_DATABASE_URL"]), 120, "the first walk")
            print(f"{NUMBER:,} releases, {SECONDS:.0f} s each\n")
            print("| phase | alerts | delay, s: median / max | looks | /healthz, ms: median / p99 / max | memory, MB |")
            print("| --- | --- | --- | --- | --- | --- |")
            _phase(hub, port, process.pid, output, "quiet", attacked=False)
            _phase(hub, port, process.pid, output, "attacked", attacked=True)
        finally:
            process.terminate()
            process.wait(30)


def _learnt(url: str) -> bool:
    from monitor.models import Poll

    engine = db.make_engine(url)
    with db.reading(engine) as session:
        row = session.get(Poll, "created")
    engine.dispose()
    return row is not None and row.succeeded_at is not None


if __name__ == "__main__":
    main()
