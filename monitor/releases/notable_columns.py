"""Writes why releases are notable into their rows, with a revision where that has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session

from monitor.db.engine import in_values, now
from monitor.models import Change, Release, ReleaseRevision
from monitor.releases.notable import score
from monitor.releases.schema import NotableColumns

_RELEASE: Table = Release.__table__  # type: ignore[attr-defined]
NAMES = tuple(NotableColumns.model_fields)


def columns_of(entries: list[dict[str, Any]], params: int | None) -> dict[str, Any]:
    """The columns of a release with these reasons."""
    words = ";".join(entry["reason"] for entry in entries)
    return {"notable": entries, "notable_reasons": words or None, "notable_score": score(entries, params)}


def write_notable(
    session: Session, entries: Mapping[str, list[dict[str, Any]]], fresh: Collection[str], reason: str
) -> None:
    """Writes the reasons of releases, by hub id, where they differ; those that are not ``fresh`` keep a revision.

    One that subscribers may know also gets a change, with ``reason``.
    """
    columns = [getattr(Release, name) for name in ("id", "hub_id", "params_total", "is_backfilled", *NAMES)]
    differing = []
    for row in session.execute(select(*columns).where(in_values(session, "release.hub_id", entries))):
        after = columns_of(entries[row.hub_id], row.params_total)
        before = {name: getattr(row, name) for name in NAMES}
        if after != before:
            differing.append((row, before, after))
    if not differing:
        return
    by_id = update(_RELEASE).where(_RELEASE.c.id == bindparam("ident"))
    values = by_id.values({name: bindparam(name) for name in NAMES})
    session.connection().execute(values, [{"ident": row.id} | after for row, _, after in differing])
    _remember(session, [item for item in differing if item[0].hub_id not in fresh], reason)
    written = {row.id: after for row, _, after in differing}
    for held in session.identity_map.values():
        if isinstance(held, Release) and held.id in written:
            for name, value in written[held.id].items():
                set_committed_value(held, name, value)


def _remember(session: Session, differing: list[tuple[Any, dict[str, Any], dict[str, Any]]], reason: str) -> None:
    at = now()
    revisions = [{"release_id": row.id, "at": at, "before": before} for row, before, _ in differing]
    changes = [
        {
            "release_id": row.id, "at": at, "field": "notable", "before": before["notable_reasons"],
            "after": after["notable_reasons"], "reason": reason, "event": None, "waiting": False, "since": None,
        }
        for row, before, after in differing
        if not row.is_backfilled and before["notable_reasons"] != after["notable_reasons"]
    ]  # fmt: skip
    if revisions:
        session.execute(insert(ReleaseRevision), revisions)
    if changes:
        session.execute(insert(Change), changes)
