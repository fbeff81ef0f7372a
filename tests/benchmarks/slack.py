"""From the Hub's webhook to the message in Slack, in one process; then 10,000 alerts to 200 channels under kill -9."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, select

from monitor import db
from monitor.db import migrations
from monitor.models import Poll
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.benchmarks.emails import databases
from tests.channels.slack.rush import Crowd, environment, rush
from tests.fakes.hub import ReplayHub, model, until
from tests.fakes.slack import Channel, FakeSlack

COMMAND = str(Path(sys.executable).parent / "hub-monitor")
ALERTS = int(os.environ.get("ALERTS", "40"))
CHANNELS, EACH = 200, int(os.environ.get("EACH", "50"))
SECRET = "a secret of the webhook"


def main() -> None:
    """Prints two tables."""
    print("| from the Hub's POST to the message at the fake Slack | median | 90 % | slowest |")
    print("| --- | --- | --- | --- |")
    took = latency()
    tenth = statistics.quantiles(took, n=10)[-1]
    figures = f"{statistics.median(took) * 1000:.0f} ms | {tenth * 1000:.0f} ms | {max(took) * 1000:.0f} ms"
    print(f"| one process, SQLite, {len(took)} releases one by one | {figures} |\n", flush=True)
    print(
        "| workers killed every 5 s | alerts | seconds | killed | lost | doubled | refused as too fast | shortest gap |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with databases() as urls:
        for name, url in urls.items():
            engine = db.make_engine(url)
            migrations.upgrade(engine)
            with Crowd(CHANNELS) as crowd:
                done = rush(
                    engine, environment(url, crowd), crowd, EACH, 3, lease=60, kill_every=5, kills=20, patience=800
                )
            engine.dispose()
            figures = f"{done.killed} | {done.lost} | {done.doubled} | {done.too_fast} | {done.nearest:.2f} s"
            print(
                f"| {name}, 3 workers, {CHANNELS} channels | {done.messages:,} | {done.seconds:.0f} | {figures} |",
                flush=True,
            )


def latency() -> list[float]:
    """Seconds from each webhook to its message."""
    with tempfile.TemporaryDirectory() as folder, ReplayHub(quota=1_000_000) as hub, FakeSlack() as slack:
        workspace = slack.workspace()
        channel = slack.channel(workspace)
        url = f"sqlite:///{folder}/up.db"
        engine = db.make_engine(url)
        migrations.upgrade(engine)
        with db.transaction(engine) as session:
            subscribe(session, SubscriptionCreate("slack", channel.id, "kind:base,unknown"))
        settings = {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "MONITOR_DATABASE_URL": url,
            "MONITOR_HUB_WEBHOOK_SECRET": SECRET,
            "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
            "MONITOR_FEEDS": "",
            "MONITOR_SLACK_API_URL": slack.api_url,
            "MONITOR_SLACK_BOT_TOKEN": workspace.token,
        }
        hub.add(model("x/before"))
        log = Path(folder) / "err.txt"
        with log.open("w") as err:
            process = subprocess.Popen(
                [COMMAND, "up", "--port", "0"], env=settings, stdout=subprocess.DEVNULL, stderr=err
            )
        try:
            until(lambda: "page at http://" in log.read_text(), 60, "its start")
            base = log.read_text().partition("page at ")[2].split("/\n")[0].strip()
            until(lambda: _walked(engine), 120, "the first walk")
            return [_one(hub, base, channel, number) for number in range(ALERTS)]
        finally:
            process.terminate()
            process.wait(10)
            engine.dispose()


def _walked(engine: Engine) -> bool:
    with db.reading(engine) as session:
        row = session.scalars(select(Poll).where(Poll.name == "created")).first()  # type: ignore[arg-type]
    return row is not None and row.succeeded_at is not None


def _one(hub: ReplayHub, base: str, channel: Channel, number: int) -> float:
    # As far apart as a channel's pace asks, at no fixed moment of anybody's beat.
    time.sleep(1.2 + random.random())
    name, before = f"x/new-{number}", len(channel.messages)
    hub.add(model(name))
    began = time.monotonic()
    hub.send_webhook(f"{base}/hooks/hub", repo_id=name, secret=SECRET, action="create", scope="repo")
    until(lambda: len(channel.messages) > before, 30, f"the alert of {name}")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
