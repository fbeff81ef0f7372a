"""Feeds as their standards want them: RFC 4287 (Atom), RFC 5005 (pages) and JSON Feed 1.1, and as others read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import feedparser
import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from sqlmodel import col

from monitor import db
from monitor.labs import load, use
from monitor.models import Change, Release
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from monitor.web.feed_documents import Author, Entry, Feed, Tag, to_atom, to_json
from tests.fakes.hub import model
from tests.releases.query.test_query import release
from tests.web.feed_schemas import check_atom, check_json_feed
from tests.web.test_stories import seen

DAY = datetime(2026, 5, 1, 10, tzinfo=UTC)
PATHS = ("/feed.atom", "/feed.json", "/launches.atom", "/launches.json", "/briefs.atom", "/briefs.json")


@pytest.fixture
def client(sqlite_engine: Engine, sqlite_url: str) -> Iterator[TestClient]:
    with db.transaction(sqlite_engine) as session:
        session.add_all([release(n, released_at=DAY + timedelta(days=n), lab="qwen") for n in range(3)])
        hostile = "x/<b>&\u202e\x01 ]]>"
        session.add(release(9, repo_id=hostile, name="b", namespace="x<", released_at=DAY, task="a\x02<"))
    use(load())
    with TestClient(create_app(Service(Settings(database_url=sqlite_url, requests_per_minute=0)))) as made:
        yield made


def add(engine: Engine, *rows: Any) -> None:
    with db.transaction(engine) as session:
        session.add_all(rows)


def change(ident: int, field: str, before: str, after: str, at: datetime, **more: Any) -> Change:
    return Change(release_id=ident, at=at, field=field, before=before, after=after, reason="sweep", **more)


@pytest.mark.parametrize("q", ["", "kind:base", "zzz", '"<x>" OR qwen3'])
@pytest.mark.parametrize("path", ["/feed.atom", "/launches.atom"])
def test_an_atom_feed_has_all_that_its_standard_demands(client: TestClient, path: str, q: str) -> None:
    answer = client.get(path, params={"q": q})
    assert answer.headers["content-type"].startswith("application/atom+xml")
    check_atom(answer.content)
    assert not feedparser.parse(answer.content).bozo


@pytest.mark.parametrize("q", ["", "zzz"])
@pytest.mark.parametrize("path", ["/feed.json", "/launches.json", "/briefs.json"])
def test_a_json_feed_is_as_its_standard_describes_it(client: TestClient, path: str, q: str) -> None:
    answer = client.get(path, params={"q": q})
    assert answer.headers["content-type"].startswith("application/feed+json")
    items = check_json_feed(answer.json())
    if path == "/feed.json":
        assert len(items) == (0 if q else 4)


_TEXT = st.text(max_size=30)


@given(title=_TEXT, name=_TEXT, term=_TEXT, html=st.none() | _TEXT)
def test_no_text_breaks_a_document(title: str, name: str, term: str, html: str | None) -> None:
    author = Author(f"n{name}", "https://x.example/")
    entry = Entry(
        "tag:x,2026:1", title, "https://x.example/1", DAY, DAY, author, title, html, tags=(Tag(f"t{term}", term),)
    )
    feed = Feed("https://x.example/", f"f{title}", "https://x.example/", "https://x.example/?", "https://x.example/?",
                None, (entry,))  # fmt: skip
    check_atom(to_atom(feed))
    check_json_feed(to_json(feed))


def test_an_entry_keeps_its_id_and_says_when_it_changed(client: TestClient, sqlite_engine: Engine) -> None:
    before = {item["url"]: item for item in client.get("/feed.json").json()["items"]}
    add(sqlite_engine, change(1, "params_total", "1", "2", datetime(2026, 6, 1, tzinfo=UTC)))
    after = client.get("/feed.json").json()["items"]
    assert {item["id"] for item in after} == {item["id"] for item in before.values()}
    moved = [item for item in after if item != before[item["url"]]]
    assert [item["date_modified"] for item in moved] == ["2026-06-01T00:00:00Z"]
    assert "<updated>2026-06-01T00:00:00Z</updated>" in client.get("/feed.atom").text


def test_an_entry_names_the_lab_and_is_sorted_under_terms_of_the_query_language(client: TestClient) -> None:
    entry = feedparser.parse(client.get("/feed.atom", params={"q": "lab:qwen", "limit": 1}).content).entries[0]
    assert entry.authors == [{"name": "Qwen", "href": "http://127.0.0.1:8000/labs/qwen"}]
    terms = [tag.term for tag in entry.tags]
    assert {"kind:base", "license:permissive", "openness:open-weights"} <= set(terms)
    assert next(tag.label for tag in entry.tags if tag.term == "kind:base") == "original"
    item = client.get("/feed.json", params={"q": "lab:qwen", "limit": 1}).json()["items"][0]
    assert (item["authors"], item["tags"]) == ([{"name": "Qwen", "url": "http://127.0.0.1:8000/labs/qwen"}], terms)
    for term in terms:
        assert client.get("/feed.json", params={"q": f"lab:qwen {term}"}).json()["items"], term
    other = client.get("/feed.json", params={"q": "-lab:qwen"}).json()["items"][0]
    assert other["authors"] == [{"name": "x<", "url": "https://huggingface.co/x%3C"}]


def test_what_was_withdrawn_or_renamed_is_said_so_in_the_same_entry(client: TestClient, sqlite_engine: Engine) -> None:
    before = {item["_release"]["repo_id"]: item["id"] for item in client.get("/feed.json").json()["items"]}
    later = DAY + timedelta(days=30)
    with db.transaction(sqlite_engine) as session:
        session.execute(update(Release).values(status="gone").where(col(Release.id) == 1))
        session.execute(update(Release).values(status="renamed", repo_id="Qwen/New").where(col(Release.id) == 2))
        session.execute(update(Release).values(license="mit").where(col(Release.id) == 3))
    # The first two have not settled yet; the third is an event, the fourth is none.
    add(
        sqlite_engine,
        change(1, "status", "live", "gone", later, waiting=True),
        change(2, "repo_id", "Qwen/Qwen3-1B", "Qwen/New", later, waiting=True),
        change(3, "license", "apache-2.0", "mit", later, event="relicensed"),
        change(3, "params_total", "1", "2", later),
    )
    for entry in feedparser.parse(client.get("/feed.atom?q=lab:qwen").content).entries:
        assert entry.updated == "2026-05-31T10:00:00Z"
    items = {item["_release"]["repo_id"]: item for item in client.get("/feed.json?q=lab:qwen").json()["items"]}
    gone, renamed, relicensed = items["Qwen/Qwen3-0B"], items["Qwen/New"], items["Qwen/Qwen3-2B"]
    assert gone["title"] == "Withdrawn: 🏳 Qwen released Qwen/Qwen3-0B"
    assert gone["content_text"].startswith("withdrawn on 2026-05-31 · ")
    assert renamed["title"] == "Renamed: 🏳 Qwen released Qwen/New"
    assert renamed["content_text"].startswith("renamed from Qwen/Qwen3-1B to Qwen/New on 2026-05-31 · ")
    assert relicensed["content_text"].startswith("licence changed from Apache-2.0 to MIT on 2026-05-31 · ")
    assert (gone["id"], renamed["id"]) == (before["Qwen/Qwen3-0B"], before["Qwen/Qwen3-1B"])


def walk(client: TestClient, address: str) -> list[Any]:
    """The pages from this address to the last, as feedparser or JSON read them."""
    pages = []
    while address:
        answer = client.get(address)
        if answer.headers["content-type"].startswith("application/atom+xml"):
            check_atom(answer.content)
            page = feedparser.parse(answer.content)
            links = {link.rel: link.href for link in page.feed.links}
            assert parse_qs(urlsplit(links["self"]).query) == parse_qs(urlsplit(address).query)
            assert "cursor" not in links["first"]
            pages.append([entry.id for entry in page.entries])
            address = links.get("next", "")
        else:
            content = answer.json()
            check_json_feed(content)
            pages.append([item["id"] for item in content["items"]])
            address = content.get("next_url", "")
        assert len(pages) < 50
    return pages


@pytest.mark.parametrize("form", ["atom", "json"])
def test_pages_hold_each_release_once(client: TestClient, sqlite_engine: Engine, form: str) -> None:
    # Some at the same time, some without one.
    rows = [release(100 + n, released_at=DAY - timedelta(hours=n // 3) if n % 7 else None) for n in range(60)]
    add(sqlite_engine, *rows)
    pages = walk(client, f"/feed.{form}?limit=9&q=kind:base")
    assert [len(page) for page in pages] == [9] * 7 + [1]
    found = [ident for page in pages for ident in page]
    assert len(found) == len(set(found)) == 64
    assert found == walk(client, f"/feed.{form}?limit=500")[0]


def test_pages_of_a_json_feed_are_of_one_feed(client: TestClient) -> None:
    first = client.get("/feed.json?limit=2").json()
    second = client.get(first["next_url"]).json()
    assert first["feed_url"] == second["feed_url"] != first["next_url"]


def test_what_comes_while_pages_are_read_shifts_none_of_them(client: TestClient, sqlite_engine: Engine) -> None:
    first = client.get("/feed.json?limit=2").json()
    add(sqlite_engine, *(release(50 + n, released_at=DAY + timedelta(days=40 + n)) for n in range(5)))
    second = client.get(first["next_url"]).json()
    assert [item["url"][-2:] for item in first["items"]] == ["2B", "1B"]
    assert len(second["items"]) == 2
    assert {item["_release"]["released_at"] for item in second["items"]} == {"2026-05-01T10:00:00Z"}
    assert client.get(first["next_url"]).json() == second


def test_who_reads_hourly_misses_nothing_and_reads_no_history(client: TestClient, sqlite_engine: Engine) -> None:
    """A reader that goes on to the next page until one has nothing new."""
    known, requests, number = set(walk(client, "/feed.json")[0]), [], 1_000

    def poll() -> int:
        address, read, came = "/feed.json?limit=100", 0, 0
        while address:
            page = client.get(address).json()
            new = {item["id"] for item in page["items"]} - known
            known.update(new)
            read, came = read + 1, came + len(new)
            address = page.get("next_url", "") if new else ""
        requests.append(read)
        return came

    for hour in range(3):
        now = DAY + timedelta(days=100, hours=hour)
        news = [release(number + n, released_at=now + timedelta(seconds=20 * n)) for n in range(170)]
        history = [
            release(number + 500 + n, released_at=DAY - timedelta(days=n), is_backfilled=True) for n in range(300)
        ]
        add(sqlite_engine, *news, *history)
        number += 1_000
        assert poll() >= 170
    everything = {ident for page in walk(client, "/feed.json?limit=500&q=released:>=2026-08-01") for ident in page}
    assert len(everything) == 510
    assert everything <= known
    assert requests == [5, 3, 3]  # with the first history behind what was there, none of the later


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_page_is_refused_in_words(client: TestClient, path: str) -> None:
    for params in ({"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursor": "x"}, {"cursor": "x" * 5_000}):
        answer = client.get(path, params=params)
        assert answer.status_code == 422, params
        assert answer.json()["error"]["field"] == next(iter(params))
    assert client.get(path, params={"limit": 50}).status_code == 200


def test_launches_are_entries_that_grow(client: TestClient, sqlite_engine: Engine) -> None:
    seen(sqlite_engine, model("Qwen/Qwen9-4B"))
    before = check_json_feed(client.get("/launches.json").json())
    seen(sqlite_engine, model("Qwen/Qwen9-8B"), model("Qwen/Qwen9-8B-GGUF"))
    ((after,),) = (check_json_feed(client.get("/launches.json", params={"q": "lab:qwen"}).json()),)
    assert after["title"].endswith("Qwen launched Qwen9: 3 repositories")
    assert after["id"] == before[0]["id"]
    assert after["date_modified"] > before[0]["date_modified"]
    assert after["authors"][0]["name"] == "Qwen"
    assert "Qwen/Qwen9-8B" in after["content_text"]
    assert client.get(urlsplit(after["url"]).path).status_code == 200
    entry = feedparser.parse(client.get("/launches.atom").content).entries[0]
    assert (entry.id, entry.author) == (after["id"], "Qwen")
    assert feedparser.parse(client.get("/launches.atom?q=lab:qwen").content).feed.title == "Launches of Qwen"
    with db.transaction(sqlite_engine) as session:
        session.execute(update(Release).values(status="gone").where(col(Release.launch_id).is_not(None)))
    assert client.get("/launches.json").json()["items"][0]["title"].startswith("Withdrawn: ")


def test_launches_have_pages_too(client: TestClient, sqlite_engine: Engine) -> None:
    seen(sqlite_engine, *(model(f"Qwen/Qwen{n}-4B") for n in range(20, 27)))
    for form in ("atom", "json"):
        pages = walk(client, f"/launches.{form}?limit=3")
        assert [len(page) for page in pages] == [3, 3, 1]
        assert len({ident for page in pages for ident in page}) == 7


@pytest.mark.parametrize("path", ["/feed.atom", "/feed.json"])
def test_a_client_that_has_it_gets_nothing_again(client: TestClient, sqlite_engine: Engine, path: str) -> None:
    first = client.get(path)
    for name, key in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")):
        assert client.get(path, headers={name: first.headers[key]}).status_code == 304
    add(sqlite_engine, change(1, "status", "live", "gone", DAY + timedelta(days=99)))
    for name, key in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")):
        assert client.get(path, headers={name: first.headers[key]}).status_code == 200


def test_a_real_client_reads_them_from_a_real_server(address: str) -> None:
    for path in ("/feed.atom?limit=20", "/launches.atom", "/briefs.atom"):
        first = feedparser.parse(address + path)
        assert first.status == 200
        assert not first.bozo
        assert first.entries or path == "/briefs.atom"
        assert feedparser.parse(address + path, etag=first.etag).status == 304


@pytest.mark.parametrize(
    ("page", "feeds"),
    [
        ("/", {"/feed.atom", "/feed.json", "/launches.atom", "/launches.json", "/briefs.atom", "/briefs.json"}),
        ("/?show=notable", {"/feed.atom?q=notable%3Aany", "/launches.atom?q=notable%3Aany", "/briefs.json"}),
        ("/releases?q=origin:CN", {"/feed.atom?q=origin%3ACN", "/feed.json?q=origin%3ACN"}),
        ("/labs/qwen", {"/feed.atom?q=lab%3Aqwen", "/feed.json?q=lab%3Aqwen", "/launches.json?q=lab%3Aqwen"}),
        ("/labs", {"/feed.atom", "/feed.json"}),
        ("/launches?q=lab:qwen", {"/launches.atom?q=lab%3Aqwen", "/launches.json?q=lab%3Aqwen"}),
        ("/trends?q=kind:base", {"/feed.atom?q=kind%3Abase", "/feed.json?q=kind%3Abase"}),
        ("/trends/chart?q=kind:base", {"/feed.atom?q=kind%3Abase"}),
        ("/lens?of=CN&q=kind:base", {"/feed.atom?q=kind%3Abase", "/feed.json?q=kind%3Abase"}),
        ("/uptake?q=kind:base", {"/feed.json?q=kind%3Abase"}),
        ("/brief/last-week", {"/briefs.atom", "/briefs.json"}),
        ("/announcements", {"/feed.atom", "/feed.json"}),
    ],
)
def test_every_page_with_a_feed_says_where_it_is(filled_client: httpx.Client, page: str, feeds: set[str]) -> None:
    text = filled_client.get(page).text
    links = re.findall(r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', text)
    found = {unescape(href): kind for kind, href in links}
    assert feeds <= found.keys()
    for href, kind in found.items():
        answer = filled_client.get(href)
        assert answer.status_code == 200, href
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        if kind == "application/atom+xml":
            check_atom(answer.content)
        else:
            check_json_feed(answer.json())


@pytest.fixture
def filled_client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as made:
        yield made
