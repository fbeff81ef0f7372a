"""Feeds: what they say, and how politely they are read."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.db.engine import now, reading, transaction
from monitor.ingest.feeds.entries import Parsed
from monitor.ingest.feeds.limits import FeedError
from monitor.ingest.feeds.parser import parse
from monitor.ingest.feeds.reader import EMPTY, UNLISTED, NewEntry, read_due
from monitor.ingest.feeds.text import plain, repositories
from monitor.labs.sources import RssSource, Source
from monitor.models import Feed, FeedEntry
from monitor.net.client import Limits
from monitor.schedule import LEASE_SECONDS, MAX_FEED_SECONDS, feed_interval
from tests.fakes.feeds import RSS, FeedServer, item, numbered, rss

URL = "https://lab.example/feed.xml"


@pytest.fixture
def web() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


class Reading:
    """A database, and a reader of feeds that can be given a later time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.options: dict[str, Any] = {"shortest": 300.0, "allow_private": True, "user_agent": "test"}

    def read(self, *urls: str, **options: Any) -> list[NewEntry]:
        """Reads the feeds at these addresses, as far as they are due."""
        return self.read_sources([RssSource(url=url) for url in urls], **options)

    def read_sources(self, sources: Sequence[Source], **options: Any) -> list[NewEntry]:
        return read_due(self.engine, sources, **(self.options | options))

    def again(self, *urls: str, **options: Any) -> list[NewEntry]:
        """Reads although it is not yet time."""
        with transaction(self.engine) as session:
            for row in session.scalars(select(Feed).where(col(Feed.url).in_(urls))):
                row.due_at = now()
                session.add(row)
        return self.read(*urls, **options)

    def feed(self, url: str) -> Feed:
        with reading(self.engine) as session:
            return session.get_one(Feed, url)

    def entries(self, url: str) -> list[FeedEntry]:
        with reading(self.engine) as session:
            query = select(FeedEntry).where(col(FeedEntry.feed_url) == url).order_by(col(FeedEntry.id))
            return list(session.scalars(query))

    def wait(self, url: str) -> float:
        """Seconds until the feed is due."""
        return (self.feed(url).due_at - now()).total_seconds()


@pytest.fixture
def feeds(sqlite_engine: Engine) -> Reading:
    return Reading(sqlite_engine)


def parsed(text: str | bytes, content_type: str | None = RSS, url: str = URL) -> Parsed:
    return parse(RssSource(url=url), text.encode() if isinstance(text, str) else text, content_type, url)


def refusal(text: str | bytes, content_type: str | None = RSS) -> str:
    with pytest.raises(FeedError) as caught:
        parsed(text, content_type)
    return str(caught.value)


# --- what feeds say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cohere", "google_ai", "meta_ai", "mistral"])
def test_a_real_feed_parses_to_the_entries_it_holds(shared: Path, name: str) -> None:
    body = (shared / "feeds" / f"{name}.xml").read_bytes()
    found = parsed(body)
    assert len(found.entries) == body.count(b"<item>")
    assert found.warning is None
    assert found.title
    for entry in found.entries:
        assert entry.url is not None
        assert entry.url.startswith("https://")
        assert entry.title
        assert entry.published_at is not None
        assert entry.published_at.utcoffset() == timedelta(0)
        assert "<" not in (entry.summary or "")
        assert len(entry.summary or "") <= 500


RELEASES = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xml:lang="en-US">
  <id>tag:github.com,2008:https://github.com/lab/model/releases</id>
  <link type="text/html" rel="alternate" href="https://github.com/lab/model/releases"/>
  <title>Release notes from model</title>
  <updated>2026-01-27T05:00:00Z</updated>
  <entry>
    <id>tag:github.com,2008:Repository/1/v2.0</id>
    <updated>2026-01-27T05:00:00Z</updated>
    <link rel="alternate" type="text/html" href="/lab/model/releases/tag/v2.0"/>
    <title>v2.0</title>
    <content type="html">&lt;p&gt;Weights: &lt;a href=&quot;https://huggingface.co/lab/model-2&quot;&gt;here&lt;/a&gt;&lt;/p&gt;</content>
    <author><name>someone</name></author>
  </entry>
</feed>"""


def test_the_releases_of_a_repository_on_github() -> None:
    found = parsed(RELEASES, "application/atom+xml; charset=utf-8", "https://github.com/lab/model/releases.atom")
    (entry,) = found.entries
    assert found.title == "Release notes from model"
    assert entry.entry_id == "tag:github.com,2008:Repository/1/v2.0"
    assert entry.url == "https://github.com/lab/model/releases/tag/v2.0"
    assert (entry.title, entry.summary) == ("v2.0", "Weights: here")
    assert entry.published_at == datetime(2026, 1, 27, 5, tzinfo=UTC)
    assert entry.repo_ids == ("lab/model-2",)


def test_an_entry_is_known_by_its_id_its_link_or_what_it_says() -> None:
    found = parsed(
        rss(
            [
                item("A", "https://lab.example/a", guid="a"),
                item("B", "https://lab.example/b"),
                item("C", date="Tue, 27 Jan 2026 05:00:00 GMT"),
                item("D", guid="x" * 5_000),
                item("A again", "https://lab.example/a2", guid="a"),
            ]
        )
    )
    ids = [entry.entry_id for entry in found.entries]
    assert ids[1] == "https://lab.example/b"
    assert ids[2].startswith("sha256:")
    assert ids[3].startswith("sha256:")
    assert [entry.title for entry in found.entries] == ["A", "B", "C", "D", "A again"]


DATA = Path(__file__).parent / "data"


def test_items_that_share_a_guid_are_entries_each() -> None:
    found = parsed((DATA / "feed-same-guid.xml").read_bytes())
    assert [entry.title for entry in found.entries] == ["Introducing Zeta 9.0", "Introducing Zeta 8.0"]
    assert [entry.url for entry in found.entries] == ["https://lab.example/zeta-9", "https://lab.example/zeta-8"]


# One id and one link with another title is missing: that is a new title of the same entry.
@pytest.mark.parametrize(
    ("guid", "link"),
    [
        *product(["N/A", "none", "0", "post", None], ["https://lab.example/post-{0}", None]),
        *product(["N/A", "none", "0", None], ["https://lab.example/blog"]),
    ],
)
def test_an_item_that_shares_its_guid_with_an_earlier_one_is_new(
    feeds: Reading, web: FeedServer, guid: str | None, link: str | None
) -> None:
    def of(number: int) -> str:
        return item(f"Post {number}", link.format(number) if link else None, guid=guid)

    url = web.put("/feed", rss([of(1)]))
    assert feeds.read(url) == []
    for newest in (2, 3):
        web.put("/feed", rss([of(number) for number in range(newest, 0, -1)]))
        assert [entry.title for entry in feeds.again(url)] == [f"Post {newest}"]
    web.put("/feed", rss([of(1), of(3), of(2)], extra="<ttl>5</ttl>"))
    assert feeds.again(url) == [] and len(feeds.entries(url)) == 3


def test_a_feed_that_shows_its_newest_item_alone_may_give_all_the_same_guid(feeds: Reading, web: FeedServer) -> None:
    url = web.put("/feed", rss([item("Post 1", "https://lab.example/1", guid="latest")]))
    assert feeds.read(url) == []
    for number in (2, 3):
        web.put("/feed", rss([item(f"Post {number}", f"https://lab.example/{number}", guid="latest")]))
        assert [entry.title for entry in feeds.again(url)] == [f"Post {number}"]
    web.put("/feed", rss([item("Post 3, corrected", "https://lab.example/3", guid="latest")]))
    assert len(feeds.again(url)) <= 1


def test_an_entry_that_is_retitled_or_moved_is_the_same(feeds: Reading, web: FeedServer) -> None:
    url = web.put("/feed", rss([item("Post", "https://lab.example/1", guid="a")]))
    assert feeds.read(url) == []
    web.put("/feed", rss([item("A better title", "https://lab.example/1", guid="a")]))
    assert feeds.again(url) == []
    web.put("/feed", rss([item("Post", "https://www.lab.example/1", guid="a")]))
    assert feeds.again(url) == [] and len(feeds.entries(url)) == 1


def test_versions_of_one_atom_entry_are_one() -> None:
    entry = "<entry><id>urn:1</id><title>{}</title><link href='https://lab.example/1'/></entry>"
    body = f"<feed xmlns='http://www.w3.org/2005/Atom'>{entry.format('New')}{entry.format('Old')}</feed>"
    assert [entry.title for entry in parsed(body).entries] == ["New"]


@pytest.mark.parametrize(
    ("link", "base", "expected"),
    [
        ("/zeta", "", "https://lab.example/zeta"),
        ("zeta?x=1", "", "https://lab.example/news/zeta?x=1"),
        ("../zeta", "", "https://lab.example/zeta"),
        ("//cdn.example/zeta", "", "https://cdn.example/zeta"),
        ("https://other.example/zeta", "", "https://other.example/zeta"),
        ("zeta", "https://base.example/a/", "https://base.example/a/zeta"),
        ("zeta", "b/", "https://lab.example/news/b/zeta"),
        ("javascript:alert(1)", "", None),
        ("mailto:a@lab.example", "", None),
        ("//[", "", None),
    ],
)
def test_a_relative_link_leads_from_the_base_of_its_feed(link: str, base: str, expected: str | None) -> None:
    attribute = f' xml:base="{base}"' if base else ""
    body = (
        f'<rss version="2.0"{attribute}><channel><title>L</title><link>https://lab.example/news/</link>'
        f"<item><title>Zeta</title><link>{link}</link><guid isPermaLink='false'>z</guid></item></channel></rss>"
    )
    entry = parsed(body, url="https://feeds.example/lab/rss.xml").entries[0]
    assert (entry.url, entry.entry_id) == (expected, "z")


def test_a_relative_link_of_a_feed_without_a_site_leads_from_where_it_was_read() -> None:
    body = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>z</id><title>Z</title><link href='z'/></entry></feed>"
    assert parsed(body, url="https://lab.example/a/atom.xml").entries[0].url == "https://lab.example/a/z"
    assert parsed(rss([item("Z", "z", guid="z")]).replace("https://lab.example/", "news")).entries[0].url == (
        "https://lab.example/z"
    )


def test_a_feed_that_never_holds_an_entry_says_so_until_it_does(feeds: Reading, web: FeedServer) -> None:
    url = web.put("/feed", rss(), etag='"1"')
    feeds.read(url)
    assert (feeds.feed(url).error, feeds.feed(url).failures) == (EMPTY, 0)
    feeds.again(url)
    assert feeds.feed(url).error == EMPTY
    web.fail("/feed", 500)
    feeds.again(url)
    assert feeds.feed(url).failures == 1
    web.put("/feed", rss(), etag='"1"')
    feeds.again(url)
    assert (feeds.feed(url).error, feeds.feed(url).failures) == (EMPTY, 0)
    web.put("/feed", rss([item("A", "https://lab.example/a")]), etag='"2"')
    feeds.again(url)
    assert feeds.feed(url).error is None


def test_dates_are_utc_and_nonsense_is_no_date() -> None:
    dates = ["Mon, 16 Mar 2026 16:28:39 -0400", "2026-03-16T20:28:39Z", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"]
    found = parsed(rss([item(f"{n}", date=date) for n, date in enumerate(dates)]))
    moment = datetime(2026, 3, 16, 20, 28, 39, tzinfo=UTC)
    assert [entry.published_at for entry in found.entries] == [moment, moment, None, None]


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "http://[::1", "https://x.example/" + "a" * 3_000]
)
def test_a_link_that_is_no_page_is_none(link: str) -> None:
    assert parsed(rss([item("A", link, guid="a")])).entries[0].url is None


def test_markup_becomes_plain_words() -> None:
    assert plain("<p>One</p><p>t<b>w</b>o &amp; &lt;three&gt;<br/>four</p>", 500) == "One two & <three> four"
    assert plain("a <script>if (1 < 2) x()</script><!-- no -->b <style>p {}</style>", 500) == "a b"
    assert plain("word " * 1_000, 500).endswith("word…")
    assert len(plain("x" * 10_000, 500)) == 500
    assert plain("1 < 2 and 3 > 2", 500) == "1 < 2 and 3 > 2"
    assert plain("nul\0 &#0; &#x110000; &#" + "9" * 10_000 + ";", 500).startswith("nul")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<a href="https://huggingface.co/Qwen/Qwen3-8B">', ["Qwen/Qwen3-8B"]),
        ("See https://huggingface.co/zai-org/GLM-4.5.", ["zai-org/GLM-4.5"]),
        ("(huggingface.co/moonshotai/Kimi-K2.5)", ["moonshotai/Kimi-K2.5"]),
        ("http://www.hf.co/google/gemma-3-1b-it/tree/main?x=1#y", ["google/gemma-3-1b-it"]),
        ("https://hf.co/a/b, https://hf.co/a/b and https://hf.co/c/d!", ["a/b", "c/d"]),
        ("https://huggingface.co/Qwen/Qwen3模型", ["Qwen/Qwen3"]),
        ("https://huggingface.co/Qwen/Qwen3.git", ["Qwen/Qwen3"]),
        ("https://t.example/?u=https%3A%2F%2Fhuggingface.co%2FQwen%2FQwen3&amp;x=1", ["Qwen/Qwen3"]),
        ("HTTPS://HuggingFace.co/Qwen/Qwen3", ["Qwen/Qwen3"]),
        ("https://huggingface.co/Qwen https://huggingface.co/ https://huggingface.co/Qwen/", []),
        ("https://huggingface.co/datasets/a/b https://huggingface.co/spaces/a/b", []),
        ("https://huggingface.co/papers/2501.1 https://huggingface.co/blog/x https://huggingface.co/docs/a/b", []),
        ("https://huggingface.co/collections/a/b https://huggingface.co/Qwen/models", []),
        ("https://nothuggingface.co/a/b https://cdn-lfs.hf.co/a/b me@hf.co/a/b https://huggingface.com/a/b", []),
        ("https://huggingface.co/Qwen/Qwen3-8… https://huggingface.co/Qwen/Qwen3...", []),
        ("https://huggingface.co/a/b--c https://huggingface.co/a/-b", []),
    ],
)
def test_the_repositories_that_a_text_names(text: str, expected: list[str]) -> None:
    assert list(repositories(text)) == expected


def test_a_catalogue_of_repositories_announces_none() -> None:
    assert repositories(" ".join(f"https://hf.co/a/m{n}" for n in range(51))) == ()


def test_how_often_a_feed_asks_to_be_read() -> None:
    assert parsed(rss(extra="<ttl>60</ttl>")).every == 3_600
    daily = "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>"
    assert parsed(rss(extra=daily)).every == 21_600
    assert parsed(rss(extra="<ttl>soon</ttl>")).every is None
    assert parsed(rss()).every is None


# --- encodings, and what is broken --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type"),
    [
        ("utf-8", "utf-8", "application/xml"),
        ("utf-8", "iso-8859-1", "application/xml; charset=iso-8859-1"),
        ("utf-8", "utf-8", "text/xml"),
        ("utf-8", "utf-8", None),
        ("utf-8-sig", "utf-8", "application/xml"),
        ("iso-8859-1", "iso-8859-1", "application/xml"),
        ("windows-1252", "utf-8", "application/xml; charset=windows-1252"),
        ("windows-1252", "utf-8", "application/xml"),
        ("utf-16", "utf-16", "application/xml"),
        ("utf-16-le", "utf-16", "application/xml"),
        ("utf-8", "punycode", "application/xml; charset=idna"),
    ],
)
def test_what_is_said_of_the_encoding_may_be_wrong(encoding: str, declared: str, content_type: str | None) -> None:
    text = rss([item("Größe é", "https://lab.example/1")]).replace('encoding="UTF-8"', f'encoding="{declared}"')
    assert parsed(text.encode(encoding), content_type).entries[0].title == "Größe é"


def test_chinese_in_its_own_encodings() -> None:
    for encoding in ("gb2312", "gb18030", "big5"):
        text = rss([item("大模型")]).replace("UTF-8", encoding)
        assert parsed(text.encode(encoding), None).entries[0].title == "大模型"


def test_bytes_that_no_encoding_explains_are_left_out_with_a_warning() -> None:
    body = rss([item("Modèle nouveau", "https://lab.example/1")]).encode() + b"<!-- \xff\x81 -->"
    found = parsed(body)
    assert found.entries[0].title == "Modèle nouveau"
    assert found.warning == "some of its characters cannot be read"


@pytest.mark.parametrize(
    "broken",
    [
        rss(numbered(3)).replace("</channel></rss>", ""),
        rss(numbered(3)).replace("Post 1", "Post & 1"),
        rss(numbered(3)).replace("Post 1", "Post &nbsp; 1"),
        rss(numbered(3)).replace("Post 1", "<b>Post 1"),
    ],
)
def test_a_malformed_feed_gives_what_comes_out_and_says_so(broken: str) -> None:
    found = parsed(broken)
    assert len(found.entries) == 3
    assert found.warning is not None
    assert found.warning.startswith("malformed, 3 entries came out: ")


def test_control_characters_do_no_harm() -> None:
    found = parsed(rss([item("A\x00\x0b\x1f B", guid="\x01g")]))
    assert (found.entries[0].title, found.entries[0].entry_id, found.warning) == ("A B", "g", None)


def test_a_feed_without_entries_is_a_feed() -> None:
    assert parsed(rss()).entries == ()


# --- refusals -----------------------------------------------------------------------------------------------

LAUGHS = '<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'


@pytest.mark.parametrize(
    "prolog",
    [
        f"<!DOCTYPE rss [{LAUGHS}]>",
        f"\n<!DOCTYPE rss [\n{LAUGHS}\n]>",
        f"<!-- <a> --><!DOCTYPE rss [{LAUGHS}]>",
        f"<?x <a ?>\n<!DOCTYPE rss [{LAUGHS}]>",
        f"<!DOCTYPE rss [<!-- <a> -->{LAUGHS}]>",
        f"<?x \n<!DOCTYPE ?><r><![CDATA[ ?><!DOCTYPE rss [{LAUGHS}]>",
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss [<!ENTITY % x SYSTEM "http://127.0.0.1/x.dtd"> %x;]>',
        f'<!DOCTYPE rss [<!ENTITY a "{"x" * 1_000}">]>',
        f'<!DOCTYPE rss [<!ATTLIST item x CDATA "{"x" * 1_000}">]>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_declared_entities_are_refused_before_parsing(prolog: str, encoding: str) -> None:
    text = f"<?xml version='1.0'?>{prolog}<rss version='2.0'><channel><item><title>&c;</title></item></channel></rss>"
    assert refusal(text.encode(encoding), None) == "it declares entities, which can grow without bound"


def test_a_document_type_without_declarations_is_harmless() -> None:
    netscape = (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/rss-0.91.dtd">'
    )
    text = f'<?xml version="1.0"?>\n{netscape}\n<rss version="0.91"><channel>{item("A")}</channel></rss>'
    assert [entry.title for entry in parsed(text).entries] == ["A"]


def test_an_entry_may_speak_of_entities() -> None:
    text = rss([item("On bombs", text="<pre><!DOCTYPE x [<!ENTITY a 'b'>]></pre>")])
    assert parsed(text).entries[0].title == "On bombs"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        (" \n\t ", "it is empty"),
        ("<!DOCTYPE html><html><body>Please sign in</body></html>", "it is an HTML page, not a feed"),
        ("<!-- x -->\n<html><item><title>x</title></item></html>", "it is an HTML page, not a feed"),
        ('{"version": "https://jsonfeed.org/version/1.1"}', "it is JSON, not RSS or Atom"),
        ("Not found", "it is neither RSS nor Atom"),
        ("<opml><body/></opml>", "it is neither RSS nor Atom"),
        ("/etc/passwd", "it is neither RSS nor Atom"),
        (rss(["<item/>"] * 10_001), "it holds more than 10000 entries"),
        (rss(["<a>" * 300 + "</a>" * 300]), "nests deeper than 200"),
        (rss(["<x>", "y" * 1_100_000]), "it is malformed, and too large to be read all the same"),
        (rss(["<i base='x/'>"] * 201), "nests deeper than 200"),
        (rss(["&x;", *["<i base='x/'>"] * 201]), "it is malformed, and sets too many base addresses"),
    ],
)
def test_what_is_no_feed_is_refused_with_its_reason(text: str, reason: str) -> None:
    assert reason in refusal(text, "text/html")


def test_a_long_word_where_an_author_stands_costs_nothing() -> None:
    """feedparser's search for an address in it would take minutes."""
    text = rss([f"<item><title>A</title><author>{'a.' * 200_000}</author></item>"])
    assert parsed(text).entries[0].title == "A"


_pieces = st.sampled_from(
    [
        b"<rss version='2.0'>", b"<channel>", b"<item>", b"</item>", b"<entry>", b"</entry>", b"</rss>",
        b"<feed xmlns='http://www.w3.org/2005/Atom'>", b"<title>", b"</title>", b"<link>", b"<link href='x'/>",
        b"<guid>", b"<pubDate>", b"1 Jan 2026", b"<![CDATA[", b"]]>", b"&#x0;", b"&#99999999999;", b"&amp;",
        b"<!DOCTYPE", b"<!ENTITY", b"<!--", b"-->", b"<?xml", b"?>", b">", b"encoding='utf-16'", b"\xff\xfe",
        b"<content type='xhtml'>", b"xml:base='http://[::1'", b"https://huggingface.co/a/b",
    ]
)  # fmt: skip


@example(b"<rss version='2.0'><channel><link>/news</link></channel></rss>", RSS, "http://[::1")
@given(
    st.one_of(st.binary(max_size=300), st.lists(st.one_of(_pieces, st.binary(max_size=8)), max_size=30).map(b"".join)),
    st.one_of(st.none(), st.text(max_size=30), st.sampled_from([RSS, "text/xml", "text/html; charset=hex"])),
    st.sampled_from([URL, "http://[::1", "", "x:y"]),
)
def test_no_bytes_raise_anything_but_a_refusal(body: bytes, content_type: str | None, url: str) -> None:
    try:
        found = parse(RssSource(url=URL), body, content_type, url)
    except FeedError as error:
        assert str(error)
        return
    for entry in found.entries:
        assert entry.entry_id
        for text in (entry.entry_id, entry.title or "", entry.summary or "", entry.url or ""):
            assert "\0" not in text
            text.encode()


# --- reading ------------------------------------------------------------------------------------------------


def test_the_first_read_is_history_and_what_comes_later_is_new(web: FeedServer, engine: Engine) -> None:
    feeds = Reading(engine)
    url = web.put("/feed", rss(numbered(3)), etag='"1"')
    assert feeds.read(url) == []
    assert [entry.entry_id for entry in feeds.entries(url)] == ["post-3", "post-2", "post-1"]
    text = "Weights at https://huggingface.co/lab/new"
    fresh = item("Post 4", "https://lab.example/4", guid="post-4", date="Tue, 27 Jan 2026 05:00:00 GMT", text=text)
    web.put("/feed", rss([fresh, *numbered(3)]), etag='"2"')
    moment = datetime(2026, 1, 27, 5, tzinfo=UTC)
    assert feeds.again(url) == [NewEntry(url, "https://lab.example/4", "Post 4", moment, ("lab/new",))]
    kept = feeds.entries(url)[-1]
    assert (kept.summary, kept.repo_ids, kept.published_at) == (text, ["lab/new"], moment)
    assert feeds.again(url) == []
    row = feeds.feed(url)
    assert (row.title, row.failures, row.error, row.leased_until) == ("News of a lab", 0, None, None)


@pytest.mark.usefixtures("still_clock")
def test_a_feed_is_not_read_before_it_is_due(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)))
    for _ in range(3):
        feeds.read(url)
    assert web.count("/feed") == 1
    assert feeds.wait(url) + 1 >= 300


def test_an_unchanged_feed_is_not_parsed(web: FeedServer, feeds: Reading) -> None:
    """The page behind the same tag is no feed any more; had it been sent or parsed, that would be a failure."""
    date = "Tue, 27 Jan 2026 05:00:00 GMT"
    url = web.put("/feed", rss(numbered(3)), etag='"1"', last_modified=date)
    feeds.read(url)
    web.put("/feed", "no feed", etag='"1"', last_modified=date)
    before = feeds.feed(url)
    feeds.again(url)
    after = feeds.feed(url)
    assert web.count("/feed") == 2
    assert web.last("/feed").headers["if-none-match"] == '"1"'
    assert web.last("/feed").headers["if-modified-since"] == date
    assert (after.failures, after.error, after.changed_at) == (0, None, before.changed_at)
    assert after.read_at is not None
    assert before.read_at is not None
    assert after.read_at > before.read_at


def test_the_same_body_is_not_parsed_again(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)))
    feeds.read(url)
    with transaction(feeds.engine) as session:
        session.get_one(Feed, url).title = "kept, as nothing was parsed"
    feeds.again(url)
    row = feeds.feed(url)
    assert (row.title, row.failures) == ("kept, as nothing was parsed", 0)
    assert web.count("/feed") == 2


def test_a_304_to_a_question_without_conditions_is_a_failure(web: FeedServer, feeds: Reading) -> None:
    url = web.fail("/feed", 304)
    feeds.read(url)
    assert feeds.feed(url).error == "it answers 304 to a question without conditions"


def test_gzip_is_read(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)), packed=True)
    feeds.read(url)
    assert len(feeds.entries(url)) == 3


def test_an_entry_that_left_and_came_back_is_not_new(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)))
    feeds.read(url)
    for count in (2, 3, 1, 3):
        web.put("/feed", rss(numbered(count)))
        assert feeds.again(url) == []
    assert len(feeds.entries(url)) == 3


def test_an_entry_under_a_new_id_is_not_new(web: FeedServer, feeds: Reading) -> None:
    date = "Tue, 27 Jan 2026 05:00:00 GMT"
    url = web.put("/feed", rss([item("A", "https://a.example/1", guid="1"), item("B", date=date, guid="2")]))
    feeds.read(url)
    web.put("/feed", rss([item("A", "https://a.example/1", guid="x"), item("B", date=date, guid="y"), item("C")]))
    assert [entry.title for entry in feeds.again(url)] == ["C"]


def test_two_entries_of_one_body_with_their_own_ids_are_two(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss())
    feeds.read(url)
    web.put("/feed", rss([item("A", "https://a.example/", guid="1"), item("A", "https://a.example/", guid="2")]))
    assert len(feeds.again(url)) == 2


def test_nothing_was_published_in_the_future(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss([item("A", date="Tue, 27 Jan 2099 05:00:00 GMT")]))
    feeds.read(url)
    published = feeds.entries(url)[0].published_at
    assert published is not None
    assert published <= now()


def test_a_malformed_feed_is_read_and_its_row_says_so(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)).replace("</channel></rss>", ""))
    feeds.read(url)
    row = feeds.feed(url)
    assert len(feeds.entries(url)) == 3
    assert row.failures == 0
    assert (row.error or "").startswith("malformed, 3 entries came out")


# --- failures -----------------------------------------------------------------------------------------------


def test_each_bad_feed_is_refused_with_its_reason_and_harms_no_other(web: FeedServer, feeds: Reading) -> None:
    bomb = f'<?xml version="1.0"?><!DOCTYPE rss [{LAUGHS}]><rss><channel><title>&c;</title></channel></rss>'
    web.redirect("/endless-1", "/endless-2")
    web.redirect("/endless-2", "/endless-1")
    bad = {
        web.put("/large", b" " * (10 * 1024 * 1024)): "127.0.0.1 sends more than 8388608 bytes",
        web.gzip_bomb("/packed", 200 * 1024 * 1024): "127.0.0.1 sends more than 8388608 bytes",
        web.endless("/never-ending"): "127.0.0.1 sends more than 8388608 bytes",
        web.endless("/dripping", drip=0.02): "127.0.0.1 took longer than 2 s",
        web.put("/entities", bomb): "it declares entities, which can grow without bound",
        web.put("/html", "<!doctype html><html></html>", "text/html"): "it is an HTML page, not a feed",
        web.put("/empty", ""): "it is empty",
        web.url("/endless-1"): "127.0.0.1 redirects in a circle",
        web.url("/missing"): "127.0.0.1 answers 404 Not Found",
        web.fail("/broken", 500): "127.0.0.1 answers 500 Internal Server Error",
        "http://nobody.invalid/feed": "nobody.invalid is not found",
    }
    good = [web.put(f"/good-{n}", rss(numbered(n))) for n in range(1, 4)]
    assert feeds.read(good[0], *bad, *good[1:], limits=Limits(seconds=2)) == []
    assert {url: feeds.feed(url).error for url in bad} == bad
    assert {feeds.feed(url).failures for url in bad} == {1}
    assert [len(feeds.entries(url)) for url in good] == [1, 2, 3]
    assert {feeds.feed(url).error for url in good} == {None}


def test_a_private_address_is_refused_unless_allowed(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)))
    feeds.read(url, allow_private=False)
    assert "private address" in (feeds.feed(url).error or "")
    assert web.asked == []


@pytest.mark.usefixtures("still_clock")
def test_a_feed_that_fails_is_asked_ever_more_rarely_and_never_given_up(web: FeedServer, feeds: Reading) -> None:
    url = web.fail("/feed", 500)
    feeds.read(url)
    waits = [feeds.wait(url)]
    for _ in range(12):
        feeds.again(url)
        waits.append(feeds.wait(url))
    assert 600 <= waits[0] + 1 <= 661
    assert all(later > 1.7 * earlier for earlier, later in pairwise(waits[:7]))
    assert max(waits) <= MAX_FEED_SECONDS
    assert feeds.feed(url).failures == 13
    web.put("/feed", rss(numbered(3)))
    feeds.again(url)
    row = feeds.feed(url)
    assert (row.failures, row.error, len(feeds.entries(url))) == (0, None, 3)


def test_a_failure_before_the_first_read_leaves_it_the_first(web: FeedServer, feeds: Reading) -> None:
    url = web.fail("/feed", 503)
    feeds.read(url)
    web.put("/feed", rss(numbered(3)))
    assert feeds.again(url) == []
    assert len(feeds.entries(url)) == 3


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_wants_to_be_left_alone_is(web: FeedServer, feeds: Reading, status: int) -> None:
    url = web.fail("/feed", status, retry_after="7200")
    feeds.read(url)
    assert 7_200 <= feeds.wait(url) + 1 <= 7_921
    web.fail("/feed", status, retry_after="99999999")
    feeds.again(url)
    assert feeds.wait(url) <= MAX_FEED_SECONDS


# --- moved --------------------------------------------------------------------------------------------------


def test_a_feed_that_moved_for_good_is_asked_at_its_new_place(web: FeedServer, feeds: Reading) -> None:
    url = web.redirect("/old", "/new", 301)
    web.put("/new", rss(numbered(3)), etag='"1"')
    feeds.read(url)
    assert feeds.feed(url).location == web.url("/new")
    feeds.again(url)
    assert (web.count("/old"), web.count("/new")) == (1, 2)
    assert web.last("/new").headers["if-none-match"] == '"1"'
    assert len(feeds.entries(url)) == 3


def test_a_feed_that_moved_for_now_keeps_its_place(web: FeedServer, feeds: Reading) -> None:
    url = web.redirect("/old", "/new", 302)
    web.put("/new", rss(numbered(3)))
    feeds.read(url)
    feeds.again(url)
    assert feeds.feed(url).location == url
    assert web.count("/old") == 2


def test_a_move_to_what_is_no_feed_is_not_remembered(web: FeedServer, feeds: Reading) -> None:
    url = web.redirect("/old", "/gone", 301)
    feeds.read(url)
    assert feeds.feed(url).location == url


def test_a_feed_lost_at_its_new_place_is_looked_for_at_the_old(web: FeedServer, feeds: Reading) -> None:
    url = web.redirect("/old", "/new", 301)
    web.put("/new", rss(numbered(3)), etag='"1"')
    feeds.read(url)
    del web.pages["/new"]
    web.put("/old", rss(numbered(4)))
    for _ in range(3):
        assert feeds.again(url) == []
    assert [entry.title for entry in feeds.again(url)] == ["Post 4"]
    assert "if-none-match" not in web.last("/old").headers


# --- rhythm -------------------------------------------------------------------------------------------------

MOMENT = datetime(2026, 1, 27, 12, tzinfo=UTC)


def _daily(count: int, every: timedelta, newest: timedelta = timedelta(0)) -> list[datetime]:
    return [MOMENT - newest - number * every for number in range(count)]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        (_daily(10, timedelta(minutes=30)), 300),
        (_daily(10, timedelta(days=1)), 1_800),
        (_daily(10, timedelta(days=7)), 12_600),
        (_daily(10, timedelta(days=90)), 86_400),
        (_daily(10, timedelta(hours=1), newest=timedelta(days=30)), 54_000),
        (_daily(1, timedelta(0), newest=timedelta(days=2)), 3_600),
        ([], 300),
        ([MOMENT + timedelta(days=1)], 300),
    ],
)
def test_a_feed_is_read_as_often_as_it_speaks(moments: Sequence[datetime], expected: float) -> None:
    assert feed_interval(moments, MOMENT, 300) == expected


@pytest.mark.usefixtures("still_clock")
def test_a_busy_feed_is_read_more_often_than_a_silent_one(web: FeedServer, feeds: Reading) -> None:
    def dated(every: timedelta) -> str:
        dates = [now() - number * every for number in range(10)]
        return rss([item(f"{n}", date=date.strftime("%a, %d %b %Y %H:%M:%S GMT")) for n, date in enumerate(dates)])

    busy, daily = web.put("/busy", dated(timedelta(minutes=10))), web.put("/daily", dated(timedelta(days=1)))
    silent = web.put("/silent", rss([item("A", date="Mon, 01 Jan 2024 00:00:00 GMT")]))
    feeds.read(busy, daily, silent)
    assert feeds.feed(busy).interval == 300
    assert feeds.feed(daily).interval == pytest.approx(1_800, rel=0.01)
    assert feeds.feed(silent).interval == MAX_FEED_SECONDS
    assert feeds.wait(silent) <= MAX_FEED_SECONDS


def test_a_feed_is_read_more_rarely_the_longer_it_is_silent(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)), etag='"1"')
    intervals = []
    with time_machine.travel(MOMENT, tick=False) as clock:
        for _ in range(4):
            feeds.read(url)
            intervals.append(feeds.feed(url).interval)
            clock.shift(timedelta(days=7))
    assert intervals == [300, 12_600, 25_200, 37_800]


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize(
    ("headers", "extra", "expected"),
    [
        ({"Cache-Control": "public, max-age=1800"}, "", 1_800),
        ({"Cache-Control": "max-age=1800", "Age": "600"}, "", 1_200),
        ({"Cache-Control": "max-age=31536000"}, "", 86_400),
        ({"Cache-Control": "s-maxage=9000, max-age=10"}, "", 300),
        ({"Cache-Control": "no-cache"}, "<ttl>90</ttl>", 5_400),
        ({}, "<sy:updatePeriod>hourly</sy:updatePeriod>", 3_600),
    ],
)
def test_what_the_server_and_the_feed_ask_for(
    web: FeedServer, feeds: Reading, headers: dict[str, str], extra: str, expected: float
) -> None:
    """Also where nothing has changed, so that the feed's own wish is not read again."""
    url = web.put("/feed", rss(numbered(3), extra=extra), headers=headers, etag='"1"')
    feeds.read(url)
    assert expected <= feeds.wait(url) + 1 <= expected * 1.1 + 1
    feeds.again(url)
    assert web.count("/feed") == 2
    assert expected <= feeds.wait(url) + 1 <= expected * 1.1 + 1


# --- the list, and many workers -----------------------------------------------------------------------------


def test_the_list_is_followed_and_what_left_it_keeps_its_entries(web: FeedServer, feeds: Reading) -> None:
    one, two = web.put("/one", rss(numbered(1))), web.put("/two", rss(numbered(2)))
    feeds.read(one, two, one)
    assert (web.count("/one"), web.count("/two")) == (1, 1)
    feeds.again(two)
    feeds.again(one, two)
    assert feeds.feed(one).error is None
    feeds.read(two)
    assert feeds.feed(one).error == UNLISTED
    assert len(feeds.entries(one)) == 1
    asked = web.count("/one")
    assert feeds.read() == []
    assert web.count("/one") == asked
    feeds.again(one, two)
    assert feeds.feed(one).error is None


def test_one_pass_reads_no_more_than_it_is_sent(web: FeedServer, feeds: Reading) -> None:
    urls = [web.put(f"/{n}", rss(numbered(n))) for n in range(1, 6)]
    feeds.read(*urls, most=2)
    assert len(web.asked) == 2
    feeds.read(*urls)
    assert len(web.asked) == 5


def test_workers_share_the_feeds(web: FeedServer, engine: Engine) -> None:
    feeds = Reading(engine)
    urls = [web.put(f"/{n}", rss(numbered(3))) for n in range(12)]
    workers = [threading.Thread(target=feeds.read, args=urls) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert sorted(asked.path for asked in web.asked) == sorted(f"/{n}" for n in range(12))
    assert {len(feeds.entries(url)) for url in urls} == {3}


def test_the_lease_of_a_worker_that_died_runs_out(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", rss(numbered(3)))
    with transaction(feeds.engine) as session:
        session.add(
            Feed(url=url, location=url, due_at=now(), leased_until=now() + timedelta(seconds=LEASE_SECONDS["feed"]))
        )
    assert feeds.read(url) == []
    assert web.asked == []
    with time_machine.travel(now() + timedelta(seconds=LEASE_SECONDS["feed"] + 1)):
        feeds.read(url)
    assert len(feeds.entries(url)) == 3


def test_a_body_packed_twice_over_is_no_feed(web: FeedServer, feeds: Reading) -> None:
    url = web.put("/feed", gzip.compress(rss(numbered(3)).encode()))
    feeds.read(url)
    assert "neither RSS nor Atom" in (feeds.feed(url).error or "")
