"""Audits, stacks and badges over HTTP."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine, update
from sqlmodel import col

from monitor import db
from monitor.models import Stack, StackMember
from monitor.notify.stacks import ANONYMOUS_KEPT_FOR, remove_forgotten_stacks
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from monitor.web.audits import MAX_BODY_BYTES, MAX_MODELS, STACKS_PER_HOUR
from tests.audit.history import fill

SAMPLES = Path(__file__).parent.parent / "audit" / "samples"
POLICY = (SAMPLES.parent / "policy.toml").read_text()
TOKEN = {"Authorization": "Bearer open sesame"}


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    fill(engine)
    url = engine.url.render_as_string(hide_password=False)
    keys = {"secret_key": SecretStr("k" * 40), "admin_token": SecretStr("open sesame")}
    service = Service(Settings(database_url=url, requests_per_minute=0, **keys))
    with TestClient(create_app(service), follow_redirects=False) as made:
        yield made
    service.dispose()


def lines(client: TestClient, **wanted: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/v1/audit", json=wanted)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_documents_are_audited_a_line_each_with_a_summary_last(client: TestClient) -> None:
    compose = {"name": "compose.yaml", "text": (SAMPLES / "compose.yaml").read_text()}
    *entries, last = lines(client, documents=[compose], ids=["acme/tuned"], policy=POLICY)
    by_name = {one["model"]: one for one in entries}
    assert by_name["acme/tuned"]["findings"][0]["rule"] == "watch-out"
    assert by_name["Qwen/Qwen3-8B"]["places"] == [{"source": "compose.yaml", "line": 4, "text": "Qwen/Qwen3-8B"}]
    assert by_name["/models/house-brand.gguf"]["state"] == "unresolved"
    assert last["summary"]["models"] == len(entries)
    assert last["summary"]["violations"] == 2
    assert last["unreadable"] == []


def test_sarif_over_http(client: TestClient) -> None:
    answer = client.post("/api/v1/audit", json={"ids": ["Qwen/Qwen3-8B"], "policy": POLICY, "format": "sarif"})
    assert answer.headers["content-type"] == "application/sarif+json"
    assert answer.json()["runs"][0]["results"][0]["ruleId"] == "no-chinese-foundation"


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        ({"ids": ["a/b"], "policy": "[[rule]]\nid = 'a'\n"}, 422, "policy of the request, line 1, column 1"),
        ({"ids": ["a/b"] * (MAX_MODELS + 1)}, 422, f"at most {MAX_MODELS}"),
        (
            {"documents": [{"text": "\n".join(f"a/b{n}" for n in range(MAX_MODELS + 1))}]},
            422,
            "send the documents apart",
        ),
        ({"colour": "red"}, 422, "Extra inputs are not permitted"),
        ({"documents": [{"text": "x" * MAX_BODY_BYTES}]}, 413, "bytes"),
    ],
    ids=["policy", "ids", "models", "key", "size"],
)
def test_what_cannot_be_audited_is_refused(client: TestClient, wanted: dict[str, Any], code: int, words: str) -> None:
    answer = client.post("/api/v1/audit", json=wanted)
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (code, True), answer.text


def test_a_damaged_document_is_named_and_the_others_are_read(client: TestClient) -> None:
    entry, last = lines(client, documents=[{"name": "a.yaml", "text": "a: [1"}, {"text": "acme/gone\n"}])
    assert entry["model"] == "acme/gone"
    assert last["unreadable"][0]["source"] == "a.yaml"


# --- the page ---------------------------------------------------------------------------------------------


def test_the_page_shows_the_result_and_keeps_nothing(client: TestClient, engine: Engine) -> None:
    assert "<h1>Audit the models you run</h1>" in client.get("/audit").text
    given = {"text": "acme/tuned\nhouse-brand\n", "policy": POLICY}
    uploads = [
        ("files", ("Modelfile", b"FROM llama3.1:8b\n")),
        ("files", ("<script>alert(1)</script>.yaml", b"model: '<script>alert(1)</script>/x'\n")),
    ]
    answer = client.post("/audit", data=given, files=uploads)
    assert answer.status_code == 200, answer.text
    assert "declares apache-2.0 (permissive), and is built on" in answer.text
    assert "Modelfile:1" in answer.text
    assert "permissive: required: the licence is permissive (waived until 2030-01-01)" in answer.text
    assert "<script>alert(1)" not in answer.text
    with engine.connect() as connection:
        for table in (Stack, StackMember):
            assert not connection.exec_driver_sql(f"SELECT 1 FROM {table.__tablename__}").all()


@pytest.mark.parametrize(
    ("given", "words"), [({}, "Paste a text, or choose a file."), ({"text": "a/b", "policy": "x"}, "policy of the")]
)
def test_the_page_says_what_is_missing(client: TestClient, given: dict[str, str], words: str) -> None:
    answer = client.post("/audit", data=given)
    assert answer.status_code == 422
    assert words in answer.text


def models_of(text: str) -> str:
    found = re.search(r'<textarea name="models" hidden>(.*?)</textarea>', text, re.DOTALL)
    assert found
    return html.unescape(found[1])


def test_the_page_saves_what_it_audited_as_a_stack_and_leads_to_its_link(client: TestClient, engine: Engine) -> None:
    uploads = [("files", ("compose.yaml", (SAMPLES / "compose.yaml").read_bytes()))]
    text = client.post("/audit", data={"text": "acme/tuned@abc123\nhouse-brand\n"}, files=uploads).text
    assert "acme/tuned@abc123" in models_of(text).splitlines()
    answer = client.post("/audit/stack", data={"name": "prod", "models": models_of(text)})
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    shown = client.get(answer.headers["location"])
    assert shown.headers["cache-control"] == "no-store"
    assert "acme/tuned" in shown.text
    assert "Bookmark it: the link is shown nowhere else." in shown.text
    (stack,) = client.get("/api/v1/stacks", headers=TOKEN).json()["items"]
    assert re.fullmatch(r"prod-[0-9a-f]{6}", stack["name"])
    assert stack["link"].endswith(answer.headers["location"])
    assert {one["repo_id"] for one in stack["models"]} >= {"acme/tuned", "Qwen/Qwen3-8B"}
    again = client.post("/audit/stack", data={"name": "prod", "models": models_of(text)})
    assert again.headers["location"] != answer.headers["location"]  # nobody takes over a stack by its name


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "prod", "models": ""}, "no repository was found"),
        ({"name": "", "models": "a/b"}, "expected, at most 60"),
        ({"name": "<b>", "models": "a/b"}, "expected, at most 60"),
        ({"name": "n" * 41, "models": "a/b"}, "at most 40 characters"),
        ({"name": "prod", "models": "\n".join(["a/b"] * (MAX_MODELS + 1))}, "At most 2,000 models"),
        ({"name": "prod", "models": "x" * 301}, "At most 2,000 models"),
    ],
)
def test_what_is_no_stack_is_refused_on_the_page(client: TestClient, given: dict[str, str], words: str) -> None:
    answer = client.post("/audit/stack", data=given)
    assert answer.status_code == 422
    assert words in answer.text
    assert "<b>" not in answer.text
    assert client.get("/api/v1/stacks", headers=TOKEN).json()["items"] == []


def test_anonymous_stacks_are_bounded_and_leave_room_for_the_operator(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"name": "prod", "models": "acme/tuned"}
    assert client.post("/audit/stack", data=wanted, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    monkeypatch.setattr("monitor.notify.stacks.MAX_ANONYMOUS_STACKS", 1)
    assert client.post("/audit/stack", data=wanted).status_code == 303
    full = client.post("/audit/stack", data=wanted)
    assert full.status_code == 422
    assert "its operator can save one" in full.text
    assert saved(client, "acme/tuned")["version"] == 1
    monkeypatch.undo()
    codes = [client.post("/audit/stack", data=wanted).status_code for _ in range(STACKS_PER_HOUR)]
    assert codes.count(303) == STACKS_PER_HOUR - 2
    assert codes[-1] == 429


def test_a_forgotten_anonymous_stack_is_removed_and_a_watched_one_stays(client: TestClient, engine: Engine) -> None:
    for name in ("old", "watched", "new"):
        client.post("/audit/stack", data={"name": name, "models": "acme/tuned"})
    saved(client, "acme/tuned")
    names = [one["name"] for one in client.get("/api/v1/stacks", headers=TOKEN).json()["items"]]
    watched = next(name for name in names if name.startswith("watched-"))
    subscription = {"channel": "webhook", "target": "https://example.com/x", "stack": watched}
    assert client.post("/api/v1/subscriptions", json=subscription, headers=TOKEN).status_code == 201
    past = db.now() - ANONYMOUS_KEPT_FOR - timedelta(days=1)
    with db.transaction(engine) as session:
        old = col(Stack.name).not_like("new-%")
        session.execute(update(Stack).where(old).values(updated_at=past))
        assert remove_forgotten_stacks(session) == 1
    left = [one["name"] for one in client.get("/api/v1/stacks", headers=TOKEN).json()["items"]]
    assert [name.partition("-")[0] for name in left] == ["new", "prod", "watched"]


# --- stacks -----------------------------------------------------------------------------------------------


def saved(client: TestClient, *ids: str) -> dict[str, Any]:
    answer = client.put("/api/v1/stacks/prod", json={"ids": list(ids)}, headers=TOKEN)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_stacks_are_made_shown_updated_and_removed(client: TestClient) -> None:
    assert saved(client, "acme/tuned", "house-brand") == {
        "name": "prod", "version": 1, "models": 1, "watched": 2, "unresolved": 1, "added": ["acme/tuned"],
        "removed": [], "unreadable": [],
    }  # fmt: skip
    assert saved(client, "acme/gone")["removed"] == ["acme/tuned"]
    (listed,) = client.get("/api/v1/stacks", headers=TOKEN).json()["items"]
    assert (listed["name"], listed["version"]) == ("prod", 2)
    shown = client.get("/api/v1/stacks/prod", headers=TOKEN).json()
    assert [one["repo_id"] for one in shown["watched"]] == ["acme/gone"]
    assert client.delete("/api/v1/stacks/prod", headers=TOKEN).status_code == 204
    assert client.get("/api/v1/stacks/prod", headers=TOKEN).status_code == 404
    assert client.delete("/api/v1/stacks/prod", headers=TOKEN).status_code == 404


def test_the_api_subscribes_to_a_stack(client: TestClient) -> None:
    saved(client, "acme/tuned")
    wish = {"channel": "webhook", "target": "https://hooks.example/x", "stack": "prod"}
    made = client.post("/api/v1/subscriptions", json=wish, headers=TOKEN)
    assert (made.status_code, made.json()["when"], made.json()["trigger"]) == (201, "stack(prod)", None)
    refused = client.post("/api/v1/subscriptions", json=wish | {"stack": "other"}, headers=TOKEN)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "stack")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_without_the_token_nothing_is_done(client: TestClient, method: str) -> None:
    for path in ("/api/v1/stacks/prod", *(["/api/v1/stacks"] if method == "GET" else [])):
        assert client.request(method, path, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_whoever_has_the_link_sees_the_stack_and_updates_it(client: TestClient) -> None:
    saved(client, "acme/tuned", "Qwen/Qwen3-8B", "house-brand")
    link = client.get("/api/v1/stacks/prod", headers=TOKEN).json()["link"]
    path = "/stack/" + link.rpartition("/")[2]
    shown = client.get(path)
    assert shown.status_code == 200
    assert "Stack prod" in shown.text
    assert "meta-llama/Llama-3.1-8B-Instruct" in shown.text
    assert 'name="robots" content="noindex"' in shown.text
    picture = ElementTree.fromstring(client.get(f"{path}/tree.svg").text)
    texts = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [
        "prod: 2 models", "China: 1", "permissive: 1", "Qwen/Qwen3-8B", "United States: 1", "community: 1",
        "acme/tuned",
    ]  # fmt: skip
    assert "prod: foundations: 1 China, 1 United States" in client.get(f"{path}/badge.svg").text
    changed = client.put(f"/api/v1{path}", json={"ids": ["acme/gone"]})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)


def test_a_forged_link_is_not_found(client: TestClient) -> None:
    saved(client, "acme/tuned")
    token = client.get("/api/v1/stacks/prod", headers=TOKEN).json()["link"].rpartition("/")[2]
    name, _, signature = token.partition(".")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]
    for forged in (f"{name}.{other}", name, f"other.{signature}", "a" * 190):
        for path in (f"/stack/{forged}", f"/stack/{forged}/tree.svg", f"/stack/{forged}/badge.svg"):
            assert client.get(path).status_code == 404
        assert client.put(f"/api/v1/stack/{forged}", json={"ids": ["a/b"]}).status_code == 404


# --- badges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/badge/Qwen/Qwen3-8B.svg", "origin: China"),
        ("/badge/acme/tuned.svg?show=foundation", "foundation: United States"),
        ("/badge/acme/tuned.svg?show=license", "licence: llama3.1"),
        ("/badge/acme/gone.svg?show=foundation", "foundation: unknown"),
    ],
)
def test_a_badge_says_one_fact(client: TestClient, path: str, words: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert ElementTree.fromstring(answer.text).attrib["aria-label"] == words


def test_there_is_no_badge_of_what_is_not_recorded(client: TestClient) -> None:
    assert client.get("/badge/no/body.svg").status_code == 404
    assert client.get("/badge/Qwen/Qwen3-8B.svg?show=colour").status_code == 422
