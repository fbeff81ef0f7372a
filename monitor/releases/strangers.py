"""Originals of publishers that are no known lab: what their files or cards show, and nothing that a name suggests."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from monitor.classify.architectures import is_known_architecture
from monitor.classify.card_training import PRETRAINED
from monitor.db.engine import in_values
from monitor.enums import Kind
from monitor.labs import Registry
from monitor.models import Release
from monitor.releases.notable import Standing
from monitor.releases.works import COLUMNS, Work, is_test, stranger

MIN_PARAMS = 10 * 10**9
"""Total parameters from which on an original of an unknown publisher is notable: medium, large and giant."""
_READ_ELSEWHERE = {None, "name", "card", "base_model"}
"""Sources of a size that are no files of the release."""
_ROWS = select(*(getattr(Release, name) for name in (*COLUMNS, "evidence", "params_source"))).where(
    col(Release.lab).is_(None), col(Release.kind) == str(Kind.BASE), col(Release.params_total) >= MIN_PARAMS
)


def unknown_originals(session: Session, hub_ids: Collection[str], registry: Registry) -> list[tuple[Work, Standing]]:
    """The originals among these releases whose publisher is unknown, each with what shows that it is one."""
    found = []
    for row in session.execute(_ROWS.where(in_values(session, "release.hub_id", hub_ids))):
        ground = _ground(row, registry)
        if ground is not None:
            found.append((stranger(row), Standing(lab_name=row.namespace, unknown_original=ground)))
    return found


def _ground(row: Any, registry: Registry) -> str | None:
    """What shows that it was trained from the start by its publisher, as it follows a colon; None: nothing does."""
    if row.pending or row.suspected_confidence is not None or is_test(row.name):
        return None
    if registry.of(row.namespace) is not None or row.params_source in _READ_ELSEWHERE:
        return None
    for one in row.evidence.get("kind", ()):
        if one["signal"] == "architecture" and not is_known_architecture(one["value"]):
            return f"an architecture that bears its name, {one['value'][:60]}"
    for one in row.evidence.get("training", ()):
        if one["signal"] == "card" and one["value"] == PRETRAINED:
            return "pretrained, as its card states"
    return None
