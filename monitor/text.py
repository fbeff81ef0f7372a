"""Text from strangers, made fit to be shown; and numbers as texts."""

from __future__ import annotations

import re

FOLD = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
"""Case is folded for ASCII alone: SQLite folds no more, and both databases and Python must agree."""


_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


_MARKUP = re.compile(r"([\\`*_\[\]<>#!|~&])")


def plain(text: object) -> str:
    """Text on one line, without control characters and without marks that turn the direction of writing."""
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
    return f"{whole[:head]}…{whole[len(whole) - (max_length - 1 - head) :]}"


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
