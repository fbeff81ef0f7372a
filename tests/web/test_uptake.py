"""How fast derivatives come, over HTTP: the page, its chart and its numbers agree with the API."""

from __future__ import annotations

import csv
import io
import re

import httpx


def test_the_page_the_chart_and_the_csv_have_the_numbers_of_the_api(client: httpx.Client) -> None:
    found = client.get("/api/v1/uptake?q=kind:base&by=origin&days=60").json()
    assert found["releases"] > 10
    assert found["derivatives"] > 0
    rows = list(csv.DictReader(io.StringIO(client.get("/uptake.csv?q=kind:base&by=origin&days=60").text)))
    assert [(row["origin"], row["day"], row["derivatives"]) for row in rows] == [
        (row["origin"] or "", str(row["day"]), str(row["derivatives"])) for row in found["rows"]
    ]
    page = client.get("/uptake?q=kind:base&by=origin&days=60").text
    assert f"{found['releases']:,} originals match" in page
    drawn = client.get("/uptake.svg?q=origin:CN,US&by=origin&days=60").text
    assert "Derivatives per release by origin" in drawn
    assert re.search(r"<text[^>]*>0\.\d+</text>", drawn)  # fractions on its axis
    assert client.get("/uptake.png?by=lab").headers["content-type"] == "image/png"
    assert 'href="/uptake?by=origin"' in client.get("/trends").text


def test_a_wrong_question_is_answered_with_what_is_expected(client: httpx.Client) -> None:
    for address in (
        "/uptake?by=month",
        "/api/v1/uptake?by=month",
        "/uptake?q=kind:nothing",
        "/uptake.csv?relation=child",
    ):
        answer = client.get(address)
        assert answer.status_code == 422
        assert "expected" in answer.text
