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
from monitor.text import MAX_CLUSTER, fitting, short

E, FLAG, WAVE = "e\u0301", "🇨🇳", "👋🏽"
HANGUL, ENGLAND, KEYCAP = "\u1112\u1161\u11ab", "🏴\U000e0067\U000e0062\U000e007f", "1\ufe0f\u20e3"
WHOLE = (E, FLAG, WAVE, HANGUL, ENGLAND, KEYCAP, "नि")
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
