"""Corrections by hand: a corrected value outranks the classification, and is shown with its reason.

Corrections are appended. Observed values are never rewritten, and an ended correction stays in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.classify.result import size_class
from monitor.db.engine import now
from monitor.enums import Kind, LabKind, LicenseClass, Openness
from monitor.models import Correction, Release
from monitor.releases.query.values import ValueProblem, canonical, number


class CorrectionError(ValueError):
    """A correction that cannot be: one line, with the field that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    known = tuple(map(str, words))

    def read(text: str) -> str:
        if text not in known:
            raise ValueProblem(f"one of {', '.join(known)} expected")
        return text

    return read


def _count(text: str) -> int:
    return number(canonical("params", ":", text)[1])


FIELDS: dict[str, Callable[[str], Any]] = {
    "lab": lambda text: canonical("lab", ":", text)[1],
    "lab_kind": _one_of(LabKind),
    "origin": lambda text: canonical("origin", ":", text)[1],
    "kind": _one_of(Kind),
    "params_total": _count,
    "params_active": _count,
    "license": lambda text: text[:200],
    "license_class": _one_of(LicenseClass),
    "openness": _one_of(Openness),
    "task": lambda text: text[:100],
    "modality": lambda text: text[:100],
    "foundation_repo_id": lambda text: text[:200],
    "foundation_origin": lambda text: canonical("origin", ":", text)[1],
}
"""What can be corrected, and how its value is read; ``none`` is unknown, where the column may be."""
_ALWAYS = {"kind", "license_class", "openness"}
ABOUT = {
    "lab": "origin", "lab_kind": "origin", "params_total": "params", "params_active": "params",
    "license_class": "license", "foundation_repo_id": "foundation", "foundation_origin": "foundation",
}  # fmt: skip


def parse_correction(text: str) -> tuple[str, Any]:
    """``params_total=671B`` as (field, value). Raises CorrectionError."""
    field, equals, value = text.partition("=")
    field, value = field.strip(), value.strip()
    if not equals or field not in FIELDS:
        raise CorrectionError("field", f"{text!r}: field=value expected, with one of {', '.join(FIELDS)}")
    if not value or "\x00" in value:
        raise CorrectionError(field, f"{field}: a value expected, or none for unknown")
    if value.lower() == "none" and field not in _ALWAYS:
        return field, None
    try:
        return field, FIELDS[field](value)
    except ValueProblem as problem:
        raise CorrectionError(field, f"{field} {value!r}: {problem}") from None


def add_corrections(session: Session, row: Release, values: Sequence[tuple[str, Any]], reason: str) -> None:
    """Writes corrections of a release; the earlier ones of the same fields end. Raises CorrectionError."""
    if not reason.strip():
        raise CorrectionError("because", "a reason expected")
    assert row.id is not None
    end_corrections(session, row, [field for field, _ in values])
    for field, value in values:
        made = Correction(release_id=row.id, field=field, value=value, reason=reason.strip()[:1_000], at=now())
        session.add(made)
    session.flush()


def end_corrections(session: Session, row: Release, fields: Sequence[str]) -> int:
    """Ends the corrections of these fields; returns how many there were."""
    some = [one for one in active_corrections(session, [row]).get(row.id, []) if one.field in fields]
    for one in some:
        one.ended_at = now()
        session.add(one)
    session.flush()
    return len(some)


def active_corrections(session: Session, rows: Sequence[Release]) -> dict[int | None, list[Correction]]:
    """The corrections that hold, by release."""
    found: dict[int | None, list[Correction]] = {}
    query = select(Correction).where(
        col(Correction.release_id).in_([row.id for row in rows]), col(Correction.ended_at).is_(None)
    )
    for one in session.scalars(query.order_by(col(Correction.id))):
        found.setdefault(one.release_id, []).append(one)
    return found


def apply_corrections(columns: dict[str, Any], corrections: Iterable[Correction]) -> dict[str, Any]:
    """Returns the classified ``columns`` of a release with its corrections, their reasons as the first evidence."""
    columns = dict(columns)
    for one in corrections:
        columns[one.field] = one.value
        if one.field == "params_total":
            columns["size"], columns["params_source"] = size_class(one.value), "correction"
        if one.field == "origin":
            columns["origin_confidence"] = None if one.value is None else 1.0
            columns["origin_basis"] = None
        about = ABOUT.get(one.field, one.field)
        shown = "unknown" if one.value is None else str(one.value)
        reason = {"signal": "correction", "value": f"{one.field}={shown}", "says": one.reason}
        evidence = columns["evidence"]
        columns["evidence"] = {**evidence, about: [reason, *evidence.get(about, [])]}
    return columns
