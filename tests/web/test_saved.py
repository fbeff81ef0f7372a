"""Saved searches behind a link: over HTTP, in a browser, without scripts, and against those who have no link."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor import db
from monitor.demo.world import made_id
from monitor.enums import Observation, Via
from monitor.masking import masked
from monitor.models import SavedList
from monitor.releases import saved_searches as lists
from monitor.releases.recorder import record
from monitor.releases.retention import prune
from monitor.service import Service
from monitor.settings import Settings
from monitor.web import saved as module
from monitor.web.app import create_app
from tests.servers import served
from tests.web.browser import Browser
from tests.web.history import stamp
from tests.web.test_pages import SCRIPTS, Links
from tests.web.test_semantics import Page

LINK = re.compile(r"/saved/[\w-]{32}")


@pytest.fixture
def own(filled: Path, tmp_path: Path) -> Iterator[Service]:
    """A service over a history of its own, which is written to."""
    path = tmp_path / "saved.db"
    shutil.copy(filled, path)
    made = Service(Settings(database_url=f"sqlite:///{path}", requests_per_minute=0))
    yield made
    made.dispose()


@pytest.fixture
def client(own: Service) -> Iterator[httpx.Client]:
    with TestClient(create_app(own), follow_redirects=False) as made:
        yield made


def save(client: httpx.Client, q: str = "lab:qwen", name: str = "Qwen", link: str = "") -> str:
    """Saves a search; the path of its list."""
    answer = client.post("/saved", data={"q": q, "name": name, "link": link})
    assert answer.status_code == 303, answer.text
    where = answer.headers["location"].partition("#")[0]
    assert LINK.fullmatch(where)
    return str(where)


def ids(client: httpx.Client, where: str) -> list[str]:
    return re.findall(r'<li id="s-(\w+)">', client.get(where).text)


def names(client: httpx.Client, where: str) -> list[str]:
    return re.findall(r'value="open"><bdi>(.*?)</bdi>', client.get(where).text)


def new_release(own: Service, repo_id: str) -> None:
    facts = {"_id": made_id(repo_id), "id": repo_id, "private": False, "gated": False, "tags": []}
    facts |= {"createdAt": stamp(db.now()), "siblings": [{"rfilename": "model.safetensors"}]}
    with db.transaction(own.engine) as session:
        seen = Observation(facts["_id"], repo_id, facts, Via.CREATED, db.now())
        record(session, [seen], own.registry, lambda _session, _news: 0)


# --- what it does -----------------------------------------------------------------------------------------


def test_a_search_is_saved_found_again_and_counts_what_is_new(client: httpx.Client, own: Service) -> None:
    assert 'href="/saved?q=lab%3Aqwen"' in client.get("/releases?q=lab:qwen").text
    assert 'value="lab:qwen"' in client.get("/saved?q=lab:qwen").text
    where = save(client)
    assert "nothing new" in client.get(where).text
    new_release(own, "Qwen/Brand-New-7B")
    new_release(own, "Qwen/Brand-New-9B")
    new_release(own, "deepseek-ai/Brand-New-9B")
    for _ in range(2):  # looking at the list changes nothing
        assert '<b class="tag new">2 new</b>' in client.get(where).text
    (ident,) = ids(client, where)
    opened = client.post(where, data={"do": "open", "id": ident})
    assert (opened.status_code, opened.headers["location"]) == (303, "/releases?q=lab%3Aqwen&sort=seen")
    assert "nothing new" in client.get(where).text
    assert 'href="/feed.atom?q=lab%3Aqwen"' in client.get(where).text
    assert 'href="/alert?filter=lab%3Aqwen"' in client.get(where).text


def test_searches_are_added_renamed_moved_and_removed(client: httpx.Client) -> None:
    where = save(client, name="One")
    assert client.post(where, data={"do": "add", "q": "origin:CN", "name": "Two"}).headers["location"] == where
    assert save(client, "origin:KR", "Three", f"https://monitor.example{where}/") == where
    assert names(client, where) == ["One", "Two", "Three"]
    one, two, three = ids(client, where)
    client.post(where, data={"do": "up", "id": three})
    client.post(where, data={"do": "down", "id": one})
    client.post(where, data={"do": "up", "id": three})  # the first already
    assert names(client, where) == ["Three", "One", "Two"]
    moved = client.post(where, data={"do": "change", "id": two, "name": "2", "q": "kind:base origin:CN"})
    assert moved.headers["location"] == f"{where}#s-{two}"
    assert names(client, where) == ["Three", "One", "2"]
    assert "<code><bdi>kind:base origin:CN</bdi></code>" in client.get(where).text
    client.post(where, data={"do": "remove", "id": one})
    assert names(client, where) == ["Three", "2"]
    assert client.post(where, data={"do": "open", "id": one}).status_code == 404
    assert client.post(where, data={"do": "explode"}).status_code == 422


def test_a_new_query_begins_to_count_anew_and_a_new_name_does_not(client: httpx.Client, own: Service) -> None:
    where = save(client)
    (ident,) = ids(client, where)
    new_release(own, "Qwen/Brand-New-7B")
    client.post(where, data={"do": "change", "id": ident, "name": "Other", "q": "lab:qwen"})
    assert "1 new" in client.get(where).text
    client.post(where, data={"do": "change", "id": ident, "name": "Other", "q": "lab:qwen kind:base"})
    assert "nothing new" in client.get(where).text
    new_release(own, "Qwen/Brand-New-8B")
    assert "1 new" in client.get(where).text
    client.post(where, data={"do": "seen"})
    assert "nothing new" in client.get(where).text


def test_what_came_before_is_not_new_and_numbers_end(
    client: httpx.Client, own: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = save(client, "", "")
    assert names(client, where) == ["Every release"]
    with db.transaction(own.engine) as session:
        saved = session.scalars(select(SavedList)).one()
        saved.searches = [one | {"looked_at": "2020-01-01T00:00:00Z"} for one in saved.searches]
    assert 0 < int(re.findall(r">(\d+) new<", client.get(where).text)[0]) < 20  # of more than 900 in the history
    monkeypatch.setattr(lists, "MAX_COUNTED", 2)
    monkeypatch.setattr(module, "MAX_COUNTED", 2)
    assert "2 or more new" in client.get(where).text
    monkeypatch.setattr(lists, "COUNT_SECONDS", 0.0)
    assert "not counted" in client.get(where).text


def test_a_query_that_cannot_be_read_is_refused_and_kept_in_the_form(client: httpx.Client) -> None:
    for data in ({"q": "origin:XX", "name": "N"}, {"q": "", "name": "n" * 81}, {"q": "x " * 1_500, "name": "N"}):
        answer = client.post("/saved", data=data)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        assert f'value="{data["q"]}"' in answer.text
        assert 'aria-invalid="true"' in answer.text
    where = save(client)
    for do in ("add", "change"):
        answer = client.post(where, data={"do": do, "q": "origin:XX", "name": "My name", "id": ids(client, where)[0]})
        assert answer.status_code == 422
        assert "this query is not valid: at column 8" in answer.text
        assert 'value="My name"' in answer.text
    assert names(client, where) == ["Qwen"]
    answer = client.post("/saved", data={"q": "", "name": "", "link": "https://monitor.example/saved/" + "a" * 32})
    assert answer.status_code == 422
    assert "there is no list with this link" in answer.text


def test_a_saved_query_that_cannot_be_read_any_more_says_so(client: httpx.Client, own: Service) -> None:
    where = save(client)
    with db.transaction(own.engine) as session:
        saved = session.scalars(select(SavedList)).one()
        saved.searches = [one | {"q": "origin:XX"} for one in saved.searches]
    text = client.get(where).text
    assert "This query is not valid any more. At column 8" in text
    assert "not valid" in client.get(f"{where}/part").text


# --- the link ---------------------------------------------------------------------------------------------


def test_a_replaced_link_and_a_deleted_list_lead_nowhere(client: httpx.Client) -> None:
    where = save(client)
    answer = client.post(where, data={"do": "replace"})
    other = answer.headers["location"]
    assert LINK.fullmatch(other)
    assert other != where
    assert names(client, other) == ["Qwen"]
    gone = client.get(where)
    assert gone.status_code == 404
    assert "it was replaced or deleted" in gone.text
    assert client.post(where, data={"do": "remove", "id": "x"}).status_code == 404
    assert client.post(other, data={"do": "delete"}).headers["location"] == "/saved"
    assert client.get(other).status_code == client.get(f"{other}/part").status_code == 404
    for wrong in ("x", "a" * 32, "a" * 100, "..%2F..", "%27%20OR%201=1", where[7:] + "a", where[7:-1]):
        assert client.get(f"/saved/{wrong}").status_code in {404, 422}, wrong


def test_pages_with_the_link_are_kept_by_nobody_and_name_it_to_nobody(client: httpx.Client) -> None:
    where = save(client)
    for answer in (
        client.get(where), client.get(f"{where}/part"), client.get("/saved?q=lab:qwen"),
        client.get("/saved/" + "a" * 32),
        client.post(where, data={"do": "seen"}), client.post("/saved", data={"q": "", "name": ""}),
    ):  # fmt: skip
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert "etag" not in answer.headers
        assert "content-encoding" not in answer.headers
    assert '<meta name="robots" content="noindex">' in client.get(where).text
    assert "Disallow: /saved" in client.get("/robots.txt").text
    assert where[7:] not in masked(f"GET {where}/part HTTP/1.1")
    for path in ("/sitemap.xml", "/status", "/metrics"):
        assert where[7:] not in client.get(path).text


def test_the_database_holds_no_link_and_no_visits(client: httpx.Client, own: Service) -> None:
    where = save(client)
    client.post(where, data={"do": "open", "id": ids(client, where)[0]})
    with db.reading(own.engine) as session:
        row = session.scalars(select(SavedList)).one()
    kept = repr(row.model_dump())
    assert where[7:] not in kept
    assert set(row.model_dump()) == {"token_hash", "searches", "used_on"}
    assert set(row.searches[0]) == {"id", "name", "q", "looked_at"}
    assert row.used_on == db.now().replace(hour=0, minute=0, second=0, microsecond=0)


def test_no_get_changes_a_list_but_for_the_day_of_its_use(client: httpx.Client, own: Service) -> None:
    where = save(client)
    with db.transaction(own.engine) as session:
        row = session.scalars(select(SavedList)).one()
        before, row.used_on = row.searches, row.used_on - timedelta(days=300)
    for path in (where, f"{where}/part", f"{where}?do=delete&id={before[0]['id']}"):
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200
    with db.reading(own.engine) as session:
        row = session.scalars(select(SavedList)).one()
        assert row.searches == before
        assert row.used_on == db.now().replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_forms_of_other_sites_are_refused(client: httpx.Client, site: str) -> None:
    where = save(client)
    headers = {"Sec-Fetch-Site": site}
    assert client.post("/saved", data={"q": "", "name": ""}, headers=headers).status_code == 403
    assert client.post(where, data={"do": "delete"}, headers=headers).status_code == 403
    assert client.post(where, data={"do": "seen"}, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    assert names(client, where) == ["Qwen"]


# --- bounds -----------------------------------------------------------------------------------------------


def test_a_list_and_the_lists_of_a_client_are_bounded(client: httpx.Client) -> None:
    where = save(client)
    for number in range(lists.MAX_SEARCHES - 1):
        save(client, "", f"Number {number}", where)
    full = client.post(where, data={"do": "add", "q": "", "name": "One more"})
    assert full.status_code == 422
    assert "at most 30 searches" in full.text
    assert len(client.get(where).content) < 200_000
    for _ in range(module.LISTS_PER_HOUR - 1):
        save(client)
    refused = client.post("/saved", data={"q": "", "name": ""})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert client.post(where, data={"do": "seen"}).status_code == 303


def test_the_server_keeps_so_many_lists(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_LISTS", 1)
    save(client)
    assert client.post("/saved", data={"q": "", "name": ""}).status_code == 422


def test_a_forgotten_list_is_deleted_after_its_term_and_others_stay(engine: Engine) -> None:
    with db.transaction(engine) as session:
        tokens = [lists.new_list(session, name, "") for name in ("kept", "old")]
        old = lists.find_list(session, tokens[1], change=True)
        assert old is not None
        old.used_on = db.now() - lists.KEPT_FOR - timedelta(hours=1)
    with db.reading(engine) as session:
        assert lists.find_list(session, tokens[1]) is None  # even before it is deleted
    assert prune(engine, Settings())["saved_list"] == 1
    with db.reading(engine) as session:
        assert [row.searches[0]["name"] for row in session.scalars(select(SavedList))] == ["kept"]
        assert len(session.scalars(select(col(SavedList.token_hash))).one()) == 64


HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202eabc", "{{ 7*7 }}", "x\u2028y\x07")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_queries_are_only_text(client: httpx.Client, name: str) -> None:
    where = save(client, "lab:qwen", name)
    save(client, '"<b>" -"</bdi>"', "", where)
    for path in (where, f"{where}/part", "/saved"):
        text = client.get(path, params={"q": name, "name": name} if path == "/saved" else {}).text
        page = Links(text)
        assert page.tags.count("script") == (0 if path.endswith("part") else SCRIPTS)
        assert "img" not in page.tags[1:][page.tags.index("main") if "main" in page.tags else 0 :]
        assert not [one for one in page.attributes if one.startswith("on")]
        if path != "/saved":
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\x07]", text)
    assert "49" not in html.unescape("".join(names(client, where)))


def test_the_page_of_a_list_says_in_words_what_it_shows(client: httpx.Client) -> None:
    where = save(client)
    save(client, "origin:CN", "China", where)
    page = Page(client.get(where).text)
    buttons = ["".join(words).strip() for _, _, _, words in page.all("button")]
    assert {"Qwen", "China", "Down: Qwen", "Up: China", "Remove: Qwen", "Replace the link"} <= set(buttons)
    labelled = {given.get("for") for _, given, _, _ in page.all("label")}
    for _, given, around, _ in page.all("input"):
        if given.get("type") != "hidden":
            assert "label" in around or given.get("id") in labelled
    text = client.get(where).text
    assert "There is no account" in text
    assert "365 days from now" in text


# --- in a browser -----------------------------------------------------------------------------------------


def test_the_browser_remembers_a_list_that_was_made_in_it(chromium: Browser, own: Service) -> None:
    chromium.reset()
    with served(own) as where:
        driver = chromium.driver
        driver.get(f"{where}/releases?q=lab:qwen")
        driver.execute_script("localStorage.clear(); sessionStorage.clear()")
        chromium.follow("#save")
        chromium.enter('[name="name"]', "My Qwen")
        assert chromium.find("[data-forget]").is_displayed()
        assert chromium.violations() == []
        link = LINK.search(driver.current_url)
        assert link
        new_release(own, "Qwen/Brand-New-7B")
        driver.get(where)
        chromium.says("#your-searches", "My Qwen")
        chromium.says("#your-searches", "1 new")
        assert chromium.violations() == []
        chromium.follow("#your-searches button")
        chromium.says(".releases", "Brand-New-7B")
        # A second search goes into the same list.
        driver.get(f"{where}/saved?q=origin:KR")
        chromium.until(
            lambda: link[0] in str(chromium.find("#saved-link").get_attribute("value")), "the link in the form"
        )
        chromium.enter('[name="name"]', "Korea")
        chromium.says(".saved", "Korea")
        assert driver.current_url.startswith(where + link[0])
        # A new link is remembered in place of the old one.
        chromium.follow('[value="replace"]')
        assert LINK.search(driver.current_url) and link[0] not in driver.current_url
        driver.get(where)
        chromium.says("#your-searches", "Korea")
        chromium.follow("#your-searches a")
        chromium.find("[data-forget]").click()
        assert chromium.find("[data-keep]").is_displayed()
        driver.get(where)
        assert chromium.find("#your-searches").text == ""
        assert chromium.complaints() == []
        driver.execute_script("localStorage.clear(); sessionStorage.clear()")


def test_a_list_of_somebody_else_is_remembered_only_by_wish(
    chromium: Browser, own: Service, client: httpx.Client
) -> None:
    theirs = save(client, "origin:US", "Theirs")
    chromium.reset()
    with served(own) as where:
        driver = chromium.driver
        driver.get(f"{where}/labs")
        driver.execute_script("localStorage.clear(); sessionStorage.clear()")
        driver.get(where + theirs)
        assert driver.execute_script("return localStorage.length") == 0
        chromium.find("[data-keep]").click()
        driver.get(where)
        chromium.says("#your-searches", "Theirs")
        client.post(theirs, data={"do": "delete"})
        driver.get(where)
        chromium.until(lambda: driver.execute_script("return localStorage.length") == 0, "the browser to forget it")
        driver.execute_script("localStorage.setItem('hub-monitor:saved', '../../<b>')")
        driver.get(where)
        assert chromium.find("#your-searches").text == ""
        assert chromium.complaints() == []
        driver.execute_script("localStorage.clear()")


def test_all_of_it_works_without_scripts(scriptless: Browser, own: Service) -> None:
    with served(own) as scriptless.address:
        scriptless.open("/releases?q=lab:qwen")
        scriptless.follow("#save")
        scriptless.find('[name="name"]').send_keys("My Qwen")
        scriptless.follow("form.stacked button")
        assert LINK.search(scriptless.driver.current_url)
        scriptless.find('form.stacked [name="q"][placeholder]').send_keys("origin:CN")
        scriptless.follow('[value="add"]')
        assert "origin:CN" in scriptless.texts(".saved > li")[1]
        scriptless.follow('[value="up"]')
        assert "origin:CN" in scriptless.texts(".saved > li")[0]
        scriptless.follow('.saved [value="open"]')
        assert "/releases?q=origin" in scriptless.driver.current_url
