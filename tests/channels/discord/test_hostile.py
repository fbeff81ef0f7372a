"""1,000 hostile names through the outbox to Discord: none pings, none links elsewhere, none breaks a message."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.channels.chat_text import Run, cut
from monitor.channels.discord.markup import escape, fit_escaped, link, render_line
from monitor.notify import outbox
from monitor.text import plain
from tests.channels.discord.discord_test_env import OURS, DiscordTestEnv, embed
from tests.channels.hostile_names import SNIPPETS, hostile_releases
from tests.fakes.discord import MENTION, Json
from tests.fakes.discord_markdown import INVITE, Span, shown, spans

HOSTILE = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=12)), max_size=6).map("".join)
SHARE = 4
"""How many names each webhook gets one by one: five at once would be one message."""


@pytest.mark.parametrize("number", [100, pytest.param(1_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_hostile_names_ping_nobody_and_break_nothing(env: DiscordTestEnv, number: int) -> None:
    env.transport.pace = 0.0
    digest = env.discord.webhook()
    env.subscribe(url=digest, digest="daily")
    releases = hostile_releases(number)
    for place, row in enumerate(releases):
        row.params_total = 1_000 + place // SHARE
    for share in range(number // SHARE):
        env.subscribe(f"params:{1_000 + share}", url=env.discord.webhook())
    names = [row.name for row in releases]
    env.news(*releases)
    while outbox.send_due(env.engine, {"discord": env.transport}, digest=False):
        pass
    while env.deliver(after=timedelta(days=1, minutes=1)):
        pass
    together = env.discord.sent(digest)
    alone = [one for one in env.discord.messages.values() if one not in together]
    assert len(alone) == number
    assert len(together) == number // 100
    assert env.discord.refused == [] and env.discord.pings == []
    for message in (*alone, *together):
        _is_sound(message)
    titles = "\n".join(shown(message["content"]).replace("\u200b", "") for message in alone)
    assert [name for name in names if cut(name, 100).removesuffix("…") not in titles] == []


def _is_sound(message: Json) -> None:
    description = embed(message)["description"]
    found = [*spans(message["content"]), *spans(description)]
    assert {span.inside for span in found} <= {(), ("bold",), ("link",), ("bold", "link")}
    assert all(span.url is None or span.url.startswith(OURS) for span in found)
    assert all(span.url is None for span in spans(message["content"]))
    assert not MENTION.search(message["content"]) and not MENTION.search(description)
    assert not INVITE.search(message["content"]) and not any(INVITE.search(span.text) for span in found)
    # Each line begins with what this monitor writes: a flag, a bullet, a name in bold, or words of its own.
    assert all(re.match(r"[^\s#>-]", line) for line in [message["content"], *filter(None, description.split("\n"))])


@given(text=HOSTILE, most=st.integers(20, 400))
@settings(max_examples=120)
def test_what_is_escaped_is_shown_as_it_was(text: str, most: int) -> None:
    clean = plain(text)
    found = spans(escape(text))
    assert {span.inside for span in found} <= {()}
    assert shown(escape(text)).replace("\u200b", "") == clean
    assert not MENTION.search(escape(text)) and not INVITE.search(escape(text))
    assert len(fit_escaped(text, most)) <= most
    label = link("https://huggingface.co/a_(b)<c>", text)
    assert {(span.inside, span.url) for span in spans(f"• {label} · x")} == {
        ((), None), (("link",), "https://huggingface.co/a_%28b%29%3Cc%3E"),
    }  # fmt: skip


@given(texts=st.lists(HOSTILE, min_size=1, max_size=4))
@settings(max_examples=80)
def test_pieces_of_a_line_stay_apart(texts: list[str]) -> None:
    line = (Run("• "), *(Run(text, bold=number % 2 == 1) for number, text in enumerate(texts)))
    found = spans(render_line(line))
    assert {span.inside for span in found} <= {(), ("bold",)}
    assert "".join(span.text for span in found).replace("\u200b", "") == "".join(plain(run.text) for run in line)


def test_the_parser_sees_what_discord_would_show() -> None:
    """The checks above prove nothing if the parser overlooks markup."""
    for text, inside in (
        ("**a**", "bold"), ("*a*", "italic"), ("_a_", "italic"), ("__a__", "underline"), ("~~a~~", "strike"),
        ("||a||", "spoiler"), ("`a`", "code"), ("# a", "heading"), ("-# a", "subtext"), ("> a", "quote"),
        ("- a", "list"), ("1. a", "list"), ("<@1>", "user"), ("<@&1>", "role"), ("<#1>", "channel"),
        ("@everyone", "everyone"), (":tada:", "emoji"), ("<:a:1>", "emoji"), ("<t:1:R>", "timestamp"),
        ("</a:1>", "command"),
        ("<id:browse>", "navigation"), ("https://a.b/c", "address"), ("<https://a.b>", "address"),
        ("[a](https://a.b)", "link"),
    ):  # fmt: skip
        assert any(inside in span.inside for span in spans(text)), text
    assert spans("snake_case_name") == [Span("snake_case_name")]
    assert INVITE.search("discord.gg/abc") and MENTION.search(r"\<@123>")
