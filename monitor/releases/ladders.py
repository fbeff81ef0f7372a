"""Ladders: the works of a scope that were larger (or came earlier) than all before them, in the order of release.

A ladder is short, however many works its scope has: a claim such as "largest from South Korea so far" is true of
its rungs and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from monitor.releases.works import Work

Whole = Literal["lab", "country", "all"]


class Ladder(NamedTuple):
    """What is compared. A scope is all works with the same ``key``; without one of these a work is in none.

    ``value``: what grows from rung to rung; None: only the first work is a rung. ``counted``: a work counts as known
    if it has this. ``minimum``: earlier works that must be known for a claim. ``whole``: whose repositories must have
    been listed for a claim: the lab's, those of the labs of its country, or those of all labs. ``is_absence``: a claim
    that nothing like it came before, which a Hub with a sample of the releases cannot show.
    """

    name: str
    key: tuple[str, ...]
    value: str | None
    counted: str
    minimum: int
    whole: Whole
    is_absence: bool = False


LADDERS = {
    ladder.name: ladder
    for ladder in (
        Ladder("lab", ("lab",), None, "lab", 0, "lab", is_absence=True),
        Ladder("lab-size", ("lab",), "params", "params", 3, "lab"),
        Ladder("country-size", ("origin",), "params", "params", 10, "country"),
        Ladder("all-size", (), "params", "params", 100, "all"),
        Ladder("permissive-size", (), "permissive", "permissive", 50, "all"),
        Ladder("lab-version", ("lab", "stem"), "version", "version", 1, "lab"),
        Ladder("lab-foreign", ("lab", "foreign_origin"), None, "lab", 0, "lab", is_absence=True),
        Ladder("country-foreign", ("origin", "foreign_origin"), None, "lab", 0, "country", is_absence=True),
        Ladder("open-size", ("size",), "is_open", "size", 50, "all", is_absence=True),
    )
}


def scopes_of(work: Work) -> Iterator[str]:
    """The scopes that a work is in: ``country-size|KR``."""
    for ladder in LADDERS.values():
        parts = [getattr(work, name) for name in ladder.key]
        if None not in parts and getattr(work, ladder.counted) is not None:
            yield "|".join((ladder.name, *parts))


def ladder_of(scope: str) -> Ladder:
    """The ladder of a scope."""
    return LADDERS[scope.partition("|")[0]]


def key_of(scope: str) -> dict[str, str]:
    """The columns of a scope's works, with their value."""
    name, *parts = scope.split("|")
    return dict(zip(LADDERS[name].key, parts, strict=True))


def order(ladder: Ladder, work: Work) -> tuple[datetime, int, int, str]:
    """By the time of release; of those of the same time the greatest first, so that the others are no rungs."""
    return work.at, -value_of(ladder, work), -(work.params or 0), work.hub_id


def value_of(ladder: Ladder, work: Work) -> int:
    """What a ladder compares."""
    return 0 if ladder.value is None else int(getattr(work, ladder.value) or 0)


def climbs(ladder: Ladder, work: Work) -> bool:
    """Whether a work of the scope can be a rung."""
    return ladder.value is None or bool(getattr(work, ladder.value))


def rungs(ladder: Ladder, works: Iterable[Work]) -> list[Work]:
    """Of some works of one scope those that were greater than all before them."""
    found: list[Work] = []
    for work in sorted((one for one in works if climbs(ladder, one)), key=lambda one: order(ladder, one)):
        if not found or value_of(ladder, work) > value_of(ladder, found[-1]):
            found.append(work)
    return found
