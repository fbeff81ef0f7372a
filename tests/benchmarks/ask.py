"""A million releases asked through HTTP on both databases, against Datasette over the same SQLite file.

Datasette is no dependency of ours: ``DATASETTE`` names its command (``uv tool run datasette``, or one in a virtual
environment of its own); without it its columns are empty. It is asked by hand-written SQL, the fastest of its ways, for
the same columns and the same rows: once with the JSON columns as the text that the file holds, and once parsed
(``_json=``), as release objects have them. Every query is sent in two ways: with a parameter that nobody reads, so no
cache can answer it, and the same again and again.
"""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlsplit

from sqlalchemy import select
from sqlmodel import col

from monitor import db
from monitor.models import Release
from monitor.releases.query import parse
from monitor.releases.schema import COLUMNS, COMPUTED, column_kinds
from monitor.releases.search import _encode_cursor, search
from tests.benchmarks._million import databases
from tests.fakes.hub import until

NUMBER = int(os.environ.get("NUMBER", "1000000"))
TIMES = int(os.environ.get("TIMES", "100"))
DATASETTE = os.environ.get("DATASETTE", "")
OURS = [sys.executable, "-m", "uvicorn", "monitor.web.app:app", "--port", "PORT", "--log-level", "error"]

FACTS = ", ".join((*(f"{COMPUTED[name]} AS {name}" if name in COMPUTED else name for name in COLUMNS), "evidence"))
"""What a release object tells, as columns."""


NESTED = [name for name, kind in column_kinds().items() if kind in {"json", "structs", "artefacts", "texts"}]
PARSED = "".join(f"&_json={name}" for name in (*NESTED, "evidence"))
"""The parameters by which Datasette parses the JSON columns."""


def newest(where: str = "") -> str:
    """The SQL of a hundred releases."""
    return f"SELECT {FACTS} FROM release WHERE NOT pending {where} ORDER BY released_at DESC, id DESC LIMIT 100"


def worded(word: str) -> str:
    """The condition of a word."""
    return f"AND id IN (SELECT rowid FROM release_words WHERE release_words MATCH '{word}*')"


FACET = "SELECT '{0}' AS facet, {0} AS value, count(*) AS number FROM releases_view GROUP BY {0}"
FACETS = ("origin", "foundation_origin", "lab", "kind", "size", "license_class", "openness", "task")
QUESTIONS = {
    "newest 100": ("/api/v1/releases", newest()),
    "`origin:CN params:>=7B kind:base`": (
        "/api/v1/releases?q=origin:CN+params:%3E%3D7B+kind:base",
        newest("AND origin = 'CN' AND params_total >= 7000000000 AND kind = 'base'"),
    ),
    "full text, rare (`sam3`)": ("/api/v1/releases?q=sam3", newest(worded("sam3"))),
    "full text, common (`llama`)": ("/api/v1/releases?q=llama", newest(worded("llama"))),
    "month × origin of all": (
        "/api/v1/stats?by=month,origin",
        "SELECT substr(released_at, 1, 7) AS month, origin, count(*), count(DISTINCT launch_id), sum(params_total) "
        "FROM release WHERE NOT pending GROUP BY 1, 2",
    ),
    "facets of all": ("/api/v1/facets", " UNION ALL ".join(FACET.format(name) for name in FACETS)),
    "facets of `origin:CN kind:base`": (
        "/api/v1/facets?q=origin:CN+kind:base",
        " UNION ALL ".join(
            FACET.format(name).replace(" GROUP", " WHERE origin = 'CN' AND kind = 'base' GROUP") for name in FACETS
        ),
    ),
}
PAGES = (
    "/", "/?show=labs", "/?show=notable",
    "/releases", "/releases?q=origin:CN+params:%3E%3D7B+kind:base", "/releases?q=llama", "/releases?q=sam3",
    "/releases?q=tag:gguf&sort=downloads", "/labs", "/labs/qwen", "/trends", "/trends/chart", "/status", "/launches",
)  # fmt: skip


@contextmanager
def served(command: list[str], **environment: str) -> Iterator[tuple[str, int]]:
    """(address, process id) of a server that listens on the port that stands in its command."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    filled = [part.replace("PORT", str(port)) for part in command]
    with subprocess.Popen(filled, env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        try:
            until(lambda: _answers(port), 120, "the server to answer")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.kill()


@contextmanager
def ours(url: str) -> Iterator[tuple[str, int]]:
    """(address, process id) of our server over a database, without a limit for each client."""
    given = {"MONITOR_DATABASE_URL": url, "MONITOR_REQUESTS_PER_MINUTE": "0", "MONITOR_SECRET_KEY": "bench"}
    with served(OURS, **given) as place:
        yield place


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/-/versions.json")
        return connection.getresponse().status > 0
    except OSError:
        return False


class Client:
    """Asks one server over one connection, as fast as Python can: a client that costs much would hide differences."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=300)
        self._numbers = count()

    def get(self, path: str) -> bytes:
        """The body of an answer that is one of 200."""
        try:
            answer = self._asked(path)
        except http.client.RemoteDisconnected:  # it was idle for too long
            answer = self._asked(path)
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
        return body

    def _asked(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path, headers={"Accept-Encoding": "identity"})
        return self._connection.getresponse()

    def timed(self, path: str, times: int, *, anew: bool = False, patience: float = 12.0) -> list[float]:
        """Milliseconds of each of some requests after a first one; fewer of them where these would take too long."""
        found: list[float] = []
        self.get(path)
        while len(found) < times and sum(found) < patience * 1_000:
            asked = f"{path}{'&' if '?' in path else '?'}n={next(self._numbers)}" if anew else path
            began = time.perf_counter()
            self.get(asked)
            found.append((time.perf_counter() - began) * 1_000)
        return sorted(found)


def figures(some: list[float]) -> str:
    """The median and the 99th of a hundred."""
    return f"{median(some):.1f} / {some[min(len(some) - 1, int(len(some) * 0.99))]:.1f}"


def main() -> None:
    """Prints tables."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in QUESTIONS}
    pages: dict[str, list[str]] = {path: [] for path in PAGES}
    with databases(NUMBER) as urls:
        one = _one(urls["sqlite"])
        pages[one] = []
        for place, url in urls.items():
            with ours(url) as (address, _):
                client = Client(address)
                for name, (path, _) in QUESTIONS.items():
                    found[name][place] = client.timed(path, TIMES, anew=True)
                    found[name][f"{place} again"] = client.timed(path, TIMES)
                    print(place, name, figures(found[name][place]), file=sys.stderr, flush=True)
                for path, cells in pages.items():
                    cells.append(figures(client.timed(path, TIMES, anew=True)))
                    cells.append(f"{median(client.timed(path, TIMES)):.1f}")
                    print(place, path, cells, file=sys.stderr, flush=True)
                    cells.extend([f"{len(client.get(path)) / 1_000:.0f}"] if place == "sqlite" else [])
                _deep(client, place, url)
        if DATASETTE:
            file = Path(urls["sqlite"].removeprefix("sqlite:///"))
            plain = [*shlex.split(DATASETTE), str(file), "-p", "PORT", "--setting", "sql_time_limit_ms", "120000",
                     "--setting", "max_returned_rows", "5000"]  # fmt: skip
            with served(plain) as (address, _):
                client = Client(address)
                for name, (path, sql) in QUESTIONS.items():
                    asked = f"/{file.stem}.json?_shape=array&sql={quote(sql)}"
                    found[name]["datasette"] = client.timed(asked, TIMES)
                    if "/releases" in path:
                        found[name]["parsed"] = client.timed(asked + PARSED, TIMES)
                    print("datasette", name, figures(found[name]["datasette"]), file=sys.stderr, flush=True)
    _report(found)
    print("\n| page | kB | SQLite | again | PostgreSQL | again |\n| --- | --- | --- | --- | --- | --- |")
    for path, (fresh, again, size, other, other_again) in pages.items():
        print(f"| `{path}` | {size} | {fresh} | {again} | {other} | {other_again} |")


def _report(found: dict[str, dict[str, list[float]]]) -> None:
    print(f"\n{NUMBER:,} releases; p50 / p99 in ms of {TIMES} requests, one after the other; again: p50\n")
    print("| query | SQLite | again | PostgreSQL | again | Datasette | its JSON parsed | their p50 / SQLite's |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, by_place in found.items():
        others = [by_place.get("datasette"), by_place.get("parsed")]
        times = [median(other) / median(by_place["sqlite"]) for other in others if other]
        cells = [
            figures(by_place["sqlite"]), f"{median(by_place['sqlite again']):.1f}", figures(by_place["postgresql"]),
            f"{median(by_place['postgresql again']):.1f}", *(figures(other) if other else "–" for other in others),
            ", ".join(f"{one:.2f} ×" for one in times) or "–",
        ]  # fmt: skip
        print(f"| {name} | {' | '.join(cells)} |")


def _one(url: str) -> str:
    """The page of a release that much was built on."""
    engine = db.make_engine(url)
    with db.reading(engine) as session:
        row = search(session, parse("lab:qwen kind:base"), limit=1).items[0]
    engine.dispose()
    return f"/releases/{row.repo_id}"


def _deep(client: Client, place: str, url: str) -> None:
    """The first page by downloads, and those that begin at a tenth, in the middle and near the end."""
    path, engine = "/api/v1/releases?limit=100&sort=downloads", db.make_engine(url)
    alerts = [f"the first {figures(client.timed(path, TIMES, anew=True))}"]
    for share in (0.1, 0.5, 0.99):
        with db.reading(engine) as session:
            order = col(Release.downloads).desc(), col(Release.id).desc()
            row = session.scalars(select(Release).order_by(*order).offset(int(share * NUMBER)).limit(1)).one()
        cursor = _encode_cursor("downloads", row.id or 0, row.downloads)
        alerts.append(f"at {share:.0%} {figures(client.timed(f'{path}&cursor={cursor}', TIMES, anew=True))}")
    engine.dispose()
    print(f"{place}: page of 100 by downloads, p50 / p99 in ms: {', '.join(alerts)}", flush=True)


if __name__ == "__main__":
    main()
