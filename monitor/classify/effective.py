"""The effective licence of a derivative: the strictest one along its lineage."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.license import OPEN, STRICTNESS, released_under
from monitor.classify.result import Evidence, License, Lineage, Lookup
from monitor.enums import Kind, LicenseClass

_RANK = {name: rank for rank, name in enumerate(STRICTNESS)}


class Effective(NamedTuple):
    """The strictest licence of a lineage; ``conflict`` describes how it contradicts the declared one."""

    license: str | None
    license_class: LicenseClass
    conflict: str | None
    evidence: tuple[Evidence, ...]


def effective(model: wire.Model, declared: License, line: Lineage, known: Lookup) -> Effective:
    """The strictest of the declared licence and of the licence of each ancestor, from the history or ``terms.toml``.

    If no licence is declared, or one that is not recognised, the effective class is at least that of the strictest
    ancestor. A permissive ancestor decides nothing then, because its terms allow any others, except for a plain copy
    of it. Ancestors whose licence is not known are left out.
    """
    facts = wire.read(model)
    repo_id = facts["id"]
    ancestors = {parent.repo_id: None for parent in line.parents}
    if line.foundation is not None:
        ancestors[line.foundation.repo_id] = None
    ancestors.pop(repo_id, None)
    own = declared
    if declared.license_class is LicenseClass.UNDECLARED:
        by_lab = released_under(repo_id, wire.text(facts, "createdAt"))
        own = declared if by_lab is None or by_lab.license_class in OPEN else by_lab
    if not ancestors:
        return Effective(own.identifier, own.license_class, None, () if own is declared else own.evidence)
    binding = [(ancestor, terms) for ancestor in ancestors if (terms := _of(ancestor, known)) is not None]
    if not binding:
        reason = Evidence("lineage", next(iter(ancestors)), "its licence is not known")
        return Effective(own.identifier, own.license_class, None, (reason,))
    ancestor, terms = binding[0] if len(binding) == 1 else max(binding, key=lambda item: _RANK[item[1].license_class])
    reason = Evidence("lineage", ancestor, _is_under(terms.identifier, terms.license_class))
    rank = _RANK.get(own.license_class)
    if rank is None:
        return _at_least(own, terms, line.kind, reason)
    if rank >= _RANK[terms.license_class]:
        return Effective(own.identifier, own.license_class, None, (reason,))
    declares = "declares" if own is declared else "declares nothing, is published under"
    conflict = (
        f"{declares} {own.identifier} ({own.license_class}), and is built on {ancestor}, which is under "
        f"{terms.identifier} ({terms.license_class})"
    )
    return Effective(terms.identifier, terms.license_class, conflict, (reason,))


_COPIES = frozenset({Kind.QUANTIZED, Kind.CONVERSION})


def _at_least(own: License, terms: License, kind: Kind, reason: Evidence) -> Effective:
    """The effective licence where the own one is not declared or not recognised, over ``terms`` of an ancestor."""
    undeclared = own.license_class is LicenseClass.UNDECLARED
    if terms.license_class is LicenseClass.PERMISSIVE and not (undeclared and kind in _COPIES and terms.is_read):
        return Effective(own.identifier, own.license_class, None, (reason,))
    stated = "no licence is stated" if undeclared else "the stated licence is not recognised"
    least = Evidence("license", own.identifier or "none", f"{stated}: at least as strict as that of {reason.value}")
    return Effective(terms.identifier, terms.license_class, None, (reason, least))


@lru_cache(maxsize=4096)
def _is_under(identifier: str | None, license_class: LicenseClass) -> str:
    return f"is under {identifier} ({license_class})"


def _of(repo_id: str, known: Lookup) -> License | None:
    """The licence of an ancestor, if its class can be ranked."""
    found = known(repo_id)
    if found is not None and found.license_class in _RANK:
        return License(found.license, found.license_class)
    return released_under(repo_id)
