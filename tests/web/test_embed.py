"""Parts of pages in frames of other sites: what they show, and that nothing else may stand in a frame."""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urlsplit

import httpx
import pytest

from monitor.web.middleware import CSP, EMBED_CSP
from tests.web.history import BASE, HOSTILE, SCRIPT
from tests.web.test_pages import Links

EMBEDS = (
    f"/embed/releases/{BASE}", "/embed/launches/1", "/embed/releases?q=origin:CN+kind:base&sort=params&limit=3",
    "/embed/launches?q=lab:qwen", "/embed/launches?q=lab:none+lab:qwen", "/embed/chart?q=kind:base&by=month,origin",
)  # fmt: skip


@pytest.mark.parametrize("path", EMBEDS)
def test_an_embed_may_stand_in_a_frame_and_takes_no_input(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert CSP.replace("frame-ancestors 'none'", "frame-ancestors *") == EMBED_CSP
    assert answer.headers["content-security-policy"] == EMBED_CSP
    assert "x-frame-options" not in answer.headers
    page = Links(answer.text)
    assert not {"form", "input", "button", "nav"} & set(page.tags)
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert '<base target="_blank">' in answer.text
    for link in page.links:
        if link.startswith("/"):
            assert client.get(link).status_code == 200, link


def test_an_embed_shows_its_card_or_list(client: httpx.Client) -> None:
    card = client.get(f"/embed/releases/{BASE}").text
    assert card.count("<article") == 1
    assert f'href="/releases/{BASE}"' in card
    assert client.get("/embed/releases?q=kind:base&limit=3").text.count("<article") == 3
    assert client.get("/embed/launches?q=lab:qwen&limit=2").text.count("<article") == 2
    assert "Nothing matches." in client.get("/embed/releases?q=origin:CN+-origin:CN").text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_text_in_an_embed_and_in_markdown(client: httpx.Client, name: str) -> None:
    page = Links(client.get(f"/embed/releases/{quote(name)}").text)
    assert page.tags.count("script") == 1
    text = client.get(f"/releases/{quote(name)}/release.md").text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200f]", text)
    assert not re.search(r"(?<![\\(])<(?!https?://)", text), text


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (f"/releases/{BASE}", f"/embed/releases/{BASE}"),
        ("/launches/1", "/embed/launches/1"),
        ("/launches?q=lab:qwen", "/embed/launches?q=lab%3Aqwen"),
        ("/releases?q=kind:base&sort=params", "/embed/releases?q=kind%3Abase&sort=params"),
        ("/labs/qwen", "/embed/launches?q=lab%3Aqwen"),
    ],
)
def test_a_page_offers_the_code_of_its_embed(client: httpx.Client, page: str, shown: str) -> None:
    text = client.get(page).text
    snippets = re.findall(r"<code[^>]*>(&lt;iframe [^<]+)</code>", text)
    assert len(snippets) == 1
    code = html.unescape(snippets[0])
    source = re.search(r'src="([^"]+)"', code)
    assert source is not None
    address = urlsplit(html.unescape(source[1]))
    assert f"{address.path}?{address.query}".rstrip("?") == shown
    assert client.get(shown).headers["content-security-policy"] == EMBED_CSP
    assert html.unescape(re.findall(r'data-copy="(&lt;iframe [^"]+)"', text)[0]) == code


@pytest.mark.parametrize(
    "path",
    ["/", f"/releases/{BASE}", "/launches", "/alert", "/subscribe", "/brief/last-week", "/embed/nothing",
     "/embed/releases/no/body", "/embed/launches/999999", "/embed/releases?q=no:field", "/embed/releases?limit=99"],
)  # fmt: skip
def test_nothing_else_may_stand_in_a_frame(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.status_code < 500


@pytest.mark.parametrize(
    ("path", "q", "name"),
    [
        ("/labs/qwen", "lab:qwen", "Qwen"),
        (f"/releases/{BASE}", "lab:qwen", "Qwen"),
        (f"/releases/{quote(SCRIPT)}", "namespace:evil", "evil"),
    ],
)
def test_a_lab_is_followed_with_one_click(client: httpx.Client, path: str, q: str, name: str) -> None:
    text = client.get(path).text
    row = re.search(r'<p class="follow" id="follow">(.*?)</p>', text, re.DOTALL)
    assert row is not None
    assert f"<bdi>{name}</bdi>" in row[1]
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', row[1])]
    assert links == [f"{path}={quote(q)}" for path in ("/subscribe?filter", "/feed.atom?q", "/feed.json?q")]
    assert f'data-copy="/hub subscribe {q}"' in row[1]
    assert f"<code>/hub subscribe {q}</code>" in row[1]
    assert f'value="{q}"' in client.get(links[0]).text
    assert client.get(links[1]).status_code == client.get(links[2]).status_code == 200


def test_a_search_is_a_table_in_markdown(client: httpx.Client) -> None:
    page = client.get("/releases?q=kind:base&sort=params").text
    address = re.search(r'data-copy-from="([^"]+)"', page)
    assert address is not None
    answer = client.get(html.unescape(address[1]))
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    head, line, *rows = answer.text.splitlines()
    items = client.get("/api/v1/releases?q=kind:base&sort=params&limit=50").json()["items"]
    assert len(rows) == len(items) == 50
    assert {row.replace(r"\|", "").count("|") for row in (head, line, *rows)} == {9}
    for row, item in zip(rows, items, strict=True):
        assert f"](<http://127.0.0.1:8000/releases/{item['repo_id']}>)" in row
    again = client.get(html.unescape(address[1]), headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/releases.md?q=no:field").status_code == 422


def test_a_release_and_a_launch_are_markdown(client: httpx.Client) -> None:
    text = client.get(f"/releases/{BASE}/release.md").text
    assert text.startswith(f"### [{BASE}](<http://127.0.0.1:8000/releases/{BASE}>)")
    assert f"<https://huggingface.co/{BASE}>" in text
    assert "Qwen, China" in text
    launch = client.get("/api/v1/launches?q=lab:qwen&limit=1").json()["items"][0]
    text = client.get(f"/launches/{launch['id']}/launch.md").text
    assert all(one["repo_id"].replace("_", r"\_") in text for one in launch["members"])
    assert client.get("/launches/999999/launch.md").status_code == 404
