"""Text from strangers, made fit to be shown."""

from __future__ import annotations

import re

FOLD = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
"""Case is folded for ASCII alone: SQLite folds no more, and both databases and Python must agree."""


_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def plain(text: object) -> str:
    """Text on one line, without control characters and without marks that turn the direction of writing."""
    return _UNPRINTABLE.sub("", str(text))


def short(text: object, max_length: int = 40) -> str:
    """Plain text of at most ``max_length`` characters; longer text loses its middle."""
    whole = plain(text)
    if len(whole) <= max_length:
        return whole
    head = (max_length - 1) * 2 // 3
    return f"{whole[:head]}…{whole[len(whole) - (max_length - 1 - head) :]}"
