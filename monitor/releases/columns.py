"""From the Hub's facts and their classification to the columns of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.classify import Classification
from monitor.classify.memory import in_bytes
from monitor.classify.result import BaseModelInfo, Foundation, Parent
from monitor.dates import plausible_hub_time
from monitor.enums import Found, Kind, LicenseClass
from monitor.releases.hub_facts import MAX_COUNT, StorableFacts
from monitor.releases.launches.family import family_of
from monitor.releases.schema import HUB_DERIVATIVES


def release_columns(facts: dict[str, Any], classification: Classification) -> dict[str, Any]:
    """Returns the columns that follow from a release's facts: names, times, counts and the classification."""
    repo_id = str(facts.get("id") or facts.get("modelId") or "")
    namespace, slash, name = repo_id.partition("/")
    found = classification.foundation
    tags = facts.get("tags")
    tags = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return {
        "repo_id": repo_id,
        "namespace": namespace if slash else "",
        "name": name if slash else repo_id,
        "family": family_of(name if slash else repo_id),
        "lab": classification.lab,
        "lab_kind": _plain(classification.lab_kind),
        "origin": classification.origin,
        "origin_confidence": classification.origin_confidence,
        "origin_basis": _plain(classification.origin_basis),
        "foundation_repo_id": found.repo_id if found else None,
        "foundation_lab": found.lab if found else None,
        "foundation_origin": found.origin if found else None,
        "lineage": [{"repo_id": parent.repo_id, "relation": str(parent.relation)} for parent in classification.lineage],
        "kind": str(classification.kind),
        "params_total": storable_count(classification.params_total),
        "params_active": storable_count(classification.params_active),
        "params_source": classification.params_source,
        "size": _plain(classification.size),
        "license": classification.license,
        "license_class": str(classification.license_class),
        "effective_license": classification.effective_license,
        "effective_license_class": str(classification.effective_license_class),
        "license_conflict": classification.license_conflict,
        "openness": str(classification.openness),
        "availability": _plain(classification.availability),
        "artefacts": {
            name: item.as_json() for name, item in classification.artefacts.items() if item.found is not Found.UNKNOWN
        },
        "gated": "no" if classification.gated is False else classification.gated,
        "task": classification.task,
        "modality": classification.modality,
        "library": classification.library,
        "languages": list(classification.languages),
        "papers": list(classification.papers),
        "datasets": list(classification.datasets),
        "tags": tags,
        **classification.stated,
        "created_at": plausible_hub_time(facts.get("createdAt")),
        "modified_at": plausible_hub_time(facts.get("lastModified")),
        "downloads": storable_count(facts.get("downloads")),
        "likes": storable_count(facts.get("likes")),
        **hub_counts(facts),
        **_suspicion(classification),
        "own_formats": dict(classification.own_formats),
        "own_memory": classification.own_memory,
        "memory_bytes": in_bytes(classification.own_memory),
        "evidence": {
            key: [{"signal": signal, "value": value, "says": message} for signal, value, message in items]
            for key, items in classification.evidence.items()
        },
    }


def hub_counts(facts: dict[str, Any]) -> dict[str, int | None]:
    """What the Hub counts: downloads of all time, and derivatives by kind; None for what it was not asked."""
    children = facts.get("childrenModelCount")
    children = children if isinstance(children, dict) else {}
    counts = {column: storable_count(children.get(kind)) for kind, column in HUB_DERIVATIVES.items()}
    return {"downloads_all_time": storable_count(facts.get("downloadsAllTime")), **counts}


def _suspicion(classification: Classification) -> dict[str, Any]:
    found = classification.suspected_foundation
    return {
        "suspected_repo_id": found.repo_id if found else None,
        "suspected_lab": found.lab if found else None,
        "suspected_origin": found.origin if found else None,
        "suspected_confidence": found.confidence if found else None,
    }


def _plain(word: str | None) -> str | None:
    """A word of a vocabulary as a text and nothing more: quicker to hand on and to bind."""
    return None if word is None else str(word)


def insertable_row(storable: StorableFacts, classification: Classification) -> dict[str, Any]:
    """Returns :func:`release_columns` and the columns of the facts themselves, as a new row has them."""
    columns = release_columns(storable.facts, classification)
    columns["pending"] = classification.has_weights is False
    columns["facts"], columns["facts_digest"] = storable.facts, storable.digest
    return columns


def storable_count(value: Any) -> int | None:
    """A whole number that a database column holds, not negative; None for anything else."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def base_model_info(columns: Mapping[str, Any]) -> BaseModelInfo:
    """Returns what classifying derivatives needs of a release, from ``columns`` of :func:`release_columns`."""
    foundation = None
    if columns["foundation_repo_id"] is not None:
        foundation = Foundation(columns["foundation_repo_id"], columns["foundation_lab"], columns["foundation_origin"])
    return BaseModelInfo(
        repo_id=columns["repo_id"],
        kind=Kind(columns["kind"]),
        lineage=tuple(Parent(item["repo_id"], Kind(item["relation"])) for item in columns["lineage"]),
        foundation=foundation,
        params_total=columns["params_total"],
        params_active=columns["params_active"],
        license=columns["license"],
        license_class=LicenseClass(columns["license_class"]),
    )
