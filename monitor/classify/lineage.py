"""What a repository is and what it was built on: card, files, tags, name, in this order of trust."""

from __future__ import annotations

import re
from typing import NamedTuple

from monitor.classify import wire
from monitor.classify.result import Evidence, Foundation, Lineage, Lookup, Parent, knows_nothing
from monitor.labs import Registry
from monitor.vocabulary import Kind, LabKind

RELATIONS = {
    "finetune": Kind.FINETUNE,
    "adapter": Kind.ADAPTER,
    "merge": Kind.MERGE,
    "quantized": Kind.QUANTIZED,
}
"""The Hub's words for ``base_model_relation``."""

LONGEST = 20
"""Steps of a lineage that are followed; longer ones are circles or noise."""

_QUANTIZED = re.compile(
    r"(?:^|[-_.])(?:GGUF|GPTQ|AWQ|EXL[23]|exl[23]|bnb|NF4|HQQ|AQLM|QuIP|SmoothQuant|iMatrix|imatrix|i1|[48]bits?|"
    r"[1-8]-bit|int[48]|INT[48]|fp8|FP8|nvfp4|NVFP4|mxfp4|MXFP4|fp4|FP4|[wW][48][aA](?:8|16)|Q[1-8](?:_[A-Z0-9]+)*|"
    r"\d(?:\.\d+)?bpw|quantized|quants?|AutoRound|autoround)(?=$|[-_.])",
    re.IGNORECASE,
)
_CONVERTED = re.compile(
    r"(?:^|[-_.])(?:MLX|ONNX|CoreML|OpenVINO|ov|litert|tflite|diffusers|hf|ct2|llamafile|ncnn)(?=$|[-_.])",
    re.IGNORECASE,
)
_ADAPTER = re.compile(r"(?:^|[-_.])(?:Q?LoRA|LoKr|LoHa|DoRA|adapter|controlnet-lora)s?(?=$|[-_.\d])", re.IGNORECASE)
_MERGE = re.compile(r"(?:^|[-_.])(?:merge[ds]?|mergekit|slerp|ties|frankenmerge|passthrough)(?=$|[-_.])", re.IGNORECASE)
_EXL = re.compile(r"exl[23]", re.IGNORECASE)
_CONVERSION_TAGS = {"mlx", "onnx", "coreml", "openvino", "tflite", "litert", "ctranslate2"}
_PACKAGING = re.compile(
    r"[-_.](?:unsloth|GGUF|GPTQ|AWQ|EXL[23]|bnb|NF4|HQQ|MLX|ONNX|[2-8]-?bits?|int[48]|fp8|nvfp4|mxfp4|w[48]a(?:8|16)|"
    r"dynamic|block|quantized|imatrix|i1|Q[1-8](?:_[A-Z0-9]+)*|bf16|UD|qat)$",
    re.IGNORECASE,
)
_FAMILIES = (
    (re.compile(r"^(?:qwen|qwq|qvq)", re.IGNORECASE), "Qwen"),
    (re.compile(r"^(?:meta-)?llama", re.IGNORECASE), "meta-llama"),
    (re.compile(r"^(?:code|med|paligemma|recurrent|shield|embedding|function|t5)?gemma", re.IGNORECASE), "google"),
    (re.compile(r"^deepseek", re.IGNORECASE), "deepseek-ai"),
    (
        re.compile(r"^(?:mistral|mixtral|ministral|magistral|devstral|codestral|pixtral|voxtral)", re.IGNORECASE),
        "mistralai",
    ),
    (re.compile(r"^glm", re.IGNORECASE), "zai-org"),
    (re.compile(r"^gpt-oss", re.IGNORECASE), "openai"),
    (re.compile(r"^phi-?\d", re.IGNORECASE), "microsoft"),
    (re.compile(r"^kimi", re.IGNORECASE), "moonshotai"),
    (re.compile(r"^minimax", re.IGNORECASE), "MiniMaxAI"),
    (re.compile(r"^granite", re.IGNORECASE), "ibm-granite"),
    (re.compile(r"^smollm", re.IGNORECASE), "HuggingFaceTB"),
    (re.compile(r"^(?:nvidia-)?nemotron", re.IGNORECASE), "nvidia"),
    (re.compile(r"^lfm", re.IGNORECASE), "LiquidAI"),
    (re.compile(r"^olmo", re.IGNORECASE), "allenai"),
    (re.compile(r"^flux", re.IGNORECASE), "black-forest-labs"),
    (re.compile(r"^exaone", re.IGNORECASE), "LGAI-EXAONE"),
)


class _Decision(NamedTuple):
    kind: Kind
    evidence: Evidence


def lineage(model: wire.Model, registry: Registry, known: Lookup = knows_nothing) -> Lineage:
    """Kind, parents nearest first, and the root. Circles, missing and private parents end a chain where they are."""
    repo_id = wire.repo_id(model)
    parents, stated = _parents(model, repo_id)
    decision = _kind(model, registry, bool(parents), stated)
    evidence = [decision.evidence]
    if not parents:
        guess = _original(model, registry, known) if decision.kind in _OF_SOMETHING else None
        if guess is None:
            return _rootless(repo_id, decision, registry, evidence)
        parents = (guess,)
        evidence.append(Evidence("name", repo_id, f"a packaging of {guess}, which the history knows"))
    steps = [Parent(parent, decision.kind if decision.kind in _OF_SOMETHING else Kind.FINETUNE) for parent in parents]
    roots = []
    for number, parent in enumerate(parents):
        further, root = _follow(parent, registry, known, repo_id)
        roots.append(root)
        if number == 0:
            steps += [step for step in further if step.repo_id not in {*parents, repo_id}]
    if len({root.repo_id for root in roots}) > 1:
        others = ", ".join(sorted({root.repo_id for root in roots[1:]}))
        evidence.append(Evidence("base_model", others, "other roots of a merge; the first one is given"))
    return Lineage(decision.kind, tuple(steps[:LONGEST]), roots[0], tuple(evidence))


_OF_SOMETHING = {Kind.FINETUNE, Kind.ADAPTER, Kind.MERGE, Kind.QUANTIZED, Kind.CONVERSION}


def _parents(model: wire.Model, repo_id: str) -> tuple[tuple[str, ...], str | None]:
    """(parents without doubles, the relation that the tags state)."""
    found = list(wire.texts(wire.card(model), "base_model"))
    relation = None
    for text in wire.tagged(model, "base_model:"):
        head, colon, rest = text.partition(":")
        if colon and head in RELATIONS:
            relation = relation or head
            found.append(rest)
        elif not colon:
            found.append(text)
    clean = (text.strip().removeprefix("https://huggingface.co/").strip("/") for text in found)
    names = dict.fromkeys(text for text in clean if text and len(text) <= 200)
    others = tuple(name for name in names if name != repo_id)
    # One that names itself alone is its own root; with others beside it, they are what it was built on.
    return others or tuple(names), relation


def _kind(  # noqa: PLR0911  (one way out for each source, in the order of trust)
    model: wire.Model, registry: Registry, derived: bool, stated: str | None
) -> _Decision:
    """The kind, and what decided: card, files, tags, name; then, without a base, the publisher."""
    name, tags = wire.name(model), wire.tags(model)
    explicit = wire.text(wire.card(model), "base_model_relation")
    if explicit in RELATIONS:
        return _Decision(
            RELATIONS[explicit], Evidence("card", f"base_model_relation: {explicit}", "as its author says")
        )
    by_files = _by_files(model)
    if by_files is not None and (derived or by_files.kind is Kind.ADAPTER):
        return by_files
    if stated is not None:
        exl = _EXL.search(name) if stated == "finetune" else None
        if exl is not None:
            return _Decision(
                Kind.QUANTIZED, Evidence("name", exl.group(), "EXL is a quantisation; the Hub infers finetune")
            )
        return _Decision(RELATIONS[stated], Evidence("tag", f"base_model:{stated}", "as the Hub tags it"))
    by_name = _by_name(name, tags)
    if by_name is not None:
        return by_name
    if derived:
        return _Decision(Kind.FINETUNE, Evidence("base_model", "stated", "built on another model, nothing says how"))
    return by_files or _of_publisher(model, registry)


def _by_files(model: wire.Model) -> _Decision | None:
    files = wire.files(model)
    if "adapter_config.json" in files or wire.text(model, "library_name") == "peft":
        return _Decision(Kind.ADAPTER, Evidence("files", "adapter_config.json", "weights of an adapter"))
    gguf = next((file for file in files if file.lower().endswith(".gguf")), None)
    if gguf is not None and not any(file.endswith(".safetensors") for file in files):
        return _Decision(Kind.QUANTIZED, Evidence("files", gguf[:200], "weights in GGUF alone"))
    if wire.mapping(wire.config(model), "quantization_config"):
        method = wire.text(wire.mapping(wire.config(model), "quantization_config"), "quant_method") or "stated"
        return _Decision(Kind.QUANTIZED, Evidence("config", f"quantization_config: {method}", "quantised weights"))
    return None


def _by_name(name: str, tags: tuple[str, ...]) -> _Decision | None:
    for kind, pattern in (
        (Kind.ADAPTER, _ADAPTER),
        (Kind.QUANTIZED, _QUANTIZED),
        (Kind.MERGE, _MERGE),
        (Kind.CONVERSION, _CONVERTED),
    ):
        found = pattern.search(name)
        if found is not None:
            return _Decision(kind, Evidence("name", found.group().strip("-_."), f"says {kind}"))
    for tag, kind in (("lora", Kind.ADAPTER), ("mergekit", Kind.MERGE), ("merge", Kind.MERGE)):
        if tag in tags:
            return _Decision(kind, Evidence("tag", tag, f"says {kind}"))
    return None


def _of_publisher(model: wire.Model, registry: Registry) -> _Decision:
    lab = registry.of(wire.namespace(model))
    if lab is not None and not lab.repackager and lab.kind is not LabKind.INDIVIDUAL:
        return _Decision(Kind.BASE, Evidence("publisher", lab.id, "a lab's own model, and no base is stated"))
    return _Decision(
        Kind.UNKNOWN, Evidence("base_model", "none", "no base is stated, and the publisher is not a known lab")
    )


def _rootless(repo_id: str, decision: _Decision, registry: Registry, evidence: list[Evidence]) -> Lineage:
    if decision.kind is Kind.BASE:
        return Lineage(Kind.BASE, (), _foundation(repo_id, registry), tuple(evidence))
    lab = registry.of(repo_id.partition("/")[0])
    if decision.kind in {Kind.QUANTIZED, Kind.CONVERSION} and lab is not None and not lab.repackager:
        evidence.append(Evidence("publisher", lab.id, "a lab's own packaging, and no base is stated"))
        return Lineage(decision.kind, (), _foundation(repo_id, registry), tuple(evidence))
    return Lineage(decision.kind, (), None, tuple(evidence))


def _original(model: wire.Model, registry: Registry, known: Lookup) -> str | None:
    """The model that a packaging without a stated base is of, where its name tells and the history knows it."""
    bare = _unpacked(wire.name(model))
    lab = registry.of(wire.namespace(model))
    own = () if lab is None or lab.repackager else (wire.namespace(model),)
    for namespace in (*own, *_family(bare)):
        candidate = f"{namespace}/{bare}"
        if candidate != wire.repo_id(model) and known(candidate) is not None:
            return candidate
    return None


def _unpacked(name: str) -> str:
    """A name without the endings that say how it is packed."""
    while (shorter := _PACKAGING.sub("", name)) != name:
        name = shorter
    return name


def _family(name: str) -> tuple[str, ...]:
    return tuple(namespace for pattern, namespace in _FAMILIES if pattern.search(name))[:1]


def _follow(repo_id: str, registry: Registry, known: Lookup, child: str) -> tuple[list[Parent], Foundation]:
    """(what comes after ``repo_id``, its root), as far as the history knows; through a re-packager to the original."""
    steps: list[Parent] = []
    seen = {child, repo_id}
    current = repo_id
    while len(steps) < LONGEST:
        found = known(current)
        following = found.lineage[0] if found is not None and found.lineage else None
        if following is None:
            following = _through(current, registry, known)
        if following is None or following.repo_id in seen:
            break
        seen.add(following.repo_id)
        steps.append(following)
        current = following.repo_id
    return steps, _foundation(current, registry)


def _through(repo_id: str, registry: Registry, known: Lookup) -> Parent | None:
    """The original of a re-packager's copy, where its name tells and the history knows it."""
    namespace, _, name = repo_id.partition("/")
    lab = registry.of(namespace)
    if lab is None or not lab.repackager:
        return None
    bare = _unpacked(name)
    for family in _family(bare):
        if known(f"{family}/{bare}") is not None:
            return Parent(f"{family}/{bare}", Kind.QUANTIZED if bare != name else Kind.CONVERSION)
    return None


def _foundation(repo_id: str, registry: Registry) -> Foundation:
    namespace, _, name = repo_id.partition("/")
    lab = registry.of(namespace)
    if lab is not None and lab.repackager:
        # A re-packager's copy is not its work. Whose it is, its name may tell; its id is all that is stated.
        owners = _family(_unpacked(name))
        lab = registry.of(owners[0]) if owners else None
    return Foundation(repo_id, lab.id if lab else None, lab.origin if lab else None)
