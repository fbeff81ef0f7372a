"""How long ``hub-monitor up`` takes to its first poll, and what it holds in memory when idle.

Beside it: a Python that only imports the libraries that everything rests on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.hub import ReplayHub, model, until

COMMAND = str(Path(sys.executable).parent / "hub-monitor")
LIBRARIES = "import celery.worker, fastapi, sqlmodel, huggingface_hub, uvicorn, alembic.command, slack_sdk, rich"


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Prints a table."""
    before = time.monotonic()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    libraries = time.monotonic() - before
    with tempfile.TemporaryDirectory() as folder, ReplayHub(quota=1_000_000) as hub:
        hub.add(model("x/one"))
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "MONITOR_DATABASE_URL": f"sqlite:///{folder}/up.db",
            "MONITOR_FEEDS": "",
            "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
        }
        before = time.monotonic()
        command = [COMMAND, "up", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: hub.requests > 0, 30, "the first poll")
        first = time.monotonic() - before
        quiet = [0, time.monotonic()]

        def idle() -> bool:
            if hub.requests != quiet[0]:
                quiet[:] = [hub.requests, time.monotonic()]
            return time.monotonic() - quiet[1] > 8

        until(idle, 600, "the end of the first sweeps")
        memory = _memory(process.pid)
        before = time.monotonic()
        process.terminate()
        process.wait(10)
        stop = time.monotonic() - before
    print("| what | figure |")
    print("| --- | --- |")
    print(f"| importing the libraries alone | {libraries:.2f} s |")
    print(f"| start of `up` to its first poll | {first:.2f} s ({first / libraries:.1f} × the libraries) |")
    print(f"| memory when idle, all namespaces swept | {memory:.0f} MB |")
    print(f"| SIGTERM to the end | {stop:.2f} s |")


if __name__ == "__main__":
    main()
