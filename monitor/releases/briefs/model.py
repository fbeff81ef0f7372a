"""What a brief is: its period, its sections, their sentences and their comparisons of shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor.dates import EARLIEST
from monitor.models import iso
from monitor.releases.query.periods import absolute_period, period_span, read_period
from monitor.releases.search import SearchError

CHANGES_HOLD = timedelta(days=1)
"""A change is an event once it has held, at the latest after a day; those of the last day are left out."""
PUBLISHED_AFTER = CHANGES_HOLD
"""How long after its period a brief is published: by then the changes of the period are known."""


@dataclass(frozen=True, slots=True)
class BriefPeriod:
    """A week or a month: its name (``2026-W48``), its begin and its end (exclusive), in UTC."""

    name: str
    begin: datetime
    end: datetime

    @property
    def published_from(self) -> datetime:
        """When its brief is published."""
        return self.end + PUBLISHED_AFTER


@dataclass(frozen=True, slots=True)
class Sentence:
    """``query``: what it was made from, None where the query language does not reach; ``link``: a path of the site."""

    text: str
    query: str | None
    link: str


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A country in each of the periods: its releases, and their share of all, None where there are none."""

    name: str
    counts: tuple[int, ...]
    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """What releases are compared by (``countries`` or ``foundations``), and the rows of it.

    ``periods``: the brief's own, the one before, and the same a year before; ``totals``: the releases of each.
    """

    name: str
    title: str
    periods: tuple[str, ...]
    totals: tuple[int, ...]
    rows: tuple[ShareRow, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Sentences about one question, and the shares that they state."""

    title: str
    sentences: tuple[Sentence, ...]
    shares: Shares | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """What is known at ``as_of`` of a period.

    ``published_at``: when it was published, None where it was not. ``corrections``: of a published one, what was
    corrected since; ``corrected_at``: when for the last time.
    """

    period: BriefPeriod
    as_of: datetime
    sections: tuple[Section, ...]
    published_at: datetime | None = None
    corrections: Section | None = None
    corrected_at: datetime | None = None

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
        if not self.finished:
            return f"{days} This period is not over."
        if self.as_of < self.period.published_from:
            return f"{days} Its final brief is of {self.period.published_from:%Y-%m-%d %H:%M} UTC."
        return days

    @property
    def finished(self) -> bool:
        """Whether the period was over at the brief's time."""
        return self.as_of >= self.period.end

    @property
    def all_sections(self) -> tuple[Section, ...]:
        """Its sections, and what was corrected since it was published."""
        return (*self.sections, *([self.corrections] if self.corrections else []))

    @property
    def shares(self) -> Iterator[Shares]:
        """Its comparisons."""
        return (section.shares for section in self.sections if section.shares is not None)

    def as_json(self) -> dict[str, Any]:
        """The object that the API serves."""
        return {
            "period": self.period.name,
            "title": self.title,
            "begin": iso(self.period.begin),
            "end": iso(self.period.end),
            "as_of": iso(self.as_of),
            "finished": self.finished,
            "published_at": iso(self.published_at),
            "corrected_at": iso(self.corrected_at),
            "sections": [asdict(section) for section in self.sections],
            "corrections": [asdict(one) for one in self.corrections.sentences] if self.corrections else [],
        }


def stored(brief: Brief) -> dict[str, Any]:
    """The sections of a brief as they are kept."""
    return {"sections": [asdict(section) for section in brief.sections]}


def restored(period: BriefPeriod, as_of: datetime, published_at: datetime, content: Mapping[str, Any]) -> Brief:
    """The brief that was kept as :func:`stored` has it."""
    sections = tuple(
        Section(
            section["title"],
            tuple(Sentence(**one) for one in section["sentences"]),
            _shares(section["shares"]) if section.get("shares") else None,
        )
        for section in content["sections"]
    )
    return Brief(period, as_of, sections, published_at)


def _shares(kept: Mapping[str, Any]) -> Shares:
    rows = tuple(ShareRow(row["name"], tuple(row["counts"]), tuple(row["shares"])) for row in kept["rows"])
    return Shares(kept["name"], kept["title"], tuple(kept["periods"]), tuple(kept["totals"]), rows)


def brief_period(text: str, at: datetime) -> BriefPeriod:
    """The week or month that a text names, also ``last-week``. ``at``: the brief's time. Raises SearchError.

    At midnight "this" one is the one that ends then: a day given as the time is its end, and pages round to the minute.
    """
    known = read_period(text)
    until = at - timedelta(microseconds=1) if known and known.startswith("this-") else at
    name = absolute_period(known, until) if known else ""
    if "W" not in name and len(name) != 7:
        raise SearchError("period", f"period {text!r}: a week like 2026-W48 or a month like 2026-11 expected")
    period = named_period(name)
    if period.begin >= at:
        raise SearchError("period", f"period {name} had not begun at {at:%Y-%m-%d %H:%M} UTC: an earlier one expected")
    if period.begin < EARLIEST:
        raise SearchError("period", f"period {name}: one from {EARLIEST:%Y} on expected, when the Hub's company began")
    return period


def named_period(name: str) -> BriefPeriod:
    """The period of an absolute name."""
    span = period_span(name, EARLIEST)
    assert span is not None, "an absolute name has a span"
    return BriefPeriod(name, *span)


def newest_published(unit: str, at: datetime) -> BriefPeriod:
    """The last week or month (``unit``) whose brief is published by ``at``."""
    return named_period(absolute_period(f"last-{unit}", at - PUBLISHED_AFTER))
