"""The names of models in the titles of feed entries."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_NAME_WORDS = 5
"""Words of a model's name; what has more is a sentence."""

_VERB = r"(?:introducing|announcing|meet|unveiling|launching|releasing|presenting|welcome)"
_WORD = r"(?:[A-Z][\w·+]*|v?\d+(?:\.\d+)*[A-Za-z]?|o\d)"
_NAME = re.compile(rf"{_WORD}(?:[ -]{_WORD})*", re.ASCII)
_VERSION = re.compile(r"v?\d+(?:\.\d+)*[A-Za-z]?|[A-Za-z·]+v?\d+(?:\.\d+)*[A-Za-z]?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_VARIANTS = frozenset(
    {"pro", "mini", "nano", "flash", "lite", "ultra", "max", "opus", "sonnet", "haiku", "turbo", "large", "small",
     "medium", "preview", "thinking", "instruct", "codex", "fast", "vision", "reasoning", "translate", "heavy"}
)  # fmt: skip
_ENDS = re.compile(r"\s*(?:$|[:,.!?–—(|]|is\b|are\b|and\b|now\b|for\b|with\b|-\s|in\b)", re.IGNORECASE)


def announced_model(title: str | None) -> str | None:
    """Returns the model that a title announces: ``Claude Opus 4.5`` of "Introducing Claude Opus 4.5"; None for none.

    Only a name with a version, at the beginning of the title or behind a word like *introducing*.
    """
    text = " ".join((title or "").split())[:300]
    verb = re.match(rf"{_VERB}\s*:?\s+(?:(?:the|our|a|new)\s+)*", text, re.IGNORECASE)
    rest = text[verb.end() :] if verb else text
    found = _NAME.match(rest)
    if found is None:
        return None
    words = re.split(r"(?<=[^ -])[ -]", found[0])
    kept = _until_version(words)
    if kept is None or kept > MAX_NAME_WORDS:
        return None
    name = _spelled(rest, kept)
    return name if verb or _ENDS.match(rest[len(name) :]) else None


def _until_version(words: Sequence[str]) -> int | None:
    """Returns the number of words up to the version and the variants after it; None without a version."""
    for place, word in enumerate(words):
        if _VERSION.fullmatch(word) and not _YEAR.fullmatch(word) and (place > 0 or not word[0].isdigit()):
            end = place + 1
            while end < len(words) and (words[end].lower() in _VARIANTS or _VERSION.fullmatch(words[end])):
                end += 1
            return end
    return None


def _spelled(text: str, words: int) -> str:
    found = re.match(rf"(?:[^ -]+[ -]){{{words - 1}}}[^ -]+", text)
    return (found[0] if found else text).rstrip(".:,!?")


def name_key(name: str) -> tuple[str, ...]:
    """Returns the words and numbers of a name, whatever its case and punctuation: ``("claude", "opus", "4.5")``."""
    return tuple(re.findall(r"[^\W\d_]+|\d+(?:\.\d+)*", name.lower()))
