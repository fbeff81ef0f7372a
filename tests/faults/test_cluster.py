"""The parts of docker-compose.yml on a real PostgreSQL and Redis, while either and the parts themselves go down."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, func, select, text
from sqlmodel import col

from monitor import db
from monitor.models import Delivery, DeliveryState, Poll, Release, WebhookEvent
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.environment import list_namespaces
from tests.fakes.hub import Call, ReplayHub, model, until
from tests.fakes.receiver import SlowReceiver
from tests.fakes.slack import FakeSlack
from tests.faults.cluster import Cluster
from tests.servers import RedisServer

pytestmark = pytest.mark.slow


class Scene:
    """A cluster that watches and tells a Slack channel, and what came of it."""

    def __init__(self, parts: Cluster, hub: ReplayHub, slack: FakeSlack, database_url: str) -> None:
        self.parts, self.hub, self.slack = parts, hub, slack
        self.engine = db.make_engine(database_url)
        self.wanted: set[str] = set()
        workspace = slack.workspace()
        self.channel = slack.channel(workspace, "releases")
        parts.environment |= {"MONITOR_SLACK_BOT_TOKEN": workspace.token, "MONITOR_SLACK_API_URL": slack.api_url}
        list_namespaces(self.engine)
        with db.transaction(self.engine) as session:
            subscribe(session, SubscriptionCreate("slack", self.channel.id))

    def begin(self, workers: int = 1, beats: int = 1) -> None:
        self.hub.add(model("x/before"))
        for number in range(workers):
            self.parts.start("worker", number + 1)
        for number in range(beats):
            self.parts.start("beat", number + 1)
        until(self._walked, what="the first walks")

    def release(self, *names: str) -> None:
        for name in names:
            self.hub.add(model(name))
        self.wanted |= set(names)

    def settled(self) -> None:
        """Waits until all is notified, and sees that it was sent once."""
        until(lambda: self.sent() >= len(self.wanted), 180, f"{len(self.wanted)} deliveries")
        with db.reading(self.engine) as session:
            query = select(col(Release.repo_id), col(Delivery.state)).join(Release)
            alerts = Counter(name for name, state in session.execute(query) if state == DeliveryState.SENT)
        assert set(alerts) == self.wanted
        assert max(alerts.values()) == 1
        keys = Counter(message["metadata"]["event_payload"]["key"] for message in self.channel.messages)
        assert max(keys.values()) == 1

    def _walked(self) -> bool:
        with db.reading(self.engine) as session:
            rows = {row.name: row.succeeded_at for row in session.scalars(select(Poll))}
        return all(rows.get(name) for name in ("created", "modified"))

    def sent(self) -> int:
        with db.reading(self.engine) as session:
            sent = col(Delivery.state) == str(DeliveryState.SENT)
            return session.scalar(select(func.count()).select_from(Delivery).where(sent)) or 0


@pytest.fixture
def broker(tmp_path: Path):  # type: ignore[no-untyped-def]
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def scene(tmp_path: Path, postgres_engine: Engine, broker: RedisServer):  # type: ignore[no-untyped-def]
    url = postgres_engine.url.render_as_string(hide_password=False)
    with (
        ReplayHub(quota=1_000_000) as hub,
        FakeSlack() as slack,
        Cluster(tmp_path, hub, url, broker.url, migrate=False) as parts,
    ):
        made = Scene(parts, hub, slack, url)
        yield made
        made.engine.dispose()


def test_the_commands_of_compose_work_together_and_stop_when_asked(
    tmp_path: Path, postgres_url: str, broker: RedisServer
) -> None:
    with (
        ReplayHub(quota=1_000_000) as hub,
        FakeSlack() as slack,
        Cluster(tmp_path, hub, postgres_url, broker.url, short=False) as parts,
    ):
        scene = Scene(parts, hub, slack, postgres_url)
        parts.start("web")
        scene.begin()
        scene.release("y/one", "y/two")
        scene.settled()

        def ready() -> bool:
            try:
                with urllib.request.urlopen(f"{parts.url}/readyz", timeout=60) as answer:
                    return bool(json.load(answer)["status"] == "ready")
            except urllib.error.URLError:
                return False

        until(ready, what="readiness")
        with urllib.request.urlopen(f"{parts.url}/metrics", timeout=60) as answer:
            figures = answer.read().decode()
        assert 'hub_monitor_deliveries_total{channel="slack",end="sent"} 2.0' in figures
        assert "hub_monitor_redis_up 1.0" in figures
        assert 'hub_monitor_queue_messages{queue="polls"}' in figures
        for name in ("beat-1", "worker-1", "web-1"):
            assert parts.stop(name) in {0, -15}, parts.log(name)
        said = parts.log("worker-1") + parts.log("beat-1") + parts.log("web-1")
        assert "Traceback" not in said, said[max(0, said.index("Traceback") - 500) :][:4_000]
        lines = [json.loads(line) for line in parts.log("worker-1").splitlines() if line.startswith("{")]
        delivered = [line for line in lines if line["event"] == "delivered"]
        recorded = {line["trace"] for line in lines if line["event"] == "recorded"}
        assert len(delivered) == 2
        for line in delivered:
            # From the look that found it to the message that announced it: one id.
            assert line["trace"] in recorded
            assert line["task"] == "hub.deliver"
        scene.engine.dispose()


def test_two_beats_tell_everything_once_and_poll_no_oftener(scene: Scene) -> None:
    scene.begin(workers=2, beats=2)
    seen, began = len(scene.hub.calls), time.monotonic()
    scene.release(*(f"y/m{number}" for number in range(8)))
    scene.settled()

    def walks() -> list[Call]:
        return [call for call in list(scene.hub.calls)[seen:] if call.params.get("sort") == ["createdAt"]]

    # Another poll may have seen all before this one's turn came.
    until(walks, what="a walk of what is newest")
    # An interval is 1 s, and no poll begins within 0.7 of it after the last one began.
    assert 0 < len(walks()) <= (time.monotonic() - began) / 0.7 + 2


def test_redis_flushed_and_restarted_loses_nothing(scene: Scene, broker: RedisServer) -> None:
    scene.begin()
    scene.release("y/one")
    scene.settled()
    broker.flush()
    scene.release("y/two")
    scene.settled()
    broker.kill()
    scene.release("y/three")
    broker.start()
    scene.release("y/four")
    scene.settled()


def test_workers_and_beat_killed_lose_and_double_nothing(scene: Scene) -> None:
    scene.begin(workers=2)
    for number in range(3):
        scene.release(*(f"y/{number}-{one}" for one in range(3)))
        scene.parts.kill("worker-1")
        scene.parts.start("worker", 1)
        scene.parts.kill("beat-1")
        scene.parts.start("beat", 1)
    scene.settled()


def test_connections_cut_in_the_middle_of_transactions_lose_nothing(scene: Scene) -> None:
    scene.begin()
    cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
               "AND pid <> pg_backend_pid()")  # fmt: skip
    for number in range(4):
        scene.release(f"y/{number}-a", f"y/{number}-b")
        with scene.engine.connect() as connection:
            connection.execute(cut)
    scene.settled()


def test_what_the_web_has_accepted_is_there_though_it_is_killed_at_once(scene: Scene) -> None:
    secret = "of the Hub's webhook"
    scene.parts.environment |= {"MONITOR_HUB_WEBHOOK_SECRET": secret}
    scene.hub.add(model("y/one"))
    accepted = 0

    def post() -> bool:
        nonlocal accepted
        try:
            url = f"{scene.parts.url}/hooks/hub"
            done = scene.hub.send_webhook(url, repo_id="y/one", secret=secret, timeout=60) == 202
        except (OSError, HTTPException):
            return False
        accepted += done
        return done

    for few in (1, 4, 7):
        scene.parts.start("web")
        until(post, what="the first answer")
        with ThreadPoolExecutor(4) as pool:
            posts = [pool.submit(post) for _ in range(40)]
            until(lambda some=posts, few=few: sum(one.done() for one in some) >= few, what="some answers")
            scene.parts.kill("web-1")
    with db.reading(scene.engine) as session:
        kept = session.scalar(select(func.count()).select_from(WebhookEvent)) or 0
    # What was kept but could not be answered any more, the Hub sends again: a hint may come twice.
    assert 3 + 12 <= accepted <= kept <= 3 * 41


def test_a_webhook_reaches_the_receiver_by_web_and_worker_alone(scene: Scene, broker: RedisServer) -> None:
    secret = "of the Hub's webhook"
    scene.parts.environment |= {"MONITOR_HUB_WEBHOOK_SECRET": secret}
    with SlowReceiver() as receiver:
        receiver.let.set()
        with db.transaction(scene.engine) as session:
            subscribe(session, SubscriptionCreate("webhook", receiver.url))
        # No beat runs, so that whatever the worker does the web process has sent.
        scene.parts.start("worker")
        scene.parts.start("web")
        until(lambda: _answers(scene.parts.url), 90, "the web process")
        with redis.Redis.from_url(broker.url) as client:
            until(lambda: client.exists("_kombu.binding.hints"), 90, "the worker")
        scene.hub.add(model("y/one"))
        url = f"{scene.parts.url}/hooks/hub"
        assert scene.hub.send_webhook(url, action="create", scope="repo", repo_id="y/one", secret=secret) == 202
        until(lambda: receiver.ids, 90, "the alert")
        assert [item["release"]["repo_id"] for item in receiver.bodies[0]["data"]["items"]] == ["y/one"]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5):
            return True
    except OSError:
        return False


def test_sigterm_to_the_whole_group_lets_a_message_under_way_be_finished(scene: Scene) -> None:
    with SlowReceiver() as receiver:
        with db.transaction(scene.engine) as session:
            subscribe(session, SubscriptionCreate("webhook", receiver.url))
        scene.begin()
        scene.hub.add(model("y/one"))
        until(lambda: receiver.ids, what="the first request")
        scene.parts.stop_group("worker-1", receiver.let.set)
        scene.parts.start("worker", 2)
        until(lambda: scene.sent() == 2, what="both deliveries")
        assert len(receiver.ids) == 1


def test_a_worker_that_is_cut_off_all_the_same_repeats_under_the_same_id(scene: Scene) -> None:
    with SlowReceiver() as receiver:
        with db.transaction(scene.engine) as session:
            subscribe(session, SubscriptionCreate("webhook", receiver.url))
        scene.begin()
        scene.hub.add(model("y/one"))
        until(lambda: receiver.ids, what="the first request")
        scene.parts.kill("worker-1")
        receiver.let.set()
        scene.parts.start("worker", 2)
        until(lambda: scene.sent() == 2, what="both deliveries")
        assert len(receiver.ids) == 2
        assert len(set(receiver.ids)) == 1
