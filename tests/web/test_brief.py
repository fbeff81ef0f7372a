"""The brief as JSON and as a page, and what its sentences lead to."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from monitor import db
from tests.web.history import SCRIPT

AT = (db.now() - timedelta(days=1)).date().isoformat()
MONTH = "this-month" if db.now().day > 7 else "last-month"
"""One with many releases in it, also on the first day of a month."""


def test_each_number_is_that_of_the_releases_it_leads_to(client: httpx.Client) -> None:
    found = client.get(f"/api/v1/brief/{MONTH}").json()
    checked = 0
    for section in found["sections"]:
        for one in section["sentences"]:
            asked = parse_qs(urlsplit(one["link"]).query, keep_blank_values=True)
            if one["query"] is None or one["link"].startswith("/releases/"):
                continue
            assert asked["q"] == [one["query"]]
            assert asked["as_of"] == [found["as_of"]]
            number = re.match(
                r"(?:Releases|Originals|Fine-tunes, adapters and merges)(?: in [\d-]+)?: ([\d,]+)\.", one["text"]
            )
            if number:
                some = client.get("/api/v1/facets", params={"q": one["query"], "as_of": found["as_of"]}).json()
                assert some["total"] == int(number[1].replace(",", ""))
                checked += 1
            assert client.get(one["link"]).status_code == 200
    assert checked >= 6


@pytest.mark.parametrize("name", ["last-week", "this-month", "2019-05"])
def test_the_page_has_the_sentences_of_the_api(client: httpx.Client, name: str) -> None:
    known = {"as_of": AT}
    answer, page = (client.get(f"{path}/{name}", params=known) for path in ("/api/v1/brief", "/brief"))
    assert answer.status_code == page.status_code == 200
    found = answer.json()
    text = unescape(page.text)
    assert found["title"] in text
    for section in found["sections"]:
        assert section["title"] in text
        for one in section["sentences"]:
            assert one["text"] in text
            assert one["link"] in text
    again = client.get(f"/brief/{found['period']}", params=known, headers={"If-None-Match": page.headers["etag"]})
    assert name != found["period"] or again.status_code == 304
    assert client.get(f"/api/v1/brief/{found['period']}", params=known).content == answer.content


def test_a_brief_of_the_present_leads_to_one_time(client: httpx.Client) -> None:
    text = client.get("/brief/this-month").text
    times = set(re.findall(r"as_of=([^&\"]+)", text))
    assert len(times) == 1
    assert "Showing what was known at" not in text
    assert "This period is not over." in text
    assert 'href="/brief/last-week"' in client.get("/trends").text


@pytest.mark.parametrize("path", ["/api/v1/brief", "/brief"])
def test_a_period_that_is_none_or_has_not_begun_is_refused_in_words(client: httpx.Client, path: str) -> None:
    for wrong, words in (
        ("2026-W60", "a week like 2026-W48 or a month like 2026-11 expected"),
        ("2026", "a week like 2026-W48 or a month like 2026-11 expected"),
        ("2999-01", "period 2999-01 had not begun"),
        ("<script>", "a week like 2026-W48"),
    ):
        answer = client.get(f"{path}/{wrong}")
        assert answer.status_code == 422
        assert words in answer.text
        assert "<script>'" not in answer.text or path.startswith("/api")
    assert client.get(f"{path}/2026-11/x").status_code == 404
    if path.startswith("/api"):
        assert client.get(f"{path}/2026").json()["error"]["field"] == "period"
    before = client.get(f"{path}/this-month", params={"as_of": "2999-01-01"})
    assert before.status_code == 422
    past = client.get(f"{path}/2026-11", params={"as_of": "2026-10-01"})
    assert "2026-11 had not begun at 2026-10-02 00:00 UTC" in past.text


def test_no_script_of_a_stranger_is_on_the_page(client: httpx.Client) -> None:
    assert SCRIPT not in client.get("/brief/this-month").text
