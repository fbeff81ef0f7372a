"""Sitemaps, JSON endpoints and HTML lists, in the shapes that labs serve: read, and refused where they break."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.db.engine import now, reading, transaction
from monitor.ingest.feeds.dates import read_date
from monitor.ingest.feeds.entries import Parsed
from monitor.ingest.feeds.limits import DEPTH, FeedError
from monitor.ingest.feeds.parser import parse
from monitor.ingest.feeds.reader import NewEntry, read_due
from monitor.labs import load
from monitor.labs.sources import HtmlSource, JsonSource, RssSource, SitemapSource, Source, check_expressions
from monitor.models import Feed, FeedEntry
from tests.fakes.feeds import FeedServer, item, rss

XML, JSON, HTML = "application/xml", "application/json; charset=utf-8", "text/html; charset=utf-8"


def source_of(lab: str, kind: type[Source]) -> Any:
    """The first source of a lab that has this kind, as the registry declares it."""
    found = load().get(lab)
    assert found is not None
    return next(source for source in found.sources if isinstance(source, kind))


def parsed(source: Source, body: str | bytes, content_type: str = HTML) -> Parsed:
    return parse(source, body.encode() if isinstance(body, str) else body, content_type, source.url)


def refusal(source: Source, body: str | bytes) -> str:
    with pytest.raises(FeedError) as caught:
        parsed(source, body)
    return str(caught.value)


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


# --- sitemaps -----------------------------------------------------------------------------------------------


def sitemap(*locations: str, names: str = "") -> str:
    urls = "".join(f"<url>{location}</url>" for location in locations)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" {names}>{urls}</urlset>'
    )


DOCUMENTATION = sitemap(
    "<loc>https://api-docs.deepseek.com/</loc><changefreq>weekly</changefreq><priority>0.5</priority>",
    "<loc>https://api-docs.deepseek.com/news/news0725</loc><changefreq>weekly</changefreq>",
    "<loc>https://api-docs.deepseek.com/news/news250821</loc>",
    "<loc>\n  https://api-docs.deepseek.com/news/news261001\n</loc>",
    "<loc>https://api-docs.deepseek.com/news/news269901</loc>",
    "<loc>https://api-docs.deepseek.com/zh-cn/news/news261001</loc>",
    "<loc>https://api-docs.deepseek.com/guides/kv_cache</loc>",
)


def test_a_sitemap_gives_the_addresses_that_match_with_the_dates_in_them() -> None:
    found = parsed(source_of("deepseek", SitemapSource), DOCUMENTATION, XML)
    news = "https://api-docs.deepseek.com/news/news"
    assert [(entry.url, entry.published_at) for entry in found.entries] == [
        (f"{news}0725", day(2024, 7, 25)),
        (f"{news}250821", day(2025, 8, 21)),
        (f"{news}261001", day(2026, 10, 1)),
        (f"{news}269901", None),
    ]
    assert {entry.title for entry in found.entries} == {None}, "a sitemap states no titles"


def test_a_sitemap_may_date_its_entries_by_their_last_change() -> None:
    body = sitemap(
        "<loc>https://x.ai/</loc><lastmod>2026-10-07T00:00:00.000Z</lastmod>",
        "<loc>https://x.ai/news</loc>",
        "<loc>https://x.ai/news/grok-9</loc><lastmod>2026-09-01T10:00:00.000Z</lastmod>",
        "<loc>https://x.ai/news/grok-8</loc><lastmod>soon</lastmod>",
    )
    source = source_of("xai", SitemapSource)
    found = {entry.url: entry.published_at for entry in parsed(source, body, XML).entries}
    assert found == {
        "https://x.ai/news/grok-9": datetime(2026, 9, 1, 10, tzinfo=UTC),
        "https://x.ai/news/grok-8": None,
    }
    undated = source.model_copy(update={"date": None})
    assert {entry.published_at for entry in parsed(undated, body, XML).entries} == {None}


def test_a_sitemap_for_news_states_titles_and_dates() -> None:
    news = (
        "<news:news><news:publication><news:name>Lab</news:name></news:publication>"
        "<news:publication_date>2026-10-02</news:publication_date><news:title>Introducing Model &amp; 2</news:title>"
        "</news:news>"
    )
    names = 'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    body = sitemap(f"<loc>https://lab.example/news/2</loc><lastmod>2026-10-05</lastmod>{news}", names=names)
    source = SitemapSource(kind="sitemap", url="https://lab.example/s.xml", link_pattern="/news/", date="lastmod")
    (entry,) = parsed(source, body, XML).entries
    assert (entry.title, entry.published_at) == ("Introducing Model & 2", day(2026, 10, 2))


NEWS = SitemapSource(kind="sitemap", url="https://lab.example/sitemap.xml", link_pattern="/news/")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (sitemap("<loc>https://lab.example/about</loc>"), "none of the 1 addresses of this sitemap matches '/news/'"),
        (sitemap(), "none of the 0 addresses"),
        ("<sitemapindex><sitemap><loc>https://lab.example/sitemap.xml</loc></sitemap></sitemapindex>", "an index of"),
        (sitemap("<loc>https://lab.example/news/1</loc>")[:-20], "it is no sitemap: "),
        (rss([item("Post", "https://lab.example/news/1")]), "its root is 'rss'"),
        ("<!DOCTYPE html><html><body>Not found</body></html>", "it is an HTML page, not a sitemap"),
        ("", "it is empty"),
        ('{"news": []}', "it is no sitemap: "),
        ('<!DOCTYPE u [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><urlset><url><loc>&c;</loc></url></urlset>', "entities"),
        ("<urlset>" + "<url>" * 250 + "</url>" * 250 + "</urlset>", f"nests deeper than {DEPTH}"),
        ("<urlset>" + "<url/>" * 300_001 + "</urlset>", "it holds more than 300000 elements"),
    ],
)
def test_what_is_no_sitemap_is_refused_with_its_reason(body: str, reason: str) -> None:
    assert reason in refusal(NEWS, body)


# --- JSON ---------------------------------------------------------------------------------------------------


def test_a_json_endpoint_is_read_by_its_expressions() -> None:
    articles = [
        {
            "title": "Qwen9-Max: faster & longer",
            "path": "qwen9-max",
            "canonical": "https://stopped.example/blog/qwen9-max/",
            "extra": {
                "date": "2026-10-06T12:00:00+08:00",
                "introduction": "Weights: https://huggingface.co/Qwen/Qwen9",
            },
        },
        {"title": "Undated", "path": "undated", "extra": None},
        {"title": "No page", "path": None, "extra": {"date": "2026-09-30"}},
        {"title": None, "path": None},
        "not an object",
    ]
    source = source_of("qwen", JsonSource)
    found = parsed(source, orjson.dumps({"success": True, "data": {"articles": articles}}), JSON)
    assert [(entry.title, entry.url, entry.published_at) for entry in found.entries] == [
        ("Qwen9-Max: faster & longer", "https://qwen.ai/blog?id=qwen9-max", datetime(2026, 10, 6, 4, tzinfo=UTC)),
        ("Undated", "https://qwen.ai/blog?id=undated", None),
        ("No page", None, day(2026, 9, 30)),
    ]
    assert found.entries[0].repo_ids == ("Qwen/Qwen9",)
    assert found.entries[0].summary == "Weights: https://huggingface.co/Qwen/Qwen9"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_790_000_000_000, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        (1_790_000_000, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ("1790000000000", datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ("2026-09-21T14:13:20.000Z", datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ("2026/07/16", day(2026, 7, 16)),
        (0, None),
        (-1, None),
        (1e300, None),
        (True, None),
        (None, None),
        ({"date": "2026-09-21"}, None),
        ("9" * 5_000, None),
    ],
)
def test_a_date_may_be_text_or_a_number_since_1970(value: object, expected: datetime | None) -> None:
    assert read_date(value) == expected
    source = source_of("minimax", JsonSource)
    body = orjson.dumps([{"title": "MiniMax-M9", "slug": "minimax-m9", "publishDate": value}])
    (entry,) = parsed(source, body, JSON).entries
    assert entry.published_at == expected
    assert entry.url == "https://www.minimax.io/news/minimax-m9"


POSTS = JsonSource(kind="json", url="https://lab.example/api", entries="posts", link="url", title="title", date="date")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<!doctype html><title>Blocked</title>", "it is an HTML page, not JSON"),
        ('{"posts": [', "it is no JSON: "),
        ("", "it is empty"),
        ("[" * 100_000, "it is no JSON: "),
        ('{"posts": {"1": {}}}', "'posts' finds no list in it"),
        ("[1, 2]", "'posts' finds no list in it"),
        ("null", "'posts' finds no list in it"),
        ('{"posts": [1, "two", null, [], {"title": ["x"], "url": {"href": 1}}]}', "none of its 5 entries has a title"),
        (orjson.dumps({"posts": [{"title": str(n)} for n in range(10_001)]}).decode(), "more than 10000 entries"),
    ],
)
def test_what_is_not_the_expected_json_is_refused_with_its_reason(body: str, reason: str) -> None:
    assert reason in refusal(POSTS, body)


def test_an_item_nested_beyond_reason_is_an_entry_all_the_same() -> None:
    deep = '{"title": "Deep", "url": "/deep", "more": ' + "[" * 500 + "]" * 500 + "}"
    (entry,) = parsed(POSTS, f'{{"posts": [{deep}]}}', JSON).entries
    assert (entry.title, entry.url) == ("Deep", "https://lab.example/deep")


def test_an_empty_list_is_an_answer() -> None:
    assert parsed(POSTS, '{"posts": []}', JSON).entries == ()


# --- HTML ---------------------------------------------------------------------------------------------------


CARDS = """<!DOCTYPE html>
<html lang="en"><head><title>Blog - Kimi</title></head><body>
<nav><a href="/">Home</a><a href="/blog/">Blog</a></nav>
<main>
  <div class="card">
    <a class="cover" href="/blog/kimi-k9"><img src="https://cdn.example/blog/2026-01-01/cover.png" alt=""></a>
    <div><span class="card-date">2026/07/16</span>
    <a href="/blog/kimi-k9"><h3>Kimi K9: <em>Open</em> &amp; long</h3></a></div>
  </div>
  <a class="card" href="https://www.kimi.com/blog/kimi-vl/">
    <div class="card-title">Kimi-VL</div><div class="card-date">2026/06/02</div>
  </a>
  <div class="card"><a href="kimi-undated">Kimi without a date</a><script>var date = "2026/01/01"</script></div>
</main></body></html>"""


def test_a_page_of_cards_is_read_card_by_card() -> None:
    found = parsed(source_of("moonshot", HtmlSource), CARDS)
    assert found.title == "Blog - Kimi"
    assert [(entry.title, entry.url, entry.published_at) for entry in found.entries] == [
        ("Kimi K9: Open & long", "https://www.kimi.com/blog/kimi-k9", day(2026, 7, 16)),
        ("Kimi-VL", "https://www.kimi.com/blog/kimi-vl/", day(2026, 6, 2)),
    ]


def test_a_list_of_links_is_read_by_their_pattern_and_its_dates() -> None:
    page = """<html><body><ul>
      <li><time datetime="2026-08-20T09:00:00+09:00">8月20日</time>
        <a href="/jp/newsrelease/2026/08/20/260820a.html">大規模言語モデル「tsuzumi 9」の提供を開始</a></li>
      <li>2026年8月19日 <a href="/jp/newsrelease/2026/08/19/260819a.html">役員の異動</a></li>
      <li><a href="/jp/newsrelease/index.html">一覧 AI</a></li>
    </ul></body></html>"""
    (entry,) = parsed(source_of("ntt", HtmlSource), page).entries
    assert entry.title == "大規模言語モデル「tsuzumi 9」の提供を開始"
    assert entry.url == "https://group.ntt/jp/newsrelease/2026/08/20/260820a.html"
    assert entry.published_at == day(2026, 8, 20)


def test_links_that_wrap_nothing_but_text_are_dated_by_what_is_beside_them() -> None:
    page = """<body><div class="news">
      <div class="row"><p class="date">2026年08月20日</p>
        <a href="/home/index/news_detail?id=9">文心大模型 X9 发布</a></div>
      <div class="row"><p class="date">2026年08月01日</p><a href="/home/index/news_detail?id=8">百度财报</a></div>
    </div></body>"""
    found = parsed(source_of("baidu", HtmlSource), page)
    assert [(entry.title, entry.published_at) for entry in found.entries] == [
        ("文心大模型 X9 发布", day(2026, 8, 20)),
        ("百度财报", day(2026, 8, 1)),
    ]


def test_a_page_may_be_in_its_own_encoding_and_set_a_base() -> None:
    page = (
        '<html><head><base href="https://www.lab.example/news/"></head>'
        '<body><div><a class="n" href="1.html">新闻：模型 A&lt;9&gt;</a></div></body></html>'
    )
    source = HtmlSource(kind="html", url="https://lab.example/", entries="a.n")
    (entry,) = parse(source, page.encode("gb18030"), "text/html; charset=gb2312", source.url).entries
    assert (entry.title, entry.url) == ("新闻：模型 A<9>", "https://www.lab.example/news/1.html")


LIST = HtmlSource(kind="html", url="https://lab.example/blog", entries="a.post")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<html><body><div id=root></div><script src=app.js></script></body></html>", "no element of it matches"),
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("<a class=post href='javascript:void(0)'><img></a>", "has a title or a link"),
        ("<p>" * 300_001, "more than 4194304 characters or 300000 elements"),
        ("x" * (4 * 1024 * 1024 + 1), "more than 4194304 characters or 300000 elements"),
        ("<a class=post href=/1>x</a>" * 10_001, "it holds more than 10000 entries"),
        ('{"posts": []}', "no element of it matches"),
    ],
)
def test_what_is_not_the_expected_page_is_refused_with_its_reason(body: str, reason: str) -> None:
    assert reason in refusal(LIST, body)


def test_links_that_are_no_pages_are_none() -> None:
    page = "".join(
        f'<p><a class="post" href="{href}">Post {number}</a></p>'
        for number, href in enumerate(["javascript:alert(1)", "//[", "mailto:a@b.example", "data:text/html,x", "/good"])
    )
    assert [entry.url for entry in parsed(LIST, page).entries] == [*[None] * 4, "https://lab.example/good"]


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 200_000 + "<a class=post href=/1>One</a>",
        "<a class=post href=/1>" * 9_000,
        "<div><a class=post href=/1>x</a>" * 9_000,
        "<div " + " ".join(f"a{number}=1" for number in range(200_000)) + "><a class=post href=/1>One</a></div>",
        "<a class=post href=/1>One</a>" + "<!--" * 500_000,
        "<p><a class=post href=/1>One</a>" + "&amp;" * 500_000 + "</p>",
        "<table>" * 50_000 + "<a class=post href=/1>One</a>",
        "<a class=post href=/1><b>" + "<h2>t</h2>" * 90_000,
    ],
    ids=["deep", "links in links", "deep links", "attributes", "comments", "entities", "tables", "headings"],
)
def test_a_page_made_to_take_time_is_read_or_refused_soon(body: str) -> None:
    began = time.process_time()
    with suppress(FeedError):
        assert all(entry.url == "https://lab.example/1" for entry in parsed(LIST, body).entries)
    assert time.process_time() - began < 10


def test_an_element_of_too_many_attributes_is_refused() -> None:
    attributes = " ".join(f"a{number}=1" for number in range(20_001))
    assert "more than 20000 attributes" in refusal(LIST, f"<a class=post href=/1 {attributes}>One</a>")


@given(st.binary(max_size=400), st.sampled_from([NEWS, POSTS, LIST]))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes, source: Source) -> None:
    try:
        found = parse(source, body, None, source.url)
    except FeedError as error:
        assert str(error)
    else:
        assert len({entry.entry_id for entry in found.entries}) == len(found.entries)


# --- what the registry declares -----------------------------------------------------------------------------


def test_the_registry_declares_at_least_40_sources_of_35_labs_that_compile() -> None:
    sources = load().sources
    for source in sources:
        check_expressions(source)
    assert len(sources) >= 40
    assert len([lab for lab in load().labs if lab.source_urls]) >= 35
    assert {source.kind for source in sources} == {"rss", "sitemap", "json", "html"}


def test_a_feed_of_a_whole_company_gives_what_speaks_of_models() -> None:
    titles = {
        "大規模言語モデルを公開": True,
        "生成AIの新サービス": True,
        "決算のお知らせ": False,
        "MAIL配信を開始": False,
    }
    source = next(one for one in source_of_all("fujitsu") if one.text_pattern)
    body = rss([item(title, f"https://prtimes.jp/{number}") for number, title in enumerate(titles)])
    assert [entry.title for entry in parsed(source, body).entries] == [
        title for title, wanted in titles.items() if wanted
    ]


def source_of_all(lab: str) -> tuple[Source, ...]:
    found = load().get(lab)
    assert found is not None
    return found.all_sources


# --- over a real socket -------------------------------------------------------------------------------------


@pytest.fixture
def web() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


def read(engine: Engine, *sources: Source) -> list[NewEntry]:
    """Reads these sources although they may not be due."""
    with transaction(engine) as session:
        for row in session.scalars(select(Feed)):
            row.due_at = now()
            session.add(row)
    return read_due(engine, sources, shortest=300.0, allow_private=True, user_agent="test")


def state(engine: Engine, source: Source) -> Feed:
    with reading(engine) as session:
        return session.get_one(Feed, source.url)


def titles(engine: Engine, source: Source) -> list[str | None]:
    with reading(engine) as session:
        query = select(col(FeedEntry.title)).where(col(FeedEntry.feed_url) == source.url)
        return list(session.scalars(query.order_by(col(FeedEntry.id))))


def page_of(*names: str) -> str:
    return (
        "<html><body>"
        + "".join(f'<p><a class="post" href="/{name}">{name}</a></p>' for name in names)
        + "</body></html>"
    )


def test_a_new_entry_of_each_kind_is_new_once(web: FeedServer, sqlite_engine: Engine) -> None:
    html = LIST.model_copy(update={"url": web.url("/blog")})
    json = POSTS.model_copy(update={"url": web.url("/api")})
    xml = NEWS.model_copy(update={"url": web.url("/sitemap.xml")})

    def serve(*names: str) -> None:
        web.put("/blog", page_of(*names), HTML, etag=f'"{len(names)}"')
        web.put("/api", orjson.dumps({"posts": [{"title": name, "url": f"/{name}"} for name in names]}), JSON)
        web.put("/sitemap.xml", sitemap(*(f"<loc>{web.url(f'/news/{name}')}</loc>" for name in names)), XML)

    serve("one")
    assert read(sqlite_engine, html, json, xml) == [], "what was there before is history"
    assert read(sqlite_engine, html, json, xml) == []
    assert web.last("/blog").headers["if-none-match"] == '"1"'
    serve("two", "one")
    new = read(sqlite_engine, html, json, xml)
    assert {(entry.feed_url, entry.url) for entry in new} == {
        (html.url, web.url("/two")),
        (json.url, web.url("/two")),
        (xml.url, web.url("/news/two")),
    }
    assert read(sqlite_engine, html, json, xml) == []
    accepted = {path: web.last(path).headers["accept"].partition(",")[0] for path in ("/blog", "/api", "/sitemap.xml")}
    assert accepted == {"/blog": "text/html", "/api": "application/json", "/sitemap.xml": "application/xml"}


def test_a_page_that_changed_its_form_is_a_failure_and_loses_nothing(web: FeedServer, sqlite_engine: Engine) -> None:
    source = LIST.model_copy(update={"url": web.put("/blog", page_of("one", "two"), HTML)})
    read(sqlite_engine, source)
    web.put("/blog", "<html><body><div id=app></div></body></html>", HTML)
    assert read(sqlite_engine, source) == []
    row = state(sqlite_engine, source)
    assert row.failures == 1
    assert "no element of it matches 'a.post'" in (row.error or "")
    assert titles(sqlite_engine, source) == ["one", "two"]
    web.put("/blog", page_of("three", "one", "two"), HTML)
    assert [entry.title for entry in read(sqlite_engine, source)] == ["three"]
    assert (state(sqlite_engine, source).failures, state(sqlite_engine, source).error) == (0, None)


# --- stale --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "silence", "stale"),
    [(3, 89, False), (3, 91, True), (20, 150, False), (20, 201, True), (None, 89, False), (None, 91, True)],
)
def test_a_feed_that_answers_and_has_long_been_silent_is_stale(
    web: FeedServer, sqlite_engine: Engine, gap: int | None, silence: int, stale: bool
) -> None:
    newest = now() - timedelta(days=silence)
    dates = [newest - timedelta(days=(gap or 0) * number) for number in range(5 if gap else 1)]
    items = [item(f"Post {at:%x}", web.url(f"/{at:%s}"), date=f"{at:%Y-%m-%dT%H:%M:%SZ}") for at in dates]
    source = RssSource(url=web.put("/feed", rss(items)))
    read(sqlite_engine, source)
    row = state(sqlite_engine, source)
    assert (row.failures, row.error) == (0, None)
    assert row.stale_since == (newest.replace(microsecond=0) if stale else None)


def test_a_feed_turns_stale_while_it_does_not_change_and_is_so_no_more_with_a_new_entry(
    web: FeedServer, sqlite_engine: Engine
) -> None:
    source = RssSource(url=web.put("/feed", rss([item("One", web.url("/1"))]), etag='"1"'))
    read(sqlite_engine, source)
    began = now()
    assert state(sqlite_engine, source).stale_since is None
    with time_machine.travel(began + timedelta(days=100), tick=True):
        read(sqlite_engine, source)
        since = state(sqlite_engine, source).stale_since
        assert since is not None and abs(since - began) < timedelta(minutes=1)
        web.put("/feed", rss([item("Two", web.url("/2")), item("One", web.url("/1"))]), etag='"2"')
        assert [entry.title for entry in read(sqlite_engine, source)] == ["Two"]
        assert state(sqlite_engine, source).stale_since is None
