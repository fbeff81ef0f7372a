"""A token that the Hub refuses: nothing is withdrawn, reading goes on without it, and operators are notified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from monitor import db
from monitor.ingest import webhook_events
from monitor.ingest.hub import webhook as hub_webhook
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import HubRateLimiter, RateLimited
from monitor.ingest.hub.responses import HubError
from monitor.notify import notices, outages
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from monitor.settings import Settings
from tests.cli.test_commands import run
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model
from tests.notify.test_notices import Heard
from tests.web.test_operation import client_of, metrics_of

EXPIRED = 'User Access Token "monitor" is expired'


@pytest.fixture
def signed(env: TestEnv) -> Iterator[TestEnv]:
    """One that reads the Hub with a token, and knows a release; nobody waits to try a refused token again."""
    env.hub.tokens = {"hf_ours": "us"}
    hub = Hub(Settings(hf_endpoint=env.hub.endpoint, hf_token="hf_ours"), env.rate_limiter, recheck=0)
    env.ingest = replace(env.ingest, hub=hub)
    env.subscribe()
    env.begin("Qwen")
    env.hub.add(model("Qwen/Qwen9-8B"))
    env.look("Qwen")
    env.deliver()
    yield env


def _revoke(env: TestEnv) -> None:
    env.hub.tokens = {}


def _webhook(env: TestEnv, action: str, scope: str = "repo.content", **more: Any) -> None:
    repo = {"type": "model", "name": "Qwen/Qwen9-8B", "id": env.release("Qwen/Qwen9-8B").hub_id, "private": False}
    found = hub_webhook.parse_payload({"event": {"action": action, "scope": scope}, "repo": repo, **more}, db.now())
    assert found is not None
    with db.transaction(env.engine) as session:
        session.add(found)
    webhook_events.process_webhook_events(env.ingest)


@pytest.mark.parametrize(
    ("action", "scope"), [("update", "repo.content"), ("update", "repo.config"), ("delete", "repo")]
)
@pytest.mark.parametrize("says", ["Invalid credentials in Authorization header", EXPIRED])
def test_a_webhook_while_the_token_is_refused_withdraws_nothing(
    signed: TestEnv, action: str, scope: str, says: str
) -> None:
    _revoke(signed)
    signed.hub.bad_credentials = says
    _webhook(signed, action, scope)
    signed.deliver()
    assert signed.release("Qwen/Qwen9-8B").status == "live"
    assert signed.channel.alerts == [("release", "Qwen/Qwen9-8B")]


def test_what_is_gone_is_withdrawn_while_the_token_is_refused(signed: TestEnv) -> None:
    _revoke(signed)
    signed.hub.delete("Qwen/Qwen9-8B")
    _webhook(signed, "delete", "repo")
    signed.deliver()
    assert signed.channel.alerts == [("release", "Qwen/Qwen9-8B"), ("withdrawn", "Qwen/Qwen9-8B")]


def test_a_valid_token_is_sent_404_of_what_is_gone(signed: TestEnv) -> None:
    signed.hub.delete("Qwen/Qwen9-8B")
    signed.look("Qwen")
    assert signed.release("Qwen/Qwen9-8B").status == "gone"


def test_reading_goes_on_while_the_token_is_refused(signed: TestEnv) -> None:
    _revoke(signed)
    signed.hub.add(model("google/gemma-9-32b"))
    signed.look("Qwen")
    signed.look("Qwen")
    signed.deliver()
    assert signed.channel.alerts == [("release", "Qwen/Qwen9-8B"), ("release", "google/gemma-9-32b")]
    assert {row.status for row in signed.releases().values()} == {"live"}


@pytest.mark.parametrize("kind", [401, 404])
@pytest.mark.parametrize("token", [None, "hf_ours"])
def test_a_401_or_404_that_is_not_about_the_repository_withdraws_nothing(
    signed: TestEnv, kind: int, token: str | None
) -> None:
    """A proxy, a mirror or an address that is written wrong answers so."""
    signed.ingest = replace(
        signed.ingest, hub=Hub(Settings(hf_endpoint=signed.hub.endpoint, hf_token=token), signed.rate_limiter)
    )
    signed.hub.fail(kind, times=None, path_prefix="/api/models/")
    with pytest.raises(HubError):
        signed.ingest.hub.detail("Qwen/Qwen9-8B")
    _webhook(signed, "update")
    assert signed.release("Qwen/Qwen9-8B").status == "live"


def test_a_refused_token_is_said_everywhere_until_it_is_accepted_again(signed: TestEnv) -> None:
    with db.transaction(signed.engine) as session:
        subscribe(session, SubscriptionCreate("kept", "operators", operator=True))
    channel, client = Heard(), client_of(signed)

    def look() -> None:
        signed.look("Qwen")
        outages.notify_operators(signed.engine, signed.ingest.hub_interval)
        notices.send_notices(signed.engine, {"kept": channel})

    look()
    assert client.get("/readyz").json()["token_refused"] is None
    assert "HF_TOKEN" not in client.get("/status").text
    tokens = signed.hub.tokens
    _revoke(signed)
    look()
    look()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert "The Hub has refused HF_TOKEN since" in ready.json()["token_refused"]["message"]
    assert "Invalid credentials in Authorization header" in ready.json()["token_refused"]["message"]
    assert "The Hub has refused HF_TOKEN since" in client.get("/status").text
    assert metrics_of(client)["hub_monitor_silent_sources", "token"] == 1
    since = ready.json()["token_refused"]["since"]
    look()
    assert client.get("/readyz").json()["token_refused"]["since"] == since
    (said,) = channel.said
    assert said[1].startswith("The Hub has refused HF_TOKEN since")
    signed.hub.tokens = tokens
    look()
    look()
    assert client.get("/readyz").json()["token_refused"] is None
    assert "HF_TOKEN" not in client.get("/status").text
    assert [text.partition(";")[0] for _, text, _ in channel.said[1:]] == [
        "The Hub accepts HF_TOKEN again, or none is set any more"
    ]


def test_doctor_says_that_the_token_is_refused_and_that_reading_goes_on() -> None:
    with ReplayHub(tokens={"hf_right": "me"}) as hub:
        done = run("doctor", HF_ENDPOINT=hub.endpoint, HF_TOKEN="hf_wrong")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Hub:")]
    assert "Invalid credentials in Authorization header" in line
    assert "read without a token" in line
    assert "hf_wrong" not in done.stdout + done.stderr


def test_a_refused_token_is_tried_again_only_after_a_while(hub: ReplayHub) -> None:
    hub.tokens = {}
    asked = Hub(Settings(hf_endpoint=hub.endpoint, hf_token="hf_ours"), HubRateLimiter(400))
    for _ in range(5):
        asked.ping()
    assert hub.requests == 6
    assert asked.credentials.refused == "Invalid credentials in Authorization header"


def test_without_a_token_the_hubs_anonymous_limit_holds() -> None:
    with ReplayHub(quota=500, user_quota=1_000, tokens={}) as hub:
        rate_limiter = HubRateLimiter(900)
        asked = Hub(Settings(hf_endpoint=hub.endpoint, hf_token="hf_ours"), rate_limiter)
        with pytest.raises(RateLimited):
            for _ in range(1_000):
                asked.ping()
        assert hub.refused == 0
        assert 480 <= hub.requests <= 500
