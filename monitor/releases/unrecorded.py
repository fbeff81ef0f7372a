"""A release that is not in any history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitor.classify import Classification
from monitor.models import Release
from monitor.releases.columns import release_columns
from monitor.releases.format_entries import format_columns
from monitor.releases.hub_facts import normalize
from monitor.releases.providers import provider_columns


def unrecorded(facts: dict[str, Any], classification: Classification, seen_at: datetime, via: str) -> Release:
    """A release that is not in any history: what ``classify`` prints."""
    served = provider_columns(facts, seen_at, via)
    facts = normalize(facts).facts
    columns = release_columns(facts, classification) | served
    created = columns["created_at"]
    row = Release(
        hub_id=str(facts.get("_id") or ""),
        released_at=created,
        released_precision="created" if created else None,
        first_seen_at=seen_at,
        detected_via=via,
        status="private" if facts.get("private") is True else "live",
        facts_digest="",
        **columns,
    )
    for name, value in format_columns(row, ()).items():
        setattr(row, name, value)
    return row
