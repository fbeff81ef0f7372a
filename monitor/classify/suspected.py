"""What a release was probably built on where it states no base: from its configuration, architecture and exact size.

A suspicion is never a foundation. It has its evidence and a confidence, and is None where nothing speaks for one. The
architectures of Llama, Mistral, GPT-2 and BERT are what everybody trains, so their dimensions show nothing.
"""

from __future__ import annotations

import tomllib
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from monitor.classify import wire
from monitor.classify.bases import stated_bases
from monitor.classify.originals import NAME_LENGTH, lab_of, named_after, same_organization, strip_packaging
from monitor.classify.repo_ids import parse_repo_id
from monitor.classify.result import Evidence, Lineage, Lookup, Parameters, Suspicion
from monitor.classify.size_config import language_config
from monitor.classify.size_packing import count_tensors
from monitor.enums import Kind
from monitor.labs import Registry


class SameSize(NamedTuple):
    """A release in the history with the same number of parameters; ``config`` is its config.json if that was read."""

    repo_id: str
    model_type: str | None
    config: Mapping[str, Any]


SizeLookup = Callable[[int], Sequence[SameSize]]
"""Finds the releases of labs with exactly so many parameters, the oldest first."""


def no_size_lookup(_total: int) -> Sequence[SameSize]:
    """A lookup for an empty history."""
    return ()


_TABLE = tomllib.loads(files(__package__).joinpath("suspected.toml").read_text("utf-8"))
_PUBLISHER_BY_TYPE: dict[str, str] = {
    kind: namespace for namespace, kinds in _TABLE["architectures"].items() for kind in kinds.split()
}
_EXACT: dict[int, list[SameSize]] = {}
for _repo_id, _row in _TABLE["exact"].items():
    _EXACT.setdefault(_row["total"], []).append(SameSize(_repo_id, _row["model_type"], wire.EMPTY))
_COMMON = frozenset(_TABLE["common"].split())
"""Architectures by whose dimensions nothing is claimed."""
_DIMENSIONS = ("hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size", "num_attention_heads")
_TOKENS = (
    "bos_token_id", "eos_token_id", "pad_token_id", "image_token_id", "video_token_id", "vision_start_token_id",
    "vision_end_token_id", "audio_token_id",
)  # fmt: skip
"""Numbers of special tokens in configurations: chosen by whoever trains a tokenizer."""
_MIN_PARAMETERS = 50_000_000
"""Smaller ones are tests with random weights, or were trained from scratch."""

NAMED_CONFIDENCE, PATH_CONFIDENCE = 0.85, 0.7
SAME_DIMENSIONS_CONFIDENCE, SAME_SIZE_CONFIDENCE = 0.95, 0.9
ARCHITECTURE_CONFIDENCE = 0.5
TOKENIZER_CONFIDENCE = 0.03
"""Added where the vocabulary agrees too."""
_KINDS = frozenset({Kind.BASE, Kind.FINETUNE, Kind.UNKNOWN})


def suspected_foundation(
    model: wire.Model, registry: Registry, line: Lineage, size: Parameters, known: Lookup, same_size: SizeLookup
) -> Suspicion | None:
    """What a release that states no base was probably built on; None if nothing shows it."""
    facts = wire.read(model)
    if line.parents or line.kind not in _KINDS:
        return None
    if line.foundation is not None and line.foundation.repo_id != facts["id"]:
        return None
    return (
        _by_configuration(facts, registry, known)
        or _by_size(facts, registry, size, same_size)
        or _by_architecture(facts, registry, size)
    )


def comparable_size(model: wire.Model) -> int | None:
    """The total for which :func:`suspected_foundation` may ask ``same_size``, as far as the model object alone tells.

    None for what states a base, is too small, or has an architecture of which nothing is claimed. For callers that look
    up many at once: it may name a total that is not asked for, and its files may lead to another.
    """
    if _model_type(wire.mapping(model, "config")) in _COMMON:
        return None
    tensors = count_tensors(model)
    if tensors is None or tensors.served < _MIN_PARAMETERS or stated_bases(model).ids:
        return None
    return tensors.served


def _by_configuration(facts: wire.Facts, registry: Registry, known: Lookup) -> Suspicion | None:
    """By ``_name_or_path``: an id of another publisher, or a path that ends with the name of an existing release."""
    stated = wire.text(facts.config, "_name_or_path")
    if stated is None or len(stated) > NAME_LENGTH:
        return None
    own = lab_of(registry.of(facts.namespace))
    named = parse_repo_id(stated)
    path = "/" in stated and (stated[0] in "/.~" or stated.count("/") > 1)
    if named is not None and not path and (known(named) is not None or _exists(named, registry)):
        if _is_own(named, facts, registry):
            return None
        found = known(named)
        repo_id = named if found is None else found.repo_id
        says = f"its configuration names {repo_id} as what it was loaded from"
        return _suspicion(repo_id, registry, NAMED_CONFIDENCE, Evidence("config", f"_name_or_path: {stated}", says))
    last = strip_packaging(stated.rstrip("/").rpartition("/")[2])
    repo_id_by_path = named_after(last, registry, own, known=known) if last else None
    if repo_id_by_path is None or _is_own(repo_id_by_path, facts, registry):
        return None
    says = f"its configuration names a path that ends like {repo_id_by_path}"
    return _suspicion(repo_id_by_path, registry, PATH_CONFIDENCE, Evidence("config", f"_name_or_path: {stated}", says))


def _exists(repo_id: str, registry: Registry) -> bool:
    """Whether the id is of a registered namespace: other texts with a slash can be folders."""
    return registry.of(repo_id.partition("/")[0]) is not None


def _is_own(repo_id: str, facts: wire.Facts, registry: Registry) -> bool:
    namespace = repo_id.partition("/")[0]
    if repo_id.lower() == facts["id"].lower() or namespace.lower() == facts.namespace.lower():
        return True
    own = registry.of(facts.namespace)
    return own is not None and same_organization(own, registry.of(namespace), registry)


def _model_type(config: Mapping[str, Any]) -> str | None:
    return wire.text(config, "model_type")


def _by_size(facts: wire.Facts, registry: Registry, size: Parameters, same_size: SizeLookup) -> Suspicion | None:
    """By exactly the same number of parameters, counted in the weights, in the same architecture."""
    kind = _model_type(facts.config) or _type_in_tags(facts)
    if kind is None or kind in _COMMON or size.source != "safetensors" or size.total is None:
        return None
    if size.total < _MIN_PARAMETERS:
        return None
    for one in (*same_size(size.total), *_EXACT.get(size.total, ())):
        if one.model_type != kind or _is_own(one.repo_id, facts, registry):
            continue
        same, differs = _dimensions(facts.config, one.config)
        if differs:
            continue
        confidence = SAME_DIMENSIONS_CONFIDENCE if same else SAME_SIZE_CONFIDENCE
        reasons = [
            Evidence("safetensors", str(size.total), f"shares architecture and exact size with {one.repo_id}"),
            Evidence("architecture", kind, f"the architecture of {one.repo_id}"),
        ]
        if same:
            shown = ", ".join(f"{key} {number}" for key, number in same.items())
            reasons.append(Evidence("config", shown, f"the dimensions of {one.repo_id}"))
        if _PUBLISHER_BY_TYPE.get(kind) == one.repo_id.partition("/")[0]:
            reasons.append(Evidence("architecture", kind, "belongs to one publisher"))
        if "vocab_size" in same:
            confidence += TOKENIZER_CONFIDENCE
            reasons += _tokenizer(facts.config, one)
        return _suspicion(one.repo_id, registry, confidence, *reasons)
    return None


def _type_in_tags(facts: wire.Facts) -> str | None:
    """The architecture by the Hub's tags, which hold the ``model_type`` where a row has no configuration."""
    found = [tag for tag in facts.tags if tag in _PUBLISHER_BY_TYPE]
    return found[0] if len(found) == 1 else None


def _dimensions(config: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, int], bool]:
    """(the dimensions in which two configurations agree, whether any differ); only those that both state count."""
    here, there = (language_config(one)[1] for one in (config, other))
    pairs = [(key, wire.count(here, key), wire.count(there, key)) for key in _DIMENSIONS]
    same = {key: mine for key, mine, yours in pairs if mine is not None and mine == yours}
    return same, any(mine is not None and yours is not None and mine != yours for _, mine, yours in pairs)


def _tokenizer(config: Mapping[str, Any], one: SameSize) -> list[Evidence]:
    """The special tokens in which two configurations of one vocabulary agree; those that differ refute nothing."""
    here, there = (ChainMap(*map(dict, reversed(language_config(config)))) for config in (config, one.config))
    same = {key: mine for key in _TOKENS if (mine := wire.count(here, key)) and mine == wire.count(there, key)}
    shown = ", ".join(f"{key} {number}" for key, number in same.items())
    return [Evidence("tokenizer", shown, f"the vocabulary and special tokens of {one.repo_id}")] if same else []


def _by_architecture(facts: wire.Facts, registry: Registry, size: Parameters) -> Suspicion | None:
    """By an architecture of one publisher, for publishers that are not known to train models of their own.

    Labs take the code of others and train their own weights (Kimi K2 in DeepSeek's), so nothing follows for them.
    """
    kind = _model_type(facts.config) or _type_in_tags(facts)
    namespace = _PUBLISHER_BY_TYPE.get(kind) if kind is not None else None
    if kind is None or namespace is None or lab_of(registry.of(facts.namespace)) is not None:
        return None
    if size.total is None or size.total < _MIN_PARAMETERS or namespace.lower() == facts.namespace.lower():
        return None
    lab = registry.of(namespace)
    if lab is None:
        return None
    reason = Evidence("architecture", kind, f"uses the architecture of {lab.name}")
    return Suspicion(None, lab.id, lab.origin, ARCHITECTURE_CONFIDENCE, (reason,))


def _suspicion(repo_id: str, registry: Registry, confidence: float, *evidence: Evidence) -> Suspicion:
    lab = registry.of(repo_id.partition("/")[0])
    return Suspicion(repo_id, lab.id if lab else None, lab.origin if lab else None, round(confidence, 2), evidence)
