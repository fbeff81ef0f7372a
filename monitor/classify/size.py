"""Total and active parameters of a model, from the most trusted source that has them.

In order of trust: the count stated by the lab (``families.toml``), the weights (safetensors with packing undone, gguf),
arithmetic from the configuration, the base model for a copy of it, and the name last. Active parameters are never
inferred from the total: they are stated, or counted from a configuration.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from monitor.classify import wire
from monitor.classify.originals import NAME_LENGTH, folded
from monitor.classify.result import BaseModelInfo, Evidence, Lineage, Lookup, Parameters, no_lookup
from monitor.classify.size_config import Counted, experts, from_config
from monitor.classify.size_names import NameSize, from_name, is_part_name
from monitor.classify.size_packing import Unpacked, unpacked
from monitor.enums import Kind

WEIGHT_COUNT_TOLERANCE = 0.05
"""Share by which prediction heads and rounding make the weights differ from the count that the lab states."""

MIN_UPLOADED_SHARE = 0.02
"""Weights below this share of the size in the name are an adapter, or a part of an upload."""

ANY_NAMESPACE = "*"
"""Key of the rows for architectures of one size, whoever publishes them."""

_COPIES = {Kind.QUANTIZED, Kind.CONVERSION}
_MIXTURE_SIGN = re.compile(r"moe|mixtral|[-_.]a\d+(?:\.\d+)?[bm](?:$|[-_.])|\d+x\d+|-\d+e(?:$|[-_.])")


def _families() -> dict[str, list[dict[str, Any]]]:
    table: dict[str, list[dict[str, Any]]] = {}
    for entry in tomllib.loads(files(__package__).joinpath("families.toml").read_text("utf-8"))["family"]:
        for namespace in entry["in"]:
            table.setdefault(namespace, []).append(entry)
    return table


FAMILIES = _families()


@cache
def _stated_by(namespace: str) -> list[tuple[re.Pattern[str], int, int]]:
    # Compiled on first use of a namespace: compiling all of them would add 0.2 s to every start of the program.
    return [
        (re.compile(entry["name"], re.IGNORECASE), round(entry["total"] * 1e9), round(entry["active"] * 1e9))
        for entry in FAMILIES[namespace]
    ]


_ANY_NAMESPACE_NAMES = re.compile(r"gpt-oss|8x\d+b", re.IGNORECASE)
"""Matches every name that a row of ANY_NAMESPACE matches."""


@lru_cache(maxsize=65_536)
def stated(repo_id: str) -> tuple[int, int] | None:
    """(total, active) as stated by the lab for one of its own models, or for an architecture of one size."""
    namespace, _, name = repo_id.partition("/")
    for pattern, total, active in _stated_by(namespace) if namespace in FAMILIES else ():
        if pattern.fullmatch(name):
            return total, active
    if not _ANY_NAMESPACE_NAMES.search(name):
        return None
    anyones = _stated_by(ANY_NAMESPACE)
    return next(((total, active) for pattern, total, active in anyones if pattern.fullmatch(name)), None)


def parameters(model: wire.Model, lineage: Lineage, known: Lookup = no_lookup) -> Parameters:
    """Total and active parameters of a model with their source. An adapter's count is its own, not that of its base."""
    facts = wire.read(model)
    name = facts.name
    by_name = from_name(name)
    own = unpacked(model) if "safetensors" in facts else None
    if lineage.kind is Kind.ADAPTER:
        return _adapter(own)
    part = is_part_name(name)
    registered = None if part else stated(facts["id"])
    if registered is not None and (own is None or _agrees(own, registered[0])):
        evidence = Evidence("registry", name, f"{registered[0]} in total, {registered[1]} active, as stated by its lab")
        return Parameters(*registered, "registry", (evidence,))
    base = None if part else _base(lineage, known)
    counted = None
    if own is not None or facts.config or "gguf" in facts:
        counted = _counted(model, own, by_name, base)
    if lineage.kind in _COPIES and base is not None and base[0] is not None and not _same(counted, base[0]):
        evidence = Evidence(
            "base_model", lineage.parents[0].repo_id, f"{base[0]} in total, as the model that it is a copy of"
        )
        return Parameters(base[0], base[1], "base_model", (evidence,))
    return counted or _named(by_name, lineage, base)


def _agrees(own: Unpacked, total: int) -> bool:
    """Whether the weights can belong to a model with ``total`` parameters, as its lab states.

    Packed weights always can. Plain weights that differ by more than prediction heads add belong to something else: a
    part of the model, or a model that only shares the name of the family.
    """
    return own.how is not None or not own.certain or abs(own.total - total) <= WEIGHT_COUNT_TOLERANCE * total


def _same(counted: Parameters | None, total: int) -> bool:
    return counted is not None and counted.total is not None and abs(counted.total - total) <= 0.1 * total


def _adapter(own: Unpacked | None) -> Parameters:
    if own is None:
        return Parameters(None, None, None, (Evidence("kind", "adapter", "the size of its base is not its own"),))
    evidence = Evidence("safetensors", str(own.total), "the adapter's own parameters")
    return Parameters(own.total, own.total, "safetensors", (evidence,))


def _base(lineage: Lineage, known: Lookup) -> tuple[int | None, int | None] | None:
    """(total, active) of the nearest parent, as stated by its lab or recorded in the history."""
    if not lineage.parents:
        return None
    parent = lineage.parents[0].repo_id
    by_lab = stated(parent)
    if by_lab is not None:
        return by_lab
    found: BaseModelInfo | None = known(parent)
    if found is not None and found.kind is not Kind.ADAPTER and found.params_total is not None:
        return found.params_total, found.params_active
    return None


def _counted(
    model: wire.Model, own: Unpacked | None, by_name: NameSize | None, base: tuple[int | None, int | None] | None
) -> Parameters | None:
    """From the weights, else from the configuration."""
    config = wire.config(model)
    arithmetic = from_config(config) if config else None
    named_total = by_name.total if by_name else None
    total, source, how = (
        own.total if own is not None and own.certain else None,
        "safetensors",
        "sum of the elements of all tensors",
    )
    if own is not None and own.how is not None:
        how = own.how
    if total is None:
        total, source, how = wire.count(wire.mapping(model, "gguf"), "total"), "gguf", "as stated in the GGUF header"
    if total is not None and named_total is not None and total < MIN_UPLOADED_SHARE * named_total:
        total = None  # a part of an upload, or an adapter that is not declared as one
    if total is None:
        if arithmetic is None:
            return None
        evidence = Evidence("config", str(arithmetic.total), "calculated from its dimensions")
        return Parameters(arithmetic.total, arithmetic.active, "config", (evidence,))
    reasons = [Evidence(source, str(total), how)]
    active = _active(model, total, by_name, base, arithmetic)
    if named_total is not None and not 0.7 < total / named_total < 1.5:
        reasons.append(Evidence("name", by_name.piece if by_name else "", "disagrees"))
    return Parameters(total, active, source, tuple(reasons))


def _active(
    model: wire.Model,
    total: int,
    by_name: NameSize | None,
    base: tuple[int | None, int | None] | None,
    arithmetic: Counted | None,
) -> int | None:
    """Active parameters of ``total``: by a configuration whose total fits, the name, the base, or all of them."""
    if arithmetic is not None and arithmetic.active == arithmetic.total and _near(arithmetic.total, total):
        return total
    named = by_name.active if by_name and by_name.active and by_name.active != by_name.total else None
    if base is not None and base[0] and base[1] and abs(base[0] - total) < 0.15 * total:
        return total if base[0] == base[1] else min(base[1], total)
    if arithmetic is not None and arithmetic.active < arithmetic.total:
        if _near(arithmetic.total, total):
            return arithmetic.active
        if named is None:
            return round(total * (arithmetic.active / arithmetic.total)) or None
    if named is not None:
        return named if named <= total else None
    return total if _dense(model, by_name) else None


def _near(one: int, other: int) -> bool:
    return abs(one - other) <= 0.05 * other


@lru_cache(maxsize=65_536)
def _names_experts(name: str) -> bool:
    return _MIXTURE_SIGN.search(f"-{folded(name[:NAME_LENGTH])}") is not None


def _dense(model: wire.Model, by_name: NameSize | None) -> bool:
    """Whether there is no sign of experts, and there is a configuration or name that would have one."""
    config = wire.config(model)
    if experts(config) is not None or _names_experts(wire.name(model)) or "moe" in wire.tags(model):
        return False
    kind = (wire.text(config, "model_type") or "").lower()
    if (
        "moe" in kind
        or "mixtral" in kind
        or kind.startswith(("deepseek_v", "kimi", "glm4_moe", "gpt_oss", "minimax", "llama4"))
    ):
        return False
    return bool(config) or (by_name is not None and by_name.total == by_name.active)


def _named(by_name: NameSize | None, lineage: Lineage, base: tuple[int | None, int | None] | None) -> Parameters:
    if by_name is not None:
        evidence = Evidence("name", by_name.piece, "rounded, as in its name")
        return Parameters(by_name.total, by_name.active, "name", (evidence,))
    if (
        lineage.kind is Kind.FINETUNE
        and len({parent.repo_id for parent in lineage.parents if parent.relation is Kind.FINETUNE}) <= 1
        and base is not None
        and base[0] is not None
    ):
        evidence = Evidence(
            "base_model", lineage.parents[0].repo_id, f"{base[0]} in total, as the model that it was tuned from"
        )
        return Parameters(base[0], base[1], "base_model", (evidence,))
    return Parameters(None, None, None, (Evidence("name", "none", "no information found"),))
