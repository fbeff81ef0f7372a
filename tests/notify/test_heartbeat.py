"""The heartbeat: requested after a healthy round, silent after any other, and in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from monitor.enums import Via
from monitor.ingest import polls
from monitor.ingest.hub.responses import HubError
from monitor.service import Service
from monitor.settings import Settings, SettingsError, load
from tests.console import run
from tests.environment import TestEnv
from tests.fakes.feeds import FeedServer
from tests.fakes.hub import ReplayHub, model

SECRET = "b8c5c1de-ping"
PATH = f"/{SECRET}"


@pytest.fixture
def receiver() -> Iterator[FeedServer]:
    with FeedServer() as server:
        server.put(PATH, "OK", content_type="text/plain")
        yield server


def _service(env: TestEnv, url: str | None) -> Service:
    service = Service(Settings(hub_interval=60, heartbeat_url=url, hf_endpoint=env.hub.endpoint))  # type: ignore[arg-type]
    service.__dict__["engine"] = env.engine
    return service


def _round(env: TestEnv) -> None:
    for via in (Via.CREATED, Via.MODIFIED):
        with suppress(HubError):
            polls.poll(env.ingest, via)


def test_a_healthy_round_requests_the_address_once(env: TestEnv, receiver: FeedServer) -> None:
    service = _service(env, receiver.url(PATH))
    assert service.heartbeat() is False, "there has been no round yet"
    _round(env)
    assert service.heartbeat() is True
    assert [(asked.method, asked.path) for asked in receiver.asked] == [("GET", PATH)]


@pytest.mark.parametrize("via", [Via.CREATED, Via.MODIFIED])
def test_a_round_in_which_a_poll_failed_requests_nothing(env: TestEnv, receiver: FeedServer, via: Via) -> None:
    service = _service(env, receiver.url(PATH))
    _round(env)
    env.hub.fail(503, times=None)
    with pytest.raises(HubError):
        polls.poll(env.ingest, via)
    assert service.heartbeat() is False
    env.hub.heal()
    _round(env)
    assert service.heartbeat() is True
    assert receiver.count(PATH) == 1


def test_half_a_round_requests_nothing(env: TestEnv, receiver: FeedServer) -> None:
    polls.poll(env.ingest, Via.CREATED)
    assert _service(env, receiver.url(PATH)).heartbeat() is False
    assert receiver.asked == []


def test_without_an_address_nothing_is_requested(env: TestEnv) -> None:
    _round(env)
    assert _service(env, None).heartbeat() is False


@pytest.mark.parametrize("trouble", ["500", "404", "endless", "nobody there", "no such host"])
def test_a_heartbeat_that_fails_is_logged_without_its_secret_and_raises_nothing(
    env: TestEnv, receiver: FeedServer, trouble: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = {
        "500": lambda: receiver.fail(PATH, 500),
        "404": lambda: receiver.fail(PATH, 404),
        "endless": lambda: receiver.endless(PATH, b"x" * 65_536),
        "nobody there": lambda: f"http://127.0.0.1:1{PATH}",
        "no such host": lambda: f"http://nowhere.invalid{PATH}",
    }[trouble]()
    _round(env)
    assert _service(env, url).heartbeat() is False
    said = "".join(capsys.readouterr())
    assert "heartbeat failed" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "url", ["ftp://a.example/x", "a.example/x", "http:///x", "http://[::1/x", "http://a.example:99999/x"]
)
def test_an_address_that_cannot_be_requested_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MONITOR_HEARTBEAT_URL", url)
    with pytest.raises(SettingsError, match="MONITOR_HEARTBEAT_URL") as caught:
        load()
    assert "/x" not in str(caught.value)


def test_an_empty_address_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_HEARTBEAT_URL", "")
    assert load().heartbeat_url is None


def test_doctor_names_the_host_and_not_the_secret(receiver: FeedServer) -> None:
    with ReplayHub() as hub:
        done = run("doctor", HF_ENDPOINT=hub.endpoint, MONITOR_HEARTBEAT_URL=receiver.url(PATH))
    assert "heartbeat: ok, 127.0.0.1 is requested" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert receiver.asked == [], "a check is no healthy round"


def test_one_pass_in_the_foreground_is_a_round(receiver: FeedServer) -> None:
    with ReplayHub() as hub:
        hub.add(model("x/one"))
        run("poll", "--source", "hub", HF_ENDPOINT=hub.endpoint, MONITOR_HEARTBEAT_URL=receiver.url(PATH),
            MONITOR_HUB_REQUESTS_PER_WINDOW="20")  # fmt: skip
        assert receiver.count(PATH) == 1
        hub.fail(503, times=None)
        run("poll", "--source", "hub", HF_ENDPOINT=hub.endpoint, MONITOR_HEARTBEAT_URL=receiver.url(PATH))
        assert receiver.count(PATH) == 1
