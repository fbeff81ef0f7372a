"""Texts of strangers are cut between what readers see as characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels.chat_text import cut
from monitor.channels.email.phrases import MAX_NAME_CHARS, shorten
from monitor.channels.slack.markup import line
from monitor.channels.telegram.entities import Piece, _cut
from monitor.text import MAX_CLUSTER, fitting, plain, short

E, FLAG, WAVE = "e\u0301", "🇨🇳", "👋🏽"
HANGUL, KEYCAP = "\u1112\u1161\u11ab", "1\ufe0f\u20e3"
WHOLE = (E, FLAG, WAVE, HANGUL, KEYCAP, "नि")
"""Several code points each, that are one character to a reader."""


@pytest.mark.parametrize("one", WHOLE)
def test_a_character_is_kept_whole_or_left_out(one: str) -> None:
    for most in range(len(one) * 3):
        assert fitting(one * 3, most) == one * (most // len(one))
    for most in range(2, len(one) * 3):
        assert cut(one * 3, most) == f"{one * ((most - 1) // len(one))}…"


@pytest.mark.parametrize("one", WHOLE)
def test_every_way_of_cutting_keeps_to_it(one: str) -> None:
    text = "x" + one * 400
    cuts = [cut(text, 100), shorten(text), line(text, 100), _cut(text, 100)]
    assert [shown.removeprefix("x").rstrip("…").replace(one, "") for shown in cuts] == [""] * 4
    assert len(shorten(text)) <= MAX_NAME_CHARS
    head, _, tail = short(text, 60).partition("…")
    assert head.removeprefix("x").replace(one, "") == "" == tail.replace(one, "")
    assert Piece(text).text == text


@given(st.text(alphabet=st.sampled_from("ab\u0301\u0302🇨🇳👋🏽\u1161 é"), max_size=120), st.integers(0, 130))
def test_it_is_a_beginning_that_fits_and_wastes_little(text: str, most: int) -> None:
    shown = fitting(text, most)
    assert text.startswith(shown) and len(shown) <= most
    assert len(shown) >= min(len(text), most) - MAX_CLUSTER
    assert len(short(text, max(3, most))) <= max(3, most)


def test_piles_of_marks_are_cut_anywhere() -> None:
    assert len(fitting("a" + "\u0301" * 500, 200)) == 200
    assert unicodedata.category("\u0301") == "Mn"


@pytest.mark.parametrize(
    "char",
    ["\u00ad", "\u034f", "\u115f", "\u1160", "\u180e", "\u200b", "\u200e", "\u202e", "\u2060", "\u2064", "\u206f",
     "\u2800", "\u3164", "\ufeff", "\uffa0", "\ufff9", "\U0001d173", "\U000e0041", "\U000e0100"],
)  # fmt: skip
def test_what_nobody_sees_is_left_out(char: str) -> None:
    assert plain(f"a{char}b{char}") == "ab"
    assert cut(char * 3, 10) == ""


def test_what_is_seen_stays() -> None:
    for text in ("❤️", "1️⃣", "नि", "深度求索", "نموذج", "\u1112\u1161\u11ab", "e\u0301", "🇨🇳", "👋🏽", "\u00a0x"):
        assert plain(text) == text
