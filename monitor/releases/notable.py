"""Why a release matters: reasons from its publisher's history and the records so far, strongest first.

Pure: :mod:`monitor.releases.records` gathers the :class:`Standing` of a work from the database. A reason is a claim
about what came out before the release, by the times of release, so the order in which releases became known changes
none of them. What is unknown makes no claim. The table of docs/explanation/notable.md follows from :data:`REASONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor.enums import LicenseClass
from monitor.labs.countries import COUNTRIES
from monitor.labs.countries import name as country_name
from monitor.releases.works import UNDATED, Work
from monitor.text import short_count

PAUSE = timedelta(days=365)
"""Time without a release after which a lab's next one is notable."""
WITHDRAWN_WITHIN = timedelta(days=7)
ANNOUNCED_BEFORE = timedelta(days=7)
"""How long a model must have been announced without weights for their release to be notable."""
LINES = {"first-over-1t": 10**12, "first-over-500b": 500 * 10**9, "first-over-100b": 100 * 10**9}
"""Total parameters that a country's first model reaches, the largest first."""
PACES = {
    "fastest-to-1m-downloads": "downloads>=1M",
    "fastest-to-1k-derivatives": "derivatives>=1K",
    "fastest-to-100-derivatives": "derivatives>=100",
}
"""Lines of adoption that works race to, by reason. Downloads are those of 30 days, as the Hub counts them."""
MIN_PACES = 10
"""Works that must have reached a line before for one to be the fastest."""
LICENSES_BY_FREEDOM = (
    LicenseClass.PERMISSIVE, LicenseClass.COPYLEFT, LicenseClass.USE_RESTRICTED, LicenseClass.COMMUNITY,
    LicenseClass.NON_COMMERCIAL, LicenseClass.RESEARCH_ONLY,
)  # fmt: skip
"""The classes that compare, the most open first."""


class Against(NamedTuple):
    """A work that a claim was measured against, and its number or value."""

    repo_id: str
    value: Any


@dataclass(frozen=True, slots=True)
class Rung:
    """A work that was the first or the largest of a scope: the one that was before, and how much of it is known.

    ``known``: earlier works of the scope, counted up to a maximum; ``since``: the year of the first.
    """

    before: Work | None
    known: int
    since: int | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How many days after its release a work reached a line as the fastest so far.

    ``before``: (repository, days) of the fastest before it; ``known``: works that had reached the line before it;
    ``since``: the year of the first.
    """

    days: int
    before: tuple[str, int] | None
    known: int
    since: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a work is measured against. Everything in it came out before the work.

    ``rungs``: by ladder, those of which enough is known for a claim. ``lab_name``: of its lab. ``previous``: the lab's
    release before; None if there is none, or if the lab's history may have gaps. ``earlier_version``: the works of the
    version before. ``announced_at``: when its lab announced it; ``withdrawn_at``: when its repository went. ``paces``:
    by reason, the lines that it reached as the fastest so far. ``unknown_original``: what shows that the work of an
    unknown publisher is an original.
    """

    lab_name: str
    rungs: Mapping[str, Rung] = field(default_factory=dict)
    previous: Work | None = None
    earlier_version: tuple[Work, ...] = ()
    announced_at: datetime | None = None
    withdrawn_at: datetime | None = None
    paces: Mapping[str, Pace] = field(default_factory=dict)
    unknown_original: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A reason that holds: the values of its template, and what it was measured against."""

    values: Mapping[str, str]
    against: tuple[Against, ...] = ()
    rung: Rung | None = None


Find = Callable[[Work, Standing], Claim | None]


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason: its word in ``notable:``, its text with placeholders, its meaning, and how it is found."""

    word: str
    text: str
    meaning: str
    find: Find


def notable(work: Work, standing: Standing) -> list[dict[str, Any]]:
    """The reasons why a work is notable, strongest first, as the release object has them."""
    if work.at == UNDATED:
        return []
    found = ((reason, reason.find(work, standing)) for reason in REASONS)
    return [_entry(reason, claim) for reason, claim in found if claim is not None]


def _entry(reason: Reason, claim: Claim) -> dict[str, Any]:
    rung = claim.rung
    return {
        "reason": reason.word,
        "text": reason.text.format_map(claim.values),
        "against": [{"repo_id": one.repo_id, "value": one.value} for one in claim.against],
        "known": at_least(rung.known) if rung is not None else None,
        "since": rung.since if rung is not None else None,
    }


_STEPS = (1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1)


def at_least(known: int) -> int:
    """A round number that ``known`` reaches: what a claim says does not change with each release that is learnt."""
    return next((step for step in _STEPS if known >= step), 0)


def score(entries: Iterable[Mapping[str, Any]], params: int | None) -> int | None:
    """What ``sort=notable`` sorts by: the place of the strongest reason, then the total parameters; None without."""
    first = next(iter(entries), None)
    if first is None:
        return None
    return (len(REASONS) - WORDS.index(first["reason"])) * PARAMS_LIMIT + min(params or 0, PARAMS_LIMIT - 1)


PARAMS_LIMIT = 10**15


def measured_against(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    """The repositories that reasons were measured against."""
    return {one["repo_id"] for entry in entries for one in entry["against"]}


def merged(members: Iterable[tuple[list[dict[str, Any]], int | None]]) -> list[dict[str, Any]]:
    """The reasons of several releases, each once (that of the most notable release), strongest first.

    ``members``: the reasons of each, and its score.
    """
    found: dict[str, dict[str, Any]] = {}
    for entries, _ in sorted(members, key=lambda member: -(member[1] or 0)):
        for entry in entries:
            found.setdefault(entry["reason"], entry)
    return sorted(found.values(), key=lambda entry: WORDS.index(entry["reason"]))


# --- how each is found -------------------------------------------------------------------------------------


CONSORTIUM = "a European consortium"


def _country(origin: str | None, consortium: str | None = None) -> str | None:
    """The country as it follows "from": ``South Korea``, ``the United States``; ``consortium`` for a European one."""
    if origin not in COUNTRIES:
        return consortium if origin == "EU" else None
    text = country_name(origin)
    return f"the {text}" if text.startswith("United ") or text in _WITH_ARTICLE else text


_WITH_ARTICLE = {"Netherlands", "Philippines", "Maldives", "Bahamas", "Seychelles", "Gambia", "Comoros"}


def _largest(ladder: str) -> Find:
    """The largest of a scope so far."""

    def find(work: Work, standing: Standing) -> Claim | None:
        rung, size = standing.rungs.get(ladder), short_count(work.params)
        country = _country(work.origin)
        if rung is None or rung.before is None or size is None or (ladder == "country-size" and country is None):
            return None
        values = {"lab": standing.lab_name, "size": size, "country": country or ""}
        return Claim(values, (Against(rung.before.repo_id, rung.before.params),), rung)

    return find


def _first_over(word: str) -> Find:
    """The first from its country to reach a line; only the highest that it crosses."""

    def find(work: Work, standing: Standing) -> Claim | None:
        rung, country = standing.rungs.get("country-size"), _country(work.origin)
        if rung is None or rung.before is None or work.params is None or country is None:
            return None
        crossed = [line for line, edge in LINES.items() if (rung.before.params or 0) < edge <= work.params]
        if crossed[:1] != [word]:
            return None
        return Claim({"country": country}, (Against(rung.before.repo_id, rung.before.params),), rung)

    return find


def _first_of_lab(_work: Work, standing: Standing) -> Claim | None:
    rung = standing.rungs.get("lab")
    return Claim({"lab": standing.lab_name}, (), None) if rung is not None else None


def _first_open(work: Work, standing: Standing) -> Claim | None:
    rung = standing.rungs.get("open-size")
    if rung is None or rung.before is not None or work.size is None:
        return None
    return Claim({"size": work.size}, (), rung)


def _after_pause(work: Work, standing: Standing) -> Claim | None:
    before = standing.previous
    if before is None or before.at == UNDATED or work.at - before.at < PAUSE:
        return None
    months = (work.at - before.at).days * 12 // 365
    values = {"lab": standing.lab_name, "months": str(months)}
    return Claim(values, (Against(before.repo_id, before.at.date().isoformat()),))


def _foreign_base(*, of_country: bool) -> Find:
    """The first on a base from another country, of its whole country or, if that is not so, of its lab."""

    def find(work: Work, standing: Standing) -> Claim | None:
        home, country = _country(work.origin), _country(work.foreign_origin, CONSORTIUM)
        is_first_of_country = "country-foreign" in standing.rungs and home is not None
        is_first = is_first_of_country if of_country else "lab-foreign" in standing.rungs and not is_first_of_country
        if not is_first or country is None or work.foundation is None:
            return None
        values = {"lab": standing.lab_name, "home": home or "", "country": country, "foundation": work.foundation}
        return Claim(values, (Against(work.foundation, work.foreign_origin),))

    return find


def _new_version(work: Work, standing: Standing) -> Claim | None:
    rung = standing.rungs.get("lab-version")
    if rung is None or rung.before is None or work.family is None or rung.before.family is None:
        return None
    values = {"family": work.family, "before": rung.before.family}
    return Claim(values, (Against(rung.before.repo_id, rung.before.family),))


def _licence(*, opened: bool) -> Find:
    """A licence that differs from that of every work of the version before, which all have the same class."""

    def find(work: Work, standing: Standing) -> Claim | None:
        rung, earlier = standing.rungs.get("lab-version"), standing.earlier_version
        classes = {one.license_class for one in earlier}
        if (
            rung is None
            or work.family is None
            or len(classes) != 1
            or not {*classes, work.license_class} <= _RANKS.keys()
        ):
            return None
        before = classes.pop()
        difference = _RANKS[before] - _RANKS[work.license_class]
        if (difference <= 0) if opened else (difference >= 0):
            return None
        values = {"family": str(earlier[0].family), "before": before, "license": work.license_class}
        return Claim(values, tuple(Against(one.repo_id, one.license_class) for one in earlier[:MAX_AGAINST]))

    return find


_RANKS: dict[str, int] = {str(word): place for place, word in enumerate(LICENSES_BY_FREEDOM)}
MAX_AGAINST = 5
"""Works that are listed as measured against."""


def _announced(work: Work, standing: Standing) -> Claim | None:
    at = standing.announced_at
    if at is None or work.at - at < ANNOUNCED_BEFORE:
        return None
    return Claim({"days": str((work.at - at).days), "day": at.date().isoformat()})


def _fastest(word: str) -> Find:
    """The fastest to a line of adoption, of those that had reached it by then."""

    def find(_work: Work, standing: Standing) -> Claim | None:
        pace = standing.paces.get(word)
        if pace is None or pace.before is None or pace.known < MIN_PACES:
            return None
        repo_id, days = pace.before
        return Claim({"after": _after(pace.days)}, (Against(repo_id, days),), Rung(None, pace.known, pace.since))

    return find


def _after(days: int) -> str:
    if days == 0:
        return "on the day of its release"
    return f"{_days(days)} after its release"


def _unknown_original(work: Work, standing: Standing) -> Claim | None:
    size = short_count(work.params)
    if standing.unknown_original is None or size is None:
        return None
    return Claim({"size": size, "ground": standing.unknown_original})


def _withdrawn(work: Work, standing: Standing) -> Claim | None:
    at = standing.withdrawn_at
    if at is None or not timedelta(0) <= at - work.at < WITHDRAWN_WITHIN:
        return None
    return Claim({"after": _days((at - work.at).days)})


def _days(number: int) -> str:
    return {0: "less than a day", 1: "a day"}.get(number, f"{number} days")


REASONS: tuple[Reason, ...] = (
    Reason("largest", "Largest open-weight release so far: {size} parameters",
           "more parameters than any earlier release of a known lab", _largest("all-size")),
    *(
        Reason(word, f"First open-weight release from {{country}} with {short_count(edge)} parameters or more",
               f"the first from its country with {short_count(edge)} total parameters or more; only the highest of"
               " these lines that it crosses", _first_over(word))
        for word, edge in LINES.items()
    ),
    Reason("largest-of-country", "Largest open-weight release from {country} so far",
           "more parameters than any earlier release of a known lab of its country", _largest("country-size")),
    Reason("largest-permissive", "Largest release under a permissive licence so far: {size} parameters",
           "more parameters than any earlier release of a known lab under a permissive licence",
           _largest("permissive-size")),
    *(
        Reason(word, f"Fastest to {text} so far: {{after}}",
               f"reached {text} in fewer days after its release than any release of a known lab that had reached them"
               " before", _fastest(word))
        for word, text in (
            ("fastest-to-1m-downloads", "1M downloads in 30 days"),
            ("fastest-to-1k-derivatives", "1,000 derivatives"),
            ("fastest-to-100-derivatives", "100 derivatives"),
        )
    ),
    Reason("announced-before", "Weights released {days} days after the announcement of {day}",
           f"its lab announced it {ANNOUNCED_BEFORE.days} days or more before it released the weights", _announced),
    Reason("first-of-lab", "First open-weight release of {lab}", "no earlier release of its lab", _first_of_lab),
    Reason("after-pause", "First open-weight release of {lab} in {months} months",
           f"its lab released nothing in the {PAUSE.days} days before", _after_pause),
    Reason("first-open-science", "First {size} model with open training data and code",
           "the first of its size class whose training data and code are published", _first_open),
    Reason("first-of-country-on-foreign-base",
           "First model of a lab from {home} built on one from {country}: {foundation}",
           "the first of all labs of its country that is built on a model from that other country",
           _foreign_base(of_country=True)),
    Reason("license-opened", "More open licence than {family}: {license} instead of {before}",
           "the first of a new version, under a more open class of licence than all of the version before",
           _licence(opened=True)),
    Reason("license-tightened", "Tighter licence than {family}: {license} instead of {before}",
           "the first of a new version, under a stricter class of licence than all of the version before",
           _licence(opened=False)),
    Reason("largest-of-lab", "Largest open-weight release of {lab} so far: {size} parameters",
           "more parameters than any earlier release of its lab", _largest("lab-size")),
    Reason("unknown-original", "Original with {size} parameters from an unknown publisher: {ground}",
           "no known lab published it, it has 10B parameters or more by its files, and its architecture or its card"
           " shows that it is no derivative", _unknown_original),
    Reason("new-version", "First release of {family}, after {before}",
           "the first of a higher version of its family than its lab released before", _new_version),
    Reason("first-on-foreign-base", "First model of {lab} built on one from {country}: {foundation}",
           "the first of its lab that is built on a model of another organization from that country, unless it is the"
           " first of its whole country", _foreign_base(of_country=False)),
    Reason("withdrawn-early", "Withdrawn {after} after its release",
           f"its repository was deleted or made private within {WITHDRAWN_WITHIN.days} days", _withdrawn),
)  # fmt: skip
"""All reasons, strongest first."""
WORDS = tuple(reason.word for reason in REASONS)


def as_markdown() -> str:
    """The table of docs/explanation/notable.md."""
    rows = (f"| {place} | `{one.word}` | {one.meaning} | {one.text} |" for place, one in enumerate(REASONS, start=1))
    return "\n".join(("| rank | reason | holds for | text |", "| --- | --- | --- | --- |", *rows)) + "\n"
