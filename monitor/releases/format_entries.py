"""The formats of a release as its object has them: of its own files and of the first public copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from monitor.dates import iso
from monitor.enums import Kind, LabKind, Precision
from monitor.labs import Registry

COPIES = frozenset({str(Kind.QUANTIZED), str(Kind.CONVERSION)})
"""Kinds of releases that are another release in another form."""
_ORGANIZATIONS = frozenset({LabKind.COMPANY, LabKind.ACADEMIC, LabKind.NONPROFIT, LabKind.GOVERNMENT})


class Copy(NamedTuple):
    """A public repository with weights in a format, public since ``at``. ``found``: ``{evidence, memory}``."""

    format: str
    at: datetime
    precision: str
    repo_id: str
    namespace: str
    lab: str | None
    is_trusted: bool
    found: Mapping[str, Any]


def is_trusted(registry: Registry, namespace: str, original_namespace: str | None) -> bool:
    """Whether copies by this publisher are trusted.

    That is the publisher of the original itself, a packager that the registry marks as such, or an organization (a
    company, university, non-profit or government) that the registry lists.
    """
    lab = registry.of(namespace)
    if original_namespace is not None:
        original = registry.of(original_namespace)
        if namespace.lower() == original_namespace.lower() or (lab is not None and lab == original):
            return True
    return lab is not None and (lab.repackager or lab.kind in _ORGANIZATIONS)


def public_at(row: Any) -> tuple[datetime, str]:
    """When a repository became public, and how that is known; ``seen``: only when it was first seen."""
    if row.released_at is not None:
        return row.released_at, row.released_precision or str(Precision.CREATED)
    return row.first_seen_at, "seen"


SEEN_AT = "seen_at"
"""The key of a format of a repository's own files that came after the repository was first looked at: when it was."""


def date_added(
    found: Mapping[str, Any], before: Mapping[str, Any] | None, files_before: Iterable[str], at: datetime
) -> dict[str, Any]:
    """The formats of a repository's own files, those with SEEN_AT whose files came after an earlier look.

    ``before``: what was found then, None if nothing was looked for; ``files_before``: the files that were listed then.
    A format that was not recognised before, or that was read from something else than a file, is not known to be new.
    """
    had, dated = list(files_before), {}
    for name, one in found.items():
        earlier, evidence = (before or {}).get(name), one["evidence"]
        if earlier is not None:
            dated[name] = one | {key: earlier[key] for key in (SEEN_AT,) if key in earlier}
        elif before is not None and had and evidence["signal"] == "file":
            # The names in evidence are cut where they are very long.
            was_there = any(file.startswith(evidence["value"]) for file in had)
            dated[name] = one if was_there else one | {SEEN_AT: iso(at)}
        else:
            dated[name] = one
    return dated


def available_at(row: Any, found: Mapping[str, Any]) -> tuple[datetime, str]:
    """When a format of a repository's own files became public, and how that is known."""
    seen_at = found.get(SEEN_AT)
    return public_at(row) if seen_at is None else (datetime.fromisoformat(seen_at), "seen")


def own_copies(row: Any) -> list[Copy]:
    """The formats of a release's own files, by its publisher: there from its release on, unless they were added."""
    return [
        Copy(name, *available_at(row, found), row.repo_id, row.namespace, row.lab, True, found)
        for name, found in (row.own_formats or {}).items()
    ]


def format_columns(row: Any, copies: Iterable[Copy]) -> dict[str, Any]:
    """The columns ``formats`` and ``format_words`` of a release, by its own files and ``copies`` of it."""
    by_format: dict[str, list[Copy]] = {}
    for copy in sorted([*own_copies(row), *copies], key=lambda one: (one.at, one.repo_id)):
        by_format.setdefault(copy.format, []).append(copy)
    formats = {name: _entry(row, by_format[name]) for name in sorted(by_format)}
    return {"formats": formats, "format_words": ";".join(formats) or None}


def _entry(row: Any, copies: list[Copy]) -> dict[str, Any]:
    """What is known of one format; ``copies``: the first first."""
    trusted = next((copy for copy in copies if copy.is_trusted), None)
    stated = next((found for copy in (trusted, *copies) if copy and (found := copy.found.get("memory"))), None)
    return {
        **_copy(row, copies[0]),
        "trusted": None if trusted is None else _copy(row, trusted),
        "evidence": [copies[0].found["evidence"]],
        "memory": None if stated is None else _with_cache(stated, row.own_memory),
    }


def _copy(row: Any, copy: Copy) -> dict[str, Any]:
    hours = None
    if row.released_at is not None and copy.precision != "seen":
        hours = round(max(0.0, (copy.at - row.released_at).total_seconds()) / 3600, 1)
    return {
        "first_at": iso(copy.at),
        "repo_id": copy.repo_id,
        "by": copy.lab or copy.namespace,
        "precision": copy.precision,
        "after_hours": hours,
    }


def how_soon(entry: Mapping[str, Any], released_precision: str | None) -> str:
    """When a release could be had in a format: ``after 3 h``, ``from the start``; empty if nothing is known of it.

    Where only the creation of the copy is known, ``after about 3 h``; where only that of the release is, which may have
    been public much later, ``within 3 h``. ``entry``: of ``formats``, or its ``trusted``.
    """
    hours, is_created = entry["after_hours"], entry["precision"] == Precision.CREATED
    if hours is None:
        return ""
    if hours == 0:
        return "" if is_created else "from the start"
    lead = "after about" if is_created else "within" if released_precision == Precision.CREATED else "after"
    if hours < 1:
        return f"{lead} {round(hours * 60)} min"
    return f"{lead} {hours:.0f} h" if hours < 48 else f"{lead} {hours / 24:.0f} days"


def _with_cache(memory: Mapping[str, Any], own: Mapping[str, Any] | None) -> dict[str, Any]:
    """The memory of a copy with the key-value cache of the release, whose configuration is read; a copy's is not."""
    if memory["kv_gb_per_1k_tokens"] is not None or own is None or own["kv_gb_per_1k_tokens"] is None:
        return dict(memory)
    cache = own["formula"].partition("; KV cache: ")[2]
    same = {name: own[name] for name in ("kv_gb_per_1k_tokens", "kv_gb_fixed")}
    return {**memory, **same, "formula": f"{memory['formula']}; KV cache: {cache}"}
