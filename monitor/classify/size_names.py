"""Sizes in names (``30B-A3B``, ``135M``, ``1T``), and what only looks like one."""

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
    rf"(\d{{1,4}}(?:[.p]\d{{1,3}})?|(?<!\d\.)\d_\d)([bBmMtT]){_END}"
)
_SPLIT = re.compile(rf"{_EDGE}(\d{{1,2}})([bB])(\d){_END}")
"""``1b7`` for 1.7B, as in the names of BLOOM."""
_ANY_SIZE = re.compile(r"\d[bBmMtT](?![a-zA-Z])")
"""Matches every name with a size."""
_SEVERAL_SIZES = (
    re.compile(r"\d[xem]"), re.compile(r"[abes]\d"), re.compile(r"tok|tk|step|stories"),
    re.compile(r"(?:19|20)\d\d[._]\d|laion\d|full\d"),
)  # fmt: skip
"""One of these matches every name with more than one plain size."""
_TOKENS = re.compile(
    r"[-_.]?\d+(?:\.\d+)?[bBtT][-_]?(?:tokens?|toks?|tk)\b|\d+(?:\.\d+)?[kKmM]?[-_]?steps?\b|step[-_]?\d+[kKmMbB]?",
    re.IGNORECASE,
)
_TOKENS_AFTER = re.compile(r"[-_.]tokens?[-_]?\d+(?:\.\d+)?[bBtT](?=$|[-_.])", re.IGNORECASE)
_SAMPLES = re.compile(
    r"(?<=[-_.])(?:s\d+(?:\.\d+)?[bBmM](?:[-_]b\d+(?:\.\d+)?[kKmM])?|\d+(?:\.\d+)?[bBmM][-_]b\d+(?:\.\d+)?[kKmM])(?=$|[-_.])"
)
"""``s13B-b90K`` and ``39B-b160k`` in the names of CLIP models: samples seen and batch size."""
_DATASETS = re.compile(r"(?:laion|full)\d+(?:\.\d+)?[bBmM](?=$|[-_.])", re.IGNORECASE)
"""``laion2B`` and ``full2b`` count the samples of a dataset."""
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d[._](?=\d+(?:\.\d+)?[bBmM](?:$|[-_. ]))")
_DISTILLED = re.compile(r"[-_.]distill(?:ed|ation)?(?=[-_.])", re.IGNORECASE)
_PRUNED = re.compile(r"[-_.](?:reap|prun(?:e|ed|ing)|\d+-?layers?)(?=$|[-_.\d])")
_CONTEXT = re.compile(r"(?<=[-_.])(?:1|2|4|10)[Mm](?=$|[-_.])")
_PART_OF_OTHER = re.compile(
    r"[-_.](?:q?lora|lokr|dora|adapter|draft|eagle\d?|speculator|assistant|medusa|dflash|dflare|dspark|domino|pard|mmproj|sae|tokenizer|projector|vae)s?(?:$|[-_.\d])"
)
_STORIES = re.compile(r"(?:tiny)?stories", re.IGNORECASE)
_SENSES = re.compile(
    r"[-_.\d](?:vl|vlm|mllm|lmm|mm|vision|visual|multi-?modal|omni[a-z]*|av|audio|speech|voice|llava|blip\d?)(?=$|[-_.\d])"
)
"""Words for a language model that has encoders for images, sound or video."""
_OMNI = re.compile(r"[-_.\d]omni(?=$|[-_.\d])")
"""The word for one that reads and writes all of them: what it adds can be half of the language model."""
MIN_DIGITS = 5
"""A number whose digits are less than this (``4B``, ``0.3B``) is rounded by more than a tenth of itself."""
ENCODER_PARAMETERS = 800_000_000
"""What an encoder of images or sound adds to a language model, at most in most models."""


@lru_cache(maxsize=65_536)
def names_senses(name: str) -> bool:
    """Whether a name has a word for images, sound or video: its size can be that of the language model alone."""
    return _SENSES.search(f"-{folded(name)}") is not None


@lru_cache(maxsize=65_536)
def is_omni_name(name: str) -> bool:
    """Whether a name says ``omni``: its size is that of the language model alone."""
    return _OMNI.search(f"-{folded(name)}") is not None


@lru_cache(maxsize=65_536)
def is_part_name(name: str) -> bool:
    """Whether a name is that of an adapter, a draft model or a projector: the size in it is that of the base."""
    return _PART_OF_OTHER.search(f"-{folded(name)}") is not None


class NameSize(NamedTuple):
    """The counts in a name, and the part of the name that has them.

    ``coarse``: the total is rounded by more than a tenth of itself.
    """

    total: int | None
    active: int | None
    piece: str
    coarse: bool = False


@lru_cache(maxsize=65_536)
def from_name(name: str) -> NameSize | None:
    """The size in a repository name; None if there is none, or more than one.

    ``8x7B`` is none: the experts share their other layers. ``17B-16E`` and ``E4B`` are active parameters, not the
    total. The size in the name of an adapter or of a draft model is that of its base. ``active`` is None unless the
    name states it: a name does not show that a model is dense.
    """
    if len(name) > NAME_LENGTH or not _ANY_SIZE.search(name) or is_part_name(name):
        return None
    lower = folded(name)
    pruned = _PRUNED.search(lower)
    if pruned is not None:
        # A size before that word is the one of the model that was pruned.
        return from_name(name[pruned.end() :])
    distilled = _DISTILLED.search(name) if "distill" in lower else None
    if distilled is not None:
        sides = [side for part in (name[: distilled.start()], name[distilled.end() :]) if (side := from_name(part))]
        if len(sides) == 2 and sides[0].total and sides[1].total:
            # Of teacher and student the student is the smaller one.
            return min(sides, key=lambda side: side.total or 0)
    return _in_parts(name) if any(sign.search(lower) for sign in _SEVERAL_SIZES) else _plain_size(name)


def before_pruned(name: str) -> NameSize | None:
    """The size before the word for a pruned model: that of the original, or of the result. None without such a word."""
    pruned = _PRUNED.search(folded(name)) if len(name) <= NAME_LENGTH else None
    return None if pruned is None else from_name(name[: pruned.start()])


def _in_parts(name: str) -> NameSize | None:
    """The size in a name that may have active parameters, tokens or a context length too."""
    if _MIXTURE.search(name):
        return None
    part = _EXPERTS.search(name) or _EFFECTIVE.search(name)
    if part is not None:
        return NameSize(None, _count(part[1], "B"), part[0])
    both = _TOTAL_ACTIVE.search(name)
    if both is not None:
        total, active = _count(both[1], both[2]), _count(both[3], both[4])
        return NameSize(total, active, both[0], _is_coarse(both[1])) if active < total else None
    clean = name
    for pattern in (_TOKENS_AFTER, _TOKENS, _SAMPLES, _DATASETS, _YEAR):
        clean = pattern.sub("", clean)
    only_active = _ACTIVE.search(clean)
    if only_active is not None:
        clean = clean.replace(only_active[0], "")
    # 1M is a context length, not a size, except for the models of TinyStories.
    clean = clean if _STORIES.search(name) else _CONTEXT.sub("", clean)
    if only_active is None:
        return _plain_size(clean)
    active = _count(only_active[1], "B")
    found = _sizes(clean)
    if len(found) != 1:
        return None if found else NameSize(None, active, only_active[0])
    ((total, piece),) = found.items()
    return NameSize(total, active, f"{piece} {only_active[0]}", _is_coarse(piece)) if active < total else None


def _plain_size(text: str) -> NameSize | None:
    """The one size in a text without active parameters."""
    found = _sizes(text)
    if len(found) != 1:
        return None
    ((total, piece),) = found.items()
    return NameSize(total, None, piece, _is_coarse(piece))


def _sizes(text: str) -> dict[int, str]:
    found = {_count(match[1], match[2]): match[0] for match in _PLAIN.finditer(text)}
    found |= {_count(f"{match[1]}.{match[3]}", "B"): match[0] for match in _SPLIT.finditer(text)}
    found.pop(0, None)
    # If there is a size in billions, a number in trillions is the count of training tokens.
    own = {count: piece for count, piece in found.items() if count < 1e12}
    return own or found


def _is_coarse(number: str) -> bool:
    """Whether half a unit of the last digit is more than a tenth of the number (``4B``, ``0.3B``; not ``1.5B``)."""
    return int(re.sub(r"\D", "", number)) < MIN_DIGITS


def _count(number: str, unit: str) -> int:
    if len(number) == 2 and number[0] == "0":
        number = f"0.{number[1]}"  # ``08b`` is 0.8B
    return round(float(number.replace("_", ".").replace("p", ".")) * UNITS[unit.upper()])
