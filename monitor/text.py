"""Text from strangers, made fit to be shown; and numbers as texts."""

from __future__ import annotations

import re
import unicodedata

FOLD = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
"""Case is folded for ASCII alone: SQLite folds no more, and both databases and Python must agree."""


_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Control characters, and what Unicode shows as nothing (Default_Ignorable_Code_Point) or as a blank that is no space.

But for U+FE0F and its like, which choose how an emoji looks. Tags (U+E0000 on) can hide whole sentences.
"""


_MARKUP = re.compile(r"([\\`*_\[\]<>#!|~&])")


def plain(text: object) -> str:
    """Text on one line, without control and invisible characters and marks that turn the direction of writing."""
    return _UNPRINTABLE.sub("", str(text))


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def without_control(text: str) -> str:
    """``text`` without control characters (terminals act on them), but for tabs and line feeds."""
    return _CONTROL.sub("", text)


def short(text: object, max_length: int = 40) -> str:
    """Plain text of at most ``max_length`` characters; longer text loses its middle."""
    whole = plain(text)
    if len(whole) <= max_length:
        return whole
    head = (max_length - 1) * 2 // 3
    begin = len(whole) - (max_length - 1 - head)
    end = begin + MAX_CLUSTER
    while begin < min(end, len(whole)) and _continues(whole, begin):
        begin += 1
    return f"{fitting(whole, head)}…{whole[begin:]}"


MAX_CLUSTER = 32
"""What readers see as one character is not longer than this, unless somebody piles up marks."""


def fitting(text: str, most: int) -> str:
    """The beginning of ``text``, at most ``most`` code points long, that ends between characters as readers see them.

    A character keeps its marks, an emoji its skin tone, and a flag its second half, or is left out.
    """
    if len(text) <= most:
        return text
    end, least = max(0, most), max(0, most - MAX_CLUSTER)
    while end > least and _continues(text, end):
        end -= 1
    return text[: max(0, most) if least and end == least else end]


def _continues(text: str, at: int) -> bool:
    """Whether the code point there belongs to the one before it: the rules of UAX #29 that names meet."""
    char = text[at]
    if (
        unicodedata.category(char).startswith("M")
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\u1160" <= char <= "\u11ff"  # vowels and ends of Hangul syllables
    ):
        return True
    if not _is_half_flag(char):
        return False
    before = at
    while before and _is_half_flag(text[before - 1]):
        before -= 1
    return (at - before) % 2 == 1


def _is_half_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in a cell of a table too."""
    return _MARKUP.sub(r"\\\1", text)


def short_count(value: int | None) -> str | None:
    """A count in the usual short form: 8.2B, 135M, 1T."""
    if value is None:
        return None
    for edge, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        # 999.95M would read as 1000M: from where rounding reaches the next unit, use that.
        if value >= edge * 0.99995:
            return f"{value / edge:.3g}{unit}" if value / edge < 999.5 else f"{value / edge:.0f}{unit}"
    return str(value)
