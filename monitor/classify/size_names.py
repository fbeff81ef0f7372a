"""Sizes as names tell them: ``30B-A3B``, ``135M``, ``1T``; and what only looks like one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from monitor.classify.originals import NAME_LENGTH, folded

UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}

_EDGE = r"(?:^|(?<=[-_. /]))"
_END = r"(?=$|[-_. ])"
_NUMBER = r"(\d{1,4}(?:[._]\d{1,3})?)"
_MIXTURE = re.compile(rf"{_EDGE}(\d{{1,3}})x(\d{{1,3}}(?:\.\d+)?)[bB]{_END}")
_EXPERTS = re.compile(rf"{_EDGE}(\d{{1,3}}(?:\.\d+)?)[bB]-\d{{1,3}}E{_END}")
_TOTAL_ACTIVE = re.compile(rf"{_EDGE}{_NUMBER}([bBmMtT])[-_]?[aA](\d{{1,3}}(?:\.\d+)?)([bBmM]){_END}")
_ACTIVE = re.compile(rf"{_EDGE}[aA](\d{{1,3}}(?:\.\d+)?)[bB]{_END}")
_EFFECTIVE = re.compile(rf"{_EDGE}[eE](\d{{1,2}}(?:\.\d+)?)[bB]{_END}")
_PLAIN = re.compile(
    rf"(?:{_EDGE}|(?<=[a-zA-Z])(?=[\d.p_]+[bB]))(?<![vVqQwWaAeExX])(?<![vVqQ]\d)"
    rf"(\d{{1,4}}(?:[.p]\d{{1,3}})?|\d_\d)([bBmMtT]){_END}"
)
_SPLIT = re.compile(rf"{_EDGE}(\d{{1,2}})([bB])(\d){_END}")
"""``1b7``, as BLOOM's and others' names write 1.7B."""
_SOME = re.compile(r"\d[bBmMtT](?![a-zA-Z])")
"""In every name that tells a size."""
_MORE = re.compile(r"\d[xem]"), re.compile(r"[ae]\d"), re.compile(r"tok|tk|step|stories")
"""One of these is in every name that tells more than one plain size."""
_TOKENS = re.compile(
    r"[-_.]?\d+(?:\.\d+)?[bBtT][-_]?(?:tokens?|toks?|tk)\b|\d+(?:\.\d+)?[kKmM]?[-_]?steps?\b|step[-_]?\d+[kKmMbB]?",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"(?<=[-_.])(?:128|256|512|1|2|4|10)[Mm](?=$|[-_.])")
_NOT_ITS_OWN = re.compile(
    r"[-_.](?:q?lora|lokr|dora|adapter|draft|eagle\d?|speculator|mtp|assistant|medusa|dflash|mmproj|sae|tokenizer|projector|vae)s?(?:$|[-_.\d])"
)
_MOE = re.compile(r"moe(?![a-z])|[-_.]\d*(?:moe|mixtral)")
_STORIES = re.compile(r"(?:tiny)?stories", re.IGNORECASE)
DENSE_MOST = 250_000_000_000
"""From here on a model is a mixture unless it is one of few: what is active is not the total."""
_DENSE_GIANTS = re.compile(r"(?:^|[-_])(?:405|340)[bB](?:$|[-_.])")


@lru_cache(maxsize=65_536)
def says_part(name: str) -> bool:
    """Whether a name says that this is an adapter, a draft model or a projector: its size is not its base's."""
    return _NOT_ITS_OWN.search(f"-{folded(name)}") is not None


class NameSize(NamedTuple):
    """What a name tells: counts, and the piece of the name that told them."""

    total: int | None
    active: int | None
    piece: str


@lru_cache(maxsize=65_536)
def from_name(name: str) -> NameSize | None:
    """The size that a repository's name tells; None where it tells none, or more than one.

    ``8x7B`` tells none: experts share what is not expert. ``17B-16E`` and ``E4B`` tell what is active, not all. The
    size in the name of an adapter or of a draft model is its base's.
    """
    if len(name) > NAME_LENGTH or not _SOME.search(name) or says_part(name):
        return None
    lower = folded(name)
    return _in_parts(name) if any(sign.search(lower) for sign in _MORE) else _plainly(name, name)


def _in_parts(name: str) -> NameSize | None:
    """The size that a name tells of which a part may say what is active, or is none."""
    if _MIXTURE.search(name):
        return None
    part = _EXPERTS.search(name) or _EFFECTIVE.search(name)
    if part is not None:
        return NameSize(None, _count(part[1], "B"), part[0])
    both = _TOTAL_ACTIVE.search(name)
    if both is not None:
        total, active = _count(both[1], both[2]), _count(both[3], both[4])
        return NameSize(total, active, both[0]) if active < total else None
    clean = _TOKENS.sub("", name)
    only_active = _ACTIVE.search(clean)
    if only_active is not None:
        clean = clean.replace(only_active[0], "")
    # A context of 1M is no size, but for the models of TinyStories.
    clean = clean if _STORIES.search(name) else _CONTEXT.sub("", clean)
    if only_active is None:
        return _plainly(name, clean)
    active = _count(only_active[1], "B")
    found = _sizes(clean)
    if len(found) != 1:
        return None if found else NameSize(None, active, only_active[0])
    ((total, piece),) = found.items()
    return NameSize(total, active, f"{piece} {only_active[0]}") if active < total else None


def _plainly(name: str, clean: str) -> NameSize | None:
    """The one size that a name tells, where it tells nothing of what is active. ``clean``: where to look for it."""
    found = _sizes(clean)
    if len(found) != 1:
        return None
    ((total, piece),) = found.items()
    mixed = _MOE.search(f"-{folded(name)}") or (total >= DENSE_MOST and not _DENSE_GIANTS.search(name))
    return NameSize(total, None if mixed else total, piece)


def _sizes(text: str) -> dict[int, str]:
    found = {_count(match[1], match[2]): match[0] for match in _PLAIN.finditer(text)}
    found |= {_count(f"{match[1]}.{match[3]}", "B"): match[0] for match in _SPLIT.finditer(text)}
    found.pop(0, None)
    # Beside a size in billions, one in trillions counts the tokens that it has read.
    own = {count: piece for count, piece in found.items() if count < 1e12}
    return own or found


def _count(number: str, unit: str) -> int:
    return round(float(number.replace("_", ".").replace("p", ".")) * UNITS[unit.upper()])
