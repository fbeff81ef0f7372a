"""From the Hub's facts and their classification to the columns of a release."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from operator import methodcaller
from typing import Any

import orjson
from sqlalchemy import event

from monitor.classify import Classification
from monitor.classify.result import Foundation, Known, Parent
from monitor.history.query.words import searchable
from monitor.models import Release
from monitor.vocabulary import Found, Kind, LicenseClass

LARGEST_COUNT = 2**63 - 1
POPULARITY = ("downloads", "likes", "trendingScore")
"""Facts that move all the time and change no judgement."""

_UNREAD = {"widget", "widgetData", "model-index", "model_index", "extra_gated_fields", "extra_gated_prompt"}
_TEMPLATES = {"chat_template", "chat_template_jinja", "tokenizer_config"}
_MOST = 500
"""Files and tags of one repository that are kept; no judgement needs more."""
_DEPTH = methodcaller("count", "/")


def trimmed(facts: dict[str, Any]) -> dict[str, Any]:
    """``facts`` without what no judgement reads, and without what a database refuses (NUL, lone surrogates, NaN)."""
    kept = dict(facts)
    if isinstance(kept.get("siblings"), list):
        files = sorted([str(item.get("rfilename")) for item in kept["siblings"] if isinstance(item, dict)])
        files.sort(key=_DEPTH)
        kept["siblings"] = [{"rfilename": file} for file in files[:_MOST]]
    if isinstance(kept.get("tags"), list):
        kept["tags"] = kept["tags"][:_MOST]
    for key, unread in (("cardData", _UNREAD), ("config", _TEMPLATES), ("gguf", _TEMPLATES)):
        if isinstance(kept.get(key), dict):
            kept[key] = {name: value for name, value in kept[key].items() if name not in unread}
    try:
        storable = b"\\u0000" not in orjson.dumps(kept)
    except (TypeError, RecursionError):  # a lone surrogate, or a number that no database column holds
        storable = False
    return kept if storable else _storable(kept)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -LARGEST_COUNT <= value <= LARGEST_COUNT else None
    if isinstance(value, dict):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def digest(facts: dict[str, Any]) -> str:
    """A fingerprint of the facts that a judgement may rest on: equal facts, equal digest."""
    steady = {key: value for key, value in facts.items() if key not in POPULARITY}
    return hashlib.blake2b(orjson.dumps(steady, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def judged(facts: dict[str, Any], classification: Classification) -> dict[str, Any]:
    """The columns of a release that follow from its facts: names, times, counts and judgements."""
    repo_id = str(facts.get("id") or facts.get("modelId") or "")
    namespace, slash, name = repo_id.partition("/")
    found = classification.foundation
    tags = [tag for tag in facts["tags"] if isinstance(tag, str)] if isinstance(facts.get("tags"), list) else []
    return {
        "repo_id": repo_id,
        "namespace": namespace if slash else "",
        "name": name if slash else repo_id,
        "lab": classification.lab,
        "lab_kind": classification.lab_kind,
        "origin": classification.origin,
        "origin_confidence": classification.origin_confidence,
        "foundation_repo_id": found.repo_id if found else None,
        "foundation_lab": found.lab if found else None,
        "foundation_origin": found.origin if found else None,
        "lineage": [{"repo_id": parent.repo_id, "relation": str(parent.relation)} for parent in classification.lineage],
        "kind": str(classification.kind),
        "params_total": bounded(classification.params_total),
        "params_active": bounded(classification.params_active),
        "params_source": classification.params_source,
        "size": classification.size,
        "license": classification.license,
        "license_class": str(classification.license_class),
        "effective_license": classification.effective_license,
        "effective_license_class": str(classification.effective_license_class),
        "license_conflict": classification.license_conflict,
        "openness": str(classification.openness),
        "availability": classification.availability,
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
        "words": searchable(repo_id, classification.lab, tags),
        "created_at": moment(facts.get("createdAt")),
        "modified_at": moment(facts.get("lastModified")),
        "downloads": bounded(facts.get("downloads")),
        "likes": bounded(facts.get("likes")),
        "evidence": {
            key: [{"signal": signal, "value": value, "says": says} for signal, value, says in items]
            for key, items in classification.evidence.items()
        },
    }


_TEXTS = ("artefacts", "languages", "papers", "datasets", "tags", "evidence", "facts")


def as_row(facts: dict[str, Any], classification: Classification) -> dict[str, Any]:
    """The columns of :func:`judged` and of the facts themselves, as a new row has them: JSON as text, but for lineage.

    Small and quick to hand to another process, and to bind there.
    """
    columns = judged(facts, classification)
    columns |= {"pending": classification.has_weights is False, "facts": facts, "facts_digest": digest(facts)}
    return columns | {name: orjson.dumps(columns[name]).decode() for name in _TEXTS}


@event.listens_for(Release, "before_insert")
@event.listens_for(Release, "before_update")
def _reworded(_mapper: Any, _connection: Any, row: Release) -> None:
    """Keeps ``words`` in step, whoever changes a name, a lab or tags."""
    words = searchable(row.repo_id, row.lab, row.tags)
    if row.words != words:
        row.words = words


def bounded(value: Any) -> int | None:
    """A whole number that a database column holds, not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_COUNT:
        return None
    return value


def moment(value: Any) -> datetime | None:
    """A time of the Hub (ISO 8601, ``Z``) as an aware datetime in UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError:
        return None


COLUMNS = tuple(column.key for column in Release.__table__.columns if column.key != "id")  # type: ignore[attr-defined]
"""The columns of a release but for its number."""


def told(columns: dict[str, Any]) -> Known:
    """What a release that is about to be written (``columns`` of :func:`judged`) tells those built on it."""
    foundation = None
    if columns["foundation_repo_id"] is not None:
        foundation = Foundation(columns["foundation_repo_id"], columns["foundation_lab"], columns["foundation_origin"])
    return Known(
        repo_id=columns["repo_id"],
        kind=Kind(columns["kind"]),
        lineage=tuple(Parent(item["repo_id"], Kind(item["relation"])) for item in columns["lineage"]),
        foundation=foundation,
        params_total=columns["params_total"],
        params_active=columns["params_active"],
        license=columns["license"],
        license_class=LicenseClass(columns["license_class"]),
    )


def unrecorded(facts: dict[str, Any], classification: Classification, seen_at: datetime, via: str) -> Release:
    """A release that is not in any history: what ``classify`` prints."""
    facts = trimmed(facts)
    columns = judged(facts, classification)
    created = columns["created_at"]
    return Release(
        hub_id=str(facts.get("_id") or ""),
        released_at=created,
        released_precision="created" if created else None,
        first_seen_at=seen_at,
        detected_via=via,
        status="private" if facts.get("private") is True else "live",
        facts_digest="",
        **columns,
    )
