"""The pages, asked over HTTP: what they show, how large they are, and what strangers' names cannot do in them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from monitor import db
from monitor.classify import classify
from monitor.db import migrations
from monitor.ingest.feeds.reader import EMPTY
from monitor.labs import load
from monitor.releases.unrecorded import unrecorded
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.web.history import BASE, HOSTILE, LONG, SCRIPT, TURNED

PAGES = (
    "/", "/?show=labs", "/?show=notable", "/?show=everything",
    "/releases?q=origin:CN+kind:base&sort=params", f"/releases/{BASE}", f"/releases/{quote(SCRIPT)}", "/labs",
    "/labs/qwen", "/trends", "/trends/chart", "/trends/chart?q=kind:base&by=lab", "/status", "/docs",
    "/brief/last-week", "/alert?when=count(7d)+>+1", "/subscribe?when=count(7d)+>+1",
    "/alert?filter=origin:CN", "/subscribe?filter=origin:CN", "/nothing/here", "/releases?q=origin:XX",
    "/launches?q=lab:qwen", "/launches/1", "/review", "/announcements", "/trends/chart?by=month,access",
    "/lens?of=CN,US&q=released:2026", "/lens?lens=atom", "/lens?of=XX", "/audit", "/compare", "/shortcuts",
    "/saved?q=kind:base",
    "/side-by-side", f"/side-by-side?id={BASE}&id=google/gemma-4-31B-it&id=no/body", f"/side-by-side?id={BASE}",
    "/uptake?q=kind:base&by=origin", "/uptake?by=month", "/trends/chart?by=month,origin&value=downloads&time=stock",
)  # fmt: skip
"""Every page, and those of errors."""
SCRIPTS = 3
"""htmx and our own two, from here."""


class Links(HTMLParser):
    """The tags, links and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes += given
        if tag == "a":
            self.links.append(given.get("href") or "")
        if "id" in given:
            self.ids.append(given["id"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(client: httpx.Client, path: str) -> Links:
    return Links(client.get(path).text)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_small_and_brings_no_script_or_style_of_its_own(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {200, 404, 422}
    assert len(answer.content) < 100_000
    page = Links(answer.text)
    assert page.tags.count("h1") == 1
    assert page.tags.count("main") == 1
    assert "style" not in page.tags
    assert page.tags.count("script") == SCRIPTS
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    assert len(page.ids) == len(set(page.ids))
    assert "'unsafe" not in answer.headers["content-security-policy"]


VALID_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
"""What HTML calls a valid global date and time string: at most three digits of a second's fraction."""


def test_every_time_element_is_one_that_html_allows(client: httpx.Client) -> None:
    found = [text for path in PAGES for text in re.findall(r'<time datetime="([^"]*)"', client.get(path).text)]
    assert len(found) > 50
    assert any("." in text for text in found)
    assert [text for text in found if not VALID_TIME.fullmatch(text)] == []


@pytest.mark.parametrize("path", [path for path in PAGES if "nothing" not in path])
def test_the_links_within_the_house_lead_somewhere(client: httpx.Client, path: str) -> None:
    links = sorted({link for link in read(client, path).links if link.startswith("/")})
    skipped = ("/export", "/metrics", "/readyz", "/slack")
    seen: dict[str, str] = {}
    for link in links:
        # One of each shape: fifty rows link to fifty alike.
        seen.setdefault(re.sub(r"[^/?&=]+(?=$|[/&])", "x", urlsplit(link).path), link)
    # But of what something was built on, each: it need not be in the history, and is linked to on the Hub then.
    releases = {link for link in links if re.fullmatch(r"/releases/[^/]+/[^/]+", urlsplit(link).path)}
    for link in {*seen.values(), *releases}:
        if not link.startswith(skipped):
            assert client.get(link).status_code == 200, link


def test_a_suspected_base_is_on_the_page_with_its_confidence_and_evidence(
    sqlite_engine: Engine, sqlite_url: str, shared: Path
) -> None:
    lines = (shared / "hub" / "real-2026-10" / "models.jsonl").read_text("utf-8").splitlines()
    facts = next(row for row in map(json.loads, lines) if row["id"] == "ornith-ai/Ornith-1.5-9B")
    with db.transaction(sqlite_engine) as session:
        session.add(unrecorded(facts, classify(facts, load()), db.now(), "sweep"))
    made = Service(Settings(database_url=sqlite_url))
    with TestClient(create_app(made)) as client:
        page = read(client, "/releases/ornith-ai/Ornith-1.5-9B")
    made.dispose()
    words = " ".join(page.text.split())
    assert "states no base; shares architecture and exact size with Qwen/Qwen3.5-9B 90 % confidence" in words
    assert "Built onno base is stated" in words
    evidence = words.partition("Suspected foundation")[2]
    assert "9653104368 shares architecture and exact size with Qwen/Qwen3.5-9B safetensors" in evidence
    assert "qwen3_5 belongs to one publisher architecture" in evidence


def test_a_country_is_shown_with_what_it_rests_on(sqlite_engine: Engine, sqlite_url: str) -> None:
    facts = {"_id": "6" * 24, "id": "mlx-community/Thing", "tags": []}
    with db.transaction(sqlite_engine) as session:
        session.add(unrecorded(facts, classify(facts, load()), db.now(), "sweep"))
    made = Service(Settings(database_url=sqlite_url))
    with TestClient(create_app(made)) as client:
        assert "by its members" in read(client, "/releases/mlx-community/Thing").text
    made.dispose()


def test_an_id_or_a_hub_url_leads_to_its_release(client: httpx.Client) -> None:
    for text in (BASE, BASE.lower(), f"https://huggingface.co/{BASE}", f"hf.co/{BASE}/tree/main"):
        answer = client.get("/releases", params={"q": text}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/releases/{BASE}"), text


def test_a_search_without_matches_says_what_may_have_been_meant(client: httpx.Client) -> None:
    assert "did you mean deepseek?" in client.get("/releases?q=deepsek").text


def test_a_lab_is_found_under_its_other_names(client: httpx.Client) -> None:
    for name in ("Mistral AI", "mistralai"):
        assert client.get(f"/labs/{name}", follow_redirects=False).headers["location"] == "/labs/mistral"
        assert client.get(f"/api/v1/labs/{name}").json()["id"] == "mistral"


def test_a_search_shows_what_matches_and_keeps_what_was_asked(client: httpx.Client) -> None:
    page = client.get("/releases", params={"q": "lab:qwen kind:base"})
    assert "Qwen3" in page.text
    assert 'value="lab:qwen kind:base"' in page.text
    assert "deepseek" not in read_list(page.text)


def read_list(text: str) -> str:
    return text[text.index('<div id="list"') : text.index("</table>")]


def test_a_query_that_cannot_be_read_is_sent_with_its_place_and_kept(client: httpx.Client) -> None:
    page = client.get("/releases", params={"q": "kind:base origin:XX"})
    assert page.status_code == 422
    assert "column 18" in page.text
    assert "kind:base origin:<mark>XX</mark>" in page.text
    assert 'value="kind:base origin:XX"' in page.text
    assert 'role="alert"' in page.text


def test_facets_rewrite_the_query_and_count(client: httpx.Client) -> None:
    page = Links(client.get("/releases", params={"q": "kind:base"}).text)
    queries = [parse_qs(urlsplit(link).query).get("q", [""])[0] for link in page.links if link.startswith("/releases")]
    assert "kind:base origin:CN" in queries
    assert "" in queries  # the chosen one, taken out
    one = client.get("/api/v1/facets", params={"q": "kind:base"}).json()["origin"]
    china = next(item["count"] for item in one if item["value"] == "CN")
    assert re.search(rf"China</span>\s*<span class=\"count\">{china}</span>", client.get("/releases?q=kind:base").text)


def test_a_chosen_facet_takes_a_second_value_and_gives_it_back(client: httpx.Client) -> None:
    page = Links(client.get("/releases", params={"q": "origin:CN"}).text)
    queries = [parse_qs(urlsplit(link).query).get("q", [""])[0] for link in page.links if link.startswith("/releases")]
    assert "" in queries
    both = Links(client.get("/releases", params={"q": "origin:CN,US"}).text)
    queries = [parse_qs(urlsplit(link).query).get("q", [""])[0] for link in both.links if link.startswith("/releases")]
    assert {"origin:US", "origin:CN"} <= set(queries)


@pytest.mark.parametrize("sort", ["released", "downloads", "-params", "repo"])
def test_pages_follow_each_other_without_gap_or_double(client: httpx.Client, sort: str) -> None:
    expected = client.get("/api/v1/releases", params={"sort": sort, "limit": 130}).json()["items"]
    met: list[str] = []
    path = f"/releases?sort={sort}"
    while path and len(met) < 130:
        text = client.get(path).text
        met += re.findall(r'<a id="r\d+" href="/releases/([^"]+)"', text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = following[1].replace("&amp;", "&") if following else ""
    assert met[:130] == [quote(item["repo_id"]) for item in expected]


def news_of(text: str) -> str:
    """The address that a live list asks for its news."""
    found = re.search(r'hx-get="(/releases/news[^"]+)"', text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def test_new_rows_wait_behind_a_button_that_counts_them(client: httpx.Client) -> None:
    have = news_of(client.get("/").text)
    assert client.get(have).status_code == 204
    less = have.rpartition(".")[0].rpartition(".")[0]  # as if two had come since
    button = client.get(less)
    assert ">2 new releases</a>" in button.text
    assert client.get(f"{less}&shown=2").status_code == 204
    assert ">1 new release</a>" in client.get(f"{have.rpartition('.')[0]}&shown=2").text
    assert "50 or more new releases" in client.get("/releases/news?have=0").text
    assert "other releases" in client.get("/releases/news?have=0&sort=downloads").text
    rows = re.search(r'hx-get="([^"]+)"', button.text)
    assert rows is not None
    assert client.get(rows[1].replace("&amp;", "&")).text.lstrip().startswith('<div id="list"')
    assert "/releases/news" not in client.get("/?live=off").text
    assert client.get("/releases/news?q=origin:XX").status_code == 204


def test_tables_have_captions_and_signs_have_words(client: httpx.Client) -> None:
    for path in PAGES:
        text = client.get(path).text
        assert len(re.findall(r"<table", text)) == len(re.findall(r"<caption", text)), path
    text = client.get("/").text
    assert text.count('<span aria-hidden="true">?</span><span class="sr">unknown</span>') > 0
    assert not re.findall(r"<td[^>]*>\?", text)
    flags = re.findall(r'<span class="flag"[^>]*>', text)
    assert all('role="img" aria-label="' in flag or "aria-hidden" in flag for flag in flags)


def test_watch_leads_to_alerts_about_what_happens_to_one_release(client: httpx.Client) -> None:
    page = read(client, f"/releases/{BASE}")
    watch = next(link for link in page.links if link.startswith("/alert?filter=") and "event" in link)
    ways = read(client, watch)
    assert "a change of licence" in ways.text and f"the repository is {BASE.lower()}" in ways.text
    assert "the lab is qwen" in ways.text
    assert "what happens to it later comes by the other ways" in ways.text
    email = client.get(next(link for link in ways.links if link.startswith("/subscribe"))).text
    assert "You get an email about releases where" in email and f"repo:{BASE.lower()}" in email


def test_alert_me_previews_a_trigger_and_leads_to_each_channel(client: httpx.Client) -> None:
    page = read(client, "/alert?when=" + quote("share(origin:CN, all) >= 80%"))
    assert (
        "You get a notice when among releases, the share of those where the publisher's country is China" in page.text
    )
    assert "/hub when share(origin:CN, all) >= 80%" in page.text
    assert any(link.startswith("/subscribe?when=") for link in page.links)
    wrong = client.get("/alert", params={"when": "share(orign:CN, all) >= 80%"})
    assert wrong.status_code == 422 and "This trigger is not valid. At column 7" in wrong.text


def test_alert_me_leads_to_each_channel_with_the_filter_filled_in(client: httpx.Client) -> None:
    page = read(client, "/releases?q=origin:CN+kind:base")
    alert = next(link for link in page.links if link.startswith("/alert"))
    ways = Links(client.get(alert).text)
    assert "/hub subscribe kind:base origin:CN" in ways.text
    assert "/subscribe?filter=kind%3Abase+origin%3ACN" in ways.links
    assert 'value="kind:base origin:CN"' in client.get("/subscribe?filter=kind%3Abase+origin%3ACN").text


def test_a_release_shows_facts_evidence_lineage_and_what_happened(client: httpx.Client) -> None:
    page = read(client, f"/releases/{BASE}")
    assert BASE in page.text
    assert "registered as Qwen" in page.text  # evidence of its origin
    assert "Repository created" in page.text
    assert "First observed" in page.text
    assert page.text.count("First observed") == 1
    assert "Built on it, directly or indirectly" in page.text
    below = client.get("/api/v1/releases", params={"q": f"foundation:{BASE} -repo:{BASE}"}).json()["items"]
    assert {f"/releases/{quote(one['repo_id'])}" for one in below} <= set(page.links)


def test_a_derivative_shows_its_way_up(client: httpx.Client) -> None:
    query = {"q": f"foundation:{BASE} kind:quantized", "limit": 1}
    one = client.get("/api/v1/releases", params=query).json()["items"][0]
    page = client.get(f"/releases/{one['repo_id']}").text
    tree = page[page.index('<ul class="tree">') :]
    names = [BASE, *[step["repo_id"] for step in one["lineage"]][::-1][1:], one["repo_id"]]
    places = [tree.index(f"<bdi>{name}</bdi>") for name in names]
    assert places == sorted(places)


def test_adoption_is_drawn_and_sent_in_numbers(client: httpx.Client) -> None:
    page = client.get(f"/releases/{BASE}").text
    assert f'src="/releases/{BASE}/downloads.svg"' in page
    drawn = client.get(f"/releases/{BASE}/downloads.svg")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert "<title>" in drawn.text
    assert client.get(f"/releases/{BASE}/tears.svg").status_code == 422


def test_labs_stand_by_country_and_lead_to_their_own(client: httpx.Client) -> None:
    page = read(client, "/labs")
    assert "/labs/qwen" in page.links
    assert "China" in page.text
    lab = client.get("/labs/qwen").text
    assert "Qwen3" in lab
    assert "/feed.atom?q=lab%3Aqwen" in lab
    assert client.get("/labs/nobody").status_code == 404


def test_trends_draw_each_question_with_numbers_and_query(client: httpx.Client) -> None:
    page = client.get("/trends").text
    sources = [source.replace("&amp;", "&") for source in re.findall(r'<img src="(/trends/chart.svg[^"]+)"', page)]
    tables = [source.replace("&amp;", "&") for source in re.findall(r'hx-get="(/trends/table[^"]+)"', page)]
    assert len(sources) == len(tables) >= 5
    for source in sources:
        assert client.get(source).text.startswith("<svg"), source
    for table in tables:
        assert "<td" in client.get(table).text
    assert client.get(sources[0].replace(".svg", ".png")).content.startswith(b"\x89PNG")


def test_open_is_set_against_closed_and_each_number_links_to_its_rows(client: httpx.Client) -> None:
    page = client.get("/trends/chart?by=month,access")
    assert "announced only" in page.text
    numbers = re.findall(r'<a href="(/launches\?[^"]+)">([\d,]+)</a></td>', page.text)
    assert numbers
    for link, number in numbers[-3:]:
        shown = client.get(link.replace("&amp;", "&")).text
        assert re.search(rf"\b{number} launches of ", shown), link
    assert "announced" in client.get("/trends/chart?by=month,access&q=lab:nobody").text
    assert client.get("/announcements?month=2026-13").status_code == 422


def test_each_number_under_a_chart_links_to_what_it_counts(client: httpx.Client) -> None:
    table = client.get("/trends/table?by=month,openness&q=kind:base&last=2").text
    rows = re.findall(r'<a href="(/(?:releases|launches)\?[^"]+)">([\d,]+)</a>', table)
    assert len(rows) > 2
    for link, number in rows[:6]:
        path, query = link.replace("&amp;", "&").split("?q=")
        if path == "/releases":
            counted = client.get(f"/api/v1/stats?by=kind&q={query}").json()["items"]
            assert sum(row["count"] for row in counted) == int(number.replace(",", ""))
        else:
            assert f"{number} launches of " in client.get(f"{path}?q={query}").text


def test_formats_and_providers_are_facets_and_dimensions_and_say_what_they_count(client: httpx.Client) -> None:
    page = client.get("/releases?q=lab:qwen").text
    assert "Runs as" in page and "Served by" in page and "none known" in page
    assert "q=format%3Anone+lab%3Aqwen" in page and "q=lab%3Aqwen+provider%3Anone" in page
    all_releases = sum(row["count"] for row in client.get("/api/v1/stats?by=kind").json()["items"])
    for name in ("format", "provider"):
        rows = client.get(f"/api/v1/stats?by={name}").json()["items"]
        assert rows and all(row["of"] == all_releases for row in rows)
        table = client.get(f"/trends/table?by={name}").text
        assert f"A release counts in each of its {name}s; there are {all_releases:,} releases in all." in table
        link, number = re.findall(r'<a href="(/releases\?[^"]+)">([\d,]+)</a>', table)[0]
        query = link.replace("&amp;", "&").split("?q=")[1]
        counted = client.get(f"/api/v1/stats?by=kind&q={query}").json()["items"]
        assert sum(row["count"] for row in counted) == int(number.replace(",", ""))
        assert client.get(f"/trends/chart.csv?by={name}").text.startswith(f"{name},count,share,of,launches,")
        assert client.get(f"/trends/chart?by=month,{name}&known=true&share=true").status_code == 200
        assert client.get(f"/trends/chart.csv?by=month,{name}&value=downloads").text.startswith(
            f"month,{name},downloads,unknown,count,share,of,"
        )
    assert client.get("/trends/chart?by=format,provider").status_code == 422


def test_trends_are_narrowed_by_a_query(client: httpx.Client) -> None:
    page = client.get("/trends", params={"q": "lab:qwen OR lab:google"}).text
    assert quote("(lab:qwen OR lab:google)", safe="").replace("%20", "+") in page
    assert client.get("/trends", params={"q": "origin:XX"}).status_code == 422


def test_a_chart_is_conditional(client: httpx.Client) -> None:
    first = client.get("/trends/chart.svg?by=kind")
    again = client.get("/trends/chart.svg?by=kind", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_a_chart_of_nothing_or_of_nonsense_says_so(client: httpx.Client) -> None:
    assert "no data yet" in client.get("/trends/chart.svg?q=lab:nobody-at-all").text
    assert client.get("/trends/chart?by=tea").status_code == 422
    assert client.get("/trends/chart.svg?by=tea").status_code == 422
    assert client.get("/trends/chart.gif").status_code == 422


def test_status_tells_of_each_source(client: httpx.Client) -> None:
    page = client.get("/status").text
    for word in ("created", "modified", "trending", "namespaces", "failures", "Hub requests left"):
        assert word in page
    assert "&lt;b&gt;no answer&lt;/b&gt;" in page
    assert EMPTY in page
    assert '<span class="tag warn">stale</span> nothing new since' in page
    stale = [one for one in client.get("/api/v1/coverage").json()["sources"] if one["state"] == "stale"]
    assert [one["name"] for one in stale] == [f"feed {load().feeds[2]}"]
    assert "hub_monitor_stale_feeds 1.0" in client.get("/metrics").text


def test_the_api_is_described_for_people(client: httpx.Client) -> None:
    page = client.get("/docs").text
    paths = client.get("/openapi.json").json()["paths"]
    assert all(f"</b> {path}</code>" in page.replace("&#39;", "'") for path in paths)


def test_errors_are_pages_for_people_and_json_for_programs(client: httpx.Client) -> None:
    page = client.get("/releases/no/body")
    assert page.status_code == 404
    assert "Release no/body is not recorded." in page.text
    assert client.get("/api/v1/releases/no/body").json()["error"]["code"] == "not_found"
    assert client.post("/").status_code == 405
    assert client.get("/releases?cursor=nonsense").status_code == 422


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_inert(client: httpx.Client, name: str) -> None:
    for path in (
        "/",
        "/releases?q=evil",
        f"/releases/{quote(name)}",
        f"/releases/{BASE}",
        "/trends/chart?q=evil&by=task",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        page = Links(answer.text)
        assert page.tags.count("script") == SCRIPTS
        assert not {"img", "svg"} & set(page.tags) or "onerror" not in page.attributes
        assert not [attribute for attribute in page.attributes if attribute.startswith("on")]
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200f]", answer.text)
    assert len(client.get(f"/releases/{quote(LONG)}").content) < 100_000
    assert client.get(f"/releases/{quote(TURNED)}").status_code == 200


def test_hostile_queries_are_shown_inert(client: httpx.Client) -> None:
    for q in ('"><script>alert(1)</script>', "\u202eabc", "x" * 2_000, "{{ 7*7 }}", "' OR 1=1 --", 'lab:"<b>"'):
        for path in ("/releases", "/trends", "/trends/chart"):
            answer = client.get(path, params={"q": q})
            assert answer.status_code in {200, 422}
            assert Links(answer.text).tags.count("script") == SCRIPTS
        answer = client.get("/alert", params={"filter": q})
        assert Links(answer.text).tags.count("script") == SCRIPTS


def test_an_empty_history_has_every_page(tmp_path: Any) -> None:
    made = Service(Settings(database_url=f"sqlite:///{tmp_path}/empty.db"))
    migrations.upgrade(made.engine)
    from fastapi.testclient import TestClient

    with TestClient(create_app(made)) as client:
        for path in ("/", "/labs", "/labs/qwen", "/trends", "/trends/chart", "/trends/chart.svg", "/status", "/docs"):
            assert client.get(path).status_code == 200, path
        assert "No releases yet" in client.get("/").text
        assert "has not been polled yet" in client.get("/status").text
    made.engine.dispose()


def test_ages_are_sent_in_the_largest_unit_that_fits() -> None:
    from monitor.web.render import ago

    now = db.now()
    assert [ago(now - timedelta(seconds=age)) for age in (0.2, 61, 7_300, 90_000, 40_000_000)] == [
        "0 s ago", "1 min ago", "2 h ago", "1 d ago", "1 y ago",
    ]  # fmt: skip
    assert ago(now + timedelta(minutes=5, seconds=5)).startswith("in 5 min")
    assert ago(None) == "never"


def test_the_namesake_of_a_search_comes_first_and_stays_there(client: httpx.Client) -> None:
    name = BASE.partition("/")[2]
    text = client.get("/releases", params={"q": name}).text
    first = re.search(r'<a id="r\d+" href="([^"]+)"', text)
    assert first
    assert first[1] == f"/releases/{BASE}"
    assert text.count(f'href="/releases/{BASE}"><bdi>{name}</bdi>') == 1
    assert client.get(news_of(text)).status_code == 204
