"""The administration of subscriptions over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine

from monitor.notify import triggers
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app

PATH = "/api/v1/subscriptions"


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    """Settings with an admin token."""
    return Settings(database_url=sqlite_url, admin_token=SecretStr("open sesame"), secret_key=SecretStr("k"))


@pytest.fixture
def admin(settings: Settings, sqlite_engine: Engine) -> Iterator[TestClient]:
    """The administrator."""
    service = Service(settings)
    with TestClient(create_app(service), headers={"Authorization": "Bearer open sesame"}) as client:
        yield client
    service.dispose()


def test_from_making_to_removing(admin: TestClient) -> None:
    wish = {"channel": "slack", "target": "C0123ABC", "filter": "kind:base origin:cn", "digest": "daily"}
    made = admin.post(PATH, json=wish)
    assert made.status_code == 201
    ident = made.json()["id"]
    assert made.json()["filter"] == "kind:base origin:CN"
    assert admin.post(PATH, json=wish).json()["id"] == ident
    assert [one["id"] for one in admin.get(PATH).json()["items"]] == [ident]
    changed = admin.patch(f"{PATH}/{ident}", json={"filter": "", "paused": True, "timezone": "Europe/Paris"})
    assert changed.json() | {"filter": "", "paused": True, "timezone": "Europe/Paris"} == changed.json()
    assert admin.patch(f"{PATH}/{ident}", json={"paused": False}).json()["paused_because"] is None
    assert admin.delete(f"{PATH}/{ident}").status_code == 204
    assert admin.get(f"{PATH}/{ident}").status_code == 404


def test_a_trigger_is_made_changed_and_shown_with_its_state(admin: TestClient, sqlite_engine: Engine) -> None:
    when = "share(origin:CN, kind:base, 30d) >= 80%"
    made = admin.post(PATH, json={"channel": "slack", "target": "C0123ABC", "when": f" {when} "})
    assert made.status_code == 201
    shown = made.json()
    assert (shown["when"], shown["filter"]) == (when, "")
    assert shown["description"].startswith("among releases of the last 30 days where the kind is original")
    assert shown["trigger"] == {"crossed": None, "evaluated_at": None, "message": "not evaluated yet"}
    triggers.evaluate(sqlite_engine, "https://monitor.example")
    state = admin.get(f"{PATH}/{shown['id']}").json()["trigger"]
    assert "0 releases are too few for a share" in state["message"] and state["evaluated_at"] is not None
    changed = admin.patch(f"{PATH}/{shown['id']}", json={"when": "count(7d) > 1000"}).json()
    assert (changed["when"], changed["id"]) == ("count(7d) > 1K", shown["id"])
    other = admin.post(PATH, json={"channel": "slack", "target": "C0123ABC", "filter": "kind:base"}).json()
    assert (other["when"], other["trigger"], other["description"]) == (
        None, None, "releases where the kind is original",
    )  # fmt: skip
    assert admin.patch(f"{PATH}/{other['id']}", json={"when": when}).status_code == 422


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"when": "share(orign:CN, 30d) > 80%"}, "column 7: unknown field 'orign'"),
        ({"when": "count(7d) > 1", "filter": "kind:base"}, "either a filter or a trigger"),
        ({"when": "x" * 2_001}, "2000 characters"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_by_its_name(admin: TestClient, wish: dict[str, str], message: str) -> None:
    refused = admin.post(PATH, json={"channel": "slack", "target": "C0123ABC"} | wish)
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "when"
    assert message in refused.json()["error"]["message"]


def test_a_webhooks_secret_is_shown_to_the_administrator(admin: TestClient) -> None:
    made = admin.post(PATH, json={"channel": "webhook", "target": "https://a.example/"}).json()
    assert made["secret"].startswith("whsec_")
    assert "secret" not in admin.post(PATH, json={"channel": "terminal", "target": "x"}).json()


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"channel": "pigeon", "target": "x"}, None),
        ({"channel": "slack", "target": "releases"}, "target"),
        ({"channel": "terminal", "target": "x", "filter": "kind:nonsense"}, "q"),
        ({"channel": "terminal", "target": "x", "timezone": "Mars/Olympus"}, "timezone"),
        ({"channel": "terminal", "target": "x", "hour": 24}, "hour"),
        ({"channel": "terminal", "target": "x", "colour": "red"}, "colour"),
        ({"channel": "terminal", "target": ""}, "target"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(admin: TestClient, wish: dict[str, Any], field: str | None) -> None:
    answer = admin.post(PATH, json=wish)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert admin.get(PATH).json()["items"] == []


def test_without_the_token_nothing_is_shown(settings: Settings, admin: TestClient) -> None:
    for value in ("", "Bearer wrong", "open sesame"):
        assert admin.get(PATH, headers={"Authorization": value}).status_code == 401
    closed = TestClient(create_app(Service(settings.model_copy(update={"admin_token": None}))))
    answer = closed.get(PATH, headers={"Authorization": "Bearer open sesame"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
