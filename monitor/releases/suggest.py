"""What to say where nothing matches: the nearest words that the history and the registry have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.labs import Registry
from monitor.models import Release
from monitor.models.search_text import normalize_words
from monitor.releases.query import Query
from monitor.releases.query.synonyms import comparison_key
from monitor.releases.query.values import nearest

MAX_COMPARED_NAMES = 1_000
"""How many names of releases are compared with the query: those with the most likes."""
MIN_WORD_LENGTH, MAX_COMPARED_WORDS = 3, 5
"""Words of a query with at least so many letters are compared, and at most so many words."""


def suggestions(session: Session, query: Query, registry: Registry) -> list[str]:
    """One sentence for each part of a query without matches that looks like a slip: ``deepsek``: did you mean …?"""
    words = sorted(query.values(""))[:MAX_COMPARED_WORDS]
    found = []
    if words:
        known = {key: name for key, name in _known(session, registry) if key}
        found += [_said(word, near) for word in words if (near := _near(word, known))]
    mixed = query.values("foundation") | query.values("parent")
    for lab in sorted(query.values("lab") | {value for value in mixed if value.islower()})[:MAX_COMPARED_WORDS]:
        if lab != "none" and "/" not in lab and registry.get(lab) is None:
            near = nearest(lab, [one.id for one in registry.labs])
            found.append(f"There is no lab {lab!r}: {near}see the list of labs.")
    if "not" in words:
        found.append("To leave something out, write - before it.")
    return found


def _said(word: str, near: str) -> str:
    return f"Nothing is called {word!r}: did you mean {near}?"


def _near(word: str, known: dict[str, str]) -> str | None:
    """The known name that equals a word except for its separators, else the most similar; None if there is none."""
    wanted = comparison_key(word)
    if len(wanted) < MIN_WORD_LENGTH:
        return None
    if wanted in known:
        return known[wanted] if normalize_words(known[wanted]) != word else None
    alike = [name for name in known if name[0] == wanted[0] and abs(len(name) - len(wanted)) <= 2]
    near = difflib.get_close_matches(wanted, alike, n=1, cutoff=0.8)
    return known[near[0]] if near else None


def _known(session: Session, registry: Registry) -> Iterator[tuple[str, str]]:
    """(comparison key, name) of the first words of popular releases, and of the labs, which come last and so win."""
    liked = select(col(Release.name)).order_by(col(Release.likes).desc().nulls_last()).limit(MAX_COMPARED_NAMES)
    for name in session.scalars(liked):
        yield from _runs(name)
    for lab in registry.labs:
        for called in (lab.name, *lab.aliases, lab.id):
            yield comparison_key(called), called


def _runs(name: str) -> Iterable[tuple[str, str]]:
    """The first words of a name, one to three of them: ``gpt``, ``gpt-oss``, ``gpt-oss-20b``."""
    words = re.findall(r"[A-Za-z0-9.]+", name)
    for count in (1, 2, 3):
        run = "-".join(words[:count])
        if len(comparison_key(run)) >= MIN_WORD_LENGTH:
            yield comparison_key(run), run
