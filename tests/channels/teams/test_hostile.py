"""1,000 hostile names through the outbox to Teams: none mentions, none links elsewhere, none breaks a card."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.channels.chat_text import Block, ChatText, Run
from monitor.channels.teams.cards import MAX_MESSAGE_BYTES, json_bytes, render
from monitor.channels.teams.markup import as_text, escape, render_line
from monitor.notify import outbox
from monitor.text import plain
from tests.channels.hostile_names import SNIPPETS, hostile_releases
from tests.channels.teams.teams_test_env import OURS, TeamsTestEnv, texts
from tests.fakes.teams import FUNCTION, Json, check_message, shown

HOSTILE = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=12)), max_size=6).map("".join)
SHARE = 4
"""How many names each workflow gets one by one: five at once would be one message."""


@pytest.mark.parametrize("number", [100, pytest.param(1_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_hostile_names_mention_nobody_and_break_nothing(env: TeamsTestEnv, number: int) -> None:
    env.transport.pace = 0.0
    digest = env.teams.workflow()
    env.subscribe(url=digest, digest="daily")
    releases = hostile_releases(number)
    for place, row in enumerate(releases):
        row.params_total = 1_000 + place // SHARE
    for share in range(number // SHARE):
        env.subscribe(f"params:{1_000 + share}", url=env.teams.workflow())
    names = [row.name for row in releases]
    env.news(*releases)
    while outbox.send_due(env.engine, {"teams": env.transport}, digest=False):
        pass
    while env.deliver(after=timedelta(days=1, minutes=1)):
        pass
    together = env.teams.cards(digest)
    alone = [
        one["attachments"][0]["content"]
        for workflow in env.teams.workflows.values()
        for one in workflow.cards
        if workflow is not env.teams.of(digest)
    ]
    assert (len(alone), len(together)) == (number, number // 100)
    assert env.teams.refused == []
    for card in (*alone, *together):
        _is_sound(card)
    titles = "\n".join(texts(card)[0] for card in alone)
    assert [name for name in names if escape(f"x {plain(name).strip()}")[2:80] not in titles] == []


def _is_sound(card: Json) -> None:
    for text in texts(card):
        found = shown(text)
        assert found.markup == (), text
        assert all(url.startswith(OURS) and label.strip() for label, url in found.links), text
    assert not FUNCTION.search(card["fallbackText"])
    assert all(action["url"].startswith(OURS) for action in card.get("actions", ()))


@given(text=HOSTILE)
@settings(max_examples=120)
def test_what_is_escaped_is_no_markup(text: str) -> None:
    found = shown(f"• {escape(text)}")
    assert (found.markup, found.links) == ((), ())
    assert found.text.split() == f"• {escape(text)}".split()
    assert shown(escape(text)).markup == ()
    assert not FUNCTION.search(as_text(text))
    line = (Run("• "), Run(text, "https://huggingface.co/a_(b)<c>"), Run(text))
    (link,) = shown(render_line(line)).links
    assert link[1] == "https://huggingface.co/a_%28b%29%3Cc%3E"


@given(texts_=st.lists(HOSTILE, max_size=30), headings=st.lists(HOSTILE, max_size=5))
@settings(max_examples=100)
def test_every_card_fits(texts_: list[str], headings: list[str]) -> None:
    lines = tuple((Run(f"x{text}", "https://a.example/"), Run(text)) for text in texts_)
    blocks = tuple(Block(lines, heading, listed=True) for heading in headings)
    message = render(ChatText("x", blocks, notes=("n" * 500,)))
    assert json_bytes(message) <= MAX_MESSAGE_BYTES
    check_message(message)


def test_ordinary_names_are_left_as_they_are() -> None:
    for name in (
        "Qwen3-Next-80B-A3B",
        "bert_base_uncased",
        "gemma-3-27b-it",
        "DeepSeek-V3.1",
        "2.5-Pro",
        "C4AI/aya_23",
    ):
        assert escape(name) == name


def test_the_parser_sees_what_teams_would_show() -> None:
    """The checks above prove nothing if the parser overlooks markup."""
    for text in ("**a**", "_a_", "- a", "1. a", "# a", "> a", "`a`", "![a](b)", "<b>x</b>", "a\\*", "https://a.b",
                 "{{DATE(2026-01-01T00:00:00Z)}}", "<at>x</at>", "a\n===", "---"):  # fmt: skip
        assert shown(text).markup, text
    assert shown("[a](https://a.b)").links == (("a", "https://a.b"),)
