"""Exports of a million releases through HTTP: how fast, and what memory the server has meanwhile."""

from __future__ import annotations

import http.client
import math
import os
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks._million import databases
from tests.benchmarks.ask import NUMBER, ours

FORMS = os.environ.get("FORMS", "csv,jsonl,parquet").split(",")
PLACES = os.environ.get("PLACES", "sqlite,postgresql").split(",")


def memory(pid: int) -> int:
    """Megabytes that a process has now."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def main() -> None:
    """Prints a table."""
    print(
        "| export of all | rows/s | MB | memory before | at 1 % of the time | at 50 % | at the end | at the most |\n"
        + "| --- " * 8
        + "|"
    )
    with databases(NUMBER) as urls:
        for place in PLACES:
            for form in FORMS:
                with ours(urls[place]) as (address, pid):
                    print(f"| {place}, {form} | {' | '.join(map(str, _exported(address, form, pid)))} |", flush=True)


def _exported(address: str, form: str, pid: int) -> list[object]:
    """Rows a second, megabytes, and the server's memory before, and at so much of the time."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=900)
    used, size, done = [memory(pid)], 0, threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            used.append(memory(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    began = time.perf_counter()
    connection.request("GET", f"/export.{form}", headers={"Accept-Encoding": "identity"})
    answer = connection.getresponse()
    while chunk := answer.read1(1 << 20):
        size += len(chunk)
    spent = time.perf_counter() - began
    done.set()
    watcher.join()
    at = [used[min(len(used) - 1, math.ceil(share * len(used)))] for share in (0.01, 0.5, 1.0)]
    return [f"{NUMBER / spent:,.0f}", f"{size / 1e6:,.0f}", used[0], *at, max(used)]


if __name__ == "__main__":
    main()
