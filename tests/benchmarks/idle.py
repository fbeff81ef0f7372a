"""What ``up`` and ``demo`` use when nothing happens: per cent of a core and memory, minute after minute.

``up`` watches a quiet Hub of ours at its default intervals; ``demo`` has played its recording after a minute.
``MINUTES`` (60) says how long it lasts, ``STEP`` (5) how many minutes a line covers. CPU time is that of the process,
as the kernel counts it, so other work on the machine hardly changes it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from monitor.demo.hub import ReplayHub
from monitor.demo.replay import Replay

COMMAND = str(Path(sys.executable).parent / "hub-monitor")
MINUTES = float(os.environ.get("MINUTES", "60"))
STEP = float(os.environ.get("STEP", "5"))
OPTIONS = {"up": ("up", "--port", "0"), "demo": ("demo", "--port", "0", "--speed", "10")}


class Sample(NamedTuple):
    """Seconds of CPU so far, and MB of memory."""

    cpu: float
    memory: float


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder, ReplayHub(quota=1_000_000, keep=0) as hub:
        Replay(hub).prepare()
        processes = {name: _started(options, hub.endpoint, Path(folder)) for name, options in OPTIONS.items()}
        try:
            _table(processes)
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait(20)


def _started(options: tuple[str, ...], endpoint: str, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "MONITOR_DATABASE_URL": f"sqlite:///{folder}/idle.db",
        "MONITOR_FEEDS": "",
    }
    return subprocess.Popen(
        [COMMAND, *options], env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _table(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    print("| minute | " + " | ".join(f"`{name}`: of a core | memory" for name in processes) + " |")
    print("| --- | " + " | ".join("--- | ---" for _ in processes) + " |")
    began = last = time.monotonic()
    before = {name: _sample(process.pid) for name, process in processes.items()}
    while last - began < 60 * MINUTES:
        time.sleep(60 * STEP)
        moment = time.monotonic()
        cells = []
        for name, process in processes.items():
            sample = _sample(process.pid)
            used = 100 * (sample.cpu - before[name].cpu) / (moment - last)
            cells.append(f"{used:.1f} % | {sample.memory:.0f} MB")
            before[name] = sample
        last = moment
        print(f"| {(last - began) / 60:.0f} | {' | '.join(cells)} |", flush=True)


def _sample(pid: int) -> Sample:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert resident is not None
    return Sample((int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"), int(resident[1]) / 1024)


if __name__ == "__main__":
    main()
