"""Total and active parameters of a model, from the most trusted source that has them.

In order of trust: the count stated by the lab (``families.toml``), the weights (safetensors with packing undone, gguf),
arithmetic from the configuration, the base model for a copy of it, the model card, and the name last. Active parameters
are never inferred from the total: the card states them of the model's own name, or they are in the name, those of the
base, or calculated from a configuration. A model is only dense by a configuration without experts whose arithmetic fits
the weights, or by an architecture known to be dense.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from monitor.classify import wire
from monitor.classify.architectures import dense_evidence, mixture_evidence
from monitor.classify.card_sizes import Count
from monitor.classify.originals import NAME_LENGTH, folded, strip_packaging
from monitor.classify.result import BaseModelInfo, Evidence, Lineage, Lookup, Parameters, no_lookup
from monitor.classify.size_config import from_config
from monitor.classify.size_layers import Counted
from monitor.classify.size_names import (
    ENCODER_PARAMETERS,
    NameSize,
    before_pruned,
    from_name,
    is_omni_name,
    is_part_name,
    names_senses,
)
from monitor.classify.size_packing import TensorCount, count_tensors, settle
from monitor.classify.subject import modality, task
from monitor.enums import Kind

WEIGHT_COUNT_TOLERANCE = 0.05
"""Share by which prediction heads and rounding make the weights differ from the count that the lab states."""

CARD_TOTAL_TOLERANCE = 0.15
"""Share by which a card's total, which is rounded and leaves out some parts, differs from the weights at most."""

MIN_UPLOADED_SHARE = 0.02
"""Weights below this share of the size in the name are an adapter, or a part of an upload."""

ANY_NAMESPACE = "*"
"""Key of the rows for architectures of one size, whoever publishes them."""

_COPIES = {Kind.QUANTIZED, Kind.CONVERSION}
_SMALLER = re.compile(
    r"[-_.](?:reap|prun(?:e|ed|ing)|\d+-?layers?|tiny|nano|micro|mini|small|lite|slim|shrunk|distill(?:ed|ation)?)(?=$|[-_.\d])"
)
"""Words in the name of a model that is smaller than what it was made of."""


def _families() -> dict[str, list[dict[str, Any]]]:
    table: dict[str, list[dict[str, Any]]] = {}
    for entry in tomllib.loads(files(__package__).joinpath("families.toml").read_text("utf-8"))["family"]:
        for namespace in entry["in"]:
            table.setdefault(namespace, []).append(entry)
    return table


FAMILIES = _families()


class _Checked(NamedTuple):
    names: re.Pattern[str]
    counts: tuple[int, int]
    checked: str
    """The day of the check, ISO 8601."""


@cache
def _stated_by(namespace: str) -> list[_Checked]:
    # Compiled on first use of a namespace: compiling all of them would add 0.2 s to every start of the program.
    return [
        _Checked(
            re.compile(entry["name"], re.IGNORECASE),
            (round(entry["total"] * 1e9), round(entry["active"] * 1e9)),
            entry["checked"].isoformat(),
        )
        for entry in FAMILIES[namespace]
    ]


_DATES = re.compile(r"[-_.](\d{4}|\d{6}|\d{8})(?=$|[-_.])")
"""Dates in names, which labs use as versions."""
_ANY_NAMESPACE_NAMES = re.compile(r"gpt-oss|8x\d+b", re.IGNORECASE)
"""Matches every name that a row of ANY_NAMESPACE matches."""


def stated(repo_id: str, created_at: str | None = None) -> tuple[int, int] | None:
    """(total, active) as stated by the lab for one of its own models, or for an architecture of one size.

    ``created_at``: ISO 8601; a row says nothing of a repository that was created after it was checked.
    """
    found = _row(repo_id)
    return None if found is None or (created_at is not None and created_at[:10] > found.checked) else found.counts


@lru_cache(maxsize=65_536)
def _row(repo_id: str) -> _Checked | None:
    namespace, _, name = repo_id.partition("/")
    dates = _DATES.findall(name)
    rows = _stated_by(namespace) if namespace in FAMILIES else []
    # A later version can have another size: DeepSeek-V4-Flash-0731 has 304B, DeepSeek-V4-Flash 284B.
    rows = [row for row in rows if all(date in row.names.pattern for date in dates)]
    if _ANY_NAMESPACE_NAMES.search(name):
        rows = [*rows, *_stated_by(ANY_NAMESPACE)]
    return next((row for row in rows if row.names.fullmatch(name)), None)


class _Base(NamedTuple):
    """The size of the nearest parent."""

    repo_id: str
    total: int
    active: int | None
    is_rounded: bool = False

    def evidence(self, message: str) -> Evidence:
        return Evidence("base_model", self.repo_id, f"{message}; rounded" if self.is_rounded else message)


class _Sources(NamedTuple):
    """What a size can be read from, as far as there is any of it."""

    facts: wire.Facts
    tensors: TensorCount | None
    by_name: NameSize | None
    base: _Base | None
    arithmetic: Counted | None


def parameters(model: wire.Model, lineage: Lineage, known: Lookup = no_lookup) -> Parameters:
    """Total and active parameters of a model with their source. An adapter's count is its own, not that of its base."""
    facts = wire.read(model)
    tensors = count_tensors(facts) if "safetensors" in facts else None
    if lineage.kind is Kind.ADAPTER:
        return _adapter(tensors)
    part = is_part_name(facts.name)
    registered = None if part else stated(facts["id"], wire.text(facts, "createdAt"))
    if registered is not None and (tensors is None or _agrees(tensors, registered[0])):
        message = f"{registered[0]} in total, {registered[1]} active, as stated by its lab; rounded"
        return Parameters(*registered, "registry", (Evidence("registry", facts.name, message),))
    base = None if part else _base(facts.name, lineage, known)
    arithmetic = from_config(facts.config) if facts.config else None
    sources = _Sources(facts, tensors, _name_size(facts.name, lineage), base, arithmetic)
    total = _own_total(sources)
    if base is not None and lineage.kind in _COPIES and _is_base_size(sources, total, base):
        message = f"{base.total} in total, as the model that it is a copy of"
        return Parameters(base.total, base.active, "base_model", (base.evidence(message),))
    if total is None:
        total = _total_in_card(facts)
    if total is None and sources.by_name is not None and not sources.by_name.coarse:
        total = _total_in_name(sources)
    if total is None and base is not None and _is_plain_finetune(lineage):
        message = f"{base.total} in total, as the model that it was tuned from"
        return Parameters(base.total, base.active, "base_model", (base.evidence(message),))
    if total is None:
        total = _total_in_name(sources)
    if total is None:
        return _without_total(sources)
    return _with_active(sources, total)


def _agrees(tensors: TensorCount, total: int) -> bool:
    """Whether the weights can belong to a model with ``total`` parameters, as its lab states.

    Packed weights always can. Plain weights that differ by more than prediction heads add belong to something else: a
    part of the model, or a model that only shares the name of the family.
    """
    packed = tensors.unpacked is not None or not tensors.certain
    return packed or abs(tensors.served - total) <= WEIGHT_COUNT_TOLERANCE * total


def _adapter(tensors: TensorCount | None) -> Parameters:
    if tensors is None:
        return Parameters(None, None, None, (Evidence("kind", "adapter", "the size of its base is not its own"),))
    evidence = Evidence("safetensors", str(tensors.served), "the adapter's own parameters")
    return Parameters(tensors.served, tensors.served, "safetensors", (evidence,))


def _base(name: str, lineage: Lineage, known: Lookup) -> _Base | None:
    """The size of the nearest parent, as stated by its lab or recorded in the history; none of a teacher.

    None if the name has a word for a model that was made smaller, and that of the parent does not.
    """
    if not lineage.parents or lineage.foundation is None:
        return None
    parent = lineage.parents[0].repo_id
    if _words_for_smaller(name) - _words_for_smaller(parent.rpartition("/")[2]):
        return None
    by_lab = stated(parent)
    if by_lab is not None:
        return _Base(parent, *by_lab, is_rounded=True)
    found: BaseModelInfo | None = known(parent)
    if found is not None and found.kind is not Kind.ADAPTER and found.params_total is not None:
        return _Base(parent, found.params_total, found.params_active)
    return None


@lru_cache(maxsize=65_536)
def _words_for_smaller(name: str) -> frozenset[str]:
    return frozenset(_SMALLER.findall(f"-{folded(name[:NAME_LENGTH])}"))


def _name_size(name: str, lineage: Lineage) -> NameSize | None:
    """The size in a name. Before ``REAP`` it is that of the result if the base has a larger one."""
    found, before = from_name(name), before_pruned(name)
    if before is None or before.total is None or (found is not None and found.total) or not lineage.parents:
        return found
    parent = from_name(lineage.parents[0].repo_id.rpartition("/")[2])
    if parent is None or parent.total is None or before.total >= (1 - WEIGHT_COUNT_TOLERANCE) * parent.total:
        return found
    active = found.active if found is not None else before.active
    return NameSize(before.total, active, before.piece, before.coarse)


class _Total(NamedTuple):
    """A total, where it was read, and its evidence."""

    number: int
    source: str
    evidence: tuple[Evidence, ...]


def _own_total(sources: _Sources) -> _Total | None:
    """The total by the weights, else by the configuration; None if neither has it."""
    named = sources.by_name.total if sources.by_name else None
    found = _by_tensors(sources) or _by_gguf(sources)
    if found is not None and named is not None and found.number < MIN_UPLOADED_SHARE * named:
        found = None  # a part of an upload, or an adapter that is not declared as one
    if found is None:
        if sources.arithmetic is None:
            return None
        evidence = Evidence("config", str(sources.arithmetic.total), "calculated from its dimensions")
        return _Total(sources.arithmetic.total, "config", (evidence,))
    if named is not None and sources.by_name is not None and not 0.7 < found.number / named < 1.5:
        return found._replace(evidence=(*found.evidence, Evidence("name", sources.by_name.piece, "disagrees")))
    return found


def _by_tensors(sources: _Sources) -> _Total | None:
    tensors = sources.tensors
    if tensors is None:
        return None
    references = [
        (source, count)
        for source, count in (
            ("base model", sources.base and sources.base.total),
            ("configuration", sources.arithmetic and sources.arithmetic.total),
            ("name", sources.by_name and sources.by_name.total),
        )
        if count
    ]
    stored = sources.facts.contents.index_total_bytes or wire.count(sources.facts, "usedStorage")
    evidence = settle(tensors, references, stored)
    if evidence is None:
        return None
    others: tuple[Evidence, ...] = ()
    if tensors.stated_total is not None:
        others = (Evidence("safetensors", f"total: {tensors.stated_total}", "disagrees with the sum, which is used"),)
    return _Total(int(evidence.value), "safetensors", (evidence, *others))


def _by_gguf(sources: _Sources) -> _Total | None:
    read = sources.facts.contents.gguf_parameters
    if read is not None and read > 0:
        return _Total(read, "gguf", (Evidence("gguf", str(read), "sum of the elements of all tensors"),))
    stated_count = wire.count(wire.mapping(sources.facts, "gguf"), "total")
    if stated_count is None:
        return None
    return _Total(stated_count, "gguf", (Evidence("gguf", str(stated_count), "as stated in the GGUF header"),))


def _is_base_size(sources: _Sources, own: _Total | None, base: _Base) -> bool:
    """Whether a copy has the size of its base: if it has no count of its own, or one that is no better evidence.

    Weights that are not packed, and are fewer or more than those of the base, are those of another model. A GGUF header
    or a packed format can count otherwise (one file of several, a packing that is not known exactly): then the name
    decides.
    """
    if own is None:
        named = sources.by_name.total if sources.by_name else None
        return named is None or 0.7 < named / base.total < 1.5
    ratio = own.number / base.total
    if 0.9 <= ratio <= 1.1:
        return False
    same_name = folded(strip_packaging(sources.facts.name)) == folded(base.repo_id.rpartition("/")[2])
    if own.source != "safetensors" or sources.tensors is None:
        return same_name
    if not sources.tensors.typed:
        return True
    if sources.tensors.unpacked is None:
        return False
    return same_name or 1 / 1.5 < ratio < 1.5


def _is_plain_finetune(lineage: Lineage) -> bool:
    """Whether a model was tuned from one other."""
    tuned_from = {parent.repo_id for parent in lineage.parents if parent.relation is Kind.FINETUNE}
    return lineage.kind is Kind.FINETUNE and len(tuned_from) <= 1


def _total_in_name(sources: _Sources) -> _Total | None:
    """The total in the name; none if the name counts the language model of a larger one."""
    by_name = sources.by_name
    if by_name is None or by_name.total is None or _counts_a_part(sources) is not None:
        return None
    message = "rounded, as in its name" + (", by more than a tenth" if by_name.coarse else "")
    return _Total(by_name.total, "name", (Evidence("name", by_name.piece, message),))


def _counts_a_part(sources: _Sources) -> str | None:
    """Why the size in the name can be that of the language model without its encoders; None if it cannot."""
    by_name, name = sources.by_name, sources.facts.name
    if by_name is None or by_name.total is None:
        return None
    if is_omni_name(name):
        return "that of the language model: what else it has is not in its name"
    smallest = round(ENCODER_PARAMETERS / 0.1)
    if by_name.total < smallest and (names_senses(name) or modality(task(sources.facts)) == "multimodal"):
        return "that of the language model, perhaps without its encoder: no total is read from it"
    return None


def _total_in_card(facts: wire.Facts) -> _Total | None:
    stated_total = facts.statements.sizes.total
    return None if stated_total is None else _Total(stated_total.value, "card", (stated_total.evidence,))


def _without_total(sources: _Sources) -> Parameters:
    by_name = sources.by_name
    in_card = sources.facts.statements.sizes.active
    if in_card is not None:
        return Parameters(None, in_card.value, "card", (in_card.evidence,))
    if by_name is not None and by_name.active is not None:
        evidence = Evidence("name", by_name.piece, "active parameters, rounded, as in its name")
        return Parameters(None, by_name.active, "name", (evidence,))
    reason = _counts_a_part(sources)
    if by_name is not None and reason is not None:
        return Parameters(None, None, None, (Evidence("name", by_name.piece, reason),))
    return Parameters(None, None, None, (Evidence("name", "none", "no information found"),))


def _with_active(sources: _Sources, total: _Total) -> Parameters:
    active, evidence = _active(sources, total)
    reasons = total.evidence if evidence is None else (*total.evidence, evidence)
    return Parameters(total.number, active, total.source, reasons)


def _active(sources: _Sources, total: _Total) -> tuple[int | None, Evidence | None]:
    """(active parameters, their evidence): by card, name, base, a configuration that fits, or the architecture."""
    in_card = _active_in_card(sources.facts, total.number)
    if in_card is not None:
        return in_card.value, in_card.evidence
    count, arithmetic, base = total.number, sources.arithmetic, sources.base
    fits = arithmetic is not None and abs(arithmetic.total - count) <= WEIGHT_COUNT_TOLERANCE * count
    named = sources.by_name.active if sources.by_name else None
    if named is not None and sources.by_name is not None and named <= count:
        if fits and arithmetic is not None and abs(arithmetic.active - named) <= 0.2 * named:
            return arithmetic.active, _calculated(arithmetic)
        return named, Evidence("name", sources.by_name.piece, "active parameters, rounded, as in its name")
    if base is not None and base.active is not None and abs(base.total - count) < 0.15 * count:
        evidence = base.evidence(f"{base.active} active, as the model that it was made of")
        return (count if base.active == base.total else min(base.active, count)), evidence
    return _by_architecture(sources, count, arithmetic if fits else None)


def _active_in_card(facts: wire.Facts, count: int) -> Count | None:
    """The active parameters that the card states, if its total is that of the weights.

    A card can leave out of the total what it counts apart, which the weights hold: n-gram tables, layers for
    multi-token prediction.
    """
    sizes = facts.statements.sizes
    if sizes.active is None or sizes.active.value > count:
        return None
    if sizes.total is not None:
        apart = sum(part.value for part in (sizes.ngram, sizes.mtp) if part is not None)
        totals = (sizes.total.value, sizes.total.value + apart)
        if all(abs(stated_total - count) > CARD_TOTAL_TOLERANCE * count for stated_total in totals):
            return None
    return sizes.active


def _by_architecture(sources: _Sources, count: int, arithmetic: Counted | None) -> tuple[int | None, Evidence | None]:
    """(active parameters, their evidence) by arithmetic that fits ``count``, else by what the architecture is."""
    if arithmetic is not None and arithmetic.active < arithmetic.total:
        return min(arithmetic.active, count), _calculated(arithmetic)
    mixture = mixture_evidence(sources.facts)
    if mixture is not None:
        return None, mixture
    if arithmetic is not None:
        return count, Evidence("config", "no experts", "dense: its dimensions account for all parameters")
    dense = dense_evidence(sources.facts)
    return (None, None) if dense is None else (count, dense)


def _calculated(arithmetic: Counted) -> Evidence:
    return Evidence("config", str(arithmetic.active), "active parameters, calculated from its dimensions")
