"""The Telegram of these tests refuses what the real one refuses, in its words, and finds what it finds."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from tests.fakes.telegram import FakeTelegram, Json
from tests.fakes.telegram_text import MAX_UNITS, BadText, find, read_text


def entity(kind: str, offset: int, length: int, **more: str) -> Json:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("text", "entities", "said"),
    [
        ("", [], "message text is empty"),
        (" \n ", [], "message text is empty"),
        ("\u202e\u030a", [], "message text is empty"),
        ("x" * (MAX_UNITS + 1), [], "message is too long"),
        ("🎉" * (MAX_UNITS // 2 + 1), [], "message is too long"),
        ("\ud83d", [], "strings must be encoded in UTF-8"),
        ("x", [{"type": "bold"}], "can't parse MessageEntity: Can't find field \"offset\""),
        ("x", [entity("shiny", 0, 1)], "can't parse MessageEntity: Unsupported type specified"),
        ("x", [entity("bold", -1, 1)], "receive an entity with incorrect offset -1"),
        ("x", [entity("bold", 5, 1)], "entity begins after the end of the text at UTF-16 offset 5"),
        ("x", [entity("bold", 0, 3)], "entity beginning at UTF-16 offset 0 ends after the end of the text"),
        ("👍x", [entity("bold", 1, 1)], "entity begins in a middle of a UTF-16 symbol"),
        ("x👍", [entity("bold", 0, 2)], "entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol"),
        ("x", [entity("text_link", 0, 1)], "can't parse MessageEntity: Can't find field \"url\""),
        ("x", [entity("text_link", 0, 1, url="http://localhost/")], "is invalid: Wrong HTTP URL"),
        ("x", [entity("text_link", 0, 1, url="javascript:alert(1)")], "is invalid: Wrong HTTP URL"),
        ("xy", [entity("code", 0, 2), entity("bold", 0, 1)], "these entities can't be nested"),
    ],
)
def test_a_text_is_refused(text: str, entities: list[Json], said: str) -> None:
    with pytest.raises(BadText) as caught:
        read_text(text, entities)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("@durov", ["mention"]), ("a@durov", []), ("@\u030adurov", ["mention"]), ("#tag", ["hashtag"]), ("#1", []),
        ("a#tag", []), ("$BTC", ["cashtag"]), ("/start", ["bot_command"]), ("a/start", []), ("//start", []),
        ("model.ai", ["url"]), ("Qwen2.5", []), ("1.2.3.4", ["url"]), ("http://1.b", ["url"]),
        ("me@evil.com", ["email"]),
        ("tg://resolve", ["url"]), ("+12125550123", ["phone_number"]), ("4111111111111111", ["bank_card_number"]),
    ],
)  # fmt: skip
def test_what_is_found_in_a_text(text: str, kinds: list[str]) -> None:
    _, read = read_text(text, None)
    assert [one.type for one in read] == kinds
    assert bool(find(text)) == bool(kinds) or "\u030a" in text


def test_what_is_found_yields_to_code_and_links_but_not_to_bold() -> None:
    for kind, found in (("code", False), ("bold", True), ("italic", True)):
        _, read = read_text("@durov", [entity(kind, 0, 6)])
        assert any(one.found for one in read) is found
    _, read = read_text("@durov", [entity("text_link", 0, 6, url="https://a.example/")])
    assert [one.type for one in read] == ["text_link"]


def asked(telegram: FakeTelegram, path: str, **fields: object) -> tuple[int, Json]:
    request = urllib.request.Request(
        f"{telegram.url}{path}", json.dumps(fields).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.usefixtures("still_clock")
def test_tokens_rates_and_misspelled_fields() -> None:
    with FakeTelegram(strict_pace=True) as telegram:
        chat = telegram.chat()
        assert asked(telegram, "/botnone/getMe")[0] == 404
        assert asked(telegram, "/bot1:AAHwrong/getMe")[1]["description"] == "Unauthorized"
        send = f"/bot{telegram.token}/sendMessage"
        assert asked(telegram, send, chat_id=chat.id, text="x", silent=True)[0] == 200
        status, answer = asked(telegram, send, chat_id=chat.id, text="x")
        assert (status, answer["parameters"], answer["description"]) == (
            429, {"retry_after": 1}, "Too Many Requests: retry after 1",
        )  # fmt: skip
        assert telegram.unknown == ["sendMessage: silent"]
