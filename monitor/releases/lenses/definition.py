"""A lens as its file describes it: the keys, and what each may hold."""

from __future__ import annotations

import re
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from monitor.labs.countries import name as country_name
from monitor.releases.query import Query, QueryError, parse
from monitor.releases.query.tree import All, Node, Not, Term, normalised
from monitor.releases.query.tree import Any as AnyOf
from monitor.releases.query.values import country

UNITS = {
    "repository": "repositories",
    "launch": "launches",
    "family": "families of a publisher",
    "lab": "labs of the registry",
}
"""What counts as one, and how several are called. What belongs to no launch or no lab is not counted by these."""
WEIGHTS = {
    "1": "each counts once",
    "params": "total parameters",
    "downloads": "downloads in 30 days",
    "downloads_all_time": "downloads of all time",
    "derivatives": "models built on it",
}
COUNTRIES = {
    "headquarters": "the publisher's, as the registry gives it: of its headquarters where they are known",
    "incorporation": "where the publisher is incorporated, if the registry knows it, else as headquarters",
    "parent": "the headquarters of the organisation that the publisher belongs to, else its own",
    "foundation": "of the model at the root of its lineage, as declared; an original is its own root",
    "suspected": "of the model that it was probably built on without saying so, else as foundation",
}
"""Whose country a lens counts, in words."""
MAX_TEXT = 1_000
_REGION = re.compile(r"[a-z][a-z0-9-]{0,31}")
REST = "*"
"""In a region: all known countries that no region before it has."""


class LensError(ValueError):
    """A lens that cannot be used: ``file:line:column: what is wrong and what was expected``, a line for each error."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("a text expected")
    return text


def _query(text: str) -> str:
    parse(text)  # raises QueryError, a ValueError, with the column
    return text


def _weight(value: object) -> object:
    return "1" if value == 1 and type(value) is int else value


def _day(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, date):
        return value.isoformat()[:10]
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise ValueError(f"a day expected, like 2022-12-01, not {value!r}") from None


def _code(text: str) -> str:
    found = REST if text == REST else country(text)
    if found is None:
        raise ValueError(f"a country expected (two letters of ISO 3166-1, EU or INT), or {REST!r}, not {text!r}")
    return found


def _url(text: str | None) -> str | None:
    if text is not None and not text.startswith(("https://", "http://")):
        raise ValueError(f"an http:// or https:// URL expected, not {text!r}")
    return text


Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_not_blank)]
Day = Annotated[str | None, BeforeValidator(_day)]
Code = Annotated[str, AfterValidator(_code)]


class Lens(BaseModel):
    """A definition under which shares are counted.

    ``scope``: the releases that are looked at, in the query language. ``unit``: what counts as one; ``weight``: how
    much one weighs; ``country``: whose country it counts for. ``since`` and ``until`` (a day, with it) bound the time,
    by the ``date`` of release or of being first seen, which periods in a user's query are read by as well.
    ``regions``: groups of countries, instead of each country by itself. ``source``: where the definition comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: Text
    description: Text
    position: Annotated[int, Field(ge=0, le=10_000)] = 1_000
    scope: Annotated[str, AfterValidator(_query)] = ""
    unit: Literal["repository", "launch", "family", "lab"] = "repository"
    weight: Annotated[
        Literal["1", "params", "downloads", "downloads_all_time", "derivatives"], BeforeValidator(_weight)
    ] = "1"
    country: Literal["headquarters", "incorporation", "parent", "foundation", "suspected"] = "headquarters"
    date: Literal["released", "seen"] = "released"
    since: Day = None
    until: Day = None
    regions: dict[str, tuple[Code, ...]] = {}
    source: Annotated[str | None, AfterValidator(_url)] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"until: a day on or after {self.since} expected")
        seen: set[str] = set()
        for name, codes in self.regions.items():
            if not _REGION.fullmatch(name):
                raise ValueError(f"regions.{name}: a name of small letters, digits and hyphens expected")
            twice = seen & set(codes)
            if twice:
                raise ValueError(f"regions.{name}: {min(twice)} is in another region, too")
            seen |= set(codes)
        return self

    @cached_property
    def query(self) -> Query:
        """The scope and the period, as one query."""
        period = (
            "" if self.since is None and self.until is None else f"{self.date}:{self.since or ''}..{self.until or ''}"
        )
        return parse(f"{f'({self.scope})' if self.scope.strip() else ''} {period}")

    def within(self, query: Query) -> Query:
        """A user's query within this lens."""
        root = query.root if self.date == "released" else _by_seen(query.root)
        return Query(normalised(All((self.query.root, root))))

    def group(self, code: str | None) -> str | None:
        """The region of a country, or the country itself if the lens has no regions; None: unknown or in none."""
        if code is None or not self.regions:
            return code
        found = (name for name, codes in self.regions.items() if code in codes)
        rest = next((name for name, codes in self.regions.items() if REST in codes), None)
        return next(found, rest)

    def group_name(self, group: str | None) -> str:
        """A group in words."""
        if group is None:
            return "unknown"
        return group if group in self.regions else country_name(group)

    def as_json(self) -> dict[str, Any]:
        """The definition, as every surface gives it."""
        return {
            "id": self.id,
            "title": self.title,
            "description": " ".join(self.description.split()),
            "scope": self.query.normal,
            "unit": self.unit,
            "weight": self.weight,
            "country": self.country,
            "date": self.date,
            "since": self.since,
            "until": self.until,
            "regions": {name: list(codes) for name, codes in self.regions.items()},
            "source": self.source,
        }


def _by_seen(node: Node) -> Node:
    """A query with the time of being first seen in place of that of release."""
    match node:
        case Term("released", operator, values):
            return Term("seen", operator, values)
        case Not(item):
            return Not(_by_seen(item))
        case All(items):
            return All(tuple(map(_by_seen, items)))
        case AnyOf(items):
            return AnyOf(tuple(map(_by_seen, items)))
        case _:
            return node


__all__ = ["COUNTRIES", "REST", "UNITS", "WEIGHTS", "Lens", "LensError", "QueryError"]
