"""Formats that programs run, as a repository's files, configuration and tags show them; its name decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monitor.classify import wire
from monitor.classify.result import Evidence
from monitor.enums import Format

_METHODS: dict[str, Format] = {
    "awq": Format.AWQ,
    "gptq": Format.GPTQ,
    "fp8": Format.FP8,
    "fbgemm_fp8": Format.FP8,
    "nvfp4": Format.NVFP4,
    "mxfp4": Format.MXFP4,
    "exl2": Format.EXL2,
    "exl3": Format.EXL3,
    "bitsandbytes": Format.BNB,
}
"""``quant_method`` of a configuration that names a format by itself."""
_CONTAINERS = frozenset({"compressed-tensors", "modelopt", "quark"})
"""Methods that hold several formats: the types of the tensors, the algorithm or a tag show which."""
_TAGS: dict[str, Format] = {
    "awq": Format.AWQ,
    "gptq": Format.GPTQ,
    "fp8": Format.FP8,
    "nvfp4": Format.NVFP4,
    "mxfp4": Format.MXFP4,
    "exl2": Format.EXL2,
    "exl3": Format.EXL3,
    "bitsandbytes": Format.BNB,
}
_MEASUREMENT = "imatrix"
"""How the name of a GGUF file begins or ends that holds an importance matrix, and no model. In the midst of the name of
a model's file it says that one was used."""
_MAX_VALUE = 200


def formats_in(model: wire.Model) -> dict[str, Evidence]:
    """The formats of a repository's own weights, each with what shows it; weights as trained are none of them.

    Files outrank tags: where the Hub lists the files, a tag without a file of that format counts for nothing.
    """
    facts = wire.read(model)
    found: dict[str, Evidence] = {}
    for form, look in _BY_FILES.items():
        evidence = look(facts)
        if evidence is not None:
            found[str(form)] = evidence
    packing = None if str(Format.MLX) in found or _is_gguf_alone(facts, found) else _packing(facts)
    if packing is not None:
        found[str(packing[0])] = packing[1]
    return dict(sorted(found.items()))


def _is_gguf_alone(facts: wire.Facts, found: Mapping[str, Evidence]) -> bool:
    """Whether a repository whose files are not listed shows GGUF and no tensors: other tags speak of its base then."""
    shows_tensors = "safetensors" in facts.tags or bool(tensor_types(facts)) or bool(wire.quantization(facts.config))
    return str(Format.GGUF) in found and not wire.files(facts) and not shows_tensors


def _gguf(facts: wire.Facts) -> Evidence | None:
    file = next((name for name in wire.files(facts) if is_gguf_model(name)), None)
    if file is not None:
        return _file(file)
    if wire.files(facts):
        return None
    header = wire.mapping(facts, "gguf")
    if header:
        return Evidence("gguf", str(header.get("architecture") or "header")[:_MAX_VALUE], "the Hub read a GGUF header")
    return _library(facts, "gguf") or _tag(facts, "gguf")


def is_gguf_model(name: str) -> bool:
    """Whether a file is a GGUF file of a model, and not of what goes with one."""
    stem, dot, ending = name.lower().rpartition("/")[2].rpartition(".")
    is_measurement = stem.startswith(_MEASUREMENT) or stem.endswith(_MEASUREMENT)
    return bool(dot) and ending == "gguf" and "mmproj" not in stem and not is_measurement


def _mlx(facts: wire.Facts) -> Evidence | None:
    files = wire.files(facts)
    if files and not any(name.lower().endswith((".safetensors", ".npz")) for name in files):
        return None
    return _library(facts, "mlx") or _tag(facts, "mlx")


_ONNX = (".onnx", ".ort")
_TENSORS = (".safetensors", ".bin", ".pt", ".pth")


def _onnx(facts: wire.Facts) -> Evidence | None:
    """In a repository with other weights, a file that is named or placed as exporters do; others are parts of the
    program around it, such as a speaker encoder."""
    named = [name for name in wire.files(facts) if name.lower().endswith(_ONNX)]
    if named and any(name.lower().endswith(_TENSORS) for name in wire.files(facts)):
        exported = next((name for name in named if _is_exported(name.lower())), None)
        return None if exported is None else _file(exported)
    return _by_ending(facts, "onnx", _ONNX)


def _is_exported(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return "onnx" in folder or "model" in file


def _coreml(facts: wire.Facts) -> Evidence | None:
    inside = next((name for name in wire.files(facts) if ".mlpackage/" in name or ".mlmodelc/" in name), None)
    return _file(inside) if inside is not None else _by_ending(facts, "coreml", (".mlmodel",))


def _by_ending(facts: wire.Facts, word: str, endings: tuple[str, ...]) -> Evidence | None:
    files = wire.files(facts)
    file = next((name for name in files if name.lower().endswith(endings)), None)
    if file is not None:
        return _file(file)
    return None if files else _library(facts, word) or _tag(facts, word)


_BY_FILES: dict[Format, Callable[[wire.Facts], Evidence | None]] = {
    Format.GGUF: _gguf,
    Format.MLX: _mlx,
    Format.ONNX: _onnx,
    Format.COREML: _coreml,
}


def _packing(facts: wire.Facts) -> tuple[Format, Evidence] | None:  # noqa: PLR0911
    """The format of packed tensors: by the configuration, the types of the tensors, or a tag."""
    quantization = wire.quantization(facts.config)
    method = (wire.text(quantization, "quant_method") or "").lower()
    if method in _METHODS:
        return _METHODS[method], Evidence("config", f"quant_method: {method}", "as its configuration states")
    if quantization.get("load_in_4bit") is True or quantization.get("load_in_8bit") is True:
        return Format.BNB, Evidence("config", "load_in_4bit or load_in_8bit", "as its configuration states")
    if method and method not in _CONTAINERS:
        return None
    stated = _algorithm(quantization)
    if stated is not None:
        return stated
    counts = tensor_types(facts)
    by_types = _by_types(counts, packed=bool(method))
    if by_types is not None:
        return by_types
    if (counts and counts.keys() <= _PLAIN) or _is_only_other(facts):
        return None
    tag = next((tag for tag in facts.tags if tag.lower() in _TAGS), None)
    return None if tag is None else (_TAGS[tag.lower()], Evidence("tag", tag, "as the Hub or its author tags it"))


def _algorithm(quantization: Any) -> tuple[Format, Evidence] | None:
    """What ModelOpt and compressed-tensors write into the whole configuration."""
    for key in ("quant_algo", "format"):
        value = (wire.text(quantization, key) or "").lower()
        for word, form in (("nvfp4", Format.NVFP4), ("mxfp4", Format.MXFP4), ("fp8", Format.FP8)):
            if word in value or (key == "format" and word == "fp8" and value == "float-quantized"):
                return form, Evidence("config", f"{key}: {value}"[:_MAX_VALUE], "as its configuration states")
    return None


_PLAIN = frozenset({"F64", "F32", "F16", "BF16", "I64", "BOOL"})
"""Types of tensors that hold no packed weights: a tag that names a packed format is contradicted by them."""


def tensor_types(model: wire.Model) -> dict[str, int]:
    """Elements of the safetensors files by type, as the Hub counts them; empty if it does not."""
    stated = wire.mapping(wire.mapping(model, "safetensors"), "parameters")
    return {str(key).upper(): number for key in stated if (number := wire.count(stated, key)) is not None}


def _by_types(counts: Mapping[str, int], *, packed: bool) -> tuple[Format, Evidence] | None:
    """FP8 or NVFP4 by the types of the tensors, if those of eight bits are the most."""
    eight, pairs, total = counts.get("F8_E4M3", 0) + counts.get("F8_E5M2", 0), counts.get("U8", 0), sum(counts.values())
    if total == 0:
        return None
    if packed and pairs and 0.9 < 8 * counts.get("F8_E4M3", 0) / pairs < 1.1:
        said = f"U8 {pairs:,}, F8_E4M3 {counts['F8_E4M3']:,}"
        return Format.NVFP4, Evidence("safetensors", said, "pairs of 4-bit values with one FP8 scale for 16 values")
    if eight > total / 2:
        return Format.FP8, Evidence("safetensors", f"F8 {eight:,} of {total:,}", "most of its tensors are FP8")
    return None


def _is_only_other(facts: wire.Facts) -> bool:
    """Whether the files show weights of another kind alone, so that a tag speaks of no tensors here."""
    files = wire.files(facts)
    return bool(files) and not any(name.lower().endswith(_TENSORS) for name in files)


def _library(facts: wire.Facts, word: str) -> Evidence | None:
    return Evidence("library_name", word, "as the Hub states") if wire.text(facts, "library_name") == word else None


def _tag(facts: wire.Facts, word: str) -> Evidence | None:
    return Evidence("tag", word, "as the Hub or its author tags it") if word in facts.tags else None


def _file(name: str) -> Evidence:
    return Evidence("file", name[:_MAX_VALUE], "a file of this format")
