"""Patterns with ``*`` for any run of characters, matched in time linear in the text: nothing is tried twice."""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_CHARACTERS, MAX_WILDCARDS = 200, 10
"""Of one pattern; a repository's name on the Hub has at most 193 characters."""


def collapsed(pattern: str) -> str:
    """The same pattern with one ``*`` for each run of them."""
    return re.sub(r"\*{2,}", "*", pattern)


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test whether the whole of a text matches.

    The parts between wildcards are found from left to right, each at its first place: if they fit anywhere, they fit
    there (the same holds for LIKE in SQLite and PostgreSQL, which give up where an earlier wildcard cannot help).
    """
    first, *middle = pattern.split("*")
    if not middle:
        return lambda text: text == pattern
    last = middle.pop()

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if len(first) > end or not text.startswith(first) or not text.endswith(last):
            return False
        position = len(first)
        for part in middle:
            found = text.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return matches
