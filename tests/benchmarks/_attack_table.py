"""What each known attack costs one server: a row each, with what it cost before it was closed."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ATTACKER = ("127.0.0.66", 0)
ELSEWHERE = "elsewhere.example"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Target:
    """A running server: its port, and the ids of the processes that work for it (with their children)."""

    port: int
    processes: tuple[int, ...]

    def processor(self) -> float:
        """Processor seconds of all of them so far, also of children that have ended."""
        return sum(_used(ident) for ident in _family(self.processes))

    def ask(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        """One request, from the attacker's address."""
        before, began = self.processor(), time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120, source_address=ATTACKER)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            body = answer.read()
            found = dict(answer.getheaders())
        finally:
            connection.close()
        return Answer(answer.status, body, found, self.processor() - before, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]
    processor: float
    seconds: float


def _family(roots: tuple[int, ...]) -> set[int]:
    """These processes and their descendants."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = set(roots)
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _used(ident: int) -> float:
    try:
        fields = Path(f"/proc/{ident}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:13]) / TICKS


@dataclass(frozen=True, slots=True)
class Attack:
    """``before``: what it cost, or gave, before it was closed. ``run``: the same now, in words."""

    name: str
    before: str
    run: Callable[[Target], str]


def _costs(path: str) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        answer = target.ask(path)
        size = f", {len(answer.body) / 1e6:.1f} MB" if len(answer.body) > 500_000 else ""
        return f"{answer.status}, {answer.processor:.2f} s of processor{size}"

    return run


def _statuses(*paths: str) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        return ", ".join(str(status) for status in sorted({target.ask(path).status for path in paths}))

    return run


def _redirects(target: Target) -> str:
    answer = target.ask("/labs/", {"Host": ELSEWHERE, "X-Forwarded-Host": ELSEWHERE})
    return f"{answer.status}, Location: {answer.headers.get('location')}"


def _open(target: Target) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), timeout=30, source_address=ATTACKER)


def _gone(target: Target) -> str:
    """A slow export whose client leaves after half a second, compared with the same time before it."""
    before = target.processor()
    time.sleep(6)
    idle = target.processor() - before
    one = _open(target)
    one.sendall(f"GET /export.csv?q={quote(SCAN)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    time.sleep(0.5)
    one.close()
    time.sleep(0.3)
    before = target.processor()
    time.sleep(6)
    return f"{target.processor() - before:.1f} s of processor in the 6 s after, {idle:.1f} s in those before"


def _health(target: Target, seconds: float) -> str:
    """The longest of some looks at ``/healthz`` and ``/releases`` by another client."""
    longest = {"/healthz": 0.0, "/releases": 0.0}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for path, most in longest.items():
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
            longest[path] = max(most, time.monotonic() - began if status == http.client.OK else 60.0)
        time.sleep(0.1)
    return ", ".join(f"{path} within {most * 1_000:.0f} ms" for path, most in longest.items())


def _held(number: int, text: str) -> Callable[[Target], str]:
    """Connections on which this is sent, and nothing is read."""

    def run(target: Target) -> str:
        with contextlib.ExitStack() as stack:
            for _ in range(number):
                one = stack.enter_context(_open(target))
                one.sendall(text.encode())
            return _health(target, 4)

    return run


def _body(target: Target) -> str:
    """200 MB for the administration API, without a token: how much of it is taken within 4 s."""
    taken, until = 0, time.monotonic() + 4
    with contextlib.suppress(OSError), _open(target) as one:
        one.sendall(b"POST /api/v1/subscriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n")
        while time.monotonic() < until:
            taken += one.send(b"x" * 1_000_000)
        return f"{one.recv(12)[9:].decode()}, {taken / 1e6:.0f} MB taken in 4 s"
    return f"cut off after {taken / 1e6:.0f} MB"


def _forged(target: Target) -> str:
    """More requests than allowed within two minutes, each with another ``X-Forwarded-For``."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60, source_address=ATTACKER)
    with contextlib.closing(connection):
        for number in range(1, 2_000):
            connection.request("GET", "/robots.txt", headers={"X-Forwarded-For": f"198.51.100.{number % 250}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == http.client.TOO_MANY_REQUESTS:
                return f"429 after {number} requests"
    return "never refused"


def _cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


HUNDRED = "tag:" + ",".join(f"rare{number}" for number in range(100))
NEGATED = " ".join(f"-tag:t{number}" for number in range(90))
SCAN = " OR ".join(f"(-tag:t{number} language:x{number})" for number in range(30))
PATTERNS = " OR ".join(f"repo:*{number}*a*b*" for number in range(60))
CURSORS = (
    f"/api/v1/releases?cursor={_cursor('released', '0001-01-01T00:00:00+23:59', 1)}",
    f"/api/v1/releases?cursor={_cursor('released', '2026-05-02T00:00:00Z', 2**63)}",
    f"/api/v1/releases?sort=repo&cursor={_cursor('repo', chr(0), 1)}",
    "/api/v1/launches?cursor=0001-01-01T00:00:00%2B23:59~1",
)
NULS = ("/api/v1/announcements?lab=%00", "/api/v1/releases/a/%00", "/api/v1/releases?q=%00", "/labs/%00")

ATTACKS = (
    Attack("`tag:` with 100 values", "118 s of processor", _costs(f"/api/v1/releases?q={quote(HUNDRED)}")),
    Attack("a single rare tag", "5.6 s of processor", _costs("/api/v1/releases?q=tag:rare-one")),
    Attack("the same in a feed", "-", _costs("/feed.atom?q=tag:rare-two")),
    Attack("90 negated tags, facets", "-", _costs(f"/api/v1/facets?q={quote(NEGATED)}")),
    Attack("60 patterns with 4 `*`, sorted by name", "-", _costs(f"/releases?sort=repo&q={quote(PATTERNS)}")),
    Attack("`repo:` with 20 `*`", "the process froze", _costs(f"/api/v1/releases?q=repo:{'*a' * 20}zz")),
    Attack("`stats?by=day,lab`", "200, 26 MB", _costs("/api/v1/stats?by=day,lab")),
    Attack("an export whose client leaves after 0.5 s", "went on to its end", _gone),
    Attack("crafted cursors", "500 with a traceback", _statuses(*CURSORS)),
    Attack("`%00` in parameters and paths", "503 on PostgreSQL", _statuses(*NULS)),
    Attack("`/labs/` with another `Host`", f"Location: http://{ELSEWHERE}/labs", _redirects),
    Attack("400 half-sent requests", "not closed", _held(400, "GET / HTTP/1.1\r\nHost: x\r\n")),
    Attack("16 exports that nobody reads", "took the connections of pages",
           _held(16, "GET /export.jsonl HTTP/1.1\r\nHost: x\r\n\r\n")),
    Attack("200 MB to the administration, no token", "not limited", _body),
    Attack("a new `X-Forwarded-For` each request", "-", _forged),
)  # fmt: skip
"""Each is run on its own, in this order: the last one uses up the attacker's minute."""


def print_table(targets: dict[str, Target], attacks: Sequence[Attack] = ATTACKS) -> None:
    """One row for each attack, one column for each server."""
    print(f"| attack | before | {' | '.join(targets)} |")
    print(f"| --- | --- | {' | '.join('---' for _ in targets)} |")
    for attack in attacks:
        cells = []
        for target in targets.values():
            try:
                cells.append(attack.run(target))
            except (OSError, http.client.HTTPException) as error:
                cells.append(f"no answer: {error}")
        print(f"| {attack.name} | {attack.before} | {' | '.join(cells)} |", flush=True)
