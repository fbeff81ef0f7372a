"""Sizes as names tell them: ``30B-A3B``, ``135M``, ``1T``; and what only looks like one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}

_EDGE = r"(?:^|(?<=[-_. /]))"
_END = r"(?=$|[-_. ])"
_NUMBER = r"(\d{1,4}(?:[._]\d{1,3})?)"
_MIXTURE = re.compile(rf"{_EDGE}(\d{{1,3}})x(\d{{1,3}}(?:\.\d+)?)[bB]{_END}")
_EXPERTS = re.compile(rf"{_EDGE}\d{{1,3}}(?:\.\d+)?[bB]-\d{{1,3}}E{_END}")
_TOTAL_ACTIVE = re.compile(rf"{_EDGE}{_NUMBER}([bBmMtT])[-_]?[aA](\d{{1,3}}(?:\.\d+)?)([bBmM]){_END}")
_ACTIVE = re.compile(rf"{_EDGE}[aA](\d{{1,3}}(?:\.\d+)?)[bB]{_END}")
_EFFECTIVE = re.compile(rf"{_EDGE}[eE]\d{{1,2}}(?:\.\d+)?[bB]{_END}")
_PLAIN = re.compile(
    rf"(?:^|(?<=[-_. /a-zA-Z]))(?<![vVqQwWaAeExX])(?<![vVqQ]\d)(\d{{1,4}}(?:[.p]\d{{1,3}})?|\d_\d)([bBmMtT]){_END}"
)
_TOKENS = re.compile(
    r"[-_.]?\d+(?:\.\d+)?[bBtT][-_]?(?:tokens?|toks?|tk)\b|\d+(?:\.\d+)?[kKmM]?[-_]?steps?\b|step[-_]?\d+[kKmMbB]?",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"(?<=[-_.])(?:128|256|512|1|2|4|10)M(?=$|[-_.])")
_NOT_ITS_OWN = re.compile(
    r"(?:^|[-_.])(?:Q?LoRA|LoKr|DoRA|adapter|draft|eagle\d?|speculator|mtp|assistant|medusa|dflash|mmproj)s?(?:$|[-_.\d])",
    re.IGNORECASE,
)
_MOE = re.compile(r"(?:^|[-_.])(?:\d*moe|mixtral)", re.IGNORECASE)


class NameSize(NamedTuple):
    """What a name tells: counts, and the piece of the name that told them."""

    total: int | None
    active: int | None
    piece: str


@lru_cache(maxsize=65_536)
def from_name(name: str) -> NameSize | None:
    """The size that a repository's name tells; None where it tells none, or more than one.

    ``8x7B`` tells none: experts share what is not expert. ``E4B`` counts what is effective, not all. The size in the
    name of an adapter or of a draft model is its base's.
    """
    if _NOT_ITS_OWN.search(name) or _MIXTURE.search(name) or _EXPERTS.search(name) or _EFFECTIVE.search(name):
        return None
    both = _TOTAL_ACTIVE.search(name)
    if both is not None:
        total, active = _count(both[1], both[2]), _count(both[3], both[4])
        return NameSize(total, active, both[0]) if active < total else None
    clean = _CONTEXT.sub("", _TOKENS.sub("", name))
    only_active = _ACTIVE.search(clean)
    if only_active is not None:
        clean = clean.replace(only_active[0], "")
    found = {_count(match[1], match[2]): match[0] for match in _PLAIN.finditer(clean)}
    found.pop(0, None)
    if len(found) != 1:
        return NameSize(None, _count(only_active[1], "B"), only_active[0]) if only_active and not found else None
    ((total, piece),) = found.items()
    if only_active is not None:
        active = _count(only_active[1], "B")
        return NameSize(total, active, f"{piece} {only_active[0]}") if active < total else None
    return NameSize(total, None if _MOE.search(name) else total, piece)


def _count(number: str, unit: str) -> int:
    return round(float(number.replace("_", ".").replace("p", ".")) * UNITS[unit.upper()])
