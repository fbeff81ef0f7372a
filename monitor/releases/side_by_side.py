"""Releases side by side: a row for each fact, a cell for each release, and whether they differ.

Facts come from the release object: a field that is added to the schema is shown here too, under *More* until
:func:`_groups` gives it a place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlmodel import Session

from monitor.classify.repo_ids import HubURLError, reference
from monitor.enums import ARTEFACTS, FORMAT_NAMES, kind_name
from monitor.labs import Registry
from monitor.labs.countries import name as country
from monitor.models import Release
from monitor.releases.format_entries import how_soon
from monitor.releases.query import parse
from monitor.releases.schema import FIELDS, release_object
from monitor.releases.search import find, search
from monitor.text import short, short_count

MAX_RELEASES = 5
MAX_SUGGESTED = 5
UNKNOWN = "unknown"
MAX_LINES = 12
"""Lines of a cell, and characters of each."""
MAX_LINE_CHARS = 240

State = Literal["same", "differs", "partly unknown"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one release has in a row. ``lines``: its text; ``key``: what is compared, None if it is unknown.

    ``time``: the text is this time in UTC; ``repo_id``: it names this repository.
    """

    lines: tuple[str, ...]
    key: str | None
    time: datetime | None = None
    repo_id: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A fact of several releases."""

    field: str
    label: str
    cells: tuple[Cell, ...]

    @property
    def state(self) -> State:
        """Whether the known values differ; two releases of which one is unknown may differ or not."""
        known = {cell.key for cell in self.cells if cell.key is not None}
        if len(known) > 1:
            return "differs"
        return "partly unknown" if known and any(cell.key is None for cell in self.cells) else "same"


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: tuple[Row, ...]


Object = Mapping[str, Any]
_Reader = Callable[[Object], Cell]


# --- cells ------------------------------------------------------------------------------------------------


def _lines(texts: Iterable[object], nothing: str = UNKNOWN) -> Cell:
    """A cell of texts; ``nothing`` says what it means that there are none, "unknown" or a fact such as "none"."""
    every = [short(text, MAX_LINE_CHARS) for text in texts]
    if not every:
        return Cell((nothing,), None if nothing == UNKNOWN else nothing)
    more = len(every) - MAX_LINES
    shown = every if more <= 0 else [*every[:MAX_LINES], f"and {more} more"]
    return Cell(tuple(shown), json.dumps(every))


def _value(value: Any, nothing: str = UNKNOWN) -> Cell:
    """A cell of any value of the release object."""
    if value is None or value == UNKNOWN:
        return _lines((), nothing)
    if isinstance(value, bool):
        return _lines(["yes" if value else "no"])
    if isinstance(value, int):
        shown = f"{value:,}"
        return _lines([shown if value < 1_000_000 else f"{shown} ({short_count(value)})"])
    if isinstance(value, Mapping):
        return _lines((f"{_worded(key)}: {_inline(item)}" for key, item in value.items()), nothing)
    if isinstance(value, list | tuple):
        return _lines(map(_inline, value), nothing)
    return _lines([value])


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_worded(key)} {_inline(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_inline, value)) or "none"
    return UNKNOWN if value is None else _inline_number(value)


def _inline_number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _worded(name: object) -> str:
    return str(name).replace("_", " ")


def _country(code: str | None) -> str:
    return country(code) if code else UNKNOWN


def _plain(name: str, nothing: str = UNKNOWN) -> _Reader:
    return lambda one: _value(one[name], nothing)


def _time(name: str, precision: str | None = None) -> _Reader:
    """A time as its cell; its precision in a second line."""

    def read(one: Object) -> Cell:
        value = one[name]
        if value is None:
            return _lines(())
        stated = str(one[precision]) if precision else ""
        says = {"exact": "exactly", "window": "no later than that", "created": "by its creation date"}.get(stated, "")
        return Cell(
            (f"{value[:16].replace('T', ' ')} UTC", *([says] if says else [])),
            value,
            time=datetime.fromisoformat(value),
        )

    return read


def _publisher(registry: Registry) -> _Reader:
    def read(one: Object) -> Cell:
        lab = registry.get(one["lab"]) if one["lab"] else None
        return _lines([lab.name if lab else one["lab"] or f"{one['namespace']}, not in the lab registry"])

    return read


def _origin(one: Object) -> Cell:
    return _lines([_country(one["origin"])]) if one["origin"] else _lines(())


def _repository(repo_id: str, *more: str) -> Cell:
    cell = _lines([repo_id, *more])
    return Cell(cell.lines, cell.key, repo_id=repo_id)


def _foundation(one: Object) -> Cell:
    found = one["foundation"]
    if found is None:
        return _lines(())
    if found["repo_id"] == one["repo_id"]:
        suspected = one["suspected_foundation"] is not None
        return Cell(("no base is stated",), None) if suspected else _lines(["nothing: it is an original"])
    return _repository(found["repo_id"], _country(found["origin"]))


def _suspected(one: Object) -> Cell:
    found = one["suspected_foundation"]
    if found is None:
        return _lines((), "none")
    who = found["repo_id"] or found["lab"] or UNKNOWN
    return _lines([who, _country(found["origin"]), f"{found['confidence']:.0%} confidence"])


def _lineage(one: Object) -> Cell:
    return _lines((f"{kind_name(step['relation'])} of {step['repo_id']}" for step in one["lineage"]), "none stated")


def _kind(one: Object) -> Cell:
    return _value(kind_name(one["kind"]))


def _artefact(name: str) -> _Reader:
    return lambda one: _value(one["artefacts"][name]["found"])


def _notable(one: Object) -> Cell:
    return _lines((reason["text"] for reason in one["notable"]), "nothing")


def _evidence(about: str) -> _Reader:
    def read(one: Object) -> Cell:
        found = one["origin_evidence"] if about == "origin" else one["evidence"].get(about, ())
        return _lines((f"{item['says']} ({item['signal']})" for item in found), "none recorded")

    return read


def _formats(one: Object) -> Cell:
    return _lines((_format(one, name, entry) for name, entry in one["formats"].items()), "none known")


def _format(one: Object, name: str, entry: Object) -> str:
    if entry["repo_id"] == one["repo_id"]:
        return f"{FORMAT_NAMES.get(name, name)}: in its own files"
    when = " ".join(filter(None, (FORMAT_NAMES.get(name, name), how_soon(entry, one["released_precision"]))))
    return f"{when}: {entry['repo_id']}"


def _memory(one: Object) -> Cell:
    return _lines(_estimate(name, entry) for name, entry in one["memory"].items())


def _estimate(name: str, entry: Object) -> str:
    per_tokens = entry["kv_gb_per_1k_tokens"]
    more = "" if per_tokens is None else f", and {per_tokens} GB for 1,000 tokens"
    which = "own weights" if name == "own" else FORMAT_NAMES.get(name, name)
    return f"{which}: {entry['weights_gb']} GB{more} (estimate)"


def _providers(one: Object) -> Cell:
    if one["providers"] is None:
        return _lines(())
    return _lines((f"{item['provider']}, {item['status']}" for item in one["providers"]), "no inference provider")


# --- rows -------------------------------------------------------------------------------------------------

_Spec = tuple[str, str, _Reader]
"""(field of the release object, label, reader)."""


def _groups(registry: Registry) -> list[tuple[str, list[_Spec]]]:
    return [
        ("Publisher", [
            ("lab", "Lab", _publisher(registry)), ("lab_kind", "Kind of lab", _plain("lab_kind")),
            ("origin", "Country", _origin), ("origin_basis", "Country by", _plain("origin_basis")),
        ]),
        ("Foundation and lineage", [
            ("kind", "Kind", _kind), ("training", "Training", _plain("training")),
            ("foundation", "Built on", _foundation), ("suspected_foundation", "Suspected base", _suspected),
            ("lineage", "Lineage", _lineage), ("family", "Family", _plain("family")),
        ]),
        ("Size", [
            ("params_total", "Parameters", _plain("params_total")),
            ("params_active", "Active parameters", _plain("params_active")),
            ("params_source", "Counted from", _plain("params_source")), ("size", "Size class", _plain("size")),
            ("context_length", "Context length, tokens", _plain("context_length")),
        ]),
        ("Licence and access", [
            ("license", "Licence", _plain("license", "none declared")),
            ("license_class", "Terms", _plain("license_class")),
            ("effective_license", "Licence through its lineage", _plain("effective_license")),
            ("effective_license_class", "Terms through its lineage", _plain("effective_license_class")),
            ("license_conflict", "Conflict", _plain("license_conflict", "none found")),
            ("availability", "Access", _plain("availability")), ("gated", "Gated", _plain("gated")),
        ]),
        ("Openness", [
            ("openness", "Openness", _plain("openness")),
            *(("artefacts", _worded(name).capitalize(), _artefact(name)) for name in ARTEFACTS),
        ]),
        ("Use", [
            ("task", "Task", _plain("task")), ("modality", "Modality", _plain("modality")),
            ("library", "Library", _plain("library")), ("languages", "Languages", _plain("languages")),
            ("datasets", "Data", _plain("datasets", "none named")),
            ("papers", "Papers", _plain("papers", "none named")),
        ]),
        ("Running it", [
            ("formats", "Formats", _formats), ("memory", "Memory", _memory), ("providers", "Served by", _providers),
        ]),
        (_OTHERS, []),
        ("Adoption", [
            ("downloads", "Downloads in the last 30 days", _plain("downloads")),
            ("downloads_all_time", "Downloads of all time", _plain("downloads_all_time")),
            ("likes", "Likes", _plain("likes")), ("derivatives", "Derivatives", _plain("derivatives")),
            ("derivatives_by_kind", "Derivatives by kind", _plain("derivatives_by_kind")),
            ("derivatives_source", "Derivatives counted by", _plain("derivatives_source")),
            ("trending_rank", "Trending rank", _plain("trending_rank", "not trending")),
            ("notable", "Why it is notable", _notable),
        ]),
        ("Dates", [
            ("released_at", "Released", _time("released_at", "released_precision")),
            ("created_at", "Repository created", _time("created_at")),
            ("first_seen_at", "First seen here", _time("first_seen_at")),
            ("detected_via", "Seen by", _plain("detected_via")), ("status", "Status", _plain("status")),
            ("announcement_url", "Announcement", _plain("announcement_url", "none known")),
        ]),
        ("Evidence", [
            ("origin_evidence", "Country", _evidence("origin")),
            *(("evidence", label, _evidence(about)) for about, label in EVIDENCE.items()),
        ]),
    ]  # fmt: skip


EVIDENCE = {
    "kind": "Kind", "foundation": "Foundation", "lineage": "Lineage", "params": "Parameters",
    "context_length": "Context length", "license": "Licence", "effective_license": "Licence through its lineage",
    "openness": "Openness", "availability": "Access",
}  # fmt: skip
"""What evidence is shown for, by its name in the release object."""
_OTHERS = "More"
NOT_COMPARED = frozenset({
    "repo_id", "url", "namespace", "name", "tags", "launch", "origin_confidence", "released_after",
    "released_precision",
})  # fmt: skip
"""Fields that name a release, or that stand in another row."""


def side_by_side(rows: Sequence[Release], registry: Registry) -> list[Group]:
    """The facts of releases in groups, in the order in which they are shown."""
    objects = [release_object(row) for row in rows]
    groups = _groups(registry)
    placed = {name for _, specs in groups for name, _, _ in specs} | NOT_COMPARED
    others = [(one.name, _worded(one.name).capitalize(), _plain(one.name)) for one in FIELDS if one.name not in placed]
    found = []
    for title, specs in groups:
        made = (
            Row(name, label, tuple(read(one) for one in objects))
            for name, label, read in (others if title == _OTHERS else specs)
        )
        found.append(Group(title, tuple(made)))
    return [group for group in found if group.rows]


# --- which releases ---------------------------------------------------------------------------------------


def wanted_names(given: Iterable[str]) -> list[str]:
    """The repository ids that a reader gave, as ids or as addresses on the Hub, each once and without empty ones."""
    names: dict[str, str] = {}
    for text in given:
        name = _name(text.strip())
        if name:
            names.setdefault(name.lower(), name)
    return list(names.values())


def _name(text: str) -> str:
    try:
        return reference(text) or text
    except HubURLError:
        return text


def found_releases(session: Session, names: Sequence[str]) -> tuple[list[Release], list[str]]:
    """(releases by their present or former names, names of which none is recorded), each in the order given."""
    rows: dict[int | None, Release] = {}
    missing = []
    for name in names:
        row = find(session, name)
        if row is None:
            missing.append(name)
        else:
            rows.setdefault(row.id, row)
    return list(rows.values()), missing


def suggested(session: Session, row: Release, registry: Registry) -> list[str]:
    """Releases to compare one with: what it was built on, and the newest originals of its lab."""
    names = [row.foundation_repo_id] if row.foundation_repo_id and find(session, row.foundation_repo_id) else []
    if row.lab is not None and registry.get(row.lab) is not None:
        newest = search(session, parse(f"lab:{row.lab} kind:base"), limit=MAX_SUGGESTED + 1).items
        names += [one.repo_id for one in newest]
    return [name for name in dict.fromkeys(names) if name != row.repo_id][:MAX_SUGGESTED]
