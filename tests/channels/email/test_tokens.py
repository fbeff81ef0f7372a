"""Links count for one purpose, as long as they should, and not when anything about them was changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels.email.tokens import TOKEN_LIFETIMES, Purpose, TokenError, Tokens
from monitor.db.engine import now

TOKENS = Tokens("one key")
IDENT = "0123456789ab"


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_token_says_what_it_was_made_for(purpose: Purpose) -> None:
    claim = TOKENS.read(purpose, TOKENS.make(purpose, IDENT))
    assert claim.subscription_id == IDENT
    assert abs(claim.signed_at - now()) < timedelta(seconds=2)


@pytest.mark.parametrize("made", list(Purpose))
@pytest.mark.parametrize("used", list(Purpose))
def test_no_purpose_does_for_another(made: Purpose, used: Purpose) -> None:
    if made is used:
        return
    with pytest.raises(TokenError):
        TOKENS.read(used, TOKENS.make(made, IDENT))


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("purpose", list(Purpose))
def test_each_lasts_as_long_as_it_should(purpose: Purpose) -> None:
    token = TOKENS.make(purpose, IDENT)
    lasts = TOKEN_LIFETIMES[purpose]
    with time_machine.travel(now() + (lasts or timedelta(days=3_650)) - timedelta(seconds=2)):
        assert TOKENS.read(purpose, token).subscription_id == IDENT
    if lasts is None:
        return
    with time_machine.travel(now() + lasts + timedelta(seconds=2)), pytest.raises(TokenError) as caught:
        TOKENS.read(purpose, token)
    assert caught.value.expired


@given(st.text(max_size=600))
def test_anything_else_is_refused(text: str) -> None:
    for purpose in Purpose:
        with pytest.raises(TokenError):
            TOKENS.read(purpose, text)
    with pytest.raises(TokenError):
        TOKENS.read_tag("bounce", text)


def test_another_key_makes_other_tokens() -> None:
    with pytest.raises(TokenError):
        TOKENS.read(Purpose.CONFIRM, Tokens("another key").make(Purpose.CONFIRM, IDENT))
    with pytest.raises(TokenError):
        TOKENS.read_tag("bounce", Tokens("another key").tag("bounce", IDENT))


def test_a_tag_survives_capitals_and_serves_one_address() -> None:
    tag = TOKENS.tag("bounce", IDENT)
    assert TOKENS.read_tag("bounce", tag.upper()) == IDENT
    with pytest.raises(TokenError):
        TOKENS.read_tag("unsubscribe", tag)
    assert len(f"unsubscribe+{tag}") <= 64


def test_links_made_under_the_key_before_still_count_while_it_is_named() -> None:
    rotated = Tokens("the next key", "one key")
    assert rotated.read(Purpose.UNSUBSCRIBE, TOKENS.make(Purpose.UNSUBSCRIBE, IDENT)).subscription_id == IDENT
    assert rotated.read_tag("bounce", TOKENS.tag("bounce", IDENT)) == IDENT
    assert Tokens("the next key").read(Purpose.UNDO, rotated.make(Purpose.UNDO, IDENT)).subscription_id == IDENT
