"""How long ``hub-monitor up`` takes to its first poll, and what it holds in memory when idle.

Against it: a Python that only imports the libraries that everything rests on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlmodel import col

from monitor import db
from monitor.models import Namespace
from tests.benchmarks import _million
from tests.fakes.hub import ReplayHub, model, until

COMMAND = str(Path(sys.executable).parent / "hub-monitor")
SIZES = tuple(int(size) for size in os.environ.get("SIZES", "0,10000,100000,1000000").split(","))
FEW = {"MONITOR_HUB_REQUESTS_PER_WINDOW": "4"}
IDLE = 30
"""Seconds without a sweep after which it idles."""
LIBRARIES = "import celery.worker, fastapi, sqlmodel, huggingface_hub, uvicorn, alembic.command, slack_sdk, rich"


def _took(*command: str) -> float:
    """The least seconds that a command takes, of five runs."""
    seconds = []
    for _ in range(5):
        before = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.monotonic() - before)
    return min(seconds)


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def _swept(engine: Engine) -> bool:
    with db.reading(engine) as session:
        watched = session.scalar(select(func.count()).select_from(Namespace)) or 0
        waiting = select(func.count()).select_from(Namespace).where(col(Namespace.swept_at).is_(None))
        return watched > 0 and session.scalar(waiting) == 0


def main() -> None:
    """Prints a table."""
    libraries = _took(sys.executable, "-c", LIBRARIES)
    print(f"Importing the libraries alone: {libraries:.2f} s.\n")
    helped, typer = _took(COMMAND, "--help"), _took(sys.executable, "-c", "import typer")
    print(f"`hub-monitor --help`: {helped:.3f} s, {helped / typer:.1f} × what importing Typer takes.\n")
    print("| releases there | `up` to its first poll | of the libraries | memory when idle | SIGTERM to the end |")
    print("| --- | --- | --- | --- | --- |")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            if size:
                with _million.databases(size) as urls:
                    shutil.copy(urls["sqlite"].removeprefix("sqlite:///"), f"{folder}/up.db")
            first, memory, stop = _started(Path(folder), sweeps=not size)
        figures = f"{first:.2f} s | {first / libraries:.1f} × | {memory:.0f} MB | {stop:.1f} s"
        print(f"| {size:,} | {figures} |", flush=True)


def _started(folder: Path, *, sweeps: bool) -> tuple[float, float, float]:
    """Seconds to the first poll, MB when idle, seconds to the end.

    ``sweeps``: after a sweep of every namespace; else they have no rate limit, for the Hub here holds nothing of
    a history that was made up.
    """
    with ReplayHub(quota=1_000_000) as hub:
        hub.add(model("x/one"))
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "MONITOR_DATABASE_URL": f"sqlite:///{folder}/up.db",
            "MONITOR_FEEDS": "",
            # So that all namespaces are swept in a minute or two.
            **({"MONITOR_HUB_REQUESTS_PER_WINDOW": "100000", "MONITOR_HUB_INTERVAL": "1"} if sweeps else FEW),
        }
        before = time.monotonic()
        command = [COMMAND, "up", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: hub.requests > 0, 60, "the first poll")
        first = time.monotonic() - before
        engine = db.make_engine(environment["MONITOR_DATABASE_URL"])
        if sweeps:
            until(lambda: _swept(engine), 600, "the first sweep of every namespace")
        else:
            time.sleep(IDLE)
        engine.dispose()
        memory = _memory(process.pid)
        before = time.monotonic()
        process.terminate()
        process.wait(10)
        return first, memory, time.monotonic() - before


if __name__ == "__main__":
    main()
