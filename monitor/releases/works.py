"""Works: the releases of labs that notable releases are measured against, with what is compared.

A work is a model that its publisher made: a base model, or a lab's own further training. Packed copies, adapters,
merges, repositories for tests or of parts of a model, and whatever strangers publish are none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from monitor.classify.originals import lab_of, same_organization
from monitor.enums import Found, Kind, LicenseClass
from monitor.labs import Lab, Registry
from monitor.labs.countries import are_foreign
from monitor.releases.launches.family import family_of

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a work without a known one: it counts as earlier than any other, and is notable for nothing."""
_MADE = {str(Kind.BASE), str(Kind.FINETUNE)}
_TEST_NAME = re.compile(
    r"(?:^|[-_.])(?:tests?|testing|dummy|debug|toy|tmp|temp|random|example|placeholder|internal"
    r"|sae|eagle\d?|dflash|draft|drafter|speculator|tokenizer|vae|mmproj|probe)(?:[-_.\d]|$)",
    re.IGNORECASE,
)
"""Names of repositories for tests, and of parts of models: they are no models of their own."""
_VERSIONED = re.compile(r"(?P<stem>.*?)(?P<number>\d+(?:[._]\d+)*)(?P<suffix>[a-z]?)")
_MAX_PART = 1_000
"""Parts of a version are smaller than this; a greater number is a date or a size."""

COLUMNS = (
    "hub_id", "repo_id", "namespace", "name", "lab", "origin", "kind", "released_at", "params_total", "size",
    "license_class", "artefacts", "foundation_repo_id", "foundation_lab", "foundation_origin", "suspected_confidence",
    "pending",
)  # fmt: skip
"""The columns of a release that decide whether and what it is as a work."""


class Work(NamedTuple):
    """A release as others are measured against it. Unknown is None.

    ``params``: total parameters of a model of its lab's own; None of one that is built on another lab's model, or
    suspected to be. ``permissive``: the same under a permissive licence, else None. ``version`` and ``stem``: of
    ``Qwen2.5-7B`` 2.5 as a number that compares, and ``qwen``; ``family``: ``Qwen2.5``. ``is_open``: 1 if training data
    and code are published. ``foundation``, ``foreign_origin``: of one built on a model of another lab and country.
    """

    hub_id: str
    repo_id: str
    lab: str
    origin: str | None
    at: datetime
    params: int | None
    permissive: int | None
    size: str | None
    license_class: str
    is_open: int | None
    family: str | None
    stem: str | None
    version: int | None
    foreign_origin: str | None
    foundation: str | None


def work_of(row: Any, registry: Registry) -> Work | None:
    """The work that a release is; None for one that is none. ``row``: anything with the names of :data:`COLUMNS`."""
    if row.pending or row.lab is None or row.kind not in _MADE or is_test(row.name):
        return None
    lab = lab_of(registry.get(row.lab) or registry.of(row.namespace))
    if lab is None:
        return None
    is_own = row.suspected_confidence is None and (row.kind == Kind.BASE or row.foundation_lab == row.lab)
    params = row.params_total if is_own else None
    is_permissive = row.license_class == LicenseClass.PERMISSIVE
    foreign = _is_foreign(row, lab, registry)
    family, stem, version = version_of(row.name)
    return Work(
        hub_id=row.hub_id,
        repo_id=row.repo_id,
        lab=row.lab,
        origin=row.origin,
        at=row.released_at or UNDATED,
        params=params,
        permissive=params if is_permissive else None,
        size=row.size if params is not None else None,
        license_class=row.license_class,
        is_open=1 if all(_has(row.artefacts, name) for name in ("training_data", "training_code")) else None,
        family=family if is_own else None,
        stem=stem if is_own else None,
        version=version if is_own else None,
        foreign_origin=row.foundation_origin if foreign else None,
        foundation=row.foundation_repo_id if foreign else None,
    )


def is_test(name: str) -> bool:
    """Whether a repository of that name is for tests, or a part of a model."""
    return _TEST_NAME.search(name) is not None


def stranger(row: Any) -> Work:
    """An original of a publisher that is no lab, as a work that is compared with none."""
    return Work(
        hub_id=row.hub_id, repo_id=row.repo_id, lab="", origin=None, at=row.released_at or UNDATED,
        params=row.params_total, permissive=None, size=row.size, license_class=row.license_class, is_open=None,
        family=None, stem=None, version=None, foreign_origin=None, foundation=None,
    )  # fmt: skip


def _has(artefacts: Mapping[str, Any], name: str) -> bool:
    return bool(artefacts.get(name, {}).get("found") == Found.YES)


def _is_foreign(row: Any, lab: Lab, registry: Registry) -> bool:
    """Whether it is built on a model from another country, and of another organization."""
    if row.kind == Kind.BASE or not are_foreign(row.origin, row.foundation_origin):
        return False
    foundation_lab = registry.get(row.foundation_lab) if row.foundation_lab else None
    return not same_organization(lab, foundation_lab, registry)


def version_of(name: str) -> tuple[str | None, str | None, int | None]:
    """(family as written, stem, version) of a name: (``DeepSeek-V3.1``, ``deepseek v``, 3001000); None without one.

    The version is a number that compares: major · 10⁶ + minor · 10³ + patch.
    """
    words = family_of(name).split(" ")
    found = _VERSIONED.fullmatch(words[-1])
    if found is None:
        return None, None, None
    parts = [int(part) for part in re.split(r"[._]", found["number"])]
    if len(parts) > 3 or max(parts) >= _MAX_PART:
        return None, None, None
    before = "" if found["stem"] == "v" else found["stem"].rstrip(".")
    stem = " ".join(word for word in (*words[:-1], before, found["suffix"]) if word)
    if len(stem) < 2:  # T5 is a name
        return None, None, None
    major, minor, patch = (*parts, 0, 0)[:3]
    return _as_written(name, words[-1]), stem, major * 1_000_000 + minor * 1_000 + patch


def _as_written(name: str, word: str) -> str:
    """The name up to the word with its version."""
    place = name.lower().find(word)
    return name[: place + len(word)] if place >= 0 else word
