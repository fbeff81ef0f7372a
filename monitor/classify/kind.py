"""What a repository is: base, fine-tune, adapter, merge, quantised copy or conversion.

Order of trust: what the author states in the card (``base_model_relation``), the files, the Hub's tags, the name; if no
base is stated, the publisher. The evidence names the one that decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.bases import RELATIONS
from monitor.classify.card_bases import CardBase
from monitor.classify.originals import (
    NAME_LENGTH,
    QUANTS,
    family_of,
    folded,
    lab_of,
    method_word,
    named_after,
    named_like,
)
from monitor.classify.result import Evidence
from monitor.classify.size_names import from_name
from monitor.enums import Kind
from monitor.labs import Lab, Registry


def _word(pattern: str, end: str = r"$|[-_.]") -> Callable[[str], str | None]:
    """A function that finds ``pattern`` (lower case) as a word of a repository name and returns it as written there."""
    # A pattern that may also match at the start of the text is tried at each character, which takes twice as long.
    search = re.compile(rf"[-_.](?:{pattern})(?={end})").search

    def find(name: str) -> str | None:
        found = search(f"-{folded(name)}")
        return None if found is None else name[found.start() : found.end() - 1].strip("-_.")

    return find


_find_packing_word = _word(QUANTS)
_NOT_QUANTIZED = _word("(?:un|de)quantized|unquant")
_CONVERTED = _word(
    "mlx|onnx|coreml|openvino|ov|litert|litertlm|tflite|diffusers|hf|ct2|llamafile|ncnn|comfyui|repackaged"
)


@lru_cache(maxsize=65_536)
def _packing_word(name: str) -> str | None:
    """The word for a packed format in ``name``."""
    return _find_packing_word(name) or method_word(name)


_OWN_FORMAT = frozenset({"hf", "diffusers"})
"""Formats in which labs publish their own releases: no sign of a conversion if the publisher is a lab."""
_ADAPTER = _word("q?lora|lokr|loha|dora|(?:ip-?|t2i-?)?adapter|controlnets?", r"$|[-_.\ds]")
_MERGE = _word("merge[ds]?|mergekit|slerp|dare-?ties|frankenmerge|passthrough")
_WORDS = (
    (Kind.ADAPTER, _ADAPTER), (Kind.QUANTIZED, _packing_word), (Kind.MERGE, _MERGE), (Kind.CONVERSION, _CONVERTED),
)  # fmt: skip
"""Words of a name, the most trusted first."""
_EXL = re.compile(r"exl[23]", re.IGNORECASE)
_TUNED = _word("abliterated|uncensored|heretic|decensored|derestricted|distill(?:ed)?|fine-?tuned?|sft|dpo|grpo|orpo")
_DISTILLED_INTO = re.compile(r"distill-(?:qwen|llama)", re.IGNORECASE)
_PRETRAINED = _word("base|pretrained|from-scratch")
_BORN_PACKED = re.compile(r"gpt-oss|deepseek-(?:v[3-9]|r1|math-v2|ocr)|kimi-k2|minimax-m\d|mimo-v2", re.IGNORECASE)
"""Models released in FP8, MXFP4 or INT4: a fine-tune that keeps that precision is not a quantised copy."""
_NATIVE_METHODS = frozenset({"fp8", "mxfp4", "compressed-tensors"})
_QUANTIZED_TAGS = frozenset({"gptq", "awq", "exl2", "exl3", "bitsandbytes", "quantized", "aqlm", "hqq", "nvfp4"})
_BIT_TAGS = frozenset(f"{bits}-bit" for bits in range(1, 9))
_MERGE_TAGS = ("mergekit", "merge", "evolutionary-merge")
_TUNED_TAGS = frozenset(
    {"abliterated", "uncensored", "heretic", "decensored", "finetune", "finetuned", "fine-tuned", "finetuning",
     "generated_from_trainer", "distillation", "sft", "dpo", "trl", "grpo"}
)  # fmt: skip
_FORMAT_TAGS = ("mlx", "onnx", "coreml", "openvino", "tflite", "litert", "ctranslate2")
_OTHER_WEIGHTS = frozenset({"safetensors", "pytorch", "tf", "jax", "onnx"})
_OTHER_FILES = (".safetensors", ".bin", ".pt", ".pth", ".onnx")
_TEXT_TASKS = frozenset({"text-generation", "image-text-to-text", "any-to-any"})


_OTHER_RELATIONS = {
    **dict.fromkeys(
        ("distill", "distilled", "distillation", "finetuned", "finetuning", "instruct", "instructiontuned", "sft",
         "rlhf", "continuedpretraining", "continualpretraining", "pruned", "pruning", "abliterated"), Kind.FINETUNE,
    ),
    **dict.fromkeys(("lora", "qlora", "peft", "adapters"), Kind.ADAPTER),
    **dict.fromkeys(("merged", "merging", "mergekit"), Kind.MERGE),
    **dict.fromkeys(("quantised", "quantization", "quantisation", "quant", "gguf"), Kind.QUANTIZED),
    **dict.fromkeys(("conversion", "converted", "convert"), Kind.CONVERSION),
}  # fmt: skip
"""Words for ``base_model_relation`` that authors use and the Hub does not define; without hyphens and spaces."""


class Decision(NamedTuple):
    kind: Kind
    evidence: Evidence


def kind_of(
    model: wire.Model,
    registry: Registry,
    parents: tuple[str, ...],
    stated: str | None,
    unusable: str | None = None,
    said: CardBase | None = None,
) -> Decision:
    """The kind and what decided it: card, files, tags, name; then the number of bases, or the publisher.

    ``parents`` are the stated bases, ``stated`` is the Hub's relation (one of RELATIONS), ``unusable`` is a stated base
    that is no repository id: the release was then built on something, and is no base. ``said`` is the base that
    the text of the card states, where the metadata states none.
    """
    facts = wire.read(model)
    decision = (_by_stated_relation(facts) if facts.card else None) or _by_files(facts, registry, parents)
    if decision is not None:
        return decision
    if stated is not None:
        return _as_tagged(facts, stated, registry, parents)
    own = lab_of(registry.of(facts.namespace))
    return (
        _by_name(facts, None if parents or said else own)
        or (Decision(Kind.FINETUNE, said.evidence) if said is not None else None)
        or _by_bases(facts, parents)
        or _by_another_name(facts, registry, own)
        or (_by_publisher(facts, registry, own) if unusable is None else _built_on(unusable))
        or _tuned(facts)
        or _of_its_own(facts)
    )


def _by_stated_relation(model: wire.Model) -> Decision | None:
    explicit = _relation(model)
    if explicit is None:
        return None
    word = explicit.lower()
    if word in RELATIONS:
        return Decision(RELATIONS[word], Evidence("card", f"base_model_relation: {explicit}", "stated by the author"))
    kind = _OTHER_RELATIONS.get(re.sub(r"[^a-z]", "", word))
    if kind is None:
        return None
    message = f"stated by the author; the Hub's word is {kind}"
    return Decision(kind, Evidence("card", f"base_model_relation: {explicit}", message))


def _relation(model: wire.Model) -> str | None:
    stated = wire.text(wire.card(model), "base_model_relation")
    return stated[:NAME_LENGTH] if stated else None


def _by_bases(model: wire.Model, parents: tuple[str, ...]) -> Decision | None:
    if len(parents) > 1:
        return Decision(Kind.MERGE, Evidence("base_model", f"{len(parents)} stated", "built on several models"))
    stated = _relation(model)
    if parents and stated is not None:
        message = "built on another model; the author's word for the relation is not known"
        return Decision(Kind.FINETUNE, Evidence("card", f"base_model_relation: {stated}", message))
    if parents:
        message = "built on another model; how is not stated"
        return Decision(Kind.FINETUNE, Evidence("base_model", parents[0], message))
    return None


_TAGGED = {
    relation: Decision(kind, Evidence("tag", f"base_model:{relation}", "tagged by the Hub"))
    for relation, kind in RELATIONS.items()
}


def _as_tagged(model: wire.Model, stated: str, registry: Registry, parents: tuple[str, ...]) -> Decision:
    """The relation that the Hub tags, unless name or publisher contradict what the Hub infers of its own."""
    if stated == "finetune":
        return _not_finetuned(model, parents) or _TAGGED[stated]
    if stated == "quantized" and parents and _own_version(model, registry, parents):
        message = (
            "of the same publisher, and no word or tag of a packing: a release of its own; the Hub infers quantized"
        )
        return Decision(Kind.FINETUNE, Evidence("publisher", wire.namespace(model)[:NAME_LENGTH], message))
    return _TAGGED[stated]


def _not_finetuned(model: wire.Model, parents: tuple[str, ...]) -> Decision | None:
    """Quantised or an adapter, if the name says so: the Hub infers ``finetune`` where it does not know the format."""
    name, tags = wire.name(model)[:NAME_LENGTH], wire.tags(model)
    exl = next((tag for tag in ("exl2", "exl3") if tag in tags), None)
    named = _EXL.search(name)
    if exl or named:
        message = "EXL is a quantisation format; the Hub infers finetune"
        return Decision(Kind.QUANTIZED, Evidence("name", named[0] if named else str(exl), message))
    packing = _packing_word(name)
    # The name of what was tuned can contain the word: a fine-tune of a packed model is no packed copy of it.
    if packing is not None and not _NOT_QUANTIZED(name) and not any(_packing_word(one) for one in parents):
        return Decision(Kind.QUANTIZED, Evidence("name", packing, f"names {Kind.QUANTIZED}; the Hub infers finetune"))
    adapter = _ADAPTER(name)
    if adapter is not None and not _MERGE(name) and not _holds_whole_model(model):
        return Decision(Kind.ADAPTER, Evidence("name", adapter, f"names {Kind.ADAPTER}; the Hub infers finetune"))
    return None


def _holds_whole_model(model: wire.Model) -> bool:
    """Whether the files are listed, and are those of a whole model: weights with their configuration."""
    listed = wire.files(model)
    return "config.json" in listed and any(
        file.startswith(("model", "pytorch_model")) and file.endswith(_OTHER_FILES) for file in listed
    )


def _own_version(model: wire.Model, registry: Registry, parents: tuple[str, ...]) -> bool:
    """Whether the publisher of the bases published it too, and only the Hub's inference says that it is packed."""
    if _packing_word(wire.name(model)[:NAME_LENGTH]) or not _same_publisher(model, registry, parents):
        return False
    tags = set(wire.tags(model))
    return not (tags & _QUANTIZED_TAGS or "mlx" in tags or ("gguf" in tags and not tags & _OTHER_WEIGHTS))


def _same_publisher(model: wire.Model, registry: Registry, parents: tuple[str, ...]) -> bool:
    namespace = wire.namespace(model).lower()
    own = lab_of(registry.of(namespace))
    spaces = [parent.partition("/")[0] for parent in parents]
    return all(space.lower() == namespace or (own is not None and registry.of(space) is own) for space in spaces)


def _by_files(model: wire.Model, registry: Registry, parents: tuple[str, ...]) -> Decision | None:
    """The kind that the files show, if the Hub listed them."""
    listed = wire.files(model) if "siblings" in model else ()
    if "adapter_config.json" in listed:
        return Decision(Kind.ADAPTER, Evidence("files", "adapter_config.json", "weights of an adapter"))
    if model.get("library_name") == "peft":
        return Decision(Kind.ADAPTER, Evidence("library", "peft", "weights of an adapter"))
    if listed:
        gguf = [file for file in listed if file[-5:].lower() == ".gguf"]
        if gguf and not any(file.endswith(_OTHER_FILES) for file in listed):
            return Decision(
                Kind.QUANTIZED, Evidence("files", min(gguf)[:NAME_LENGTH], "GGUF is the only format of its weights")
            )
    config = wire.config(model)
    packing = wire.quantization(config) if config else None
    if not packing:
        return None
    method = (wire.text(packing, "quant_method") or "stated")[:NAME_LENGTH]
    if _native(model, method.lower(), registry, parents):
        return None
    return Decision(Kind.QUANTIZED, Evidence("config", f"quantization_config: {method}", "quantised weights"))


def _native(model: wire.Model, method: str, registry: Registry, parents: tuple[str, ...]) -> bool:
    """Whether the model was first released in this precision, as DeepSeek-V3 in FP8 and gpt-oss in MXFP4."""
    if method not in _NATIVE_METHODS or _packing_word(wire.name(model)[:NAME_LENGTH]):
        return False
    own = lab_of(registry.of(wire.namespace(model)))
    if (parents or own is not None) and _same_publisher(model, registry, parents):
        return True
    return bool(parents) and all(_BORN_PACKED.search(parent) for parent in parents)


def _by_name(model: wire.Model, own: Lab | None) -> Decision | None:
    """The kind by the words of the name, then by format tags. ``own``: the lab, if it may be that lab's own release."""
    decision = _word_in_name(wire.name(model)[:NAME_LENGTH], own is not None)
    if decision is not None:
        return decision
    return _by_format(model) if own is None else _merged(wire.tags(model))


@lru_cache(maxsize=65_536)
def _word_in_name(name: str, own: bool) -> Decision | None:
    for kind, find in _WORDS:
        word = find(name)
        if word is None or (kind is Kind.QUANTIZED and _NOT_QUANTIZED(name)):
            continue
        if kind is Kind.CONVERSION and own and word.lower() in _OWN_FORMAT:
            continue
        return Decision(kind, Evidence("name", word, f"names {kind}"))
    return None


def _by_format(model: wire.Model) -> Decision | None:
    tags, present = wire.tags(model), set(wire.tags(model))
    if "lora" in present and "gguf" not in present and wire.text(model, "pipeline_tag") not in _TEXT_TASKS:
        return Decision(Kind.ADAPTER, Evidence("tag", "lora", f"names {Kind.ADAPTER}"))
    merged = _merged(tags)
    if merged is not None:
        return merged
    packed = min(present & _QUANTIZED_TAGS, default=None)
    if packed is None and "mlx" in present:
        packed = min(present & _BIT_TAGS, default=None)
    if packed is None and "gguf" in present and not present & _OTHER_WEIGHTS:
        packed = "gguf"
    if packed is not None:
        return Decision(Kind.QUANTIZED, Evidence("tag", packed, f"names {Kind.QUANTIZED}"))
    converted = next((tag for tag in _FORMAT_TAGS if wire.text(model, "library_name") == tag), None)
    if converted is not None:
        return Decision(Kind.CONVERSION, Evidence("library", converted, f"names {Kind.CONVERSION}"))
    return None


def _merged(tags: tuple[str, ...]) -> Decision | None:
    tag = next((tag for tag in _MERGE_TAGS if tag in tags), None)
    return None if tag is None else Decision(Kind.MERGE, Evidence("tag", tag, f"names {Kind.MERGE}"))


def _by_another_name(model: wire.Model, registry: Registry, own: Lab | None) -> Decision | None:
    """A fine-tune, if the name is that of another publisher's release."""
    name = wire.name(model)[:NAME_LENGTH]
    distilled = _DISTILLED_INTO.search(name)
    if distilled is not None:
        return Decision(
            Kind.FINETUNE,
            Evidence("name", distilled[0], "another publisher's smaller model, trained on outputs of a larger one"),
        )
    original = named_after(name, registry, own)
    if original is not None:
        return Decision(Kind.FINETUNE, Evidence("name", name, f"begins with the name of {original}"))
    namespace = named_like(name, registry, own)
    if namespace is None:
        return None
    return Decision(Kind.FINETUNE, Evidence("name", name, f"begins as the names of {namespace}'s releases do"))


def _by_publisher(model: wire.Model, registry: Registry, own: Lab | None) -> Decision | None:
    """A base if a lab published it, a conversion if a re-packager did; nothing follows for an individual."""
    if own is not None and not _could_state_bases(model):
        message = "a lab's own release; neither tags nor card were read, so whether it states a base is not known"
        return Decision(Kind.UNKNOWN, Evidence("publisher", own.id, message))
    if own is not None:
        return Decision(Kind.BASE, Evidence("publisher", own.id, "a lab's own release, and no base is stated"))
    lab = registry.of(wire.namespace(model))
    if lab is None or not lab.repackager or not _holds_something(model):
        return None
    return Decision(Kind.CONVERSION, Evidence("publisher", lab.id, "publishes models of others in other formats"))


def _could_state_bases(model: wire.Model) -> bool:
    """Whether there is anything in which a base would be stated: an object of an id alone has neither."""
    contents = wire.read(model).contents
    is_card_read = contents.readme is not None or contents.statements is not None
    return "tags" in model or "baseModels" in model or bool(wire.card(model)) or is_card_read


def _built_on(unusable: str) -> Decision:
    message = "the stated base is not a repository id, so what it was built on is not known"
    return Decision(Kind.UNKNOWN, Evidence("base_model", unusable[:NAME_LENGTH], message))


def _tuned(model: wire.Model) -> Decision | None:
    word = _TUNED(wire.name(model)[:NAME_LENGTH])
    if word is not None:
        return Decision(Kind.FINETUNE, Evidence("name", word, "a word for a tuned model"))
    tag = min(_TUNED_TAGS.intersection(wire.tags(model)), default=None)
    return None if tag is None else Decision(Kind.FINETUNE, Evidence("tag", tag, "a word for a tuned model"))


def _of_its_own(model: wire.Model) -> Decision:
    name = wire.name(model)[:NAME_LENGTH]
    pretrained = _PRETRAINED(name)
    if pretrained is not None and (pretrained.lower() != "base" or _is_pretrained_base(name)):
        return Decision(Kind.BASE, Evidence("name", pretrained, "a word for a pretrained base"))
    kinds = (wire.text(wire.config(model), "model_type"), wire.text(model, "library_name"))
    squashed = _squash(name)
    for kind in kinds:
        if kind is not None and len(short := _squash(kind)) >= 5 and squashed.startswith(short) and not family_of(kind):
            return Decision(
                Kind.BASE, Evidence("architecture", kind[:NAME_LENGTH], "the architecture has the name of the model")
            )
    message = "no information found: no base is stated, and the publisher is not a known lab"
    return Decision(Kind.UNKNOWN, Evidence("base_model", "none", message))


def _is_pretrained_base(name: str) -> bool:
    """Whether "base" in a name is not a size between small and large (``text2vec-base``): a number is next to it."""
    size = from_name(name)
    if size is None:
        return False
    lower, piece = folded(name), size.piece.lower().replace(" ", "-")
    return lower.endswith("base") or f"{piece}-base" in lower or f"base-{piece}" in lower


def _squash(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text[:NAME_LENGTH].lower())


def _holds_something(model: wire.Model) -> bool:
    """Whether there is any sign of a model (some repositories hold templates, requests or notes)."""
    return any(wire.text(model, key) for key in ("library_name", "pipeline_tag")) or bool(
        {"comfyui", "gguf", "safetensors", "onnx", "mlx"}.intersection(wire.tags(model))
    )


def has_quantization_word(name: str) -> bool:
    """Whether a repository name contains a word for a quantised format."""
    return _packing_word(name[:NAME_LENGTH]) is not None
