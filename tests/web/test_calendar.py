"""The calendar, as RFC 5545 and 7986 want it: read by a library of others, and by the bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from icalendar import Calendar
from sqlalchemy import Engine, update
from sqlmodel import col

from monitor import db
from monitor.db import migrations
from monitor.models import Change, Release
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.fakes.hub import model
from tests.releases.query.test_query import release
from tests.web.test_stories import seen

DAY = datetime(2026, 5, 1, 10, 30, 15, tzinfo=UTC)
HOSTILE = "a,b;c\\d\r\nBEGIN:VEVENT\r\nUID:x\nATTENDEE:mailto:x@y " + "🇨🇳漢字" * 60


@pytest.fixture
def client(sqlite_engine: Engine, sqlite_url: str) -> Iterator[TestClient]:
    with TestClient(create_app(Service(Settings(database_url=sqlite_url)))) as made:
        yield made


def add(engine: Engine, *rows: Release) -> None:
    with db.transaction(engine) as session:
        session.add_all(rows)


def read(client: TestClient, **params: Any) -> tuple[Calendar, list[Any]]:
    answer = client.get("/feed.ics", params=params)
    assert answer.status_code == 200, answer.text
    found = Calendar.from_ical(answer.content)
    assert not found.errors
    return found, found.walk("VEVENT")


def test_an_event_has_all_that_its_standard_demands(client: TestClient, sqlite_engine: Engine) -> None:
    add(sqlite_engine, *(release(n, released_at=DAY, released_precision="exact", first_seen_at=DAY) for n in range(3)))
    calendar, events = read(client, q="kind:base")
    assert (calendar["version"], calendar["refresh-interval"].dt) == ("2.0", timedelta(hours=1))
    lines = client.get("/feed.ics").content.split(b"\r\n")
    assert {b"REFRESH-INTERVAL;VALUE=DURATION:PT1H", b"X-PUBLISHED-TTL:PT1H"} <= set(lines)
    assert calendar["name"] == calendar["x-wr-calname"] == "Open-weight releases: kind:base"
    assert calendar["last-modified"].dt == DAY
    assert len({event["uid"] for event in events}) == len(events) == 3
    for event in events:
        assert event["dtstamp"].dt == event["last-modified"].dt == event["created"].dt == DAY
        assert (event["dtstart"].dt, event["dtend"].dt) == (DAY, DAY + timedelta(minutes=30))
        assert (event["sequence"], event["status"]) == (0, "CONFIRMED")
        assert re.fullmatch(r"http://127\.0\.0\.1:8000/releases/\S+", event["url"])


@pytest.mark.parametrize(
    ("precision", "after", "start"),
    [
        ("exact", None, DAY),
        ("window", DAY - timedelta(minutes=59), DAY),
        ("window", DAY - timedelta(hours=2), date(2026, 5, 1)),
        ("window", None, date(2026, 5, 1)),
        ("created", None, date(2026, 5, 1)),
        (None, None, date(2026, 5, 1)),
    ],
)
def test_an_event_has_a_time_where_the_time_is_known(
    client: TestClient, sqlite_engine: Engine, precision: str | None, after: datetime | None, start: date
) -> None:
    add(sqlite_engine, release(1, released_at=DAY, released_after=after, released_precision=precision))
    ((event,),) = (read(client)[1],)
    assert event["dtstart"].dt == start
    assert ("dtend" in event) is isinstance(start, datetime)


def test_a_change_moves_the_event_and_a_withdrawn_one_is_cancelled(client: TestClient, sqlite_engine: Engine) -> None:
    add(sqlite_engine, release(1, released_at=DAY, first_seen_at=DAY, repo_id="a/b", name="b"))
    before = read(client)[1][0]
    etag = client.get("/feed.ics").headers["etag"]
    later = DAY + timedelta(days=3)
    change = Change(release_id=1, at=later, field="status", before="live", after="gone", reason="sweep")
    add(sqlite_engine, change)  # type: ignore[arg-type]
    with db.transaction(sqlite_engine) as session:
        session.execute(update(Release).values(status="gone", repo_id="a/c").where(col(Release.id) == 1))
    after = read(client)[1][0]
    assert (before["uid"], before["dtstart"]) == (after["uid"], after["dtstart"])
    assert (after["status"], after["sequence"], after["last-modified"].dt) == ("CANCELLED", 1, later)
    assert str(after["summary"]).startswith("Withdrawn: ")
    assert client.get("/feed.ics", headers={"If-None-Match": etag}).status_code == 200


def test_a_launch_is_one_event_that_grows_and_is_cancelled_with_its_last_member(
    client: TestClient, sqlite_engine: Engine
) -> None:
    seen(sqlite_engine, model("Qwen/Qwen9-4B"))
    before = read(client)[1]
    seen(sqlite_engine, model("Qwen/Qwen9-8B"))
    ((after,),) = (read(client)[1],)
    assert (before[0]["uid"], before[0]["sequence"]) == (after["uid"], 0)
    assert (after["sequence"], after["status"]) == (1, "CONFIRMED")
    for number, status in ((1, "CONFIRMED"), (2, "CANCELLED")):
        with db.transaction(sqlite_engine) as session:
            session.execute(update(Release).values(status="private").where(col(Release.id) <= number))
        assert read(client)[1][0]["status"] == status


def test_a_client_that_has_it_gets_nothing_again(client: TestClient, sqlite_engine: Engine) -> None:
    add(sqlite_engine, release(1, released_at=DAY, first_seen_at=DAY))
    first = client.get("/feed.ics")
    assert first.headers["last-modified"] == "Fri, 01 May 2026 10:30:15 GMT"
    for name, value, status in (
        ("If-None-Match", first.headers["etag"], 304),
        ("If-None-Match", 'W/"x"', 200),
        ("If-Modified-Since", first.headers["last-modified"], 304),
        ("If-Modified-Since", "Fri, 01 May 2026 10:30:14 GMT", 200),
        ("If-Modified-Since", "soon", 200),
    ):
        assert client.get("/feed.ics", headers={name: value}).status_code == status, (name, value)
    stale = {"If-None-Match": 'W/"x"', "If-Modified-Since": first.headers["last-modified"]}
    assert client.get("/feed.ics", headers=stale).status_code == 200


def test_a_date_of_this_minute_is_not_relied_on(client: TestClient, sqlite_engine: Engine) -> None:
    add(sqlite_engine, release(1, released_at=db.now(), first_seen_at=db.now()))
    assert "last-modified" not in client.get("/feed.ics").headers


def test_two_installations_share_no_identifier(tmp_path: Path) -> None:
    uids: list[set[str]] = []
    for name in ("a", "b"):
        url = f"sqlite:///{tmp_path}/{name}.db"
        engine = db.make_engine(url)
        migrations.upgrade(engine)
        seen(engine, model("Qwen/Qwen9-4B"), model("x/Qwen9-8B-GGUF", base_model="Qwen/Qwen3-8B", relation="quantized"))
        for address in ("http://127.0.0.1:8000", "https://monitor.example"):  # an address may change
            with TestClient(create_app(Service(Settings(database_url=url, public_url=address)))) as client:
                uids.append({str(event["uid"]) for event in read(client)[1]})
        engine.dispose()
    assert uids[0] == uids[1]
    assert uids[2] == uids[3]
    assert len(uids[0]) == 2
    assert uids[0].isdisjoint(uids[2])


def test_lines_are_folded_by_octets_and_strangers_write_no_property(client: TestClient, sqlite_engine: Engine) -> None:
    add(sqlite_engine, release(1, released_at=DAY, repo_id=f"x/{HOSTILE}", name=HOSTILE, task="a,b;c\\\n"))
    body = client.get("/feed.ics", params={"q": '"a,b" OR kind:base'}).content
    lines = body.split(b"\r\n")
    assert lines.pop() == b""
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()  # no character is torn
        assert b"\n" not in line
    assert sum(line == b"BEGIN:VEVENT" for line in lines) == 1
    assert not any(line.startswith((b"ATTENDEE", b"UID:x")) for line in lines)
    ((event,),) = (Calendar.from_ical(body).walk("VEVENT"),)
    assert "a,b;c\\d" in event["summary"]
    assert "漢字🇨🇳漢字" in event["summary"]


def test_its_size_is_bounded(client: TestClient, sqlite_engine: Engine) -> None:
    add(sqlite_engine, *(release(n, released_at=DAY + timedelta(days=n)) for n in range(9)))
    starts = [event["dtstart"].dt for event in read(client, limit=2)[1]]
    assert starts == [date(2026, 5, 9), date(2026, 5, 8)]
    assert [client.get("/feed.ics", params={"limit": n}).status_code for n in (0, 500, 501)] == [422, 200, 422]
