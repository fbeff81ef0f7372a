"""The share of some countries under lenses, and how far the lenses are apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from monitor.labs import Registry
from monitor.releases.lenses.definition import Lens
from monitor.releases.lenses.measure import Counted, count_by_country
from monitor.releases.query import Query
from monitor.releases.query.values import country, nearest
from monitor.releases.search import SearchError

MAX_COUNTRIES = 20
EVERY = "all"
"""The name that means every lens."""


@dataclass(frozen=True, slots=True)
class Group:
    """A country or a region under a lens; ``share``: of everything that the lens counts. None: unknown country."""

    group: str | None
    units: int
    value: int
    share: float | None

    def as_json(self) -> dict[str, Any]:
        return {"group": self.group, "n": self.units, "value": self.value, "share": self.share}


@dataclass(frozen=True, slots=True)
class Share:
    """The share of some countries under a lens, from 0 to 1.

    ``share``: of all that is counted, those of unknown country with it; ``share_of_known``: of those whose country is
    known. None: nothing is counted. ``value`` of ``total``: the sums of weights. ``units``: how many are counted;
    ``unknown``: how many of them have no known country; ``left_out``: how many more have no known weight.
    """

    lens: Lens
    countries: tuple[str, ...]
    share: float | None
    share_of_known: float | None
    each: dict[str, float | None]
    value: int
    total: int
    units: int
    unknown: int
    left_out: int
    groups: tuple[Group, ...]

    def as_json(self) -> dict[str, Any]:
        """The row that every surface gives."""
        return {
            "lens": self.lens.id,
            "title": self.lens.title,
            "share": self.share,
            "share_of_known": self.share_of_known,
            "each": self.each,
            "value": self.value,
            "total": self.total,
            "unit": self.lens.unit,
            "weight": self.lens.weight,
            "n": self.units,
            "unknown": self.unknown,
            "left_out": self.left_out,
            "groups": [group.as_json() for group in self.groups],
        }


def chosen_lenses(lenses: Mapping[str, Lens], name: str) -> list[Lens]:
    """The lenses of this name, or names with commas; ``all``: every one. Raises SearchError."""
    names = [part.strip() for part in name.split(",") if part.strip()]
    if names == [EVERY]:
        return list(lenses.values())
    missing = [one for one in names if one not in lenses]
    if missing or not names:
        hint = nearest(missing[0], lenses) if missing else ""
        what = f"there is no lens {missing[0]!r}: {hint}" if missing else "no lens is named: "
        raise SearchError("lens", f"{what}{EVERY} or some of {', '.join(lenses)} expected")
    return [lenses[one] for one in dict.fromkeys(names)]


def parse_countries(text: str, lenses: Mapping[str, Lens]) -> tuple[str, ...]:
    """Countries and regions of ``CN,US`` or ``CN,eu``; a region is one that a lens defines, written as it does.

    Raises SearchError.
    """
    regions = {name for lens in lenses.values() for name in lens.regions}
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        code = part if part in regions else country(part)
        if code is None:
            hint = nearest(part, [*regions])
            known = f", or a region ({', '.join(sorted(regions))})" if regions else ""
            raise SearchError(
                "of", f"of {part!r}: {hint}a country's two letters (ISO 3166-1), EU or INT{known} expected"
            )
        found.append(code)
    if not 1 <= len(found) <= MAX_COUNTRIES:
        raise SearchError("of", f"of {text!r}: 1 to {MAX_COUNTRIES} countries expected, like CN,US")
    return tuple(dict.fromkeys(found))


def measure_shares(
    session: Session,
    registry: Registry,
    lenses: Mapping[str, Lens],
    wanted: Iterable[Lens],
    countries: Sequence[str],
    query: Query,
) -> list[Share]:
    """The share of ``countries`` of the releases that match, under each of the ``wanted`` lenses."""
    regions = {name: lens for lens in reversed(list(lenses.values())) for name in lens.regions}
    return [_share(lens, countries, count_by_country(session, lens, query, registry), regions) for lens in wanted]


def _share(lens: Lens, countries: Sequence[str], counted: list[Counted], regions: Mapping[str, Lens]) -> Share:
    total = sum(row.value for row in counted)
    known = sum(row.value for row in counted if row.country is not None)
    each = {
        name: sum(row.value for row in counted if row.country is not None and _is_in(row.country, name, lens, regions))
        for name in countries
    }
    value = sum(
        row.value
        for row in counted
        if row.country is not None and any(_is_in(row.country, name, lens, regions) for name in countries)
    )
    return Share(
        lens=lens,
        countries=tuple(countries),
        share=_part(value, total),
        share_of_known=_part(value, known),
        each={name: _part(number, total) for name, number in each.items()},
        value=value,
        total=total,
        units=sum(row.weighed for row in counted),
        unknown=sum(row.weighed for row in counted if row.country is None),
        left_out=sum(row.units - row.weighed for row in counted),
        groups=_groups(lens, counted, total),
    )


def _is_in(code: str, name: str, lens: Lens, regions: Mapping[str, Lens]) -> bool:
    """Whether a country is the one of this name or in the region: the lens's own, else the first lens's that has it."""
    if name in lens.regions:
        return lens.group(code) == name
    return code == name if name not in regions else regions[name].group(code) == name


def _groups(lens: Lens, counted: list[Counted], total: int) -> tuple[Group, ...]:
    sums: dict[str | None, list[int]] = {}
    for row in counted:
        numbers = sums.setdefault(lens.group(row.country), [0, 0])
        numbers[0] += row.weighed
        numbers[1] += row.value
    groups = [Group(name, units, value, _part(value, total)) for name, (units, value) in sums.items() if units]
    return tuple(sorted(groups, key=lambda one: (one.group is None, -one.value, -one.units, one.group or "")))


def _part(value: int, total: int) -> float | None:
    return round(value / total, 6) if total else None


def spread(shares: Sequence[Share]) -> str:
    """One sentence: the lowest and the highest share, each with the name of its lens."""
    found = [(one.share, one.lens.title) for one in shares if one.share is not None]
    if not found:
        return "Nothing is counted under any lens."
    (low, lowest), (high, highest) = min(found, key=lambda one: one[0]), max(found, key=lambda one: one[0])
    who = " and ".join(dict.fromkeys(shares[0].countries))
    if len(found) == 1 or low == high:
        under = f"“{lowest}”" if len(found) == 1 else f"each of {len(found)} lenses"
        text = f"The share of {who} is {low:.1%} under {under}."
    else:
        text = f"The share of {who} runs from {low:.1%} (“{lowest}”) to {high:.1%} (“{highest}”)."
    empty = len(shares) - len(found)
    return text if not empty else f"{text} Under {empty} of {len(shares)} lenses nothing is counted."
