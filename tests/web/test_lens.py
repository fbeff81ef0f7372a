"""Shares under lenses over HTTP: the API, the page, the chart and the table as a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import quote_plus

import httpx
import pytest
from fastapi.testclient import TestClient

from monitor.db import migrations
from monitor.releases.lenses import LensError, load_lenses
from monitor.releases.query import parse
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app

LENSES = load_lenses(None)


def test_the_api_gives_a_row_for_each_lens_and_the_spread(client: httpx.Client) -> None:
    found = client.get("/api/v1/shares", params={"of": "China,US", "q": "kind:base"}).json()
    assert (found["of"], found["query"]) == (["CN", "US"], "kind:base")
    assert [row["lens"] for row in found["items"]] == list(LENSES)
    assert found["spread"].startswith("The share of CN and US ")
    counted = {row["origin"]: row for row in client.get("/api/v1/stats?by=origin&q=kind:base").json()["items"]}
    every = found["items"][0]
    assert every["n"] == sum(row["count"] for row in counted.values()) > 0
    assert {group["group"]: group["share"] for group in every["groups"]} == {
        origin: row["share"] for origin, row in counted.items()
    }
    assert every["each"]["CN"] == counted["CN"]["share"]
    some = client.get("/api/v1/shares", params={"of": "CN", "lens": "labs,atom", "as_of": "2020-01-01"}).json()
    assert [(row["lens"], row["share"], row["n"]) for row in some["items"]] == [("labs", None, 0), ("atom", None, 0)]
    assert some["spread"] == "Nothing is counted under any lens."


def test_the_api_lists_the_definitions(client: httpx.Client) -> None:
    items = client.get("/api/v1/lenses").json()["items"]
    assert items == [lens.as_json() for lens in LENSES.values()]


@pytest.mark.parametrize(
    ("params", "field", "expected"),
    [
        ({"of": "XX"}, "of", "two letters"),
        ({"of": ""}, "of", "like CN,US"),
        ({"of": "CN", "lens": "atm"}, "lens", "did you mean atom?"),
        ({"of": "CN", "q": "orign:CN"}, None, "column 1"),
        ({}, "of", ""),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    client: httpx.Client, params: dict[str, str], field: str | None, expected: str
) -> None:
    answer = client.get("/api/v1/shares", params=params)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["field"] == field or field is None
    assert expected in error["message"]
    if params:
        page = client.get("/lens", params=params)
        assert page.status_code == 422
        assert expected in page.text.replace("&#39;", "'")


def test_the_page_has_a_row_for_each_lens_and_a_lens_its_definition(client: httpx.Client) -> None:
    text = client.get("/lens", params={"of": "CN,US", "q": "kind:base"}).text
    for lens in LENSES.values():
        assert f"lens={lens.id}" in text
    assert "China" in text
    one = client.get("/lens", params={"of": "CN", "lens": "atom", "q": "released:2026"}).text
    assert quote_plus(LENSES["atom"].within(parse("released:2026")).normal) in one.replace("&amp;", "&")
    assert LENSES["atom"].description.split(";")[0].replace("'", "&#39;") in one
    assert "downloads:&gt;100K" in one
    assert "us: US;" in one
    assert "/lens" in client.get("/trends").text


def test_chart_and_table_are_files(client: httpx.Client) -> None:
    drawn = client.get("/lens/chart.svg", params={"of": "CN"})
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert "All repositories" in drawn.text
    assert client.get("/lens/chart.png", params={"of": "CN", "lens": "labs"}).content.startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(client.get("/lens.csv", params={"of": "CN"}).text)))
    assert [row["lens"] for row in rows] == list(LENSES)


def test_a_users_lens_is_served_and_a_broken_one_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "lenses"
    folder.mkdir()
    (folder / "mine.toml").write_text("title = ")
    with pytest.raises(LensError, match=r"mine\.toml:1:9: no TOML"):
        create_app(Service(Settings(database_url=f"sqlite:///{tmp_path / 'other.db'}", lenses_dir=folder)))
    (folder / "mine.toml").write_text(
        'title = "Mine <b>"\ndescription = "x"\nsource = "https://example.com/?a=1&b=2"\n'
    )
    service = Service(Settings(database_url=f"sqlite:///{tmp_path / 'monitor.db'}", lenses_dir=folder))
    migrations.upgrade(service.engine)
    with TestClient(create_app(service)) as client:
        assert client.get("/api/v1/shares?of=CN&lens=mine").json()["items"][0]["title"] == "Mine <b>"
        assert "<b>" not in client.get("/lens?lens=mine").text.partition("<main")[2].partition("</main")[0].replace(
            "<bdi>", ""
        )
