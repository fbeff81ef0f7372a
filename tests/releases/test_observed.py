"""The history as it was known: what was answered at a moment is answered for that moment ever after."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta

import pytest
import time_machine
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from monitor import db
from monitor.enums import Observation, Status, Via
from monitor.labs import load
from monitor.models import Release
from monitor.notify.matching import enqueue
from monitor.releases.export import as_csv, as_jsonl
from monitor.releases.query import parse
from monitor.releases.recorder import mark_withdrawn, record
from monitor.releases.revisions import as_of, parse_as_of
from monitor.releases.schema import release_object
from monitor.releases.search import SearchError, find, search, stream
from monitor.releases.stats import facets, stats
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.fakes.hub import made_id, model

REGISTRY = load()
QUERIES = (
    "", "license:mit", "gated:true", "launch:1 OR qwen9", "origin:CN params:>=1B launch:any", "event:relicensed",
    "status:gone",
)  # fmt: skip


def seen(engine: Engine, *facts: dict[str, object]) -> None:
    """These are seen now."""
    with db.transaction(engine) as session:
        looks = [
            Observation(made_id(str(one.pop("was", one["id"]))), str(one["id"]), one, Via.SWEEP, db.now())
            for one in facts
        ]
        record(session, looks, REGISTRY, enqueue)


def answers(engine: Engine, moment: datetime | None = None) -> bytes:
    """What the history answers to many questions."""
    with db.reading(engine) as session, as_of(session, moment):
        found: list[object] = []
        for text in QUERIES:
            query = parse(text)
            for sort in ("released", "-params", "repo"):
                page = search(session, query, sort=sort, limit=3)
                found.append([release_object(row) for row in page.items])
                if page.next:
                    found.append(
                        [release_object(row) for row in search(session, query, sort=sort, cursor=page.next).items]
                    )
            found += [stats(session, query, ["month", "origin"]), stats(session, query, ["license_class"])]
            found.append(facets(session, query))
            found.append(
                [chunk.decode() for chunk in (*as_csv(stream(session, query)), *as_jsonl(stream(session, query)))]
            )
        one = find(session, "Qwen/Qwen9-4B")
        found.append(one and release_object(one))
    return json.dumps(found, default=str).encode()


def test_every_past_answer_stands_byte_for_byte(engine: Engine) -> None:
    moment, chance = db.now() - timedelta(days=30), random.Random(7)
    names = [f"Qwen/Qwen9-{size}" for size in ("0.6B", "4B", "8B", "14B")] + ["x/one", "y/two"]
    past: list[tuple[datetime, bytes]] = []
    known: list[str] = []
    for step in range(16):
        moment += timedelta(hours=chance.randint(1, 40))
        with time_machine.travel(moment, tick=True):
            if step % 4 == 0 and names:
                known.append(names.pop(0))
                seen(engine, model(known[-1]))
            name = chance.choice(known)
            match chance.randint(0, 4):
                case 0:
                    seen(engine, model(name, license=chance.choice(["mit", "apache-2.0", None])))
                case 1:
                    seen(engine, model(name, gated=chance.choice(["auto", "manual", False])))
                case 2:
                    seen(engine, {**model(f"{name}-Renamed"), "was": name})
                case 3:
                    seen(engine, model(name, params=chance.randint(10**8, 10**10)))
                case 4:
                    with db.transaction(engine) as session:
                        row = find(session, name)
                        if row is not None:
                            mark_withdrawn(session, row, Status.GONE, db.now(), "sweep")
        at = moment + timedelta(minutes=30)
        with time_machine.travel(at, tick=False):
            past.append((at, answers(engine)))
    assert len({answer for _, answer in past}) > 8
    for at, answer in past:
        again = answers(engine, at)
        for one, other in zip(json.loads(again), json.loads(answer), strict=True):
            assert one == other
        assert again == answer
    assert answers(engine) == past[-1][1]


def test_before_the_first_look_nothing_was_known(engine: Engine) -> None:
    seen(engine, model("Qwen/Qwen9-4B"))
    with db.reading(engine) as session, as_of(session, db.now() - timedelta(days=1)):
        assert search(session, parse("")).items == []
    with db.reading(engine) as session:
        assert len(search(session, parse("")).items) == 1


def test_a_pooled_connection_forgets_the_past(sqlite_engine: Engine) -> None:
    seen(sqlite_engine, model("Qwen/Qwen9-4B"))
    for _ in range(12):
        with db.reading(sqlite_engine) as session, as_of(session, db.now() - timedelta(days=1)):
            assert not search(session, parse("")).items
        seen(sqlite_engine, model("Qwen/Qwen9-4B", gated="auto"))
        assert len(answers(sqlite_engine)) > 100


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "9999-12-31", "2999-01-01T00:00:00Z", ""])
def test_a_moment_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SearchError):
        parse_as_of(text)


def test_a_day_is_known_at_its_end() -> None:
    assert parse_as_of("2026-01-31").isoformat() == "2026-02-01T00:00:00+00:00"
    assert parse_as_of("2026-01-31T12:00:00+09:00").isoformat() == "2026-01-31T03:00:00+00:00"
    assert abs((parse_as_of(db.now().date().isoformat()) - db.now()).total_seconds()) < 60


def test_the_api_answers_as_of_a_moment(sqlite_engine: Engine, sqlite_url: str) -> None:
    before = db.now() - timedelta(days=2)
    with time_machine.travel(before, tick=True):
        seen(sqlite_engine, model("Qwen/Qwen9-4B"))
    moment = (before + timedelta(hours=1)).isoformat()
    client = TestClient(create_app(Service(Settings(database_url=sqlite_url))))
    paths = (
        "/api/v1/releases",
        "/api/v1/releases/Qwen/Qwen9-4B",
        "/api/v1/stats?by=month",
        "/export.csv",
        "/export.jsonl",
    )
    asked = [(path, {"as_of": moment}) for path in paths]
    first = [
        client.get(path, params=dict([p.split("=") for p in path.partition("?")[2:] if p]) | extra)
        for path, extra in asked
    ]
    seen(sqlite_engine, model("Qwen/Qwen9-4B", license="mit", gated="manual"))
    second = [
        client.get(path, params=dict([p.split("=") for p in path.partition("?")[2:] if p]) | extra)
        for path, extra in asked
    ]
    assert [one.status_code for one in first] == [200] * len(paths)
    assert [one.content for one in first] == [one.content for one in second]
    assert client.get("/api/v1/releases").json()["items"][0]["license"] == "mit"
    assert client.get("/api/v1/releases", params={"as_of": "soon"}).status_code == 422
    assert Release.__tablename__ == "release"
