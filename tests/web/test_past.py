"""Pages as they were known at a moment: they stay there, say so, and may be kept."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from monitor import db
from tests.web.history import BASE

DAY = (db.now() - timedelta(days=10)).date().isoformat()
PRESENT = ("/static/", "/briefs.", "/status", "/docs", "/alert", "/subscribe", "/review", "/saved", "/shortcuts")
"""What is of the present alone."""
PAGES = (
    "/", "/?show=labs",
    "/releases", "/releases?q=kind:base", f"/releases/{BASE}", "/launches", "/announcements", "/trends",
    "/brief/2026-10", "/trends/chart?by=month,origin", "/trends/chart?by=month,access", "/labs", "/labs/qwen",
    "/releases/rows", "/trends/table?by=kind", "/lens", "/lens?lens=100b", f"/side-by-side?id={BASE}",
)  # fmt: skip


class Addresses(HTMLParser):
    """Whatever a page leads to, loads, polls or sends a form to, and the hidden fields of each form."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.in_form = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.in_form = True
            self.forms.append({"": given["action"]})
        elif tag == "input" and self.in_form:
            self.forms[-1][given.get("name", "?")] = given.get("value", "")
        self.found += [given[name] for name in ("href", "src", "hx-get", "hx-post") if name in given]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.in_form = False


def of_the_past(path: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}as_of={DAY}"


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_of_the_past_leads_to_is_of_the_same_moment(client: httpx.Client, path: str) -> None:
    answer = client.get(of_the_past(path))
    assert answer.status_code == 200
    page = Addresses(answer.text)
    inner = [one for one in page.found if one.startswith("/") and not one.startswith(PRESENT)]
    present = urlsplit(path).path
    for one in inner:
        parts = urlsplit(one)
        if "as_of" not in parse_qs(parts.query):
            assert parts.path == present, one  # the one link that leads back to the present
            assert parse_qs(parts.query) == parse_qs(urlsplit(path).query)
    assert [form["as_of"] for form in page.forms] == [DAY] * len(page.forms)
    assert 'hx-trigger="every' not in answer.text


@pytest.mark.parametrize("path", PAGES[:13])
def test_a_page_of_the_past_says_so_and_leads_to_the_present(client: httpx.Client, path: str) -> None:
    end = (db.now() - timedelta(days=9)).date().isoformat()
    assert f"Showing what was known at {end} 00:00 UTC" in client.get(of_the_past(path)).text
    now = client.get(path).text
    assert "Showing what was known at 2" not in now
    assert 'type="date" name="as_of"' in now


def test_pages_of_the_present_do_not_pretend_to_be_of_the_past(client: httpx.Client) -> None:
    for path in ("/status", "/review", "/docs"):
        answer = client.get(of_the_past(path))
        assert answer.status_code == 200
        assert "Showing what was known" not in answer.text


def test_facets_of_the_past_count_the_past_and_leave_the_present_alone(client: httpx.Client) -> None:
    def counts(text: str) -> list[str]:
        return re.findall(r'class="count">([\d,]+)<', text)

    now = counts(client.get("/releases?q=kind:base&sort=likes").text)
    then = counts(client.get(of_the_past("/releases?q=kind:base&sort=likes")).text)
    again = counts(client.get("/releases?q=kind:base&sort=downloads").text)
    total = client.get(of_the_past("/api/v1/facets?q=kind:base")).json()["total"]
    assert now == again != then
    assert then
    assert all(int(count.replace(",", "")) > 0 for count in then)
    assert f"{total:,} release" in client.get(of_the_past("/releases?q=kind:base")).text


def test_nothing_on_a_page_of_the_past_is_called_new(client: httpx.Client) -> None:
    text = client.get(of_the_past("/releases")).text
    assert 'class="news"' not in text
    assert " ago</time>" not in text


@pytest.mark.parametrize("form", ["atom", "json"])
def test_a_feed_of_the_past_leads_to_the_past(client: httpx.Client, form: str) -> None:
    text = client.get(of_the_past(f"/feed.{form}?q=kind:base")).text
    own = re.findall(r'"(http://127\.0\.0\.1:8000/[^"]*)"', text)
    assert own
    assert all(f"as_of={DAY}" in one for one in own)


def test_a_moment_that_is_none_is_refused_in_words(client: httpx.Client) -> None:
    for wrong in ("yesterday", "2999-01-01", "0000-00-00"):
        page = client.get("/releases", params={"as_of": wrong})
        assert page.status_code == 422
        assert "as_of" in page.text
        assert wrong in page.text


def test_what_was_long_ago_may_be_kept_for_longer(client: httpx.Client) -> None:
    for path in ("/api/v1/releases", "/api/v1/stats?by=kind", "/feed.atom", "/export.csv", "/trends/chart.svg"):
        kept = "31536000, immutable" if path == "/export.csv" else "86400"
        assert client.get(of_the_past(path)).headers["cache-control"] == f"public, max-age={kept}"
        just = quote((db.now() - timedelta(minutes=5)).isoformat())
        glue = "&" if "?" in path else "?"
        for moment in (just, db.now().date().isoformat()):
            assert client.get(f"{path}{glue}as_of={moment}").headers["cache-control"] == "public, max-age=60"
        assert client.get(path).headers["cache-control"] == "public, max-age=60"
    days = client.get(of_the_past("/api/v1/releases?q=released:30d"))
    assert days.headers["cache-control"] == "public, max-age=60"


def test_an_export_is_not_sent_again_to_who_has_it(client: httpx.Client) -> None:
    for path in ("/export.jsonl?q=kind:base", of_the_past("/export.jsonl?q=kind:base")):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    other = client.get("/export.jsonl?q=kind:merge")
    assert other.headers["etag"] != client.get("/export.jsonl?q=kind:base").headers["etag"]
    assert "etag" not in client.get("/export.csv?q=released:7d").headers
    assert "etag" in client.get("/export.csv?q=released:2026-01").headers
    for words in ("released:7d", "event:gated"):
        asked = client.get(of_the_past(f"/export.csv?q={words}"))
        assert "immutable" not in asked.headers["cache-control"], words
