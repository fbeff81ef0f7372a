"""What each page says to readers who do not see it: landmarks, captions, times, flags and unknown values in words."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx
import pytest

from tests.web.test_embed import EMBEDS
from tests.web.test_pages import PAGES

VOID = {"meta", "link", "img", "input", "source", "option", "br", "meter", "base"}


class Page(HTMLParser):
    """The elements of a page: (tag, attributes, tags around it, text)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words: list[str] = []
        self.elements.append((tag, dict(attrs), tuple(name for name, _ in self._open), words))
        self.handle_data(dict(attrs).get("alt") or "")
        if tag not in VOID:
            self._open.append((tag, words))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, words in self._open:
            words.append(data)

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None], tuple[str, ...], list[str]]]:
        return [one for one in self.elements if one[0] in tags]


@pytest.mark.parametrize("path", [*PAGES, *EMBEDS])
def test_a_page_says_in_words_what_it_shows(client: httpx.Client, path: str) -> None:
    page = Page(client.get(path).text)
    framed = path.startswith("/embed/")
    assert len(page.all("main")) == 1
    assert [len(page.all(tag)) for tag in ("header", "footer")] == ([0, 0] if framed else [1, 1])
    assert all(given.get("aria-label") for _, given, _, _ in page.all("nav", "aside"))
    assert all(given.get("aria-label") or given.get("aria-labelledby") for _, given, _, _ in page.all("section"))
    ids = {given["id"] for _, given, _, _ in page.elements if "id" in given}
    assert {given["aria-labelledby"] for _, given, _, _ in page.elements if "aria-labelledby" in given} <= ids
    assert len(page.all("table")) == len([one for one in page.all("caption") if "".join(one[3]).strip()])
    assert all(given.get("scope") in {"col", "row"} for _, given, _, _ in page.all("th"))
    for _, given, _, words in page.all("time"):
        assert given["datetime"] and str(given["title"]).endswith(" UTC"), words
    for _, given, _, words in page.elements:
        name = str(given.get("class") or "").split()
        if "flag" in name:
            assert given.get("aria-label") or given.get("aria-hidden") == "true", words
        if "unknown" in name and "?" in "".join(words):
            assert "unknown" in "".join(words)
    for _, given, _, words in page.all("button", "a"):
        assert "".join(words).strip() or given.get("aria-label"), given
    labelled = {given.get("for") for _, given, _, _ in page.all("label")}
    for _, given, around, _ in page.all("input", "select", "textarea"):
        if given.get("type") != "hidden":
            assert "label" in around or given.get("id") in labelled or given.get("aria-label"), given


def test_a_query_is_shown_in_words(client: httpx.Client) -> None:
    words = "releases where the kind is original and the publisher&#39;s country is China."
    for path, before in (
        ("/releases", "Shown are"),
        ("/launches", "Shown are launches with"),
        ("/trends", "The charts count"),
    ):
        text = client.get(path, params={"q": "origin:CN kind:base"}).text
        assert f'<p class="note words">{before} {words}</p>' in text
        assert 'class="note words"' not in client.get(path).text
        assert 'class="note words"' not in client.get(path, params={"q": "origin:"}).text


def test_flags_and_question_marks_are_explained(client: httpx.Client) -> None:
    for path in ("/", "/?show=everything", "/releases"):
        text = client.get(path).text
        assert "A flag is the publisher's country, “?” an unknown value." in text
        assert "a question mark is an unknown value" in text
