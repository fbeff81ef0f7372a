"""The effective licence of a derivative: the strictest one along its lineage."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from monitor.classify.license import STRICTNESS, released_under
from monitor.classify.result import Evidence, License, Lineage, Lookup
from monitor.enums import LicenseClass

_RANK = {name: rank for rank, name in enumerate(STRICTNESS)}


class Effective(NamedTuple):
    """The strictest licence of a lineage; ``conflict`` describes how it contradicts the declared one."""

    license: str | None
    license_class: LicenseClass
    conflict: str | None
    evidence: tuple[Evidence, ...]


def effective(repo_id: str, declared: License, line: Lineage, known: Lookup) -> Effective:
    """The strictest of the declared licence and of the licence of each ancestor, from the history or ``terms.toml``.

    If no licence is declared, the strictest one of the ancestors. A declared licence that is not recognised stays
    unknown, because it may be stricter than any other. Ancestors whose licence is not known are left out.
    """
    own = declared
    if not line.parents and (line.foundation is None or line.foundation.repo_id == repo_id):
        return _alone(repo_id, declared)
    if own.license_class is LicenseClass.UNDECLARED:
        own = released_under(repo_id) or declared
    ancestors = {parent.repo_id: None for parent in line.parents}
    if line.foundation is not None:
        ancestors[line.foundation.repo_id] = None
    ancestors.pop(repo_id, None)
    if not ancestors:
        return _alone(repo_id, declared)
    binding = [(ancestor, terms) for ancestor in ancestors if (terms := _of(ancestor, known)) is not None]
    if not binding:
        reason = Evidence("lineage", next(iter(ancestors)), "its licence is not known")
        return Effective(own.identifier, own.license_class, None, (reason,))
    ancestor, terms = binding[0] if len(binding) == 1 else max(binding, key=lambda item: _RANK[item[1].license_class])
    reason = Evidence("lineage", ancestor, _is_under(terms.identifier, terms.license_class))
    rank = _RANK.get(own.license_class)
    if own.license_class is LicenseClass.UNKNOWN or (rank is not None and rank >= _RANK[terms.license_class]):
        return Effective(own.identifier, own.license_class, None, (reason,))
    conflict = None
    if rank is not None:
        declares = "declares" if own is declared else "declares nothing, is published under"
        conflict = (
            f"{declares} {own.identifier} ({own.license_class}), and is built on {ancestor}, which is under "
            f"{terms.identifier} ({terms.license_class})"
        )
    return Effective(terms.identifier, terms.license_class, conflict, (reason,))


def _alone(repo_id: str, declared: License) -> Effective:
    """The effective licence of a model without a known ancestor: its own."""
    own = declared
    if own.license_class is LicenseClass.UNDECLARED:
        own = released_under(repo_id) or declared
    return Effective(own.identifier, own.license_class, None, ())


@lru_cache(maxsize=4096)
def _is_under(identifier: str | None, license_class: LicenseClass) -> str:
    return f"is under {identifier} ({license_class})"


def _of(repo_id: str, known: Lookup) -> License | None:
    """The licence of an ancestor, if its class can be ranked."""
    found = known(repo_id)
    if found is not None and found.license_class in _RANK:
        return License(found.license, found.license_class)
    return released_under(repo_id)
