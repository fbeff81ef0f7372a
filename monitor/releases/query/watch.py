"""The filter that watches one model: what happens to it, and the new original models of its lab."""

from __future__ import annotations

from monitor.enums import Event
from monitor.releases.query.tree import All, Any, Query, Term, normalised
from monitor.releases.query.values import fold

WATCHED = (
    Event.RELICENSED, Event.GATED, Event.UNGATED, Event.RENAMED, Event.MOVED, Event.WITHDRAWN, Event.RETURNED,
    Event.WEIGHTS,
)  # fmt: skip
"""Licence, gate, name, owner, withdrawal and return, files with weights."""


def watch_query(repo_id: str, lab: str | None) -> str:
    """A filter for the changes of a repository and, where its lab is known, for the originals that may succeed it."""
    happened = All((Term("repo", ":", (fold(repo_id),)), Term("event", ":", tuple(map(str, WATCHED)))))
    if lab is None:
        return Query(normalised(happened)).normal
    events = Term("event", ":", (str(Event.RELEASE),))
    successors = All((Term("lab", ":", (lab,)), Term("kind", ":", ("base",)), events))
    return Query(normalised(Any((happened, successors)))).normal
