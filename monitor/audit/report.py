"""An audit as rows and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from monitor.audit.documents import Unreadable
from monitor.audit.policy import is_violation
from monitor.audit.resolve import Entry
from monitor.text import escape_markdown, plain

COLUMNS = (
    "model", "origin", "foundation", "foundation_origin", "suspected_origin", "license", "license_class",
    "effective_license", "effective_license_class", "license_conflict", "openness", "gated", "status", "size",
    "params_total", "formats", "successor", "last_change", "state", "problem", "verdict", "findings", "places",
)  # fmt: skip
"""The columns of CSV; a table on a terminal shows those that fit."""


def to_row(entry: Entry) -> dict[str, Any]:
    """An entry as one flat row."""
    row = entry.row
    change = entry.last_change
    return {
        "model": entry.name + (f"@{entry.revision}" if entry.revision else ""),
        "origin": row and row.origin,
        "foundation": row and row.foundation_repo_id,
        "foundation_origin": row and row.foundation_origin,
        "suspected_origin": row and row.suspected_origin,
        "license": row and row.license,
        "license_class": row and row.license_class,
        "effective_license": row and row.effective_license,
        "effective_license_class": row and row.effective_license_class,
        "license_conflict": row and row.license_conflict,
        "openness": row and row.openness,
        "gated": row and row.gated,
        "status": row and row.status,
        "size": row and row.size,
        "params_total": row and row.params_total,
        "formats": row and _formats(row.formats),
        "successor": entry.successors[0] if entry.successors else None,
        "last_change": f"{change['event']} {str(change['at'])[:10]}" if change else None,
        "state": entry.state,
        "problem": entry.problem,
        "verdict": verdict(entry),
        "findings": "; ".join(f"{one.rule}: {one.message}" for one in entry.findings) or None,
        "places": ", ".join(str(one.place) for one in entry.mentions),
    }


def _formats(formats: dict[str, Any]) -> str | None:
    """The first copy in each format: ``gguf: unsloth/Qwen3-8B-GGUF; mlx: …``; None if none is known."""
    return "; ".join(f"{name}: {one['repo_id']}" for name, one in sorted(formats.items())) or None


def verdict(entry: Entry) -> str:
    """``violation``, ``waived``, ``warning``, ``note`` or ``ok``: the gravest of an entry's findings."""
    if any(map(is_violation, entry.findings)):
        return "violation"
    open_ones = [one.severity for one in entry.findings if one.waiver is None]
    for severity in ("warning", "note"):
        if severity in open_ones:
            return severity
    return "waived" if entry.findings else "ok"


@dataclass(slots=True)
class Summary:
    """The numbers of an audit, counted while its entries pass."""

    models: int = 0
    known: int = 0
    violations: int = 0
    waived: int = 0
    warnings: int = 0
    unresolved: int = 0

    def count(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yields the entries, and counts each."""
        for entry in entries:
            self.models += 1
            self.known += entry.row is not None
            self.unresolved += entry.state == "unresolved"
            word = verdict(entry)
            self.violations += word == "violation"
            self.waived += word == "waived"
            self.warnings += word == "warning"
            yield entry

    def text(self, unreadable: int) -> str:
        """One line with the numbers; ``unreadable``: number of files that were not read."""
        parts = [_number(self.models, "model"), f"{self.known} known"]
        if self.violations:
            parts.append(f"{self.violations} in violation")
        if self.waived:
            parts.append(f"{self.waived} waived")
        if self.warnings:
            parts.append(f"{self.warnings} with warnings")
        if self.unresolved:
            parts.append(f"{self.unresolved} without a repository")
        if unreadable:
            parts.append(f"{_number(unreadable, 'file')} not read")
        return ", ".join(parts)


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_MARKDOWN = (
    ("model", "Model"), ("origin", "Origin"), ("foundation", "Foundation"), ("foundation_origin", "From"),
    ("effective_license", "Binding licence"), ("status", "Status"), ("verdict", "Verdict"), ("findings", "Findings"),
    ("places", "Places"),
)  # fmt: skip


def to_markdown(entries: Iterable[Entry], unreadable: Iterable[Unreadable]) -> Iterator[str]:
    """Yields the lines of a table in Markdown and, after the entries, of a list of what could not be read."""
    heads = [head for _, head in _MARKDOWN]
    yield f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}\n"
    for entry in entries:
        row = to_row(entry)
        yield "| " + " | ".join(_cell(row[name]) for name, _ in _MARKDOWN) + " |\n"
    for number, one in enumerate(unreadable):
        yield ("" if number else "\nNot read:\n\n") + f"- {_cell(one.name)}: {_cell(one.problem)}\n"


def _cell(value: Any) -> str:
    return "" if value is None else escape_markdown(plain(" ".join(str(value).split())))
