"""Who serves a release: the providers that the Hub names in ``inferenceProviderMapping``.

The Hub says it wherever it is asked to (``expand``), as a list in listings and as an object in details. So the polls,
sweeps and look-ups that are made anyway ask for it, and no request is made for it alone. See
docs/explanation/providers.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session, col

from monitor.db.engine import in_values
from monitor.enums import Event, Observation
from monitor.models import Change, Release, ReleaseRevision, iso
from monitor.releases.hub_facts import PROVIDERS

Stored = list[dict[str, Any]]
"""Providers as the column holds them: ``provider``, ``provider_id``, ``status``, ``task``, ``first_seen``, ``via``."""

LIVE = "live"
"""The Hub's word for a provider that answers; others are ``staging`` and ``error``."""
FIELD = "providers"
"""The field of the change that is the event."""
MAX_PROVIDERS = 50
_NAME, _WORD = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII), re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
_BY_RULE = "tag-filter"
"""The type of an entry that the Hub makes of a rule for all adapters of a base: it says nothing of this one."""


def read_providers(facts: Mapping[str, Any]) -> Stored | None:
    """The providers that the Hub's object names, sorted, without what is stored of when; None if it was not asked.

    An empty list: it was asked, and there are none. What is no provider is left out.
    """
    found = facts.get(PROVIDERS)
    if isinstance(found, dict):
        entries: Iterable[Any] = [one | {"provider": name} for name, one in found.items() if isinstance(one, dict)]
    elif isinstance(found, list):
        entries = found
    else:
        return None
    by_key = {}
    for entry in entries:
        if isinstance(entry, dict) and entry.get("type") != _BY_RULE:
            name, status = _matched(_NAME, entry.get("provider")), _matched(_WORD, entry.get("status"))
            if name is not None and status is not None:
                ident, task = _matched(_ID, entry.get("providerId")), _matched(_WORD, entry.get("task"))
                by_key[name, task or ""] = {"provider": name, "provider_id": ident, "status": status, "task": task}
    return [by_key[key] for key in sorted(by_key)][:MAX_PROVIDERS]


_ID = re.compile(r"[!-~]{1,200}")


def _matched(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def provider_columns(facts: Mapping[str, Any], at: datetime, via: str) -> dict[str, Any]:
    """The columns of a release that is new: what is there when it is first looked at."""
    return _columns(_dated(read_providers(facts), (), at, via))


def _columns(providers: Stored | None) -> dict[str, Any]:
    return {"providers": providers, "served_by": None if providers is None else ";".join(live(providers))}


def live(providers: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the providers that answer."""
    return sorted({one["provider"] for one in providers if one["status"] == LIVE})


def _dated(found: Stored | None, before: Iterable[Mapping[str, Any]], at: datetime, via: str) -> Stored | None:
    """``found`` with when and by what each was first seen."""
    if found is None:
        return None
    known = {(one["provider"], one["task"]): one for one in before}
    new = {"first_seen": iso(at), "via": str(via)}
    return [
        one | {name: known.get((one["provider"], one["task"]), new)[name] for name in ("first_seen", "via")}
        for one in found
    ]


def has_moved(facts: Mapping[str, Any], before: Stored | None) -> bool:
    """Whether the Hub's object names other providers, or another state of one, than are stored."""
    found = read_providers(facts)
    return found is not None and (before is None or found != [_undated(one) for one in before])


def _undated(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in {"first_seen", "via"}}


def update_providers(session: Session, observations: Iterable[Observation]) -> list[tuple[Release, str]]:
    """Writes the providers of known releases, as they were observed. Returns the releases that have got their first.

    Each with its event, ``served:ID``. A release has that event once: where it was looked for providers before, there
    was none that answers, and now there is. One that has some when it is first looked at is history.
    """
    wanted = {one.hub_id: one for one in observations if PROVIDERS in one.facts}
    if not wanted:
        return []
    columns = select(col(Release.id), col(Release.hub_id), col(Release.providers), col(Release.pending))
    which = in_values(session, "release.hub_id", wanted)
    moved = [row for row in session.execute(columns.where(which)) if has_moved(wanted[row.hub_id].facts, row.providers)]
    if not moved:
        return []
    # Another worker that sees the same waits here, and then finds it written.
    again = columns.where(col(Release.id).in_([row.id for row in moved])).order_by(col(Release.id))
    revisions, rows, first = [], [], []
    for row in session.execute(again.with_for_update(key_share=True)):
        before, seen = row.providers, wanted[row.hub_id]
        if has_moved(seen.facts, before):
            after = _columns(_dated(read_providers(seen.facts), before or (), seen.observed_at, seen.via))
            revisions.append({"release_id": row.id, "at": seen.observed_at, "before": _columns(before)})
            rows.append({"ident": row.id, **{f"new_{name}": value for name, value in after.items()}})
            if before is not None and not live(before) and after["served_by"] and not row.pending:
                first.append((row.id, live(after["providers"]), seen))
    _write(session, revisions, rows)
    return [_served(session, *one) for one in first if not _was_served(session, one[0])]


def _write(session: Session, revisions: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Writes columns and their revisions: by themselves, since reading a release's facts takes longer than both."""
    if rows:
        values: dict[Any, Any] = {
            getattr(Release, name): bindparam(f"new_{name}") for name in ("providers", "served_by")
        }
        session.connection().execute(insert(ReleaseRevision), revisions)
        session.connection().execute(update(Release).where(col(Release.id) == bindparam("ident")).values(values), rows)


def _was_served(session: Session, ident: int) -> bool:
    same = col(Change.release_id) == ident, col(Change.field) == FIELD
    return session.scalars(select(col(Change.id)).where(*same).limit(1)).first() is not None


def _served(session: Session, ident: int, names: Sequence[str], seen: Observation) -> tuple[Release, str]:
    change = Change(
        release_id=ident, at=seen.observed_at, field=FIELD, before=None, after=", ".join(names), reason=str(seen.via),
        event=str(Event.SERVED),
    )  # fmt: skip
    session.add(change)
    session.flush()
    row = session.get_one(Release, ident)
    session.refresh(row, ["providers", "served_by"])
    return row, f"{Event.SERVED}:{change.id}"
