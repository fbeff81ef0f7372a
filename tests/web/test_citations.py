"""Citations over HTTP: the button, the page, the API and the rows."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.web.browser import Browser
from tests.web.history import SCRIPT
from tests.web.test_past import DAY, Addresses

ASKED = (
    {"kind": "releases", "q": "origin:CN released:90d"},
    {"kind": "stats", "q": "kind:base", "by": "month,origin", "share": "true"},
    {"kind": "stats", "by": "lab", "value": "downloads", "known": "true"},
    {"kind": "share", "of": "CN,US", "q": "released:90d"},
    {"kind": "share", "of": "eu", "lens": "atom"},
    {"kind": "brief", "period": "last-month"},
)


@pytest.mark.parametrize("body", ASKED, ids=str)
def test_the_same_question_and_moment_have_the_same_id(client: httpx.Client, body: dict[str, str]) -> None:
    asked = body | {"as_of": DAY}
    one, other = (client.post("/api/v1/citations", json=asked).json() for _ in range(2))
    assert one == other
    assert client.get(f"/api/v1/citations/{one['id']}").json() == one
    assert client.post("/c", data=asked).headers["location"] == urlsplit(one["url"]).path
    assert one["rows"] > 0
    assert client.get(urlsplit(one["page"]).path, params=parse_qs(urlsplit(one["page"]).query)).status_code == 200


@pytest.mark.parametrize("body", ASKED, ids=str)
def test_the_digest_is_that_of_the_file(client: httpx.Client, body: dict[str, str]) -> None:
    cited = client.post("/api/v1/citations", json=body).json()
    rows = client.get(urlsplit(cited["rows_url"]).path)
    assert hashlib.sha256(rows.content).hexdigest() == cited["sha256"]
    lines = rows.text.splitlines()
    table = list(csv.DictReader(client.get(urlsplit(cited["rows_url"]).path.replace("jsonl", "csv")).text.splitlines()))
    assert len(lines) == cited["rows"]
    if body["kind"] != "brief":  # whose texts have line breaks of their own in no cell
        assert len(table) == len(lines)
    assert list(table[0]) == list(json.loads(lines[0]))
    kept = "max-age=86400" if cited["caveats"] else "max-age=31536000, immutable"
    assert rows.headers["cache-control"] == f"public, {kept}"
    again = client.get(urlsplit(cited["rows_url"]).path, headers={"If-None-Match": rows.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_gives_what_to_cite_it_by(client: httpx.Client) -> None:
    cited = client.post("/api/v1/citations", json={"q": 'license:mit OR "</script>&#_{}%"', "as_of": DAY}).json()
    text = client.get(urlsplit(cited["url"]).path).text
    ld = json.loads(re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)[0])
    assert ld["@type"] == "Dataset"
    assert f"sha256:{cited['sha256']}" in ld["identifier"]
    assert ld["name"].startswith(cited["title"])
    assert 50 <= len(ld["description"]) <= 5_000  # the limits of search engines for data sets
    assert cited["rows_url"] == ld["distribution"][0]["contentUrl"]
    bibtex = unescape(re.findall(r"<code>(@misc.*?)</code>", text, re.DOTALL)[0])
    assert bibtex.count("{") == bibtex.count("}")
    assert cited["sha256"] in bibtex
    assert f"url = {{{cited['url']}}}" in bibtex
    assert f"Hub Release Monitor. ({cited['as_of'][:4]}, " in text
    assert f"[Data set]. {cited['url']}" in text
    assert f"hub-monitor verify {cited['url']}" in text


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/releases?q=origin:CN", "releases"), ("/trends/chart?by=month,origin&share=true", "stats"),
     ("/lens?of=CN,US&q=kind:base", "share"), ("/brief/last-month", "brief")],
)  # fmt: skip
def test_pages_have_a_button_that_cites_what_they_show(client: httpx.Client, path: str, kind: str) -> None:
    for as_of in ("", DAY):
        page = Addresses(client.get(path, params={**parse_qs(urlsplit(path).query), "as_of": as_of}).text)
        (form,) = [one for one in page.forms if one[""] == "/c"]
        assert form["kind"] == kind
        answer = client.post("/c", data={name: value for name, value in form.items() if name})
        assert answer.status_code == 303, answer.text
        assert client.get(answer.headers["location"]).status_code == 200


def test_what_cannot_be_cited_is_refused_in_words(client: httpx.Client) -> None:
    for body, words in (
        ({"q": "event:gated"}, "event: cannot be cited"),
        ({"q": "((("}, "column"),
        ({"kind": "stats", "by": "nothing"}, "one or two of"),
        ({"kind": "stats", "by": "month", "value": "stars"}, "one of count, launches, params_total, downloads"),
        ({"kind": "stats", "by": "month", "last": "-1"}, "a number from 0 to 1000"),
        ({"kind": "stats", "by": "month", "known": "perhaps"}, "true or false"),
        ({"kind": "brief", "q": "x"}, "q: no parameter of brief"),
        ({"kind": "brief", "period": "2026"}, "a week like"),
        ({"as_of": "1999-01-01"}, "a time from 2016 on expected"),
        ({"as_of": "2999-01-01"}, "not in the future"),
        ({"what": "x"}, "Extra inputs"),
    ):
        for answer in (client.post("/api/v1/citations", json=body), client.post("/c", data=body)):
            assert answer.status_code == 422, body
            assert words in unescape(answer.text), body
    for path in ("/c/AAAA", "/api/v1/citations/AAAA", "/api/v1/citations/AAAA/rows.csv", f"/c/{'A' * 7000}"):
        assert client.get(path).status_code in {404, 422}, path
    assert client.post("/c", data={"q": SCRIPT}).status_code in {303, 422}


def test_the_page_is_fit_for_everybody(browser: Browser, client: httpx.Client) -> None:
    cited = client.post("/api/v1/citations", json={"kind": "stats", "by": "month,origin", "as_of": DAY}).json()
    browser.open(urlsplit(cited["url"]).path)
    assert browser.violations() == []
    browser.look(dark=True)
    assert browser.violations("color-contrast") == []
    browser.size(360, 740)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 360
    assert browser.complaints() == []


def test_the_button_leads_to_the_citation(browser: Browser) -> None:
    for path in ("/releases?q=kind:base", "/trends/chart?by=kind", "/brief/last-month"):
        browser.open(f"{path}{'&' if '?' in path else '?'}as_of={DAY}")
        browser.follow("button[form=cite]")
        assert browser.find("h1").text == "Citation"
