"""Shares of countries in a period, in the one before, and in the same a year before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from monitor.labs.countries import name as country
from monitor.releases.briefs.model import Section, ShareRow, Shares
from monitor.releases.briefs.source import (
    BUILT,
    BUILT_ON_OTHERS,
    MAX_VALUES,
    NONE_KNOWN,
    ORIGINALS,
    UNKNOWN,
    Source,
    number,
    part,
)
from monitor.releases.query.periods import period_before, year_before

Counts = Mapping[str | None, int]


def by_country(source: Source) -> Section:
    """Who releases originals."""
    titles = ("Who releases originals", "Originals by the country of their publishers")
    return _compared(source, ORIGINALS, "Originals", "origin", "countries", titles)


def by_foundation(source: Source) -> Section:
    """Whose models others build on."""
    titles = ("Whose models others build on", f"{BUILT} by the country of the model at the root")
    return _compared(source, BUILT_ON_OTHERS, BUILT, "foundation", "foundations", titles)


def _compared(source: Source, words: str, noun: str, by: str, name: str, titles: tuple[str, str]) -> Section:
    """The same countries in each period: the most frequent ones of the first that has any."""
    own = source.period.name
    periods = (own, period_before(own), year_before(own))
    queries = [source.query(words, one) for one in periods]
    counted = [source.counts(query, by) for query in queries]
    values = next(filter(None, map(_most, counted)), [])
    sentences = [
        source.sentence(f"{noun} in {one}: {shares_text(counts, values, country)}.", q, by=by)
        for one, q, counts in zip(periods, queries, counted, strict=True)
    ]
    return Section(titles[0], tuple(sentences), _table(name, titles[1], periods, counted, values))


def _most(counts: Counts) -> list[str | None]:
    known: list[str | None] = [value for value in counts if value not in UNKNOWN]
    return known[:MAX_VALUES]


def shares_text(counts: Counts, values: Sequence[str | None], label: Callable[[str | None], str]) -> str:
    """How many there are, and the share of each of the values, of all others together, and of the unknown."""
    total = sum(counts.values())
    if not total:
        return NONE_KNOWN
    parts = _parts(counts, values, label)
    return f"{number(total)}. {', '.join(f'{one} {part(some, total)}' for one, some in parts)}"


def _parts(
    counts: Counts, values: Sequence[str | None], label: Callable[[str | None], str], *, others: bool = False
) -> list[tuple[str, int]]:
    """(label, releases) of the values, of all others, and of the unknown. ``others``: also where there are none."""
    unknown = sum(counts.get(value, 0) for value in UNKNOWN)
    named = [(label(value), counts.get(value, 0)) for value in values if value not in UNKNOWN]
    rest = sum(counts.values()) - unknown - sum(some for _, some in named)
    return [*named, *([("others", rest)] if rest or others else []), ("unknown", unknown)]


def _table(
    name: str, title: str, periods: tuple[str, ...], counted: Sequence[Counts], values: Sequence[str | None]
) -> Shares:
    totals = tuple(sum(counts.values()) for counts in counted)
    columns = [_parts(counts, values, country, others=True) for counts in counted]
    rows = []
    for cells in zip(*columns, strict=True):
        counts = tuple(some for _, some in cells)
        if any(counts):
            of = (round(some / total, 6) if total else None for some, total in zip(counts, totals, strict=True))
            rows.append(ShareRow(cells[0][0], counts, tuple(of)))
    return Shares(name, title, periods, totals, tuple(rows))
