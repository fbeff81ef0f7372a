"""Published briefs on the site: the page with its charts, the feed, the sitemap, and what is corrected later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from xml.etree import ElementTree as Xml

import pytest
import time_machine
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import select

from monitor.db.engine import transaction
from monitor.models import Release
from monitor.releases.briefs.published import publish_due
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.releases.test_brief import BEGIN, WEEK, history

PUBLISHED = BEGIN + timedelta(days=8)
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    """A clock that stands at the time at which the brief of the week is published."""
    with time_machine.travel(PUBLISHED, tick=False) as made:
        yield made


@pytest.fixture
def site(clock: time_machine.Coordinates, sqlite_engine: Engine, sqlite_url: str) -> Iterator[TestClient]:
    """A site with the published brief of a week."""
    with transaction(sqlite_engine) as session:
        for row in history():
            session.add(row)
            session.flush()
    publish_due(sqlite_engine)
    settings = Settings(
        database_url=sqlite_url, public_url="https://x.example", secret_key=SecretStr("a key for tests")
    )
    with TestClient(create_app(Service(settings))) as made:
        yield made


def correct(engine: Engine, clock: time_machine.Coordinates) -> None:
    """Two days later, the country of a release is corrected."""
    clock.shift(timedelta(days=2))
    with transaction(engine) as session:
        row = session.exec(select(Release).where(Release.hub_id == "id1")).one()
        row.origin = "FR"
        session.add(row)


def entry(site: TestClient) -> dict[str, str]:
    """The entry of the week in the feed."""
    answer = site.get("/briefs.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = Xml.fromstring(answer.text)
    found = [{one.tag.removeprefix(ATOM): one.text or "" for one in row} for row in feed.iter(f"{ATOM}entry")]
    return next(one for one in found if one["id"].endswith(WEEK))


def test_the_page_shows_charts_and_tables_of_shares(site: TestClient) -> None:
    page = site.get(f"/brief/{WEEK}").text
    assert (
        '<link rel="alternate" type="application/atom+xml" title="Briefs of weeks and months" href="/briefs.atom">'
        in page
    )
    assert "50.0% (2)" in page
    for name in ("countries", "foundations"):
        assert f'src="/brief/{WEEK}/{name}.svg"' in page
        for form, kind in (("svg", "image/svg+xml"), ("png", "image/png")):
            answer = site.get(f"/brief/{WEEK}/{name}.{form}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert "China" in site.get(f"/brief/{WEEK}/countries.svg").text
    assert site.get(f"/brief/{WEEK}/countries.svg?narrow=true").text != site.get(f"/brief/{WEEK}/countries.svg").text
    assert site.get(f"/brief/{WEEK}/sizes.svg").status_code == 404
    assert site.get(f"/brief/{WEEK}/countries.gif").status_code in {404, 422}


def test_a_correction_is_listed_and_moves_only_updated(
    site: TestClient, sqlite_engine: Engine, clock: time_machine.Coordinates
) -> None:
    before, page = entry(site), site.get(f"/brief/{WEEK}").text
    assert before["published"] == before["updated"] == "2026-10-06T00:00:00Z"
    assert "Corrected since" not in page
    clock.shift(timedelta(hours=1))
    assert entry(site) == before
    assert site.get(f"/brief/{WEEK}").text == page
    correct(sqlite_engine, clock)
    after, page = entry(site), unescape(site.get(f"/brief/{WEEK}").text)
    assert after["updated"] == "2026-10-08T01:00:00Z"
    for text in (after["content"], page):
        assert "Qwen/Qwen3-1B: country: China → France." in unescape(text)
    assert "This brief stays as it was published." in page
    assert 'href="#corrections"' in page and 'id="corrections"' in page
    assert after["content"].startswith(before["content"])
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"updated", "content"}
    found = site.get(f"/api/v1/brief/{WEEK}").json()
    assert [one["text"] for one in found["corrections"]] == ["Qwen/Qwen3-1B: country: China → France."]
    assert found["corrected_at"] == "2026-10-08T01:00:00Z"
    assert site.get(found["corrections"][0]["link"]).status_code == 200


def test_the_feed_knows_who_has_it(site: TestClient) -> None:
    answer = site.get("/briefs.atom")
    assert site.get("/briefs.atom", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert site.get("/briefs.atom").text.count("<entry>") == 3
    assert "<script" not in answer.text.lower()


def test_the_sitemap_has_the_published_briefs(site: TestClient) -> None:
    assert (
        f"<loc>https://x.example/brief/{WEEK}</loc><lastmod>2026-10-06T00:00:00Z</lastmod>"
        in site.get("/sitemap.xml").text
    )


def test_a_feed_without_briefs_is_a_feed(sqlite_url: str) -> None:
    with TestClient(create_app(Service(Settings(database_url=sqlite_url, secret_key=SecretStr("k"))))) as empty:
        assert "<entry>" not in empty.get("/briefs.atom").text
