"""The front page: what matters first, the switch between its views, and honest empty pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
import time_machine
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from monitor import db
from monitor.models import Namespace, Poll
from monitor.releases.launches import queries
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.fakes.hub import model
from tests.web.browser import Browser
from tests.web.test_stories import seen


@pytest.fixture
def fresh(sqlite_engine: Engine, sqlite_url: str) -> Iterator[httpx.Client]:
    """The application over an empty history whose Hub is polled without errors."""
    with db.transaction(sqlite_engine) as session:
        for name in ("created", "modified"):
            session.add(Poll(name=name, state={"complete": True}, succeeded_at=db.now()))
    yield TestClient(create_app(Service(Settings(database_url=sqlite_url))))


def published(engine: Engine, *before: float) -> None:
    """Two versions of one model, so that the second is notable: published so many days ago each."""
    long_ago = db.now() - timedelta(days=400)
    with db.transaction(engine) as session:
        times = {"added_at": long_ago, "swept_at": long_ago, "due_at": db.now(), "interval": 60}
        session.add(Namespace(name="LGAI-EXAONE", lab="lg", reason="registry", **times))
    for name, days in zip(("9.0-7B", "9.5-8B"), before, strict=True):
        with time_machine.travel(db.now() - timedelta(days=days), tick=False):
            seen(engine, model(f"LGAI-EXAONE/EXAONE-{name}", license="apache-2.0"))


def section(text: str, name: str) -> str:
    """The text of a section of a page."""
    found = re.search(rf'<section[^>]*aria-labelledby="{name}">(.*?)</section>', text, re.DOTALL)
    return "" if found is None else re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[1]))


def test_notable_launches_lead_then_those_of_labs_then_everything(fresh: TestClient, sqlite_engine: Engine) -> None:
    published(sqlite_engine, 9, 1)
    seen(sqlite_engine, model("x/Wonder-8B"))
    seen(sqlite_engine, model("y/Wonder-8B-GGUF", base_model="x/Wonder-8B", relation="quantized"))
    text = fresh.get("/").text
    assert text.index('id="notable"') < text.index('id="labs"') < text.index('id="everything"')
    launches = fresh.get("/api/v1/launches").json()["items"]
    reasons = [one["notable"][0]["text"] for one in launches if one["name"] == "EXAONE-9.5-8B"]
    assert len(reasons) == 1
    for word in ("LG AI Research", "8B", "apache-2.0", "original", reasons[0]):
        assert word in section(text, "notable"), word
    assert "9.0-7B" not in section(text, "notable")
    assert section(text, "labs").count("LG AI Research") == 2
    assert "Wonder" not in section(text, "labs")
    assert {"Wonder-8B", "Wonder-8B-GGUF", "EXAONE-9.5-8B"} <= set(section(text, "everything").split())
    assert 'href="/labs/lg">LG AI Research</a>' in text


def test_a_release_and_its_launch_say_why_and_link_what_they_were_measured_against(
    fresh: TestClient, sqlite_engine: Engine
) -> None:
    published(sqlite_engine, 9, 1)
    (launch,) = fresh.get("/api/v1/launches", params={"q": "notable:new-version"}).json()["items"]
    for path in ("/releases/LGAI-EXAONE/EXAONE-9.5-8B", f"/launches/{launch['id']}"):
        text = fresh.get(path).text
        assert "First release of EXAONE-9.5, after EXAONE-9.0" in text
        assert 'measured against <a href="/releases/LGAI-EXAONE/EXAONE-9.0-7B">' in text
        assert 'href="/releases?q=notable%3Anew-version"' in text
    assert "Why it is notable" in fresh.get("/releases/LGAI-EXAONE/EXAONE-9.5-8B").text


def test_notable_releases_are_a_click_and_a_sort_away(fresh: TestClient, sqlite_engine: Engine) -> None:
    published(sqlite_engine, 9, 1)
    seen(sqlite_engine, model("x/Wonder-8B"))
    text = fresh.get("/releases", params={"sort": "notable"}).text
    assert re.search(r'<option value="notable" selected>most notable</option>', text)
    assert text.index('href="/releases/LGAI-EXAONE/EXAONE-9.5-8B"') < text.index('href="/releases/x/Wonder-8B"')
    toggle = 'href="/releases?q=notable%3Aany&amp;sort=notable"'
    assert toggle in text
    narrowed = fresh.get("/releases", params={"q": "notable:any", "sort": "notable"}).text
    assert "x/Wonder-8B" not in narrowed
    assert '<a href="/releases?sort=notable" class="chosen"><span>Notable only' in narrowed


def test_the_switch_is_in_the_address_and_survives_pages(fresh: TestClient, sqlite_engine: Engine) -> None:
    for number in range(32):
        with time_machine.travel(db.now() + timedelta(hours=3 * number), tick=False):
            seen(sqlite_engine, model(f"Qwen/Owl{number}-8B"))
    with time_machine.travel(db.now() + timedelta(hours=100), tick=False):
        views = {show: fresh.get("/", params={"show": show}).text for show in ("", "notable", "labs", "everything")}
        for show, text in views.items():
            chosen = re.findall(r'<a href="([^"]*)" aria-current="true">', text)
            assert chosen == [f"/?show={show}" if show else "/"]
        assert section(views["labs"], "labs") == section(views["everything"], "labs") == ""
        assert len(re.findall("<article", views["labs"])) == 30
        older = re.search(r'rel="next" href="([^"]+)"', views["labs"])
        assert older is not None
        assert "show=labs" in older[1]
        assert len(re.findall("<article", fresh.get(older[1].replace("&amp;", "&")).text)) == 2
        assert fresh.get("/", params={"show": "labs", "cursor": "x"}).status_code == 422
        assert 'id="everything"' in fresh.get("/", params={"show": "no such view"}).text
        assert 'value="qwen"' in fresh.get("/", params={"q": "qwen"}).text


def test_an_empty_and_a_blind_front_page_say_so(fresh: TestClient, sqlite_engine: Engine) -> None:
    text = fresh.get("/").text
    assert "No launch in the last 7 days was notable" in section(text, "notable")
    assert "No launches of labs yet" in section(text, "labs")
    assert "No releases yet" in section(text, "everything")
    assert 'class="problem"' not in text
    assert "No launches of labs yet" in section(fresh.get("/?show=labs").text, "launches").replace("  ", " ")
    with time_machine.travel(db.now() + timedelta(hours=5), tick=True):
        blind = fresh.get("/").text
    assert "has not been polled since" in blind
    assert "as far as the Hub was polled" in section(blind, "notable")


def test_what_is_notable_is_of_the_week_before_an_earlier_date(fresh: TestClient, sqlite_engine: Engine) -> None:
    published(sqlite_engine, 60, 30)
    then = (db.now() - timedelta(days=29)).isoformat()
    assert "EXAONE" not in section(fresh.get("/").text, "notable")
    assert "EXAONE-9.5" in section(fresh.get("/", params={"as_of": then}).text, "notable")
    assert "EXAONE-9.5" in section(fresh.get("/?show=notable").text, "launches")


def test_few_and_many_notable_launches_are_found_alike(
    fresh: TestClient, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(sqlite_engine, 9, 1)
    seen(sqlite_engine, model("Qwen/Qwen9-8B"))
    for query in ("notable:any", "notable:new-version lab:lg", "notable:any -lab:lg", "notable:none", "-notable:any"):
        monkeypatch.setattr(queries, "FEW_NOTABLE", 2_000)
        few = fresh.get("/api/v1/launches", params={"q": query}).json()
        monkeypatch.setattr(queries, "FEW_NOTABLE", -1)
        assert fresh.get("/api/v1/launches", params={"q": query, "limit": 49}).json() == few
        assert bool(few["items"]) == (query != "notable:any -lab:lg")


def test_the_first_screen_of_a_phone_shows_two_launches(browser: Browser) -> None:
    browser.size(390, 844)
    browser.open("/")
    bottoms = [one.rect["y"] + one.rect["height"] for one in browser.all(".launch")]
    assert sum(bottom <= 844 for bottom in bottoms) >= 2, bottoms[:4]
