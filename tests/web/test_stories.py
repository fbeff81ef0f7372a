"""Launches, announcements, doubts, corrections, the calendar and what is not seen: as programs and people meet them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from fastapi.testclient import TestClient
from icalendar import Calendar
from sqlalchemy import Engine
from sqlmodel import select

from monitor import db
from monitor.enums import Observation, Via
from monitor.labs import load
from monitor.models import Announcement, Feed, FeedEntry, Namespace, Outage, Poll, Release
from monitor.notify.matching import enqueue
from monitor.releases import outages
from monitor.releases.corrections import CorrectionError, add_corrections, end_corrections, parse_correction
from monitor.releases.launches.announced_names import announced_model, name_key
from monitor.releases.launches.announcements import record_announcements
from monitor.releases.reclassify import reclassify, reclassify_releases
from monitor.releases.recorder import record
from monitor.releases.search import find
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.fakes.hub import made_id, model

REGISTRY = load()


def seen(engine: Engine, *facts: dict[str, object]) -> None:
    """These are seen now, by one who has watched everything before."""
    with db.transaction(engine) as session:
        for name in {str(one["id"]).partition("/")[0] for one in facts}:
            if session.get(Namespace, name) is None:
                long_ago = db.now() - timedelta(days=1)
                session.add(
                    Namespace(
                        name=name, reason="test", added_at=long_ago, swept_at=long_ago, due_at=db.now(), interval=60
                    )
                )
        session.flush()
        looks = [Observation(made_id(str(one["id"])), str(one["id"]), one, Via.SWEEP, db.now()) for one in facts]
        record(session, looks, REGISTRY, enqueue)


@pytest.fixture
def client(sqlite_engine: Engine, sqlite_url: str) -> TestClient:
    return TestClient(create_app(Service(Settings(database_url=sqlite_url))))


def test_launches_are_listed_with_their_members_and_their_own_page(client: TestClient, sqlite_engine: Engine) -> None:
    seen(
        sqlite_engine, *(model(f"Qwen/Qwen9-{size}") for size in ("4B", "8B", "8B-FP8")), model("google/gemma-9-4b-it")
    )
    seen(sqlite_engine, model("x/Qwen9-8B-GGUF", base_model="Qwen/Qwen9-8B", relation="quantized"))
    first = client.get("/api/v1/launches", params={"limit": 1}).json()
    second = client.get("/api/v1/launches", params={"limit": 1, "cursor": first["next"]}).json()
    stories = {item["name"]: item for item in first["items"] + second["items"]}
    assert second["next"] is None
    assert stories["Qwen9"]["repositories"] == 3
    assert {one["precision"] for one in stories["Qwen9"]["members"]} == {None, "fp8"}
    ident = stories["Qwen9"]["id"]
    assert client.get(f"/api/v1/launches/{ident}").json() == stories["Qwen9"]
    page = client.get("/launches").text
    assert "2 launches of 4 repositories" in re.sub(r"<[^>]+>", "", page)
    assert 'href="/releases?q=launch%3Aany">4 repositories</a>' in page
    # What no index counts is shown, and not counted.
    worded = client.get("/launches", params={"q": "gemma"}).text
    assert "Launches of the repositories that match, newest first." in re.sub(r"<[^>]+>", "", worded)
    assert "gemma-9-4b-it" in worded
    assert f'href="/launches/{ident}"' not in worded
    assert f'href="/launches/{ident}"' in page
    assert f'href="/releases?q=launch%3A{ident}"' in client.get(f"/launches/{ident}").text
    assert "/releases/Qwen/Qwen9-8B-FP8" in client.get(f"/launches/{ident}").text
    assert client.get("/launches", params={"q": "origin:XYZ"}).status_code == 422
    assert client.get("/launches/999").status_code == client.get("/api/v1/launches/0").status_code == 404
    assert client.get("/api/v1/launches", params={"cursor": "x"}).status_code == 422


def test_a_launch_says_what_it_brought(client: TestClient, sqlite_engine: Engine) -> None:
    seen(
        sqlite_engine,
        model("deepseek-ai/DeepSeek-R9", license="mit", tags=["safetensors", "fp8"]),
        model("deepseek-ai/DeepSeek-R9-GGUF", base_model="deepseek-ai/DeepSeek-R9", relation="quantized"),
        model("deepseek-ai/DeepSeek-R9-Distill", base_model="Qwen/Qwen3-8B", relation="finetune", license="mit"),
    )
    (one,) = client.get("/api/v1/launches").json()["items"]
    assert (one["publisher"], one["publisher_name"]) == ("deepseek", "DeepSeek")
    assert set(one["kinds"]) == {"base", "quantized", "finetune"}
    assert one["licenses"][0] == "mit"
    assert one["tasks"] == ["text-generation"]
    assert [root["repo_id"] for root in one["built_on"]] == ["Qwen/Qwen3-8B"]
    assert {"safetensors", "gguf", "fp8"} <= set(one["formats"])
    for path in ("/launches", f"/launches/{one['id']}"):
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", client.get(path).text))
        assert {
            word
            for word in ("DeepSeek", "original", "mit", "text-generation", "Qwen/Qwen3-8B", "GGUF")
            if word not in text
        } == set()
    description = str(Calendar.from_ical(client.get("/feed.ics").content).walk("VEVENT")[0]["description"])
    assert "built on Qwen/Qwen3-8B" in description
    assert "GGUF" in description


def test_the_calendar_has_launches_and_lone_derivatives(client: TestClient, sqlite_engine: Engine) -> None:
    seen(sqlite_engine, model("Qwen/Qwen9-4B"), model("Qwen/Qwen9-8B"))
    seen(sqlite_engine, model("x/Qwen9-8B-GGUF", base_model="Qwen/Qwen9-8B", relation="quantized"))
    answer = client.get("/feed.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    events = Calendar.from_ical(answer.content).walk("VEVENT")
    assert len(events) == 2
    assert any("launched Qwen9: 2 repositories" in str(event["summary"]) for event in events)
    assert len({str(event["uid"]) for event in events}) == 2


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Introducing Claude Opus 4.5", "Claude Opus 4.5"),
        ("GPT-5.2: our best yet", "GPT-5.2"),
        ("Gemini 3 Pro is here", "Gemini 3 Pro"),
        ("Introducing: Devstral 2 and Mistral Vibe CLI.", "Devstral 2"),
        ("Introducing the V-JEPA 2 world model", "V-JEPA 2"),
        ("Connect 2025: Why collaboration wins", None),
        ("Mistral AI raises 1.7B€", None),
        ("How Conservation X Labs Is Using Segment Anything Model 3 for Wildlife", None),
        ("Exploring AI in Education", None),
        ("", None),
    ],
)
def test_a_title_that_announces_a_model_names_it(title: str, name: str | None) -> None:
    assert announced_model(title) == name


def test_a_closed_model_stays_announced_and_an_open_one_becomes_its_release(
    client: TestClient, sqlite_engine: Engine
) -> None:
    feed = next(iter(REGISTRY.feeds))
    (lab, *_) = REGISTRY.labs_of_feed(feed)
    moment = db.now()
    entries = [("Introducing Marvel 9", "https://lab.example/9"), ("Introducing Closed 4", "https://lab.example/4")]
    with db.transaction(sqlite_engine) as session:
        session.add(Feed(url=feed, location=feed, due_at=moment))
        session.flush()
        rows = [FeedEntry(feed_url=feed, entry_id=url, url=url, title=title, seen_at=moment) for title, url in entries]
        session.add_all(rows)
        session.flush()
        assert len(record_announcements(session, REGISTRY, rows)) == 2
        assert record_announcements(session, REGISTRY, rows) == []
    seen(sqlite_engine, model(f"{lab.namespaces[0]}/Marvel-9-70B"), model(f"{lab.namespaces[0]}/Marvel-90-7B"))
    items = {item["model"]: item for item in client.get("/api/v1/announcements").json()["items"]}
    assert items["Marvel 9"]["state"] == "released"
    assert items["Marvel 9"]["repo_id"] == f"{lab.namespaces[0]}/Marvel-9-70B"
    assert items["Closed 4"]["state"] == "announced"
    assert "Closed 4" in client.get("/launches").text
    with db.reading(sqlite_engine) as session:
        row = find(session, f"{lab.namespaces[0]}/Marvel-9-70B")
        assert row is not None
        assert row.announcement_url == "https://lab.example/9"
        assert len(session.exec(select(Announcement)).all()) == 2
    months = client.get("/api/v1/announcements/by-month").json()["items"]
    assert {item["access"] for item in months} == {"open", "announced only"}
    assert name_key("GPT-4.1") != name_key("GPT-4")


def test_a_correction_outranks_automation_and_says_why(client: TestClient, sqlite_engine: Engine) -> None:
    seen(sqlite_engine, model("x/Wonder-8B", likes=50))
    before = db.now()

    def row() -> Release:
        with db.reading(sqlite_engine) as session:
            found = find(session, "x/Wonder-8B")
            assert found is not None
            return found

    guessed = row().params_total
    doubts = {item["repo_id"]: item["doubts"] for item in client.get("/api/v1/review").json()["items"]}
    assert "origin unknown" in doubts["x/Wonder-8B"]
    with db.transaction(sqlite_engine) as session:
        stored = find(session, "x/Wonder-8B")
        assert stored is not None
        add_corrections(
            session, stored, [parse_correction("origin=KR"), parse_correction("params_total=9.1B")], "its paper says so"
        )
        reclassify_releases(session, [stored], REGISTRY, "corrected: its paper says so")
    assert (row().origin, row().origin_confidence, row().params_total) == ("KR", 1.0, 9_100_000_000)
    assert row().origin_basis is None
    assert row().evidence["origin"][0] == {"signal": "correction", "value": "origin=KR", "says": "its paper says so"}
    list(reclassify(sqlite_engine, REGISTRY))
    seen(sqlite_engine, model("x/Wonder-8B", license="mit", likes=50))
    assert (row().origin, row().params_total, row().license) == ("KR", 9_100_000_000, "mit")
    assert not client.get("/api/v1/review").json()["items"] or "origin unknown" not in str(
        client.get("/api/v1/review").json()["items"][0]["doubts"]
    )
    past = client.get("/api/v1/releases/x/Wonder-8B", params={"as_of": before.isoformat()}).json()
    assert (past["origin"], past["params_total"]) == (None, guessed)
    with db.transaction(sqlite_engine) as session:
        stored = find(session, "x/Wonder-8B")
        assert stored is not None
        assert end_corrections(session, stored, ["origin", "params_total"]) == 2
        reclassify_releases(session, [stored], REGISTRY)
    assert (row().origin, row().params_total) == (None, guessed)
    assert "Needs review" in client.get("/review").text


@pytest.mark.parametrize("text", ["origin", "origin=XX1", "status=gone", "kind=none", "params_total=many", "lab="])
def test_a_correction_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(CorrectionError):
        parse_correction(text)


def test_no_releases_and_an_outage_look_different(client: TestClient, sqlite_engine: Engine) -> None:
    assert "has not been polled" in client.get("/").text
    assert client.get("/readyz").status_code == 503
    with db.transaction(sqlite_engine) as session:
        for name in ("created", "modified"):
            session.add(Poll(name=name, state={"complete": True}, succeeded_at=db.now()))
    assert "has not been polled" not in client.get("/").text
    assert client.get("/api/v1/coverage").json() == {"state": "seen", "sources": []}
    seen(sqlite_engine, model("Qwen/Qwen9-8B"))
    with db.transaction(sqlite_engine) as session:
        session.get_one(Poll, "modified").state = {"complete": False}
        session.add(Poll(name="trending", state={}, succeeded_at=db.now()))
        session.get_one(Namespace, "Qwen").error = "lists nothing: is its name right?"
    shown = client.get("/api/v1/coverage").json()
    assert {(one["name"], one["state"]) for one in shown["sources"]} == {("modified", "truncated"), ("Qwen", "empty")}
    with time_machine.travel(db.now() + timedelta(hours=1), tick=True):
        outages.record_outages(sqlite_engine, 60)
        outages.record_outages(sqlite_engine, 60)
        assert "has not been polled since" in client.get("/").text
        assert "no successful poll of created, modified" in client.get("/readyz").json()["error"]["message"]
        with db.transaction(sqlite_engine) as session:
            assert len(session.exec(select(Outage)).all()) == 2
            for name in ("created", "modified"):
                session.get_one(Poll, name).succeeded_at = db.now()
        outages.record_outages(sqlite_engine, 60)
        with db.reading(sqlite_engine) as session:
            spans = outages.outages_since(session, db.now() - timedelta(days=1))
    assert len(spans) == 1
    assert spans[0][1] is not None
    assert "could not be polled" in (outages.outage_note(spans) or "")
    assert outages.outage_note([]) is None
