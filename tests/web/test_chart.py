"""A chart over HTTP: shares, what is left out, its numbers as CSV, for phones, and in frames of other sites."""

from __future__ import annotations

import csv
import html
import io
import re
from xml.etree import ElementTree as Xml

import httpx
import pytest

from monitor.web.middleware import CSP
from monitor.web.pages.questions import QUESTIONS, US_ON_CHINESE
from tests.web.history import BASE

SVG = "{http://www.w3.org/2000/svg}"


def rows(client: httpx.Client, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def titles(svg: str) -> list[str]:
    """What a pointer on each bar or point shows."""
    return [found.text or "" for path in Xml.fromstring(svg).iter(f"{SVG}path") for found in path.iter(f"{SVG}title")]


def test_csv_has_the_numbers_of_the_api(client: httpx.Client) -> None:
    found = rows(client, "/trends/chart.csv?by=month,origin&q=kind:base")
    items = client.get("/api/v1/stats?by=month,origin&q=kind:base&median=false").json()["items"]
    assert len(found) == len(items) > 3
    for row, item in zip(found, items, strict=True):
        assert {name: row[name] for name in row} == {
            name: str(item[name] if item[name] is not None else "") for name in row
        }
    assert {row["access"] for row in rows(client, "/trends/chart.csv?by=month,access")} == {"open", "announced only"}


def test_a_chart_of_downloads_says_which_they_are(client: httpx.Client) -> None:
    found = rows(client, "/trends/chart.csv?by=origin&value=downloads")
    items = client.get("/api/v1/stats?by=origin&sum=downloads&median=false").json()["items"]
    assert [(row["origin"], row["downloads"], row["unknown"], row["share"]) for row in found] == [
        tuple("" if item[name] is None else str(item[name]) for name in ("origin", "downloads", "unknown", "share"))
        for item in items
    ]
    assert sum(int(row["unknown"]) for row in found) > 0
    assert sum(float(row["share"]) for row in found) == pytest.approx(1, abs=1e-4)
    assert (
        "downloads in the last 30 days by month and origin"
        in client.get("/trends/chart.svg?by=month,origin&value=downloads").text
    )
    page = client.get("/trends/chart?by=month,origin&value=downloads_all_time").text
    assert "Downloads of all time by month and origin" in page
    assert 'scope="col" class="number">downloads of all time</th>' in page
    assert client.get("/api/v1/stats?by=origin&sum=hearts").status_code == 422


def test_a_chart_of_the_stock_says_what_it_shows_before_the_first_pass(client: httpx.Client) -> None:
    page = client.get("/trends/chart?by=month,origin&value=downloads_all_time&time=growth").text
    assert "sums over time begin with the first hourly pass" in page
    assert "downloads gained in each month by origin" in page
    assert client.get("/api/v1/stats?by=month&sum=likes&time=stock").json() == {"items": []}
    for address in ("/api/v1/stats?by=origin&time=stock", "/trends/chart?by=month&q=params:>1B&time=stock"):
        assert client.get(address).status_code == 422
    assert rows(client, "/trends/chart.csv?by=month&value=likes&time=stock") == []


def test_adoption_is_a_csv_file_too(client: httpx.Client) -> None:
    address = f"/releases/{BASE}/adoption.csv"
    assert f'href="{address}"' in client.get(f"/releases/{BASE}").text
    items = client.get(f"/api/v1/releases/{BASE}/adoption").json()["items"]
    found = rows(client, address)
    assert [(row["day"], row["downloads"]) for row in found] == [
        (item["day"], str(item["downloads"])) for item in items
    ]
    assert len(found) > 40
    assert client.get("/releases/no/body/adoption.csv").status_code == 404


def test_shares_are_of_the_month_or_of_all(client: httpx.Client) -> None:
    by_month: dict[str, float] = {}
    for row in rows(client, "/trends/chart.csv?by=month,origin"):
        by_month[row["month"]] = by_month.get(row["month"], 0) + float(row["share"] or 0)
    assert all(total == pytest.approx(1, abs=1e-4) or total == 0 for total in by_month.values())
    assert sum(float(row["share"]) for row in rows(client, "/trends/chart.csv?by=kind")) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("by", ["kind", "month", "month,kind", "kind,size"])
def test_a_chart_as_shares_differs_with_any_dimensions(client: httpx.Client, by: str) -> None:
    plain, shares = (client.get(f"/trends/chart.svg?by={by}&share={share}").text for share in ("false", "true"))
    assert "in percent" in shares
    assert "in percent" not in plain
    texts = [element.text or "" for element in Xml.fromstring(shares).iter(f"{SVG}text")]
    assert any(re.match(r"\d+(\.\d)?%", text) for text in texts)
    assert all("%" in title or title.endswith(": 0") for title in titles(shares))


def test_what_is_unknown_and_left_out_is_counted(client: httpx.Client) -> None:
    counts = client.get("/api/v1/stats?by=origin&median=false").json()["items"]
    unknown = next(row["count"] for row in counts if row["origin"] is None)
    total = sum(row["count"] for row in counts)
    page = client.get("/trends/chart?by=origin&known=true").text
    assert f"{unknown:,} of {total:,} releases ({unknown / total:.1%}) are left out" in page
    assert "left out" not in client.get("/trends/chart?by=origin").text
    kept = rows(client, "/trends/chart.csv?by=origin&known=true")
    assert sum(float(row["share"]) for row in kept) == pytest.approx(1, abs=1e-4)


def test_a_chart_for_phones_is_drawn_at_their_width(client: httpx.Client) -> None:
    page = client.get("/trends/chart?by=month,origin").text
    narrow = re.search(r'<source media="\(max-width: 560px\)" srcset="([^"]+)"', page)
    assert narrow is not None
    drawn = Xml.fromstring(client.get(narrow[1].replace("&amp;", "&")).text)
    assert 300 <= float(drawn.get("width", "0")) <= 360
    sizes = {element.get("font-size", "") for element in drawn.iter(f"{SVG}text")}
    assert min(float(size.removesuffix("px")) for size in sizes) >= 12


def test_only_embedded_charts_may_stand_in_frames(client: httpx.Client) -> None:
    page = client.get("/trends/chart?by=lab&q=kind:base").text
    snippet = re.search(r"<code[^>]*>(&lt;iframe [^<]+)</code>", page)
    assert snippet is not None
    source = re.search(r'src="http://127.0.0.1:8000([^"]+)"', html.unescape(snippet[1]))
    assert source is not None
    framed = client.get(html.unescape(source[1]))
    assert framed.status_code == 200
    assert framed.headers["content-security-policy"] == CSP.replace("frame-ancestors 'none'", "frame-ancestors *")
    assert "x-frame-options" not in framed.headers
    assert "/trends/chart.svg?" in framed.text
    assert "<nav" not in framed.text
    for path in (
        "/",
        "/trends",
        "/trends/chart",
        "/trends/chart.svg",
        "/embed/chart?by=tea",
        "/embed/nothing",
        "/subscribe",
    ):
        answer = client.get(path)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-frame-options"] == "DENY", path


def test_us_models_on_chinese_bases_are_no_packed_copies(client: httpx.Client) -> None:
    assert US_ON_CHINESE in {question.q for question in QUESTIONS}
    found = client.get("/api/v1/stats", params={"by": "kind", "q": US_ON_CHINESE}).json()["items"]
    everything = client.get("/api/v1/stats", params={"by": "kind", "q": "origin:US foundation:CN"}).json()["items"]
    assert {row["kind"] for row in everything} - {row["kind"] for row in found} == {"quantized"}
    assert sum(row["count"] for row in found) > 0


def test_periods_narrow_a_search_and_the_trends_by_a_click(client: httpx.Client) -> None:
    for page in ("/releases", "/trends"):
        text = client.get(page, params={"q": "kind:base released:2026"}).text
        assert f'href="{page}?q=kind%3Abase+released%3Atoday"' in text
        assert f'href="{page}?q=kind%3Abase+released%3A%3E%3D7d"' in text
        chosen = client.get(page, params={"q": "kind:base released:this-month"}).text
        assert f'href="{page}?q=kind%3Abase" class="chosen" aria-current="true">This month' in chosen
