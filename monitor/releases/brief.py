"""The brief of a week or a month: sentences about its releases, each with the query that it was made from.

Everything follows from the history as it was known at the brief's time, so that the brief of one time is the same
whenever it is made. Numbers that are not known are named as that; there is no percent of nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor.dates import EARLIEST
from monitor.enums import Event, kind_name
from monitor.labs import in_use
from monitor.labs.countries import name as country
from monitor.models import Change, Release, iso
from monitor.releases.launches.queries import count_launches
from monitor.releases.outages import RECORDED_WITHIN, outages_as_of
from monitor.releases.query import parse
from monitor.releases.query.periods import absolute_period, period_before, period_span, read_period, year_before
from monitor.releases.search import SearchError, conditions, search
from monitor.releases.stats import stats
from monitor.text import short

ORIGINALS, BUILT_ON_OTHERS = "kind:base", "kind:finetune,adapter,merge"
UNKNOWN = (None, "unknown")
NONE_KNOWN = "no releases known in that period"
BUILT = "Fine-tunes, adapters and merges"
MAX_NOTABLE = 10
MAX_VALUES = 5
"""Countries, classes or labs that a sentence or a section names."""
MAX_NAMED = 3
"""Releases that a sentence on changes names, the newest."""
CHANGES_HOLD = timedelta(days=1)
"""A change is an event once it has held, at the latest after a day; those of the last day are left out."""
CHANGES = {
    Event.WITHDRAWN: "withdrawals",
    Event.RETURNED: "returns after a withdrawal",
    Event.RELICENSED: "changes of licence",
    Event.GATED: "new gates",
    Event.UNGATED: "ends of a gate",
    Event.WEIGHTS: "changes of files with weights",
    Event.REBASED: "changes of base model",
    Event.RENAMED: "new names",
    Event.MOVED: "changes of owner",
}


@dataclass(frozen=True, slots=True)
class BriefPeriod:
    """A week or a month: its name (``2026-W48``), its begin and its end (exclusive), in UTC."""

    name: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Sentence:
    """``query``: what it was made from, None where the query language does not reach; ``link``: a path of the site."""

    text: str
    query: str | None
    link: str


@dataclass(frozen=True, slots=True)
class Section:
    """Sentences about one question."""

    title: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Brief:
    """What is known at ``as_of`` of a period."""

    period: BriefPeriod
    as_of: datetime
    sections: tuple[Section, ...]

    @property
    def title(self) -> str:
        """Its heading."""
        unit = "week" if "W" in self.period.name else "month"
        return f"Open-weight releases of the {unit} {self.period.name}"

    @property
    def subtitle(self) -> str:
        """Which days it covers, and when it was known."""
        last = self.period.end - timedelta(days=1)
        days = f"{self.period.begin:%Y-%m-%d} to {last:%Y-%m-%d} (UTC), as known at {self.as_of:%Y-%m-%d %H:%M:%S} UTC."
        return days if self.finished else f"{days} This period is not over."

    @property
    def finished(self) -> bool:
        """Whether the period was over at the brief's time."""
        return self.as_of >= self.period.end

    def as_json(self) -> dict[str, Any]:
        """The object that the API serves."""
        return {
            "period": self.period.name,
            "title": self.title,
            "begin": iso(self.period.begin),
            "end": iso(self.period.end),
            "as_of": iso(self.as_of),
            "finished": self.finished,
            "sections": [asdict(section) for section in self.sections],
        }


def brief_period(text: str, at: datetime) -> BriefPeriod:
    """The week or month that a text names, also ``last-week``. ``at``: the brief's time. Raises SearchError."""
    known = read_period(text)
    name = absolute_period(known, at) if known else ""
    if "W" not in name and len(name) != 7:
        raise SearchError("period", f"period {text!r}: a week like 2026-W48 or a month like 2026-11 expected")
    begin, end = period_span(name, at) or (at, at)
    if begin >= at:
        raise SearchError("period", f"period {name} had not begun at {at:%Y-%m-%d %H:%M} UTC: an earlier one expected")
    if begin < EARLIEST:
        raise SearchError("period", f"period {name}: one from {EARLIEST:%Y} on expected, when the Hub's company began")
    return BriefPeriod(name, begin, end)


def make_brief(session: Session, period: BriefPeriod, at: datetime) -> Brief:
    """Makes the brief of a period. ``session`` answers as of ``at`` (:func:`monitor.releases.revisions.as_of`)."""
    source = _Source(session, period, at)
    makers: tuple[tuple[str, Callable[[_Source], Iterable[Sentence]]], ...] = (
        ("What came out", _releases),
        ("Notable releases", _notable),
        ("Who releases originals", _countries),
        ("Whose models others build on", _foundations),
        ("Who built on whom", _built_on),
        ("Licences of originals", lambda one: _distribution(one, "license_class")),
        ("Sizes of originals", lambda one: _distribution(one, "size")),
        ("Changes and withdrawals", _changes),
        ("What could not be seen", _unseen),
    )
    return Brief(period, at, tuple(Section(title, tuple(make(source))) for title, make in makers))


@dataclass(frozen=True, slots=True)
class _Source:
    """What the sentences are made from."""

    session: Session
    period: BriefPeriod
    at: datetime

    def query(self, words: str = "", name: str = "") -> str:
        """The releases of the period, or of another one, that match."""
        return f"{words} released:{name or self.period.name}".strip()

    def counts(self, query: str, by: str) -> dict[str | None, int]:
        """Releases by the values of a dimension, the most frequent first."""
        rows = stats(self.session, parse(query), [by], medians=False, launches=False)
        ordered = sorted(rows, key=lambda row: (-row["count"], row[by] is None, row[by] or ""))
        return {row[by]: row["count"] for row in ordered}

    def address(self, path: str, **values: str) -> str:
        """A path of the site as of the brief's time."""
        return f"{path}?{urlencode({**values, 'as_of': iso(self.at)})}"

    def sentence(self, text: str, query: str, **values: str) -> Sentence:
        """A sentence that leads to the releases that it was made from; with ``by``, to their chart."""
        path = "/trends/chart" if "by" in values else "/releases"
        return Sentence(text, query, self.address(path, q=query, **values))


# --- sections ---------------------------------------------------------------------------------------------


def _releases(source: _Source) -> Iterable[Sentence]:
    for name in (source.period.name, period_before(source.period.name)):
        query = source.query(name=name)
        kinds = source.counts(query, "kind")
        some = ", ".join(f"{kind_name(str(kind))} {_number(number)}" for kind, number in kinds.items())
        known = f"{_number(sum(kinds.values()))}. By kind: {some}." if kinds else f"{NONE_KNOWN}."
        yield source.sentence(f"Releases in {name}: {known}", query)
    query = source.query("lab:any launch:any")
    found = count_launches(source.session, parse(query))
    assert found is not None, "an index holds what this query asks for"
    launches, members = found
    known = f"{_number(launches)}. Repositories in them: {_number(members)}." if launches else "none known."
    yield source.sentence(f"Launches of known labs: {known}", query)


def _notable(source: _Source) -> Iterable[Sentence]:
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
        link = source.address(f"/releases/{quote(row.repo_id, safe='/')}")
        yield Sentence(f"{short(row.repo_id, 120)} ({country(row.origin)}): {short(reason, 400)}", query, link)


def _countries(source: _Source) -> Iterable[Sentence]:
    yield from _compared(source, ORIGINALS, "Originals", "origin")


def _foundations(source: _Source) -> Iterable[Sentence]:
    yield from _compared(source, BUILT_ON_OTHERS, BUILT, "foundation")


def _compared(source: _Source, words: str, noun: str, by: str) -> Iterable[Sentence]:
    """Shares of countries in the period, the one before, and the same a year before; of the countries of the first."""
    name, values = source.period.name, list[str | None]()
    for one in (name, period_before(name), year_before(name)):
        query = source.query(words, one)
        counts = source.counts(query, by)
        values = values or _most(counts)
        yield source.sentence(f"{noun} in {one}: {_shares(counts, values, country)}.", query, by=by)


def _distribution(source: _Source, by: str) -> Iterable[Sentence]:
    query = source.query(ORIGINALS)
    counts = source.counts(query, by)
    yield source.sentence(f"Originals in {source.period.name}: {_shares(counts, list(counts), str)}.", query, by=by)


def _most(counts: dict[str | None, int]) -> list[str | None]:
    known: list[str | None] = [value for value in counts if value not in UNKNOWN]
    return known[:MAX_VALUES]


def _shares(counts: dict[str | None, int], values: Sequence[str | None], label: Callable[[str | None], str]) -> str:
    """How many there are, and the share of each of the values, of all others together, and of the unknown."""
    total = sum(counts.values())
    if not total:
        return NONE_KNOWN
    unknown = sum(counts.get(value, 0) for value in UNKNOWN)
    named = [(label(value), counts.get(value, 0)) for value in values if value not in UNKNOWN]
    others = total - unknown - sum(number for _, number in named)
    parts = [*named, *([("others", others)] if others else []), ("unknown", unknown)]
    return f"{_number(total)}. {', '.join(f'{one} {_part(number, total)}' for one, number in parts)}"


def _built_on(source: _Source) -> Iterable[Sentence]:
    query, lab, place = source.query(BUILT_ON_OTHERS), col(Release.foundation_lab), col(Release.foundation_origin)
    where = conditions(source.session, parse(query))
    statement = select(lab, place, func.count()).where(*where).group_by(lab, place).order_by(lab, place)
    labs, places, total = Counter[str](), dict[str, str | None](), 0
    for name, origin, number in source.session.execute(statement):
        total += number
        if name is not None:
            labs[name] += number
            places[name] = places.get(name) or origin
    if not total:
        yield source.sentence(f"{BUILT}: {NONE_KNOWN}.", query)
        return
    rest = total - sum(labs.values())
    yield source.sentence(f"{BUILT}: {_number(total)}. On models of no known lab: {_part(rest, total)}.", query)
    for name, number in sorted(labs.items(), key=lambda one: (-one[1], one[0]))[:MAX_VALUES]:
        known = in_use().get(name)
        text = f"On models of {known.name if known else name} ({country(places[name])}): {_part(number, total)}."
        yield source.sentence(text, f"{query} foundation:{name}")
    yield from _across(source, query)


def _across(source: _Source, query: str) -> Iterable[Sentence]:
    """The most frequent pairs of a publisher's country and another one's model."""
    rows = stats(source.session, parse(query), ["origin", "foundation"], medians=False, launches=False)
    pairs = [(row["count"], row["origin"], row["foundation"]) for row in rows if row["origin"] and row["foundation"]]
    abroad = sorted((-number, by, on) for number, by, on in pairs if by != on)
    for number, by, on in abroad[:MAX_VALUES]:
        text = f"By publishers of {country(by)} on models of {country(on)}: {_number(-number)}."
        yield source.sentence(text, f"{query} origin:{by} foundation:{on}")


def _changes(source: _Source) -> Iterable[Sentence]:
    event, at, until = col(Change.event), col(Change.at), min(source.period.end, source.at - CHANGES_HOLD)
    newest = func.row_number().over(partition_by=event, order_by=(at.desc(), col(Change.id).desc())).label("newest")
    number = func.count().over(partition_by=event).label("number")
    changed = (
        select(event.label("event"), col(Release.repo_id).label("repo_id"), newest, number)
        .join(Release, col(Release.id) == col(Change.release_id))
        .where(event.in_(list(CHANGES)), at >= source.period.begin, at < until, col(Release.pending).is_(False))
        .subquery()
    )
    names: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    named = select(changed).where(changed.c.newest <= MAX_NAMED).order_by(changed.c.newest)
    for row in source.session.execute(named):
        names.setdefault(row.event, []).append(short(row.repo_id, 120))
        numbers[row.event] = row.number
    for one, noun in CHANGES.items():
        if one in names:
            more = f" and {_number(numbers[one] - len(names[one]))} more" if numbers[one] > len(names[one]) else ""
            text = f"{noun.capitalize()}: {_number(numbers[one])} ({', '.join(names[one])}{more})."
            yield source.sentence(text, f"event:{one}")
    if not names:
        yield source.sentence("No changes known in that period.", f"event:{','.join(CHANGES)}")
    if until < source.period.end:
        text = f"Changes after {until:%Y-%m-%d %H:%M} UTC are not counted: a change has to hold for a day."
        yield source.sentence(text, f"event:{','.join(CHANGES)}")


def _unseen(source: _Source) -> Iterable[Sentence]:
    period, first = source.period, search(source.session, parse(""), sort="-seen", limit=1).items
    began = first[0].first_seen_at if first else source.at
    if not first:
        yield source.sentence("This monitor held no release then: nothing shows that the period was watched.", "")
    elif began > period.begin:
        since = f"{began:%Y-%m-%d %H:%M} UTC"
        text = f"The first record of this monitor is of {since}: of earlier ones it has what it read later."
        yield source.sentence(text, "", sort="-seen")
    yield from _outages(source, began)
    if source.at >= period.end:
        query = source.query(f"seen:>={period.end:%Y-%m-%d}")
        late = sum(source.counts(query, "kind").values())
        yield source.sentence(f"Releases that were first seen after the period: {_number(late)}.", query)


def _outages(source: _Source, began: datetime) -> Iterable[Sentence]:
    period, status = source.period, "/status"
    spans = outages_as_of(source.session, period.begin, period.end, source.at)
    for begin, end in spans:
        lasted = f"from {begin:%Y-%m-%d %H:%M} " + (f"to {end:%Y-%m-%d %H:%M} UTC" if end else "UTC on")
        text = f"The Hub could not be polled {lasted}: releases of that time may be missing here."
        yield Sentence(text, None, status)
    since, until = max(period.begin, began), min(period.end, source.at - RECORDED_WITHIN)
    if not spans and since < until:
        times = f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
        yield Sentence(f"No outage of the Hub's polls is recorded {times}.", None, status)


def _number(value: int) -> str:
    return f"{value:,}"


def _part(number: int, total: int) -> str:
    return f"{100 * number / total:.1f} % ({_number(number)})"
