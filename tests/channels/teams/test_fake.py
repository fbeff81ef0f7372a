"""The fake refuses what Power Automate and Teams refuse."""

from __future__ import annotations

import copy
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from monitor.channels.chat_text import Block, ChatText, Run
from monitor.channels.teams.cards import render
from tests.fakes.teams import FakeTeams, RefusedError, check_message

GOOD = render(
    ChatText(
        "A title",
        (Block(((Run("a", "https://a.example/"),),), "Heading"),),
        ("a note",),
        (Run("Open", "https://a.example/"),),
        image=("https://a.example/x.png", "a chart"),
    )
)


def test_a_good_card_is_taken() -> None:
    check_message(GOOD)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("type",), "MessageCard"),
        (("text",), "x"),
        (("attachments",), []),
        (("attachments", 0, "contentType"), "application/vnd.microsoft.teams.card.o365connector"),
        (("attachments", 0, "content", "version"), "1.6"),
        (("attachments", 0, "content", "title"), "x"),
        (("attachments", 0, "content", "body"), []),
        (("attachments", 0, "content", "msteams"), {"entities": [{"type": "mention"}]}),
        (("attachments", 0, "content", "body", 0, "type"), "Input.Text"),
        (("attachments", 0, "content", "body", 0, "size"), "Huge"),
        (("attachments", 0, "content", "body", 0, "markdown"), False),
        (("attachments", 0, "content", "body", 0, "text"), " "),
        (("attachments", 0, "content", "body", 3, "url"), "http://a.example/x.png"),
        (("attachments", 0, "content", "actions", 0, "type"), "Action.Submit"),
        (("attachments", 0, "content", "actions", 0, "url"), "http://a.example/"),
        (("attachments", 0, "content", "actions", 0, "title"), ""),
    ],
)
def test_a_card_that_teams_would_not_show_is_refused(path: tuple[Any, ...], value: object) -> None:
    message = copy.deepcopy(GOOD)
    here: Any = message
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    with pytest.raises(RefusedError):
        check_message(message)


def test_size_signature_type_and_rate_are_checked() -> None:
    with FakeTeams(strict_pace=True, window=60) as teams:
        url = teams.workflow()
        body = json.dumps(GOOD).encode()
        assert ask(url, b" " * 28_673) == 413
        assert ask(url.replace("sig=", "sig=x"), body) == 403
        assert ask(url.replace("workflows/", "workflows/0"), body) == 404
        assert ask(url, body, "text/plain") == 400
        assert [ask(url, body) for _ in range(5)] == [202] * 4 + [429]
        teams.of(url).deleted = True
        assert ask(url, body) == 404


def ask(url: str, body: bytes, content_type: str = "application/json") -> int:
    """The status of a request as anybody could send it."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
