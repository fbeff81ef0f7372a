"""A million releases asked through HTTP on both databases, beside Datasette over the same SQLite file.

Datasette is no dependency of ours: ``DATASETTE`` names its command (``uv tool run datasette``, or one in a virtual
environment of its own); without it that column is empty. It is asked by hand-written SQL, the faster of its two ways.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import quote

import httpx

from tests.benchmarks._million import databases
from tests.fakes.hub import until
from tests.servers import free_port

NUMBER = int(os.environ.get("NUMBER", "1000000"))
TIMES = int(os.environ.get("TIMES", "100"))
DATASETTE = os.environ.get("DATASETTE", "")

FACET = "SELECT '{0}' AS facet, {0} AS value, count(*) AS number FROM releases_view GROUP BY {0}"
FACETS = ("origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task")
QUESTIONS = {
    "newest 100": (
        "/api/v1/releases",
        "SELECT * FROM releases_view ORDER BY released_at DESC LIMIT 100",
    ),
    "`origin:CN params:>=7B kind:base`": (
        "/api/v1/releases?q=origin:CN+params:%3E%3D7B+kind:base",
        "SELECT * FROM releases_view WHERE origin = 'CN' AND params_total >= 7000000000 AND kind = 'base' "
        "ORDER BY released_at DESC LIMIT 100",
    ),
    "month × origin of all": (
        "/api/v1/stats?by=month,origin",
        "SELECT substr(released_at, 1, 7) AS month, origin, count(*), sum(params_total) FROM releases_view "
        "GROUP BY 1, 2",
    ),
    "full text, common (`llama`)": (
        "/api/v1/releases?q=llama",
        "SELECT * FROM release WHERE id IN (SELECT rowid FROM release_words WHERE release_words MATCH 'llama*') "
        "ORDER BY released_at DESC LIMIT 100",
    ),
    "full text, rare (`sam3`)": (
        "/api/v1/releases?q=sam3",
        "SELECT * FROM release WHERE id IN (SELECT rowid FROM release_words WHERE release_words MATCH 'sam3*') "
        "ORDER BY released_at DESC LIMIT 100",
    ),
    "facets of all": ("/api/v1/facets", " UNION ALL ".join(FACET.format(name) for name in FACETS)),
    "facets of `origin:CN kind:base`": (
        "/api/v1/facets?q=origin:CN+kind:base",
        " UNION ALL ".join(
            FACET.format(name).replace(" GROUP", " WHERE origin = 'CN' AND kind = 'base' GROUP") for name in FACETS
        ),
    ),
}


@contextmanager
def served(command: list[str], **environment: str) -> Iterator[tuple[str, int]]:
    """(address, process id) of a server that listens on the port that stands in its command."""
    port = free_port()
    filled = [part.replace("PORT", str(port)) for part in command]
    with subprocess.Popen(filled, env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        try:
            until(lambda: _answers(port), 120, "the server to answer")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/versions.json", timeout=20).status_code > 0
    except httpx.TransportError:
        return False


def timed(client: httpx.Client, url: str, times: int, patience: float = 12.0) -> list[float]:
    """Milliseconds of each of some requests after a first one; fewer of them where these would take too long."""
    found: list[float] = []
    client.get(url).raise_for_status()
    while len(found) < times and sum(found) < patience * 1_000:
        began = time.perf_counter()
        client.get(url).raise_for_status()
        found.append((time.perf_counter() - began) * 1_000)
    return sorted(found)


def figures(some: list[float]) -> str:
    """The median and the 99th of a hundred."""
    return f"{median(some):.1f} / {some[min(len(some) - 1, int(len(some) * 0.99))]:.1f}"


def memory(pid: int) -> int:
    """Megabytes of a process, at the most so far."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def main() -> None:
    """Prints tables."""
    ours = [sys.executable, "-m", "uvicorn", "monitor.web.app:app", "--port", "PORT", "--log-level", "error"]
    found: dict[str, dict[str, list[float]]] = {name: {} for name in QUESTIONS}
    print(f"{NUMBER:,} releases; p50 / p99 in ms of {TIMES} requests, one after the other\n")
    with databases(NUMBER) as urls, httpx.Client(timeout=300, headers={"Accept-Encoding": "identity"}) as client:
        places = [(name, ours, {"MONITOR_DATABASE_URL": url, "MONITOR_REQUESTS_PER_MINUTE": "0",
                                "MONITOR_SECRET_KEY": "bench"}) for name, url in urls.items()]  # fmt: skip
        file = Path(urls["sqlite"].removeprefix("sqlite:///"))
        if DATASETTE:
            plain = [*shlex.split(DATASETTE), str(file), "-p", "PORT", "--setting", "sql_time_limit_ms", "120000",
                     "--setting", "max_returned_rows", "5000"]  # fmt: skip
            places.append(("datasette", plain, {}))
        for place, command, environment in places:
            with served(command, **environment) as (address, pid):
                for name, (path, sql) in QUESTIONS.items():
                    asked = path if place != "datasette" else f"/{file.stem}.json?_shape=array&sql={quote(sql)}"
                    found[name][place] = timed(client, address + asked, TIMES)
                if place != "datasette":
                    _deep(client, address, place)
                    _exported(client, address, place, pid)
    print("\n| question | SQLite | PostgreSQL | Datasette, same file | SQLite's p50 beside Datasette's |")
    print("| --- | --- | --- | --- | --- |")
    for name, by_place in found.items():
        other = by_place.get("datasette")
        ratio = f"{median(other) / median(by_place['sqlite']):.1f} ×" if other else "–"
        shown = (figures(by_place["sqlite"]), figures(by_place["postgresql"]), figures(other) if other else "–", ratio)
        print(f"| {name} | {' | '.join(shown)} |")


def _deep(client: httpx.Client, address: str, place: str) -> None:
    """The first page and one far down."""
    url = f"{address}/api/v1/releases?limit=100&sort=downloads"
    cursor = ""
    for _ in range(100):
        cursor = client.get(f"{url}{cursor and '&cursor='}{cursor}").json()["next"]
    first, deep = timed(client, url, 10), timed(client, f"{url}&cursor={cursor}", 10)
    print(f"{place}: page of 100 by downloads: the first {median(first):.0f} ms, the 101st {median(deep):.0f} ms",
          flush=True)  # fmt: skip


def _exported(client: httpx.Client, address: str, place: str, pid: int) -> None:
    """Exports for a minute, and says what that took."""
    before, began, size = memory(pid), time.perf_counter(), 0
    half = before
    with client.stream("GET", f"{address}/export.csv") as answer:
        for chunk in answer.iter_bytes():
            size += len(chunk)
            spent = time.perf_counter() - began
            if spent < 30:
                half = memory(pid)
            if spent > float(os.environ.get("EXPORT", "60")):
                break
    print(f"{place}: export.csv: {size / 1e6:.0f} MB in {time.perf_counter() - began:.0f} s; memory at the most "
          f"{before} MB before, {half} MB after 30 s, {memory(pid)} MB at the end", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
