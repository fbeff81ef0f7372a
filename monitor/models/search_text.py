"""The search text of a release: the words of its name, lab and tags, which bare words of a query search.

A word is a run of ASCII letters, digits and any characters beyond ASCII, as in SQLite's ``ascii`` tokenizer; case is
folded for ASCII only. A capital inside a name begins another word: ``llama`` finds ``TinyLlama``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from monitor.text import FOLD

MAX_WORD_LENGTH = 60
"""Characters of a word that are indexed."""
MAX_TEXT_LENGTH = 200
"""Characters of a name, a lab or a tag that are indexed."""
_WORDS = {code: " " for code in range(128) if not chr(code).isalnum()} | FOLD
_FIELDS = {code: char for code, char in _WORDS.items() if code != ord("\n")}
_ASCII = bytes(range(128)).decode().translate(_FIELDS).encode().ljust(256)
"""``_FIELDS`` for ASCII texts, ten times as fast."""
_HUMP = re.compile(r"(?<=[a-z])(?=([A-Z][A-Za-z0-9]*))")


def normalize_words(text: str) -> str:
    """Returns the words of a text, separated by single spaces; empty where it has none."""
    return " ".join([word[:MAX_WORD_LENGTH] for word in text.translate(_WORDS).split(" ") if word])


def build_search_text(repo_id: str, lab: str | None, tags: Iterable[str]) -> str:
    """Returns the text that ``" " + normalize_words(…)`` is searched in: words of name, lab and tags, ``|`` between."""
    name = repo_id[:MAX_TEXT_LENGTH]
    text = "\n".join(
        [name, (lab or "")[:MAX_TEXT_LENGTH], *[tag[:MAX_TEXT_LENGTH] for tag in tags], *_HUMP.findall(name)]
    )
    if text.isascii():
        words = text.encode().translate(_ASCII).replace(b"\n", b" | ").decode().split()
    else:
        words = [word for word in text.translate(_FIELDS).replace("\n", " | ").split(" ") if word]
    if max(map(len, words)) > MAX_WORD_LENGTH:
        words = [word[:MAX_WORD_LENGTH] for word in words]
    return f" {' '.join(words)} "
