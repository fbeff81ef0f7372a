"""What a stack watches of each model: its state, how two states differ, and the difference in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.enums import Status
from monitor.labs.countries import name as country_name
from monitor.models import Release

MAX_FILES = 1_000
"""File names of a repository that are compared; of one with more, files are not compared."""
MAX_NAMED = 5
"""Files that a sentence names."""
_CHUNK = 500
_COLUMNS = (
    "id", "repo_id", "status", "license", "gated", "license_conflict", "foundation_repo_id", "foundation_origin",
    "suspected_repo_id", "suspected_lab", "suspected_origin", "lineage",
)  # fmt: skip
COMPARED = (
    "repo_id", "is_public", "license", "is_gated", "license_conflict", "foundation", "suspected", "files",
)  # fmt: skip
"""What is compared, in the order in which it is reported."""

State = dict[str, Any]


def states(session: Session, ids: Iterable[int]) -> dict[int, State]:
    """The present state of releases, by id."""
    siblings = col(Release.facts)["siblings"]
    columns = [getattr(Release, name) for name in _COLUMNS]
    found: dict[int, State] = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), _CHUNK):
        some = select(*columns, siblings.label("siblings")).where(col(Release.id).in_(ordered[start : start + _CHUNK]))
        for row in session.execute(some):
            found[row.id] = _state(row)
    return found


def _state(row: Any) -> State:
    suspected = row.suspected_repo_id or row.suspected_lab
    gated = {"no": False, None: None}.get(row.gated, True)
    return {
        "repo_id": row.repo_id,
        "is_public": row.status in {Status.LIVE, Status.RENAMED},
        "license": row.license,
        "is_gated": gated,
        "license_conflict": row.license_conflict,
        "foundation": _model(row.foundation_repo_id, row.foundation_origin),
        "suspected": _model(suspected, row.suspected_origin),
        "files": _files(row.siblings),
        "lineage": [parent["repo_id"] for parent in row.lineage],
    }


def _model(name: str | None, origin: str | None) -> str | None:
    if name is None:
        return None
    return f"{name} ({country_name(origin)})" if origin else name


def _files(siblings: Any) -> list[str] | None:
    if not isinstance(siblings, list) or len(siblings) > MAX_FILES:
        return None
    names = (one.get("rfilename") for one in siblings if isinstance(one, dict))
    return sorted(name for name in names if isinstance(name, str))


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed of a model: ``what`` is one of COMPARED."""

    what: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What is news to a subscriber who knows ``before``. What was not known before is no news, but for what is new in
    itself: a conflict, a suspicion, a base."""
    found = []
    for what in COMPARED:
        old, new = before.get(what), after.get(what)
        if old == new or what not in before:
            continue
        is_appearance = what in {"license_conflict", "suspected", "foundation"}
        if (old is None and not is_appearance) or (new is None and what in {"is_gated", "files"}):
            continue
        if what == "files" and not set(new or ()) - set(old or ()):
            continue
        found.append(Difference(what, old, new))
    return found


def sentence(difference: Difference) -> str:
    """A difference as a sentence about the model."""
    before, after = difference.before, difference.after
    if difference.what == "files":
        names = sorted(set(after) - set(before))
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        return f"It has new files: {', '.join(names[:MAX_NAMED])}{more}."
    gained, lost = {
        "repo_id": (f"It was renamed from {before} to {after}.", ""),
        "is_public": ("It is public again.", "It was withdrawn: deleted, or made private."),
        "license": (f"Its licence changed from {before or 'none'} to {after or 'none'}.",) * 2,
        "is_gated": ("It is gated now: access has to be requested.", "It is no longer gated."),
        "license_conflict": (f"It {after}.", "Its licence no longer contradicts one upstream."),
        "foundation": (
            f"The model that it is built on changed from {before or 'none stated'} to {after or 'none stated'}.",
        )
        * 2,
        "suspected": (
            f"It was probably built on {after}, which it does not state.",
            "It is no longer suspected to be built on another model.",
        ),
    }[difference.what]
    return gained if after else lost


def title_words(differences_: list[Difference]) -> str:
    """What happened, for a title."""
    words = {
        "repo_id": "renamed", "license": "licence changed", "license_conflict": "licence conflict",
        "foundation": "base model changed", "suspected": "suspected foundation", "files": "new files",
    }  # fmt: skip
    first = differences_[0]
    if first.what == "is_public":
        return "public again" if first.after else "withdrawn"
    if first.what == "is_gated":
        return "now gated" if first.after else "no longer gated"
    return words[first.what]
