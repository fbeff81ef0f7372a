"""Targets of Telegram: each chat has one form, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels import canonical_target
from monitor.channels.telegram.targets import MAX_CHAT_ID, TelegramTarget, parse_target
from monitor.notify.subscriptions import SubscriptionError


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("@HubReleases", "@hubreleases"),
        ("https://t.me/HubReleases", "@hubreleases"),
        ("t.me/HubReleases/", "@hubreleases"),
        ("https://telegram.me/HubReleases/7", "@hubreleases/7"),
        ("-1001234567890", "-1001234567890"),
        (" \u22121001234567890 ", "-1001234567890"),
        ("https://t.me/c/1234567890", "-1001234567890"),
        ("https://t.me/c/1234567890/42", "-1001234567890/42"),
        ("-1001234567890/42", "-1001234567890/42"),
        ("-1001234567890/1", "-1001234567890"),
        ("-4567890", "-4567890"),
        ("4711", "4711"),
    ],
)
def test_one_form_of_each(typed: str, stored: str) -> None:
    assert canonical_target("telegram", typed) == stored
    assert canonical_target("telegram", stored) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "", "@", "releases", "@abc", "@1abcd", "@with-dash", "0", "-0", "007", "--5", "12.5", "-1001234567890/", "5/0",
        "5/x", "5/99999999999", "5/7/8", "9007199254740993", "https://t.me/", "https://t.me/+AbCdEf",
        "https://t.me/joinchat/AbCdEf/x", "https://example.org/HubReleases", "@channel name", "@ｃhannel", "٤٥٦٧٨",
        "https://t.me/c/0/1", "-1001234567890\n/7",
    ],
)  # fmt: skip
def test_others_are_refused_with_what_is_expected(typed: str) -> None:
    with pytest.raises(SubscriptionError, match="expected @channelname or a chat id") as caught:
        canonical_target("telegram", typed)
    assert caught.value.field == "target"


@given(st.integers(-MAX_CHAT_ID, MAX_CHAT_ID).filter(bool), st.none() | st.integers(2, 2**31 - 1))
def test_ids_and_topics_read_back(chat: int, topic: int | None) -> None:
    target = TelegramTarget(str(chat), topic)
    assert parse_target(str(target)) == target
    assert target.chat_id == chat
    assert target.is_private == (chat > 0)


@given(st.text(max_size=40) | st.from_regex(r"[@/\-0-9a-z.:]{0,40}"))
def test_any_text_is_a_target_of_one_form_or_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except ValueError:
        return
    assert parse_target(str(target)) == target
