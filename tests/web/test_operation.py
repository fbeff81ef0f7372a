"""What those who operate it see: health, readiness, metrics, headers and ids."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from monitor import db
from monitor.channels.base import Channel
from monitor.enums import QUEUES, Precision, Via
from monitor.ingest import sweeps
from monitor.models import RepositoryFile, WebhookEvent
from monitor.notify import outbox
from monitor.notify.message import Message, SendError
from monitor.releases.outages import POLLS
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.conftest import ROOT
from tests.environment import TestEnv
from tests.fakes.hub import model

DEPLOY = ROOT / "deploy"


HINT: dict[str, Any] = {
    "event": {"action": "update", "scope": "repo.config"},
    "repo": {"id": "1", "type": "model", "name": "y/hinted", "private": False, "owner": {"id": "1"}},
    "webhook": {"id": "w", "version": 3},
}
"""What the Hub sends of a change."""


def client_of(env: TestEnv, **settings: object) -> TestClient:
    """The web over an environment's database."""
    service = Service(Settings(**{"hub_interval": 60, "hub_webhook_secret": "s3cret", **settings}))  # type: ignore[arg-type]
    service.__dict__["engine"] = env.engine
    return TestClient(create_app(service), raise_server_exceptions=False)


def metrics_of(client: TestClient) -> dict[tuple[str, ...], float]:
    """Every sample: (name, label values…) to value."""
    text = client.get("/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def notified(env: TestEnv) -> TestEnv:
    """An environment that has sent one release."""
    env.hub.add(model("x/before"))
    env.begin("Qwen")
    env.subscribe()
    env.hub.add(model("y/new"))
    env.look()
    env.deliver()
    return env


def test_ready_only_while_the_hub_is_polled(notified: TestEnv) -> None:
    client = client_of(notified)
    assert client.get("/readyz").json()["status"] == "ready"
    with time_machine.travel(db.now() + timedelta(seconds=170), tick=True):
        assert client.get("/readyz").status_code == 200
    with time_machine.travel(db.now() + timedelta(seconds=190), tick=True):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            503,
            "no successful poll of created, modified for 180 s",
        )
        assert client.get("/healthz").status_code == 200


def test_not_ready_without_any_sign_of_a_running_monitor(env: TestEnv) -> None:
    assert client_of(env).get("/readyz").status_code == 503


def test_ready_before_the_first_poll_for_three_intervals_only(env: TestEnv) -> None:
    # A poll that is not due yet is no outage: a monitor that has just started is ready, and its coverage says the rest.
    sweeps.watch(env.ingest, ["Qwen"])
    client = client_of(env)
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["coverage"]["state"] == "partial"
    with time_machine.travel(db.now() + timedelta(seconds=190), tick=True):
        assert client.get("/readyz").status_code == 503
        assert client.get("/api/v1/coverage").json()["state"] == "blind"


def test_not_ready_on_tables_of_another_version(notified: TestEnv) -> None:
    with notified.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'other'")
    answer = client_of(notified).get("/readyz")
    assert (answer.status_code, "other" in answer.text) == (503, True)


def test_a_database_that_is_down_is_said_and_no_traceback(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody:secret@127.0.0.1:1/none"
    client = TestClient(create_app(Service(Settings(database_url=url, secret_key="k"))), raise_server_exceptions=False)
    for path in ("/readyz", "/api/v1/releases"):
        answer = client.get(path)
        assert (answer.status_code, "secret" in answer.text) == (503, False)
    assert client.get("/healthz").status_code == 200
    assert metrics_of(client)["hub_monitor_database_up",] == 0


def test_what_was_seen_and_sent_is_counted(notified: TestEnv) -> None:
    found = metrics_of(client_of(notified))
    assert found["hub_monitor_releases_seen_total", "created"] == 1
    assert found["hub_monitor_releases_seen_total", "history"] == 1
    assert found["hub_monitor_deliveries_total", "kept", "sent"] == 1
    assert found["hub_monitor_detection_delay_seconds_count", "window"] == 1
    assert found["hub_monitor_delivery_delay_seconds_count", "kept"] == 1
    assert found["hub_monitor_poll_success_age_seconds", "created"] < 60
    assert found["hub_monitor_database_up",] == 1
    assert found["hub_monitor_hub_allowance_left_requests",] == 400
    assert found["hub_monitor_hub_file_allowance_requests",] == 700
    assert found["hub_monitor_hub_file_allowance_left_requests",] == 700
    assert {found["hub_monitor_repository_files", state] for state in ("waiting", "failing", "given up")} == {0}


def test_a_label_that_is_known_beforehand_has_a_value_from_the_first_start(env: TestEnv) -> None:
    client = client_of(env)
    found = metrics_of(client)
    channels = client.app.state.service.channels  # type: ignore[attr-defined]
    assert "webhook" in channels
    for channel in channels:
        assert {found["hub_monitor_deliveries_total", channel, end] for end in ("sent", "failed", "dead")} == {0}
        assert found["hub_monitor_deliveries_due", channel] == 0
        assert found["hub_monitor_oldest_delivery_age_seconds", channel] == 0
        assert [found["hub_monitor_subscriptions", channel, state] for state in SUBSCRIPTION_STATES] == [0, 0, 0]
        assert found["hub_monitor_delivery_delay_seconds_count", channel] == 0
        assert found["hub_monitor_delivery_delay_seconds_bucket", channel, "+Inf"] == 0
    for via in (*Via, "history"):
        assert found["hub_monitor_releases_seen_total", str(via)] == 0
    for precision in Precision:
        assert found["hub_monitor_detection_delay_seconds_sum", str(precision)] == 0
    for queue in QUEUES:
        assert found["hub_monitor_queue_messages", queue] == 0
    # There has been none: as long ago as a number can say.
    assert [found["hub_monitor_poll_success_age_seconds", name] for name in POLLS] == [math.inf] * 3
    # Every family has samples, but for the comparisons that nobody has made.
    text = client.get("/metrics").text
    empty = {family.name for family in text_string_to_metric_families(text) if not family.samples}
    assert empty == {"hub_monitor_comparison_recall", "hub_monitor_comparison_median_lag_seconds"}


SUBSCRIPTION_STATES = ("active", "paused", "unconfirmed")


def test_files_that_were_given_up_are_counted_and_named(notified: TestEnv) -> None:
    with db.transaction(notified.engine) as session:
        session.add_all(
            RepositoryFile(
                hub_id=f"id{number}", path="config.json", repo_id=f"y/<b>{number}", commit="c", state="failed",
                message="503: busy", failures=10 if number else 0, due_at=None,
            )
            for number in range(3)
        )  # fmt: skip
    client = client_of(notified)
    assert metrics_of(client)["hub_monitor_repository_files", "given up"] == 2
    page = client.get("/status").text
    assert "<dt>Repository files given up</dt><dd>2</dd>" in page
    assert "y/&lt;b&gt;1" in page
    assert "503: busy" in page
    assert "y/&lt;b&gt;0" not in page


def test_what_waits_has_an_age(notified: TestEnv) -> None:
    notified.hub.add(model("y/waits"))
    notified.look()
    with time_machine.travel(db.now() + timedelta(seconds=100), tick=True):
        found = metrics_of(client_of(notified))
    assert found["hub_monitor_deliveries_due", "kept"] == 1
    assert 99 < found["hub_monitor_oldest_delivery_age_seconds", "kept"] < 130


def test_failed_and_dead_deliveries_are_counted_apart(notified: TestEnv) -> None:
    class Refusing(Channel):
        name = "kept"

        def send(self, message: Message) -> str:
            raise SendError("no", permanent=True)

    notified.hub.add(model("y/refused"))
    notified.look()
    outbox.send_due(notified.engine, {"kept": Refusing()})
    assert metrics_of(client_of(notified))["hub_monitor_deliveries_total", "kept", "dead"] == 1


def test_failing_polls_are_counted_by_the_rule_of_readiness(notified: TestEnv) -> None:
    # No operator needs to have been notified of them: the alert rule has a delay of its own.
    for seconds, ready in ((170, 200), (190, 503)):
        with time_machine.travel(db.now() + timedelta(seconds=seconds), tick=True):
            client = client_of(notified)
            assert client.get("/readyz").status_code == ready
            failing = metrics_of(client)["hub_monitor_silent_sources", "poll"]
            assert failing == (2 if ready == 503 else 0)


def named(text: str) -> set[str]:
    return set(re.findall(r"\bhub_monitor_\w+", text))


def test_every_metric_that_a_panel_or_an_alert_names_exists(notified: TestEnv) -> None:
    notified.hub.add(model("y/waits"))
    notified.look()
    exist = {key[0] for key in metrics_of(client_of(notified))} | {"hub_monitor_queue_messages", "hub_monitor_redis_up"}
    board = json.loads((DEPLOY / "grafana" / "hub-monitor.json").read_text())
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    shown = named(json.dumps(board["panels"]))
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len(shown) > 10
    assert len(alerts) > 6
    assert shown | named(json.dumps(alerts)) <= exist
    states = {key[1] for key in metrics_of(client_of(notified)) if key[0] == "hub_monitor_repository_files"}
    selected = {found for rule in alerts for found in re.findall(r'repository_files{state="([^"]+)"', rule["expr"])}
    assert selected and selected <= states
    for rule in alerts:
        assert {"alert", "expr", "for", "labels", "annotations"} <= set(rule)


def test_names_keep_to_the_conventions(notified: TestEnv) -> None:
    for family in text_string_to_metric_families(client_of(notified).get("/metrics").text):
        assert family.documentation.endswith(".") or not family.name.startswith("hub_monitor")
        assert not (family.name.startswith("hub_monitor") and family.name.endswith(("_ms", "_count", "_sum")))


def test_a_request_has_an_id_that_goes_on_with_what_it_brings(notified: TestEnv) -> None:
    client = client_of(notified)
    sent = {"X-Webhook-Secret": "s3cret", "X-Request-ID": "from-the-proxy-1"}
    answer = client.post("/hooks/hub", json=HINT, headers=sent)
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (202, "from-the-proxy-1")
    with db.reading(notified.engine) as session:
        assert session.scalars(select(WebhookEvent)).one().trace == "from-the-proxy-1"
    assert client.get("/healthz", headers={"X-Request-ID": "x\n"}).headers["X-Request-ID"] != "x"


def test_the_hubs_webhook_is_taken_with_its_secret_alone_and_where_it_can_be_read(notified: TestEnv) -> None:
    client = client_of(notified)

    def sent(body: object, **headers: str) -> tuple[int, str]:
        answer = client.post("/hooks/hub", json=body, headers=headers)
        return answer.status_code, answer.json().get("error", {}).get("message", answer.json().get("status"))

    right = {"X-Webhook-Secret": "s3cret"}
    assert sent(HINT) == sent(HINT, **{"X-Webhook-Secret": "s3creT"})
    assert sent(HINT)[0] == 401 and "X-Webhook-Secret" in sent(HINT)[1]
    code, says = sent(HINT | {"repo": "y/hinted"}, **right)
    assert code == 422 and says.startswith("repo: ")
    dataset = HINT["repo"] | {"type": "dataset"}
    assert sent(HINT | {"repo": dataset}, **right) == (202, "ignored")
    with db.reading(notified.engine) as session:
        assert session.scalars(select(WebhookEvent)).all() == []
    assert sent(HINT, **right) == (202, "accepted")
    closed = client_of(notified, hub_webhook_secret=None).post("/hooks/hub", json=HINT, headers=right)
    assert closed.status_code == 403 and "MONITOR_HUB_WEBHOOK_SECRET" in closed.json()["error"]["message"]


def test_headers_say_what_a_page_may_do(notified: TestEnv) -> None:
    plain, behind = client_of(notified), client_of(notified, public_url="https://releases.example.org")
    answer = plain.get("/")
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Strict-Transport-Security" not in answer.headers
    assert behind.get("/").headers["Strict-Transport-Security"].startswith("max-age=31536000")
