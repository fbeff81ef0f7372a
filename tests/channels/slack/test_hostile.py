"""Names, titles and summaries of strangers: none pings, none breaks the markup, none is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.channels.links import web_address
from monitor.channels.slack.api import web_client
from monitor.channels.slack.blocks import RenderContext, Rendered, render
from monitor.channels.slack.markup import code, escape, line, link, units
from monitor.channels.slack.transport import post
from monitor.db.engine import now
from monitor.models import Change, FeedEntry, Release, Subscription
from monitor.notify.message import Item, Message
from tests.channels.channel_test_env import release
from tests.channels.slack.slack_test_env import SlackTestEnv
from tests.fakes.slack import Json
from tests.fakes.slack_html import Span, spans

SNIPPETS = st.sampled_from([
    "<!channel>", "<!here|here>", "<!everyone>",
    "<@U0HUMAN01>", "<#C00000001>", "<!subteam^S1>", "@channel", "@here",
    "<https://evil.example|Qwen>", "https://evil.example", "&lt;!channel&gt;", "&amp;lt;", "*bold*", "_italic_",
    "~strike~", "`code`", "```fence```", ":tada:", ":+1:", "\n> quote", "\n", "\r\n", "\t", "|", ">", "<", "&", "*",
    "_", "`", "~",
    "a_b_c", "x*y", "\x00", "\x1b[31m", "\u202e", "\u200b", "\u2028", "\ud83d", "👩‍👩‍👧‍👦",
    "🇨🇳", "深度求索", "نموذج",
    "<<>>", "><|", "x" * 4_000, "🎉" * 2_000, "&" * 1_000, "-", "/", "\\", '"', "'",
    "${jndi:ldap://x}", "<!date^1^{date}|x>",
])  # fmt: skip
HOSTILE = st.one_of(
    st.lists(st.one_of(SNIPPETS, st.text(max_size=12)), max_size=6).map("".join), st.text(max_size=80), SNIPPETS
)
OURS = ("https://huggingface.co/", "https://monitor.example/", "https://lab.example/")


@st.composite
def messages(draw: st.DrawFn) -> list[tuple[Message, RenderContext]]:
    """Messages about four releases, one each and all together: everything in them comes from strangers."""
    texts = draw(st.lists(HOSTILE, min_size=8, max_size=8))
    some = [_stranger(texts[number:] + texts[:number]) for number in range(4)]
    several = draw(st.sampled_from([1, 1, 1, 25]))
    event = draw(st.sampled_from(["release", "release", "relicensed:3", "gated:3"]))
    before, after = texts[:2]
    change = Change(id=3, release_id=1, at=now(), field="license", before=before, after=after, reason="sweep")
    subscription = Subscription(
        id="abc", target_id=1, channel="slack", target="C1", filter="origin:CN", typed=texts[7], digest="daily",
        created_by="x", created_at=now(), timezone="UTC",
    )  # fmt: skip
    made = []
    for rows in (*([row] for row, _ in some), [row for row, _ in some] * several):
        entries = {str(entry.url): entry for row, entry in some if row in rows}
        context = RenderContext("https://monitor.example", changes={"relicensed:3": change}, entries=entries)
        made.append((Message("key", subscription, tuple(Item(event, row) for row in rows)), context))
    return made


def _stranger(texts: list[str]) -> tuple[Release, FeedEntry]:
    url = "https://lab.example/a|b>c*_d"
    row = release(
        namespace=texts[0], name=texts[1], lab=texts[2] or None, task=texts[3], license=texts[4],
        foundation_repo_id=texts[5], announcement_url=url,
    )  # fmt: skip
    return row, FeedEntry(feed_url="f", entry_id="e", url=url, title=texts[6], summary=texts[7], seen_at=now())


@given(some=messages())
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_no_ping_no_broken_markup_and_none_refused(
    env: SlackTestEnv, some: list[tuple[Message, RenderContext]]
) -> None:
    client = web_client(env.settings.slack_api_url, env.workspace.token)
    for message, context in some:
        shown = render(message, context)
        post(client, env.channel.id, shown, "key", None)
        assert not env.slack.refused
        kept = env.channel.messages.pop()
        assert kept["blocks"], "its blocks were refused"
        _is_sound(kept, shown)
    env.slack.calls.clear()


def _is_sound(kept: Json, shown: Rendered) -> None:
    assert all(text.get("verbatim") for text in _markup(kept["blocks"]))
    found = [span for text in _markup(kept["blocks"]) for span in spans(text["text"])]
    assert not [span for span in found if span.ping]
    assert not [span for span in found if {"italic", "strike", "emoji", "quote", "fence"} & set(span.inside)]
    assert all(span.url is None or span.url.startswith(OURS) for span in found)
    assert not [span for span in spans(shown.text) if span.ping or span.inside or span.url]
    # What is bold are names: one of the lab and one of the release, or one of the lab for each group of lines.
    for text in _markup(kept["blocks"]):
        for line_ in text["text"].split("\n"):
            bold = [span for span in spans(line_) if "bold" in span.inside]
            assert len(bold) <= 2, line_


def _markup(value: Any) -> list[Json]:
    if isinstance(value, list):
        return [text for item in value for text in _markup(item)]
    if not isinstance(value, dict):
        return []
    if value.get("type") == "mrkdwn":
        return [value]
    return [text for item in value.values() for text in _markup(item)]


@given(text=HOSTILE, most=st.integers(1, 400))
@settings(max_examples=100)
def test_text_fits_and_reads_back(text: str, most: int) -> None:
    assert units(line(text, most)) <= most
    shown = escape(text, most)
    assert units(shown) <= most
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", shown)
    assert len(spans(code(text, most))) <= 1 or not line(text, most)
    (span,) = spans(link("https://lab.example/", text, most))
    assert span == Span(span.text, (), "https://lab.example/")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example/x?y=1&z=2#t", "https://a.example/x?y=1&z=2#t"),
        ("https://a.example/a|b>c", "https://a.example/a%7Cb%3Ec"),
        ("javascript:alert(1)", None),
        ("https://[::1", None),
        ("//a.example", None),
        ("", None),
        (None, None),
        ("https://a.example/" + "x" * 2_000, None),
    ],
)
def test_only_addresses_of_the_web_become_links(url: str | None, address: str | None) -> None:
    assert web_address(url) == address


def test_ordinary_names_are_left_as_they_are() -> None:
    for name in ("Qwen3-Next-80B-A3B", "bert_base_uncased", "gemma-3-27b-it", "DeepSeek-V3.1", "C4AI/aya_23"):
        assert escape(name) == name
