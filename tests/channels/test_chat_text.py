"""The lines of a message for chat services: what they say, where they lead, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.channels.chat_text import Block, ChatText, Run, as_plain, fit, of_message, of_notice
from monitor.channels.links import reachable_site, web_address
from monitor.channels.message_context import MessageFacts
from monitor.db.engine import now
from monitor.models import Change, FeedEntry, Launch, Release, Subscription
from monitor.notify import message as messages
from monitor.notify.message import Item, Message
from tests.channels.channel_test_env import release

SITE = "https://monitor.example"
LOCAL = "http://127.0.0.1:8000"


def subscription(**columns: Any) -> Subscription:
    facts: dict[str, Any] = {
        "id": "abc", "target_id": 1, "channel": "x", "target": "t", "filter": "kind:base", "digest": "immediate",
        "created_by": "x", "created_at": now(), "timezone": "UTC",
    }  # fmt: skip
    return Subscription(**{**facts, **columns})


def message(*rows: Release, event: str = "release", **columns: Any) -> Message:
    return Message("key", subscription(**columns), tuple(Item(event, row) for row in rows))


def lines(text: ChatText) -> list[str]:
    return [as_plain(line) for block in text.blocks for line in block.lines]


def test_a_release_is_named_with_its_facts_and_where_it_is() -> None:
    row = release(announcement_url="https://lab.example/news", foundation_repo_id="Qwen/Base", foundation_origin="CN")
    entry = FeedEntry(
        feed_url="f", entry_id="e", url="https://lab.example/news", title="News", summary="It is\nnew.", seen_at=now()
    )
    text = of_message(message(row), MessageFacts(entries={"https://lab.example/news": entry}), SITE)
    assert text.title == "🇨🇳 Qwen released Qwen3-Next-80B-A3B"
    assert text.title_url == "https://huggingface.co/Qwen/Qwen3-Next-80B-A3B"
    assert lines(text) == [
        "Qwen/Qwen3-Next-80B-A3B",
        "80B (active 3B) · original · Apache-2.0 · open-weights",
        "Built on Qwen/Base 🇨🇳",
        "Task: text-generation",
        "Announcement: News",
        "“It isnew.”",
    ]
    assert text.links[1].url == f"{SITE}/releases/Qwen/Qwen3-Next-80B-A3B"
    assert text.notes == ("Matches “kind:base”: releases where the kind is original",)


def test_pages_that_readers_cannot_reach_are_not_linked() -> None:
    text = of_message(message(release(), release("Other")), MessageFacts(), LOCAL)
    assert (text.links, text.image) == ((), None)
    assert of_message(message(release()), MessageFacts(), LOCAL).links == (
        Run("Hugging Face", "https://huggingface.co/Qwen/Qwen3-Next-80B-A3B"),
    )


def test_a_change_is_one_sentence() -> None:
    change = Change(id=3, release_id=1, at=now(), field="license", before="mit", after="apache-2.0", reason="sweep")
    text = of_message(message(release(), event="relicensed:3"), MessageFacts(changes={"relicensed:3": change}), SITE)
    assert text.title == "🇨🇳 Qwen3-Next-80B-A3B by Qwen: licence changed from MIT to Apache-2.0"
    assert lines(text) == ["Qwen/Qwen3-Next-80B-A3B"]


def test_the_first_provider_is_one_sentence() -> None:
    change = Change(id=3, release_id=1, at=now(), field="providers", before=None, after="fal-ai", reason="sweep")
    text = of_message(message(release(), event="served:3"), MessageFacts(changes={"served:3": change}), SITE)
    assert text.title == "🇨🇳 Qwen3-Next-80B-A3B by Qwen: now served by fal-ai, its first known inference provider"


def test_a_launch_and_a_digest_are_lists_by_publisher() -> None:
    rows = [release(f"Qwen9-{size}B", launch_id=7) for size in (4, 8)]
    launch = Launch(id=7, publisher="qwen", name="Qwen9", first_at=now(), last_at=now(), settles_at=now())
    other = release("Gemma", namespace="google", lab="google", origin="US")
    digest = replace(message(*rows, other, digest="daily"), launches={7: launch})
    text = of_message(digest, MessageFacts(outage_note="The Hub was not polled for 3 h."), SITE)
    assert text.title == "1 launch of 2 repositories and 1 release today"
    assert {block.heading.partition(" ")[0]: [as_plain(line) for line in block.lines] for block in text.blocks} == {
        "🇨🇳": ["launched Qwen9 · 2 repositories · 80B · original · Apache-2.0"],
        "🇺🇸": ["Gemma · 80B (active 3B) · original · Apache-2.0 · open-weights"],
    }
    assert "The Hub was not polled for 3 h." in text.notes
    assert text.image is not None and text.image[0].startswith(f"{SITE}/trends/chart.png?q=kind%3Abase&by=day")
    alone = of_message(replace(message(*rows), launch=launch), MessageFacts(), SITE)
    assert alone.title == "🇨🇳 Qwen launched Qwen9: 2 repositories"
    assert alone.title_url == f"{SITE}/launches/7"


def test_what_is_edited_says_what_the_message_should_say_now() -> None:
    edit = replace(message(), whole=message(release("A")).items)
    assert of_message(edit, MessageFacts(), SITE).title == "🇨🇳 Qwen released A"


def test_a_test_alert_says_so() -> None:
    text = of_message(messages.test_message(subscription()), MessageFacts(), SITE)
    assert text.title.startswith("[Test] ") and text.notes[-1].startswith("This is a test alert")


def test_a_notice_has_named_links_and_its_picture() -> None:
    chart = f"{SITE}/trends/chart.png?by=month"
    text = of_notice("Crossed", f"It did.\nAll 12:\n{SITE}/releases?q=x\nAs a picture:\n{chart}\nhttps://a.b/c", SITE)
    (block,) = text.blocks
    assert block.lines == (
        (Run("It did."),),
        (Run("All 12", f"{SITE}/releases?q=x"),),
        (Run("As a picture", chart),),
        (Run("a.b/c", "https://a.b/c"),),
    )
    assert text.image == (chart, "Chart")


def test_what_has_no_room_is_counted() -> None:
    text = ChatText("t", tuple(Block(((Run("x" * 10),),) * 5, f"h{number}", listed=True) for number in range(3)))
    shown = fit(text, lambda line: len(as_plain(line)), 12 + 40 + 12 + 10)
    assert [(block.heading, len(block.lines)) for block in shown.blocks] == [("h0", 5), ("h1", 2)]
    assert shown.notes == ("… and 8 more",)
    assert fit(text, lambda line: len(as_plain(line)), 1_000) == text


@given(text=st.text(max_size=60), most=st.integers(60, 200))
@settings(max_examples=80)
def test_strangers_stay_on_their_line(text: str, most: int) -> None:
    row = release(name=text, namespace=text, lab=None, task=text, license=text, foundation_repo_id=text)
    shown = of_message(message(row, typed=text), MessageFacts(), SITE)
    for one in (shown.title, *lines(shown), *shown.notes):
        assert len(one.splitlines()) <= 1
    assert all(
        run.url is None or web_address(run.url) == run.url
        for block in shown.blocks
        for line in block.lines
        for run in line
    )
    used = fit(shown, lambda line: len(as_plain(line)), most)
    assert sum(len(as_plain(line)) for block in used.blocks for line in block.lines) <= most


@pytest.mark.parametrize(
    ("site", "reachable"),
    [
        ("https://monitor.example", True),
        ("https://8.8.8.8", True),
        ("http://127.0.0.1:8000", False),
        ("http://localhost:8000", False),
        ("http://[::1]:8000", False),
        ("https://10.1.2.3", False),
        ("https://[::1", False),
    ],
)
def test_which_sites_readers_elsewhere_reach(site: str, reachable: bool) -> None:
    assert (reachable_site(site) == site) is reachable
