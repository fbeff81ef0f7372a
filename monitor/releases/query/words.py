"""Bare words: what they are looked up in, on both databases and in Python alike.

A word is a run of ASCII letters and digits and of anything beyond ASCII, as SQLite's ``ascii`` tokenizer sees it; its
case is folded for ASCII alone. A search for words finds a release where they follow each other within its name, its
lab or one of its tags, the last of them perhaps cut short: ``llama`` finds ``Llama-3``, and ``TinyLlama`` too, because
a capital inside a name begins a word as well. A lab is found by its id and by its name and aliases in the registry;
those are looked up when a query is asked, so that they hold for whatever was recorded before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import event

from monitor.labs import Registry, in_use
from monitor.models import Release
from monitor.releases.query.values import FOLD

LONGEST = 60
"""Characters of a word that count."""
FAR = 200
"""Characters of a name, a lab or a tag that count."""
_WORDS = {code: " " for code in range(128) if not chr(code).isalnum()} | FOLD
_FIELDS = {code: letter for code, letter in _WORDS.items() if code != ord("\n")}
_ASCII = bytes(range(128)).decode().translate(_FIELDS).encode().ljust(256)
"""As ``_FIELDS``, for texts of ASCII alone: in a tenth of the time."""
_HUMP = re.compile(r"(?<=[a-z])(?=([A-Z][A-Za-z0-9]*))")


def spoken(text: str) -> str:
    """The words of a text, one space between them; empty where it has none."""
    return " ".join([word[:LONGEST] for word in text.translate(_WORDS).split(" ") if word])


def searchable(repo_id: str, lab: str | None, tags: Iterable[str]) -> str:
    """What ``" " + spoken(…)`` is looked for in: the words of name, lab and tags, a ``|`` between two of these."""
    name = repo_id[:FAR]
    text = "\n".join([name, (lab or "")[:FAR], *[tag[:FAR] for tag in tags], *_HUMP.findall(name)])
    if text.isascii():
        words = text.encode().translate(_ASCII).replace(b"\n", b" | ").decode().split()
    else:
        words = [word for word in text.translate(_FIELDS).replace("\n", " | ").split(" ") if word]
    if max(map(len, words)) > LONGEST:
        words = [word[:LONGEST] for word in words]
    return f" {' '.join(words)} "


def labs_called(words: str) -> tuple[str, ...]:
    """The ids of the labs whose name or alias has these words, the last of them perhaps cut short."""
    return _called(f" {words}", in_use())


@lru_cache(maxsize=1_000)
def _called(words: str, registry: Registry) -> tuple[str, ...]:
    return tuple(ident for ident, names in _names(registry) if words in names)


@lru_cache(maxsize=4)
def _names(registry: Registry) -> list[tuple[str, str]]:
    """(id, words of name and aliases) of each lab."""
    return [(lab.id, "|".join(f" {spoken(name)} " for name in (lab.name, *lab.aliases))) for lab in registry.labs]


def certain(value: str) -> list[str]:
    """Words that stand in :func:`searchable` wherever a name, a lab or a tag is ``value``."""
    words = spoken(value[:FAR]).split(" ")
    return [word for word in (words if len(value) <= FAR else words[:-1]) if word]


@event.listens_for(Release, "before_insert")
@event.listens_for(Release, "before_update")
def _reworded(_mapper: Any, _connection: Any, row: Release) -> None:
    """Keeps ``words`` in step, whoever changes a name, a lab or tags."""
    words = searchable(row.repo_id, row.lab, row.tags)
    if row.words != words:
        row.words = words
