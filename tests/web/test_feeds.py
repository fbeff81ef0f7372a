"""Feeds as their standards want them: RFC 4287 (Atom) and JSON Feed 1.1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

import feedparser
import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import Engine

from monitor import db
from monitor.models import Change
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.releases.query.test_query import release

DAY = datetime(2026, 5, 1, 10, tzinfo=UTC)
ATOM = "{http://www.w3.org/2005/Atom}"
URL = {"type": "string", "pattern": "^https?://"}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
JSON_FEED = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string", "minLength": 1},
        "home_page_url": URL,
        "feed_url": URL,
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "anyOf": [{"required": ["content_text"]}, {"required": ["content_html"]}],
                "properties": {
                    "id": {"type": "string", "minLength": 1}, "url": URL, "external_url": URL,
                    "title": {"type": "string"}, "content_text": {"type": "string"},
                    "date_published": MOMENT, "date_modified": MOMENT,
                    "authors": {"type": "array", "items": {"type": "object", "minProperties": 1}},
                },
                # Anything else is an extension, and begins with an underscore.
                "patternProperties": {"^_": {}},
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}  # fmt: skip


@pytest.fixture
def client(sqlite_engine: Engine, sqlite_url: str) -> Iterator[TestClient]:
    with db.transaction(sqlite_engine) as session:
        session.add_all([release(n, released_at=DAY + timedelta(days=n)) for n in range(3)])
        session.add(release(9, repo_id="x/<b>&\u202e\x01 ]]>", name="b", released_at=DAY))
    with TestClient(create_app(Service(Settings(database_url=sqlite_url)))) as made:
        yield made


@pytest.mark.parametrize("q", ["", "kind:base", "zzz", '"<x>" OR qwen3'])
def test_an_atom_feed_has_all_that_its_standard_demands(client: TestClient, q: str) -> None:
    answer = client.get("/feed.atom", params={"q": q})
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = Xml.fromstring(answer.content)
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    for part in (feed, *entries):
        for name in ("id", "title", "updated"):  # exactly one of each
            assert len(part.findall(f"{ATOM}{name}")) == 1, name
        assert urlsplit(part.findtext(f"{ATOM}id")).scheme
        assert datetime.fromisoformat(part.findtext(f"{ATOM}updated") or "").tzinfo is not None
        alternates = [
            (link.get("type"), link.get("hreflang")) for link in part.findall(f"{ATOM}link[@rel='alternate']")
        ]
        assert len(alternates) == len(set(alternates))
    assert feed.findtext(f"{ATOM}author/{ATOM}name")  # so entries need none of their own
    assert len(feed.findall(f"{ATOM}link[@rel='self']")) == 1
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries)
    assert not feedparser.parse(answer.content).bozo


@pytest.mark.parametrize("q", ["", "zzz"])
def test_a_json_feed_is_as_its_standard_describes_it(client: TestClient, q: str) -> None:
    answer = client.get("/feed.json", params={"q": q})
    assert answer.headers["content-type"].startswith("application/feed+json")
    Draft202012Validator(JSON_FEED, format_checker=FormatChecker()).validate(answer.json())
    items = answer.json()["items"]
    assert len({item["id"] for item in items}) == len(items) == (0 if q else 4)


def test_an_entry_keeps_its_id_and_says_when_it_changed(client: TestClient, sqlite_engine: Engine) -> None:
    before = {item["url"]: item for item in client.get("/feed.json").json()["items"]}
    changed = datetime(2026, 6, 1, tzinfo=UTC)
    with db.transaction(sqlite_engine) as session:
        session.add(Change(release_id=1, at=changed, field="license", before="mit", after="apache-2.0", reason="sweep"))
    after = client.get("/feed.json").json()["items"]
    assert {item["id"] for item in after} == {item["id"] for item in before.values()}
    moved = [item for item in after if item != before[item["url"]]]
    assert [item["date_modified"] for item in moved] == ["2026-06-01T00:00:00Z"]
    assert "<updated>2026-06-01T00:00:00Z</updated>" in client.get("/feed.atom").text
