"""Finds the release that a claim is about, and compares what is claimed with what we say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any

from sqlalchemy import literal_column, select
from sqlalchemy.orm import defer
from sqlmodel import Session

from monitor.classify.license import license_of
from monitor.compare.claims import Claim
from monitor.dates import iso
from monitor.enums import Found, Kind, LicenseClass, Status
from monitor.labs import Registry
from monitor.labs.countries import EUROPE
from monitor.models import NAME_WORDS, Release
from monitor.models.search_text import normalize_words
from monitor.releases.query.parents import labs_of
from monitor.releases.search import find

SIZE_TOLERANCE = 0.1
"""Sizes that differ by less are the same: others round, and count embeddings or not."""
DAYS_TOLERANCE = 3
"""Days of release that differ by at most so many are the same, in whatever time zone."""
_REGIONS = {"us": {"US"}, "china": {"CN", "HK"}}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A value on which they and we differ, with what each rests on."""

    field: str
    theirs: Any
    ours: Any
    their_evidence: str
    our_evidence: str | None

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "field": self.field, "theirs": self.theirs, "ours": self.ours, "their_evidence": self.their_evidence,
            "our_evidence": self.our_evidence,
        }  # fmt: skip


@dataclass(slots=True)
class Compared:
    """A claim and what became of it. ``outcome``: found, missed or out-of-scope, with the ``reason``.

    ``lag_days``: how many days later than ours their date is; negative: earlier. ``matched_by``: id or name.
    """

    claim: Claim
    outcome: str
    reason: str | None = None
    repo_id: str | None = None
    matched_by: str | None = None
    lag_days: float | None = None
    disagreements: list[Disagreement] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "where": self.claim.where, "name": self.claim.name, "claimed_repo_id": self.claim.repo_id,
            "outcome": self.outcome, "reason": self.reason, "repo_id": self.repo_id, "matched_by": self.matched_by,
            "lag_days": self.lag_days, "disagreements": [one.as_json() for one in self.disagreements],
        }  # fmt: skip


def compare(session: Session, claims: Iterable[Claim], registry: Registry) -> Iterator[Compared]:
    """Yields what became of each claim."""
    for claim in claims:
        if claim.is_organization:
            yield _organization(claim, registry)
            continue
        if not claim.has_weights:
            yield Compared(claim, "out-of-scope", "closed: it has no weights, and so no repository")
            continue
        row, matched_by, reason = _release(session, claim, registry)
        if row is None:
            yield Compared(claim, "missed", reason)
        else:
            yield _compared(claim, row, str(matched_by), reason)


def _organization(claim: Claim, registry: Registry) -> Compared:
    lab = registry.of(claim.name)
    if lab is None:
        return Compared(claim, "missed", f"the namespace {claim.name} is not in the registry")
    done = Compared(claim, "found", matched_by="id", repo_id=None)
    if claim.region is not None and lab.origin is not None and _region(lab.origin) != claim.region:
        done.disagreements.append(Disagreement("origin", claim.region, lab.origin, claim.where, f"registry: {lab.id}"))
    return done


def _release(session: Session, claim: Claim, registry: Registry) -> tuple[Release | None, str | None, str | None]:
    """(release, how it was found, note or why there is none)."""
    if claim.repo_id is not None:
        row = find(session, claim.repo_id)
        if row is not None:
            renamed = row.repo_id.lower() != claim.repo_id.lower()
            gone = row.status in {Status.GONE, Status.PRIVATE}
            note = f"renamed to {row.repo_id}" if renamed else "withdrawn: gone or private" if gone else None
            return row, "id", note
        namespace = claim.repo_id.partition("/")[0]
        if registry.of(namespace) is None:
            return None, None, f"the namespace {namespace} is not in the registry"
        return None, None, "not recorded: it was never seen, or is private"
    found = _by_name(session, claim, registry)
    if len(found) == 1:
        return found[0], "name", None
    if found:
        return None, None, f"several releases are called so: {', '.join(sorted(row.repo_id for row in found)[:3])}"
    return None, None, "not a repository: no id is given, and no recorded release is called so"


def _by_name(session: Session, claim: Claim, registry: Registry) -> list[Release]:
    """The releases whose name has exactly the words of a claim's, of its publisher if that is known."""
    words = normalize_words(claim.name)
    slim: Any = defer(Release.facts)  # type: ignore[arg-type]
    query = select(Release).options(slim).where(literal_column(NAME_WORDS) == words).limit(50)
    rows = [row for row in session.scalars(query) if row.kind in {Kind.BASE, Kind.FINETUNE}]
    labs = {lab.id for publisher in claim.publishers for lab in registry.named(publisher)}
    labs.update(*map(labs_of, tuple(labs)))
    if labs:
        return [row for row in rows if row.lab in labs]
    return rows if len({row.lab for row in rows}) == 1 and all(row.lab for row in rows) else []


def _compared(claim: Claim, row: Release, matched_by: str, note: str | None) -> Compared:
    done = Compared(claim, "found", note, row.repo_id, matched_by)
    found = [_origin(claim, row), _license(claim, row), *_sizes(claim, row), *_artefacts(claim, row)]
    done.disagreements += [one for one in found if one is not None]
    if claim.day is not None and row.released_at is not None and row.released_precision != "created":
        done.lag_days = (claim.day - row.released_at.date()).days
        tolerance = DAYS_TOLERANCE if claim.precision == "day" else 31
        if abs(done.lag_days) > tolerance:
            ours = f"{row.released_precision}, by {row.detected_via}"
            done.disagreements.append(
                Disagreement("released_at", claim.day.isoformat(), iso(row.released_at), claim.where, ours)
            )
    return done


def _origin(claim: Claim, row: Release) -> Disagreement | None:
    if row.origin is None:
        return None
    evidence = _evidence(row, "origin")
    if claim.countries and row.origin not in claim.countries:
        return Disagreement("origin", sorted(claim.countries), row.origin, claim.where, evidence)
    return None


def _region(origin: str) -> str:
    """The region of ATOM's table: us, china, eu or other."""
    for region, codes in _REGIONS.items():
        if origin in codes:
            return region
    return "eu" if origin in EUROPE else "other"


def _sizes(claim: Claim, row: Release) -> Iterator[Disagreement | None]:
    for name, theirs, ours in (
        ("params_total", claim.params_total, row.params_total),
        ("params_active", claim.params_active, row.params_active),
    ):
        if theirs and ours and abs(theirs - ours) > SIZE_TOLERANCE * max(theirs, ours):
            yield Disagreement(name, round(theirs), ours, claim.where, row.params_source)


_UNCLEAR = {LicenseClass.UNKNOWN, LicenseClass.UNDECLARED}


def _license(claim: Claim, row: Release) -> Disagreement | None:
    """A licence is compared by its class: names of one licence differ between lists."""
    if claim.license is None or row.license is None:
        return None
    theirs = license_of({"id": row.repo_id, "cardData": {"license": claim.license.lower().replace(" ", "-")}})
    if theirs.license_class in _UNCLEAR or row.license_class in _UNCLEAR or theirs.license_class == row.license_class:
        return None
    return Disagreement("license", claim.license, row.license, claim.where, _evidence(row, "license"))


def _artefacts(claim: Claim, row: Release) -> Iterator[Disagreement | None]:
    """Openness: what they call open and we say is not published, or the reverse; what we do not know is listed too."""
    for name, theirs in claim.artefacts.items():
        ours = row.artefacts.get(name, {}).get("found", str(Found.UNKNOWN))
        expected = {"open": str(Found.YES), "closed": str(Found.NO)}.get(theirs.state)
        if expected is None or ours == expected or (expected == Found.NO and ours == Found.UNKNOWN):
            continue
        evidence = f"{claim.where} {theirs.link or ''}".strip()
        yield Disagreement(name, theirs.state, ours, evidence, row.artefacts.get(name, {}).get("link"))


def _evidence(row: Release, name: str) -> str | None:
    items = row.evidence.get(name) or ()
    return f"{items[0]['signal']}: {items[0]['says']}" if items else None


@dataclass(slots=True)
class Totals:
    """The numbers of a comparison. ``recall``: of the claims in scope; None without any."""

    claims: int = 0
    found: int = 0
    missed: int = 0
    out_of_scope: int = 0
    disagreements: int = 0
    lags: list[float] = field(default_factory=list)

    def add(self, one: Compared) -> None:
        """Counts one claim."""
        self.claims += 1
        self.found += one.outcome == "found"
        self.missed += one.outcome == "missed"
        self.out_of_scope += one.outcome == "out-of-scope"
        self.disagreements += len(one.disagreements)
        if one.lag_days is not None and one.claim.precision == "day":
            self.lags.append(one.lag_days)

    @property
    def recall(self) -> float | None:
        """The share of the claims in scope that were found."""
        whole = self.found + self.missed
        return self.found / whole if whole else None

    @property
    def median_lag(self) -> timedelta | None:
        """By how much later their dates are than ours, in the median."""
        return timedelta(days=median(self.lags)) if self.lags else None
