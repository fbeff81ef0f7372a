"""Names, titles and summaries of strangers: none pings, none becomes a link or a command, none is refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.channels.chat_text import Block, ChatText, Run, cut
from monitor.channels.telegram.entities import (
    MAX_ENTITIES,
    MAX_MESSAGE_UNITS,
    WORD_JOINER,
    Piece,
    build,
    link_address,
    render,
    render_plain,
    units,
)
from monitor.db.engine import now, transaction
from monitor.models import Feed, FeedEntry, Release
from tests.channels.channel_test_env import release
from tests.channels.telegram.telegram_test_env import SITE, TelegramTestEnv
from tests.fakes.telegram import Json
from tests.fakes.telegram_text import find, read_text

SNIPPETS = (
    "@durov", "@gif", "a@b.cc", "x@durov", "@\u030adurov", "@\u2060durov", "@\u200bdurov", "\uff20durov", "@@durov",
    "#hashtag", "#\u200ehashtag", "#тег", "#_", "a#b", "#1", "$BTC", "$1INCH", "$$TON", "/start", "/start@some_bot",
    "x/start", "-/start", "é/start", "//start", "<b>/start</b>", "evil.com", "model.ai", "foo.sh", "Model.AI",
    "xn--e1afmkfd.xn--p1ai", "пример.рф", "例え.コム", "https://evil.example/x?y#z", "http://1.2.3.4", "127.0.0.1",
    "1.2.3.4.5", "ftp://evil.com", "tg://resolve?domain=durov", "TG://user?id=1", "ton://x", "t.me/durov",
    "mailto:me@evil.com", "www.evil.com", "me:pw@evil.com", "evil.com:8080/path", "localhost:80", "+12125550123",
    "+1 (212) 555-01-23", "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "5" * 40,
    "\u202e", "\u200b", "\u2028", "\r", "\n", "\t", "\x00", "\ud83d", "\u0333", "\u030a",
    "👩‍👩‍👧‍👦", "🇨🇳", "深度求索", "نموذج", ".", "..", "/", "@", "#", "$", "+", ":", "://", "<", "&", "*", "_", "`", "[x](https://evil.example)",
    "<a href='https://evil.example'>x</a>", "x" * 4_000, "🎉" * 2_000, "@" * 3_000, "a.b" * 1_000, " ", "",
)  # fmt: skip
"""Also what Telegram would only make a mention after it has removed a character."""
HOSTILE = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=10), max_size=6).map("".join)
OURS = ("https://huggingface.co/", f"{SITE}/", "https://lab.example/")
FORMATTING = {"bold", "italic", "text_link"}


def is_sound(message: Json) -> None:
    """Nothing but our own formatting and links is in a message, as Telegram shows it."""
    assert {one.type for one in message["read"]} <= FORMATTING, message["text"]
    assert all(one.url.startswith(OURS) for one in message["read"] if one.type == "text_link")
    assert units(message["text"]) <= MAX_MESSAGE_UNITS and len(message["read"]) <= MAX_ENTITIES


def stranger(chance: random.Random, number: int) -> tuple[Release, FeedEntry]:
    """A release of which a stranger wrote everything, and its announcement."""

    def text() -> str:
        found = "".join(chance.choices(SNIPPETS, k=chance.randint(1, 4)))
        return found.encode("utf-8", "ignore").decode().replace("\x00", "")[: chance.choice([20, 200, 5_000])]

    url = f"https://lab.example/{number}"
    row = release(
        name=text() or "x", namespace=text() or "y", lab=None, task=text(), license=text(), license_class="unknown",
        foundation_repo_id=text(), announcement_url=url, notable=[], notable_score=None,
    )  # fmt: skip
    row.repo_id = f"{row.namespace}/{row.name}"[:4_000] + f"-{number}"
    return row, FeedEntry(feed_url="f", entry_id=str(number), url=url, title=text(), summary=text(), seen_at=now())


def test_a_thousand_hostile_names_ping_nobody_and_break_no_message(env: TelegramTestEnv) -> None:
    """Through the outbox to Telegram, one by one, as launches would come, and in digests."""
    chance = random.Random(3)
    env.subscribe("kind:base")
    env.subscribe("", str(env.telegram.chat("channel").id), digest="daily")
    with transaction(env.engine) as session:
        session.add(Feed(url="f", location="f", due_at=now(), failures=0))
    number = 0
    for size in (*[1] * 12, *[3] * 6, 40, 80, *[100] * 7, 150):
        some = [stranger(chance, number + more) for more in range(size)]
        number += size
        with transaction(env.engine) as session:
            session.add_all(entry for _, entry in some)
        env.news(*(row for row, _ in some))
        env.deliver()
    assert number == 1_000
    assert {row.state for row in env.deliveries()} == {"sent"}
    assert not env.telegram.refused and not env.telegram.unknown
    assert len(env.telegram.messages) > 60
    for message in env.telegram.messages:
        is_sound(message)


@given(st.lists(st.builds(Piece, HOSTILE, st.sampled_from([None, "bold", "code"]),
                          st.sampled_from([None, None, "https://lab.example/x"])), min_size=1, max_size=6))  # fmt: skip
@settings(max_examples=150)
def test_telegram_finds_nothing_in_any_pieces(pieces: list[Piece]) -> None:
    pieces = [
        Piece(one.text.encode("utf-8", "ignore").decode() or "…", None if one.url else one.style, one.url)
        for one in pieces
    ]
    shown = build([*pieces, Piece("end")])
    if units(shown.text) > MAX_MESSAGE_UNITS:
        return
    _, read = read_text(shown.text, shown.entities)
    assert not [one for one in read if one.found], shown.text


def _words(most: int) -> st.SearchStrategy[str]:
    return HOSTILE.map(lambda text: cut(text, most))


_RUNS = st.builds(Run, _words(500), st.sampled_from([None, "https://lab.example/x", "http://intranet/"]), st.booleans())
_LINES = st.lists(_RUNS, min_size=1, max_size=3).map(tuple)
_BLOCKS = st.builds(Block, st.lists(_LINES, max_size=40).map(tuple), _words(120), st.booleans())
TEXTS = st.builds(
    ChatText,
    _words(250),
    st.lists(_BLOCKS, max_size=5).map(tuple),
    st.lists(_words(3_000), max_size=5).map(tuple),
    st.lists(_RUNS, max_size=2).map(tuple),
    st.sampled_from([None, "https://lab.example/x"]),
)


@given(TEXTS)
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
def test_every_text_fits_with_and_without_formatting(text: ChatText) -> None:
    shown = render(text)
    kept, read = read_text(shown.text, shown.entities)
    assert {one.type for one in read} <= FORMATTING
    assert len(shown.entities) <= MAX_ENTITIES
    plain, bare = read_text(render_plain(text).text, None)
    assert bare == []
    assert kept and plain


@pytest.mark.parametrize(
    "name", ["Qwen2.5-VL-7B", "bert_base_uncased", "DeepSeek-V3.1", "C4AI/aya_23", "a.1", "GLM-4.6"]
)
def test_ordinary_names_are_left_as_they_are(name: str) -> None:
    assert build([Piece(name)]).text == name
    assert not find(name)


def test_a_name_that_telegram_would_link_is_parted_in_text_and_whole_in_links() -> None:
    assert build([Piece("by foo.sh")]).text == f"by foo.{WORD_JOINER}sh"
    assert find("by foo.sh") and not find(f"by foo.{WORD_JOINER}sh")
    assert build([Piece("foo.sh", None, "https://lab.example/")]).text == "foo.sh"
    assert build([Piece("foo.sh", "code")]).text == "foo.sh"
    assert build([Piece("foo.sh", "bold")]).text == f"foo.{WORD_JOINER}sh"


def test_a_name_may_not_begin_in_one_piece_and_end_in_the_next() -> None:
    assert build([Piece("@", "bold"), Piece("durov")]).text == f"@{WORD_JOINER}durov"
    assert build([Piece("evil"), Piece(".", "italic"), Piece("com")]).text == f"evil.{WORD_JOINER}com"


@pytest.mark.parametrize(
    "url",
    [None, "", "http://localhost:8000/x", "http://intranet/", "https://пример.рф/", "https://[::1", "https:///x"],
)
def test_a_link_that_telegram_refuses_is_none(url: str | None) -> None:
    assert link_address(url) is None


@pytest.mark.parametrize("url", ["https://a.example/x", "http://127.0.0.1:8000/", "https://[2001:db8::1]/x"])
def test_other_links_are_kept(url: str) -> None:
    assert link_address(url) == url
    shown = build([Piece("x", None, url)])
    assert read_text(shown.text, shown.entities)[1][0].url == url


def test_offsets_are_counted_in_utf_16() -> None:
    shown = build([Piece("🇨🇳 "), Piece("深", "bold"), Piece("👍"), Piece("x", None, "https://a.example/")])
    assert [(one["offset"], one["length"]) for one in shown.entities] == [(5, 1), (8, 1)]
