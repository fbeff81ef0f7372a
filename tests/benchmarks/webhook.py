"""From the Hub's POST to the release stored and its delivery queued, in one process over real HTTP.

Against it: the webhook's own answer, which comes before any work.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import func, select
from sqlmodel import col

from monitor import db
from monitor.models import Delivery, Release
from tests.fakes.hub import ReplayHub, model, until

COMMAND = str(Path(sys.executable).parent / "hub-monitor")
SECRET = "a-secret-of-the-benchmark"
TIMES = 60


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder, ReplayHub(quota=1_000_000) as hub:
        url = f"sqlite:///{folder}/up.db"
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "MONITOR_DATABASE_URL": url,
            "MONITOR_FEEDS": "",
            "MONITOR_HUB_WEBHOOK_SECRET": SECRET,
            # No poll and no sweep sees it first.
            "MONITOR_HUB_INTERVAL": "3600",
        }
        hub.add(model("Qwen/Qwen1-7B"))
        log = Path(folder) / "log"
        with log.open("w") as written:
            process = subprocess.Popen([COMMAND, "up", "--port", "0"], env=environment, stdout=written, stderr=written)
        try:
            found = until(lambda: re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()), 60, "the page's address")
            address = f"http://127.0.0.1:{found[1]}/hooks/hub"
            engine = db.make_engine(url)
            until(lambda: _count(engine, Release) == 1, 60, "the first look")
            answered, queued = zip(*(_one(hub, engine, address, number) for number in range(TIMES)), strict=True)
        finally:
            process.terminate()
            process.wait(10)
    print("| after the POST | median | 95 of 100 within |")
    print("| --- | --- | --- |")
    for what, times in (("answered 202", answered), ("release stored and delivery queued", queued)):
        print(f"| {what} | {median(times) * 1000:.0f} ms | {quantiles(times, n=20)[-1] * 1000:.0f} ms |")


def _one(hub: ReplayHub, engine: db.Engine, address: str, number: int) -> tuple[float, float]:
    """Seconds until the answer, and until the delivery is in the outbox."""
    name = f"Qwen/Flip-{number}-8B"
    hub.add(model(name, private=True))
    hub.publish(name)
    before = _count(engine, Delivery)
    began = time.perf_counter()
    status = hub.send_webhook(
        address, scope="repo.config", repo_id=name, secret=SECRET, updated_config={"private": False}
    )
    answered = time.perf_counter() - began
    assert status == 202, status
    until(lambda: _count(engine, Delivery) > before, 30, f"the delivery of {name}")
    return answered, time.perf_counter() - began


def _count(engine: db.Engine, table: type[Delivery] | type[Release]) -> int:
    with db.reading(engine) as session:
        return session.scalar(select(func.count(col(table.id)))) or 0


if __name__ == "__main__":
    main()
