"""Whom the labs of the registry belong to: the values of ``parent:``."""

from __future__ import annotations

from functools import lru_cache

from monitor.labs import Registry, in_use


def labs_of(parent: str) -> frozenset[str]:
    """The labs that belong to a lab, directly or through others; and that lab itself, if it belongs to no other."""
    return _belonging(in_use()).get(parent, frozenset({parent}))


def origins() -> dict[str, str | None]:
    """Of each lab that belongs to another, the country of the topmost one."""
    return _origins(in_use())


@lru_cache(maxsize=4)
def _belonging(registry: Registry) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for lab in registry.labs:
        above = [one.id for one in registry.ancestors(lab)]
        for ident in above or [lab.id]:
            found.setdefault(ident, set()).add(lab.id)
        found.setdefault(lab.id, set())
    return {ident: frozenset(labs) for ident, labs in found.items()}


@lru_cache(maxsize=4)
def _origins(registry: Registry) -> dict[str, str | None]:
    return {lab.id: above[-1].origin for lab in registry.labs if (above := list(registry.ancestors(lab)))}
