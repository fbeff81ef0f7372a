"""Backfill of 1,000, 10,000 and 100,000 models, against huggingface_hub's own listing of the same pages."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import HfApi

from monitor.db import migrations
from monitor.ingest.backfill import backfill
from monitor.ingest.hub.client import FULL
from monitor.service import Service
from monitor.settings import Settings
from tests.benchmarks.emails import databases

SIZES = tuple(int(size) for size in os.environ.get("SIZES", "1000,10000,100000").split(","))

SERVE = """
import sys
from tests.benchmarks._recorded import many
from tests.fakes.hub import ReplayHub
hub = ReplayHub(quota=10**9)
hub.add_many(many(int(sys.argv[1])))
with hub:
    print(hub.endpoint, flush=True)
    sys.stdin.read()
"""


@contextmanager
def elsewhere(number: int) -> Iterator[str]:
    """A Hub of so many models in a process of its own, so that it does not share our interpreter's lock."""
    command = [sys.executable, "-c", SERVE, str(number)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def main() -> None:
    """Prints a table. Each backfill is held against the listings just before and just after it."""
    print("| models | `HfApi.list_models` alone, a second | backfill into SQLite | into PostgreSQL |")
    print("| --- | --- | --- | --- |")
    for number in SIZES:
        with elsewhere(number) as endpoint, databases() as places:
            alone, cells = [_listed(endpoint, number)], []
            for url in places.values():
                rate = _rate(endpoint, url, number)
                alone.append(_listed(endpoint, number))
                cells.append(f"{rate:,.0f} a second ({2 * rate / sum(alone[-2:]):.2f} ×)")
            print(f"| {number:,} | {', '.join(f'{one:,.0f}' for one in alone)} | {' | '.join(cells)} |", flush=True)


def _listed(endpoint: str, number: int) -> float:
    began = time.perf_counter()
    rows = HfApi(endpoint=endpoint).list_models(sort="createdAt", limit=number, expand=FULL)  # type: ignore[arg-type]
    assert sum(1 for _ in rows) == number
    return number / (time.perf_counter() - began)


def _rate(endpoint: str, url: str, number: int) -> float:
    service = Service(Settings(database_url=url, hf_endpoint=endpoint, hub_requests_per_window=100_000))
    migrations.upgrade(service.engine)
    began = time.perf_counter()
    done = backfill(service.ingest, since=None, namespaces=[], limit=number, report=lambda _: None)
    assert done.learnt == number, done
    service.engine.dispose()
    return number / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
