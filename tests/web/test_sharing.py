"""What others make of the pages: previews of shared links, feeds that readers find, search engines."""

from __future__ import annotations

import html
import re
import struct
from urllib.parse import quote, urlsplit
from urllib.robotparser import RobotFileParser
from xml.etree import ElementTree as Xml

import httpx
import pytest

from tests.web.history import BASE, HOSTILE

CHART = "/trends/chart?q=kind:base&by=month,origin&share=true"


def meta(text: str) -> dict[str, str]:
    """The Open Graph and Twitter properties of a page."""
    found = re.findall(r'<meta (?:property|name)="((?:og|twitter):[^"]+)" content="([^"]*)">', text)
    return {name: html.unescape(value) for name, value in found}


def local(address: str) -> str:
    """The path and query of an absolute address."""
    parts = urlsplit(address)
    assert parts.scheme == "http", address
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@pytest.mark.parametrize("path", [f"/releases/{BASE}", "/launches/1", CHART, "/brief/2026-W40", "/brief/2019-05"])
def test_a_shared_page_has_a_title_a_description_and_a_picture(client: httpx.Client, path: str) -> None:
    shown = meta(client.get(path).text)
    assert shown["twitter:card"] == "summary_large_image"
    assert len(shown["og:title"]) > 3
    assert len(shown["og:description"]) > 20
    assert local(shown["og:url"]) == path
    picture = client.get(local(shown["og:image"]))
    assert picture.headers["content-type"] == "image/png"
    size = struct.unpack(">II", picture.content[16:24])
    assert size[0] >= 1200
    if "og:image:width" in shown:
        assert size == (int(shown["og:image:width"]), int(shown["og:image:height"])) == (1200, 630)
    assert len(picture.content) < 1_000_000
    again = client.get(local(shown["og:image"]), headers={"If-None-Match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_ever_text_in_a_preview(client: httpx.Client, name: str) -> None:
    page = client.get(f"/releases/{quote(name)}").text
    shown = meta(page)
    assert shown["og:title"]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200f]", page)
    assert client.get(f"/releases/{quote(name)}/card.png").content.startswith(b"\x89PNG\r\n\x1a\n")


def test_only_what_is_recorded_has_a_picture(client: httpx.Client) -> None:
    assert client.get("/releases/no/body/card.png").status_code == 404
    assert client.get("/launches/999999/card.png").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/releases?q=origin:CN",
        f"/releases/{BASE}",
        "/labs/qwen",
        "/labs",
        "/launches/1",
        "/trends?q=lab:qwen",
        CHART,
    ],
)
def test_a_page_names_the_feeds_of_what_it_shows(client: httpx.Client, path: str) -> None:
    text = client.get(path).text
    feeds = re.findall(
        r'<link rel="alternate" type="application/(atom\+xml|feed\+json)" title="[^"]+" href="([^"]+)">', text
    )
    assert feeds
    for kind, address in feeds:
        answer = client.get(html.unescape(address))
        assert answer.headers["content-type"].startswith(f"application/{kind}")


def test_crawlers_read_pages_and_no_searches(client: httpx.Client) -> None:
    text = client.get("/robots.txt").text
    rules = RobotFileParser()
    rules.parse(text.splitlines())
    for agent in ("Googlebot", "Twitterbot"):
        assert rules.can_fetch(agent, f"/releases/{BASE}")
        assert not rules.can_fetch(agent, "/export.csv")
        assert not rules.can_fetch(agent, "/api/v1/releases")
    assert rules.can_fetch("Twitterbot", CHART)
    assert "Disallow: /*?" in text.rpartition("User-agent: *")[2]
    assert rules.site_maps() == ["http://127.0.0.1:8000/sitemap.xml"]


def test_every_address_of_the_sitemap_is_a_page(client: httpx.Client) -> None:
    answer = client.get("/sitemap.xml")
    found = [
        local(one.text or "")
        for one in Xml.fromstring(answer.text).iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    ]
    assert len(found) == len(set(found)) > 100
    for shape in ("/labs/", "/launches/", "/releases/"):
        some = [path for path in found if path.startswith(shape)]
        assert some, shape
        assert [client.get(path).status_code for path in some[:3]] == [200] * len(some[:3])
    assert client.get("/sitemap.xml", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
