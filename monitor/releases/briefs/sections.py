"""The brief of a week or a month: sentences about its releases, each with the query that it was made from.

Everything follows from the history as it was known at the brief's time, so that the brief of one time is the same
whenever it is made. Numbers that are not known are named as that; there is no percent of nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor.enums import kind_name
from monitor.labs import in_use
from monitor.labs.countries import name as country
from monitor.models import Release
from monitor.releases.briefs.corrections import earlier_corrections
from monitor.releases.briefs.gained import gained
from monitor.releases.briefs.happened import changes, unseen
from monitor.releases.briefs.model import Brief, BriefPeriod, Section, Sentence
from monitor.releases.briefs.shares import by_country, by_foundation, shares_text
from monitor.releases.briefs.source import (
    BUILT,
    BUILT_ON_OTHERS,
    MAX_VALUES,
    NONE_KNOWN,
    ORIGINALS,
    Source,
    number,
    part,
)
from monitor.releases.launches.queries import count_launches
from monitor.releases.query import parse
from monitor.releases.query.periods import period_before
from monitor.releases.search import conditions, search
from monitor.releases.stats import stats
from monitor.text import short

MAX_NOTABLE = 10
MAX_RECORDS = 3
"""Releases that are named for each number that they lead in."""


def make_brief(session: Session, period: BriefPeriod, at: datetime) -> Brief:
    """Makes the brief of a period. ``session`` answers as of ``at`` (:func:`monitor.releases.revisions.as_of`)."""
    source = Source(session, period, at)
    sections = (
        _section("What came out", _releases(source)),
        _section("Notable releases", _notable(source)),
        _section("Most used so far", _records(source)),
        _section("Most downloads gained", gained(source)),
        by_country(source),
        by_foundation(source),
        _section("Who built on whom", _built_on(source)),
        _section("Licences of originals", _distribution(source, "license_class")),
        _section("Sizes of originals", _distribution(source, "size")),
        _section("Changes and withdrawals", changes(source)),
        _section("Corrections made since the last brief", earlier_corrections(source)),
        _section("What could not be seen", unseen(source)),
    )
    return Brief(period, at, sections)


def _section(title: str, sentences: Iterable[Sentence]) -> Section:
    return Section(title, tuple(sentences))


def _releases(source: Source) -> Iterable[Sentence]:
    for name in (source.period.name, period_before(source.period.name)):
        query = source.query(name=name)
        kinds = source.counts(query, "kind")
        named = ", ".join(f"{kind_name(str(kind))} {number(some)}" for kind, some in kinds.items())
        known = f"{number(sum(kinds.values()))}. By kind: {named}." if kinds else f"{NONE_KNOWN}."
        yield source.sentence(f"Releases in {name}: {known}", query)
    query = source.query("lab:any launch:any")
    found = count_launches(source.session, parse(query))
    assert found is not None, "an index holds what this query asks for"
    launches, members = found
    known = f"{number(launches)}. Repositories in them: {number(members)}." if launches else "none known."
    yield source.sentence(f"Launches of known labs: {known}", query)


def _notable(source: Source) -> Iterable[Sentence]:
    query = source.query("notable:any")
    found = search(source.session, parse(query), sort="notable", limit=MAX_NOTABLE + 1).items
    if not found:
        text = "No release of that period is known to be notable."
    elif len(found) > MAX_NOTABLE:
        text = f"More than {MAX_NOTABLE} releases are notable; those with the strongest reasons are:"
    else:
        text = f"Notable releases: {len(found)}."
    yield source.sentence(text, query, sort="notable")
    for row in found[:MAX_NOTABLE]:
        reason = (row.notable or [{}])[0].get("text", "reason unknown")
        yield source.about(
            row.repo_id, f"{short(row.repo_id, 120)} ({country(row.origin)}): {short(reason, 400)}", query
        )


_RECORDS = (
    ("derivatives", "Most built on so far", "models built on it"),
    ("downloads", "Most downloaded so far", "downloads in 30 days"),
    ("likes", "Most liked so far", "likes"),
)
"""Sort order and column, what leads the sentence, and what is counted."""


def _records(source: Source) -> Iterable[Sentence]:
    """The releases of the period that lead in a number, as it was at the end of the day before the brief's time."""
    for name, lead, unit in _RECORDS:
        query = source.query(f"{name}:>0")
        found = search(source.session, parse(query), sort=name, limit=MAX_RECORDS).items
        named = [f"{short(row.repo_id, 120)} ({number(getattr(row, name))} {unit})" for row in found]
        text = f"{lead}: {', '.join(named)}." if named else f"{lead}: none known yet."
        yield source.sentence(text, query, sort=name)


def _distribution(source: Source, by: str) -> Iterable[Sentence]:
    query = source.query(ORIGINALS)
    counts = source.counts(query, by)
    yield source.sentence(f"Originals in {source.period.name}: {shares_text(counts, list(counts), str)}.", query, by=by)


def _built_on(source: Source) -> Iterable[Sentence]:
    query, lab, place = source.query(BUILT_ON_OTHERS), col(Release.foundation_lab), col(Release.foundation_origin)
    where = conditions(source.session, parse(query))
    statement = select(lab, place, func.count()).where(*where).group_by(lab, place).order_by(lab, place)
    labs, places, total = Counter[str](), dict[str, str | None](), 0
    for name, origin, some in source.session.execute(statement):
        total += some
        if name is not None:
            labs[name] += some
            places[name] = places.get(name) or origin
    if not total:
        yield source.sentence(f"{BUILT}: {NONE_KNOWN}.", query)
        return
    rest = total - sum(labs.values())
    yield source.sentence(f"{BUILT}: {number(total)}. On models of no known lab: {part(rest, total)}.", query)
    for name, some in sorted(labs.items(), key=lambda one: (-one[1], one[0]))[:MAX_VALUES]:
        known = in_use().get(name)
        text = f"On models of {known.name if known else name} ({country(places[name])}): {part(some, total)}."
        yield source.sentence(text, f"{query} foundation:{name}")
    yield from _across(source, query)


def _across(source: Source, query: str) -> Iterable[Sentence]:
    """The most frequent pairs of a publisher's country and another one's model."""
    rows = stats(source.session, parse(query), ["origin", "foundation"], medians=False, launches=False)
    pairs = [(row["count"], row["origin"], row["foundation"]) for row in rows if row["origin"] and row["foundation"]]
    abroad = sorted((-some, by, on) for some, by, on in pairs if by != on)
    for some, by, on in abroad[:MAX_VALUES]:
        text = f"By publishers of {country(by)} on models of {country(on)}: {number(-some)}."
        yield source.sentence(text, f"{query} origin:{by} foundation:{on}")
