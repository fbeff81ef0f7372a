"""The fake refuses what Discord refuses: each limit is taken, and one more is not."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.channels.chat_text import Block, ChatText, Run
from monitor.channels.discord.embeds import render, thread_name
from tests.channels.hostile_names import SNIPPETS
from tests.fakes.discord import FIELDS, FakeDiscord, Json, check

HOSTILE = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=12)), max_size=6).map("".join)


def ask(url: str, body: Json, method: str = "POST") -> tuple[int, Any]:
    """(status, answer) of a request as anybody could send it."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def sized(name: str, length: int) -> Json:
    """A message with a field of this length."""
    text = "é" * length
    embeds: dict[str, Json] = {
        "title": {"title": text}, "description": {"description": text}, "footer": {"footer": {"text": text}},
        "author": {"author": {"name": text}}, "name": {"fields": [{"name": text, "value": "x"}]},
        "value": {"fields": [{"name": "x", "value": text}]},
        "fields": {"fields": [{"name": "x", "value": "y"}] * length},
        "url": {"title": "x", "url": f"https://a.example/{'x' * (length - 18)}"},
    }  # fmt: skip
    match name:
        case "content":
            return {"content": text}
        case "embeds":
            return {"embeds": [{"title": "x"}] * length}
        case "all":
            return {"embeds": [{"description": "x" * 4_000}, {"description": "x" * (length - 4_000)}]}
        case _:
            return {"embeds": [embeds[name]]}


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("content", 2_000), ("embeds", 10), ("title", 256), ("description", 4_096), ("fields", 25), ("name", 256),
        ("value", 1_024), ("footer", 2_048), ("author", 256), ("all", 6_000), ("url", 2_048),
    ],
)  # fmt: skip
def test_each_limit_is_taken_and_one_more_is_not(discord: FakeDiscord, name: str, most: int) -> None:
    url = discord.webhook().replace("/api/", "/api/v10/")
    assert ask(f"{url}?wait=true", sized(name, most))[0] == 200
    status, answer = ask(f"{url}?wait=true", sized(name, most + 1))
    assert (status, answer["code"]) == (400, 50035)
    assert "_errors" in json.dumps(answer["errors"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 50006),
        ({"content": "  "}, 50006),
        ({"content": "x", "nonce": "1"}, 50035),
        ({"embeds": [{"titel": "x"}]}, 50035),
        ({"embeds": [{"title": "x", "color": 0x1000000}]}, 50035),
        ({"embeds": [{"title": "x", "url": "javascript:alert(1)"}]}, 50035),
        ({"embeds": [{"title": "x", "image": {"url": "https://"}}]}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["all"]}}, 50035),
        ({"content": "x", "thread_name": "x"}, 220003),
        ({"content": "x", "username": "Discord news"}, 50035),
        ({"content": "x", "username": "x" * 81}, 50035),
        ({"content": "x", "username": " "}, 50035),
        ({"content": "x", "applied_tags": ["news"]}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, 50035),
    ],
)
def test_what_is_not_documented_is_refused(discord: FakeDiscord, body: Json, code: int) -> None:
    assert ask(discord.webhook().replace("/api/", "/api/v10/"), body)[1]["code"] == code


def test_mentions_ping_unless_they_are_left_out(discord: FakeDiscord) -> None:
    url = discord.webhook().replace("/api/", "/api/v10/")
    ask(url, {"content": r"\@everyone \<@1>"})
    assert discord.pings == ["@everyone", "<@1>"]
    ask(url, {"content": "@everyone", "allowed_mentions": {"parse": []}})
    assert len(discord.pings) == 2


def test_edits_are_of_its_own_messages_in_their_thread(discord: FakeDiscord) -> None:
    first, second = (discord.webhook() for _ in range(2))
    mine, other = (url.replace("/api/", "/api/v10/") for url in (first, second))
    ident = ask(f"{mine}?wait=true", {"content": "x"})[1]["id"]
    assert ask(f"{mine}/messages/{ident}", {"content": "y"}, "PATCH")[1]["content"] == "y"
    assert ask(f"{other}/messages/{ident}", {"content": "z"}, "PATCH")[1]["code"] == 10008
    assert ask(f"{mine}/messages/{ident}?thread_id=1", {"content": "z"}, "PATCH")[1]["code"] == 10003
    discord.hook(first).deleted = True
    assert ask(mine, {"content": "x"}) == (404, {"message": "Unknown Webhook", "code": 10015})


def test_threads_are_closed_and_forums_want_tags(discord: FakeDiscord) -> None:
    forum = discord.webhook(forum=True)
    url, hook = forum.replace("/api/", "/api/v10/"), discord.hook(forum)
    hook.requires_tag = True
    assert ask(url, {"content": "x", "thread_name": "x"})[1]["code"] == 40067
    form = {"content": "x", "thread_name": "x", "applied_tags": ["1" * 18]}
    message = ask(f"{url}?wait=true", form)[1]
    thread = message["channel_id"]
    edit = f"{url}/messages/{message['id']}?thread_id={thread}"
    hook.archived.add(thread)
    assert ask(edit, {"content": "y"}, "PATCH")[1]["code"] == 50083
    assert ask(f"{url}?wait=true&thread_id={thread}", {"content": "x"})[0] == 200
    assert ask(edit, {"content": "y"}, "PATCH")[0] == 200
    hook.locked.add(thread)
    assert ask(edit, {"content": "y"}, "PATCH")[1]["code"] == 160005
    assert ask(f"{url}?thread_id={thread}", {"content": "x"})[1]["code"] == 160005


@given(texts=st.lists(HOSTILE, max_size=40), headings=st.lists(HOSTILE, max_size=5), listed=st.booleans())
@settings(max_examples=80)
def test_every_message_fits(texts: list[str], headings: list[str], listed: bool) -> None:
    lines = tuple((Run(f"x{text}", "https://a.example/"), Run(text)) for text in texts)
    blocks = tuple(Block(lines, heading, listed=listed) for heading in headings)
    links = tuple(Run(text, f"https://a.example/{'x' * 900}") for text in texts)
    text = ChatText(f"x{''.join(texts)}"[:250], blocks, notes=("n" * 500,) * 4, links=links)
    form = render(text, first="https://discord.com/channels/1/2/3")
    check({**form, "thread_name": thread_name(text)}, FIELDS)
