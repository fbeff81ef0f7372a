"""Compares what is classified by the id alone with the rows of a list."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.classify import classify
from monitor.classify.license import OPEN, license_of, released_under
from monitor.enums import LicenseClass
from monitor.labs import Registry
from tests.checks.lists import Row

TOLERANCE = 0.1
"""Share of a stated count by which ours may differ: names are rounded."""


@dataclass
class Compared:
    """One value of one list: how many rows state it, how many of these are answered, and how the answers compare."""

    value: str
    stated: int = 0
    answered: int = 0
    agree: int = 0
    differ: list[tuple[Row, str]] = field(default_factory=list)
    """Each row with the two values, as text."""

    def add(self, row: Row, theirs: Any, ours: Any, same: Callable[[Any, Any], bool]) -> None:
        if theirs is None:
            return
        self.stated += 1
        if ours is None:
            return
        self.answered += 1
        if same(theirs, ours):
            self.agree += 1
        else:
            self.differ.append((row, f"the list {_shown(theirs)}, ours {_shown(ours)}"))


def compare(rows: Sequence[Row], registry: Registry) -> list[Compared]:
    """The values that a list states at all, each compared."""
    total, active, licence, terms, base, lab = (
        Compared(value)
        for value in ("total", "active", "open licence", "licence by table", "base by id", "lab of the root")
    )
    for row in rows:
        found = classify({"id": row.repo_id}, registry)
        total.add(row, row.total, found.params_total, _near)
        active.add(row, row.active, found.params_active, _near)
        if row.license is not None:
            licence.add(row, row.is_open, _is_open(license_of(_declaring(row.license)).license_class), _equal)
            by_table = released_under(row.repo_id)
            terms.add(row, row.is_open, by_table and _is_open(by_table.license_class), _equal)
        if row.base is not None:
            root = found.foundation and found.foundation.repo_id
            base.add(row, row.base, root, lambda theirs, ours: theirs in (ours, *_ids(found.lineage)))  # noqa: B023
            stated = classify({"id": row.repo_id, "tags": [f"base_model:{row.base}"]}, registry).foundation
            lab.add(row, row.base, stated and stated.lab, lambda theirs, ours: True)
    return [one for one in (total, active, licence, terms, base, lab) if one.stated]


def _ids(lineage: Sequence[Any]) -> list[str]:
    return [parent.repo_id for parent in lineage]


def _declaring(license_: str) -> dict[str, Any]:
    """A model object that declares a licence by its identifier, or by its address."""
    if license_.startswith("http"):
        return {"cardData": {"license": "other", "license_link": license_}}
    return {"cardData": {"license": license_}}


def _is_open(license_class: LicenseClass) -> bool | None:
    return None if license_class in {LicenseClass.UNKNOWN, LicenseClass.UNDECLARED} else license_class in OPEN


def _near(theirs: int, ours: int) -> bool:
    return abs(ours - theirs) <= TOLERANCE * theirs


def _equal(theirs: Any, ours: Any) -> bool:
    return bool(theirs == ours)


def _shown(value: Any) -> str:
    return f"{value / 1e9:.4g}B" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def explanations() -> Mapping[tuple[str, str], str]:
    """The kind of each disagreement that was looked at, by value and repository id (``explained.toml``)."""
    table = tomllib.loads(Path(__file__).with_name("explained.toml").read_text("utf-8"))
    return {
        (value, repo_id): kind
        for kind, entry in table.items()
        for value, ids in entry["rows"].items()
        for repo_id in ids.split()
    }


def report(name: str, compared: Sequence[Compared]) -> tuple[str, list[str]]:
    """(a Markdown table of the figures with the kinds of disagreements, a line for each that is not explained)."""
    known = explanations()
    lines = [
        f"| {name} | stated | answered | agree | differ |",
        "| --- | --- | --- | --- | --- |",
    ]
    unexplained = []
    for one in compared:
        kinds = Counter(known.get((one.value, row.repo_id), "not explained") for row, _ in one.differ)
        shown = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        differ = f"{len(one.differ)}: {shown}" if one.differ else "0"
        lines.append(f"| {one.value} | {one.stated} | {one.answered} | {one.agree} | {differ} |")
        unexplained += [
            f"{one.value} of {row.repo_id}: {what}" for row, what in one.differ if (one.value, row.repo_id) not in known
        ]
    return "\n".join(lines) + "\n", unexplained
