"""Bare words of a query: a search finds a release where they follow each other within its name, lab or one of its tags.

The last of them may be cut short. A lab is found by its id and by its name and aliases in the registry; those are
looked up when a query is asked, so that they hold for whatever was recorded before them.
"""

from __future__ import annotations

from functools import lru_cache

from monitor.labs import Registry, in_use
from monitor.models.search_text import MAX_TEXT_LENGTH, normalize_words


def labs_called(words: str) -> tuple[str, ...]:
    """The ids of the labs whose name or alias has these words, the last of them perhaps cut short."""
    return _called(f" {words}", in_use())


@lru_cache(maxsize=1_000)
def _called(words: str, registry: Registry) -> tuple[str, ...]:
    return tuple(ident for ident, names in _names(registry) if words in names)


@lru_cache(maxsize=4)
def _names(registry: Registry) -> list[tuple[str, str]]:
    """(id, words of name and aliases) of each lab."""
    return [
        (lab.id, "|".join(f" {normalize_words(name)} " for name in (lab.name, *lab.aliases))) for lab in registry.labs
    ]


def certain(value: str) -> list[str]:
    """Words that stand in :func:`build_search_text` wherever a name, a lab or a tag is ``value``."""
    words = normalize_words(value[:MAX_TEXT_LENGTH]).split(" ")
    return [word for word in (words if len(value) <= MAX_TEXT_LENGTH else words[:-1]) if word]
