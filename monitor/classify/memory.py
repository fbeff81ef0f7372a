"""Memory that weights need once they are loaded, and the key-value cache: estimates, each with its formula.

GB are 10^9 bytes, as the Hub shows sizes of files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.classify import wire
from monitor.classify.formats import formats_in, is_gguf_model, tensor_types
from monitor.classify.kv_cache import kv_cache
from monitor.classify.size_packing import MIN_PACKED_SHARE, count_tensors
from monitor.enums import Format

_TYPE_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I64": 64, "U64": 64,
    "I32": 32, "U32": 32, "I16": 16, "U16": 16, "I8": 8, "U8": 8, "BOOL": 8,
}  # fmt: skip
GGUF_BITS: dict[str, float] = {
    "F32": 32, "BF16": 16, "F16": 16, "Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.7, "Q5_K_S": 5.57, "Q5_1": 6.0,
    "Q5_0": 5.6, "Q4_K_XL": 5.0, "Q4_K_M": 4.89, "Q4_K_S": 4.67, "Q4_1": 5.1, "Q4_0": 4.67, "IQ4_NL": 4.68,
    "IQ4_XS": 4.46, "MXFP4_MOE": 4.6, "MXFP4": 4.6, "NVFP4": 4.7, "Q3_K_L": 4.3, "Q3_K_M": 4.0, "Q3_K_S": 3.64,
    "IQ3_M": 3.76, "IQ3_S": 3.66, "IQ3_XS": 3.5, "IQ3_XXS": 3.25, "Q2_K_L": 3.3, "Q2_K": 3.16, "Q2_K_S": 2.97,
    "IQ2_M": 2.93, "IQ2_S": 2.74, "IQ2_XS": 2.59, "IQ2_XXS": 2.38, "IQ1_M": 2.15, "IQ1_S": 2.0,
}  # fmt: skip
"""Bits of a parameter over a whole GGUF file of a type, with scales and the tensors that are kept wider: as
llama.cpp's tools/quantize/README.md gives them for Llama-3.1-8B, MXFP4 by the file of gpt-oss-20b. Compared with
files of other models in docs/explanation/formats.md."""
_USUAL = "Q4_K_M"
_SCALE_BITS: dict[str, float] = {Format.AWQ: 0.16, Format.GPTQ: 0.16, Format.NVFP4: 0.5, Format.MXFP4: 0.25,
                                 Format.BNB: 0.5}  # fmt: skip
"""Bits that scales and zero points add to each packed value: 16 + 4 for 128 values, 8 for 16, 8 for 32, 32 for 64."""
_FOUR_BITS = frozenset({Format.AWQ, Format.GPTQ, Format.NVFP4, Format.MXFP4, Format.BNB})
_OTHER_SCALE_BITS = 0.125
"""Of formats without a name here: 16 for 128 values, as compressed-tensors writes them unless it is set otherwise."""
_HOLDERS = ("I32", "U8", "I8")
"""Types whose elements the Hub may count by the values that are packed in them."""
MAX_INDEX_RATIO = 1.5
"""An index whose size is further from what the types of the tensors take, or that leaves a parameter less than a bit
or more than 64, is of something else."""
_MAX_BYTES = 2**62


class Weights(NamedTuple):
    """Bytes of weights, the mean bits of a parameter, what the bytes rest on, and how they were made."""

    bytes: int
    bits: float | None
    basis: str
    formula: str
    variant: str | None = None


def memory(model: wire.Model, params: int | None, form: str | None) -> dict[str, Any] | None:
    """What loading a repository's weights takes, as the release object has it; None if it is not known.

    ``params``: its total parameters; ``form``: the format of its weights, None for weights as trained.
    """
    facts = wire.read(model)
    weights = _gguf(facts, params) if form == Format.GGUF else _tensors(facts, params, form)
    if weights is None or not 0 < weights.bytes < _MAX_BYTES:
        return None
    cache = kv_cache(facts.config)
    return {
        "weights_gb": in_gb(weights.bytes),
        "kv_gb_per_1k_tokens": None if cache is None else round(cache.bytes_per_token * 1_000 / 1e9, 4),
        "kv_gb_fixed": None if cache is None else round(cache.fixed_bytes / 1e9, 4),
        "bits": None if weights.bits is None else round(weights.bits, 2),
        "variant": weights.variant,
        "basis": weights.basis,
        "formula": weights.formula if cache is None else f"{weights.formula}; KV cache: {cache.formula}",
    }


class Runs(NamedTuple):
    """The formats of a repository's own weights, each ``{evidence, memory}``, and the memory of those weights."""

    formats: dict[str, dict[str, Any]]
    memory: dict[str, Any] | None


_OF_FILES = frozenset({Format.GGUF, Format.MLX, Format.ONNX, Format.COREML})
_TENSORS = (".safetensors", ".bin", ".pt", ".pth", ".npz")


def runs(model: wire.Model, params: int | None) -> Runs:
    """What a repository's own weights can be run as. ``params``: its total parameters, None if unknown."""
    facts = wire.read(model)
    found = formats_in(facts)
    packed = next((name for name in found if name not in _OF_FILES), None)
    own: str | None = packed or (Format.MLX if Format.MLX in found else None)
    if own is None and Format.GGUF in found and not _has_tensors(facts):
        own = Format.GGUF
    memories = {name: memory(facts, params, name) for name in found if name not in {Format.ONNX, Format.COREML}}
    formats = {name: {"evidence": evidence.as_json(), "memory": memories.get(name)} for name, evidence in found.items()}
    if found and own is None and not _has_tensors(facts):
        return Runs(formats, None)  # of ONNX and Core ML files no size is known
    return Runs(formats, memories[own] if own is not None else memory(facts, params, None))


def _has_tensors(facts: wire.Facts) -> bool:
    return bool(tensor_types(facts)) or any(name.lower().endswith(_TENSORS) for name in wire.files(facts))


def in_gb(number: int) -> float:
    """Bytes in GB of 10^9, to a thousandth; what is less than a tenth to three digits, so that nothing becomes 0."""
    return round(number / 1e9, 3) if number >= 10**8 else float(f"{number / 1e9:.3g}")


def in_bytes(found: Mapping[str, Any] | None) -> int | None:
    """The bytes of the weights of a :func:`memory`, to compare and sort by."""
    return None if found is None else round(found["weights_gb"] * 1e9)


# --- tensors ------------------------------------------------------------------------------------------------


def _tensors(facts: wire.Facts, params: int | None, form: str | None) -> Weights | None:
    """By the size that the index states, else by the types of the tensors, else by parameters and stated bits."""
    counts = tensor_types(facts)
    typed = _typed(facts, counts, params, form) if counts and counts.keys() <= _TYPE_BITS.keys() else None
    stated = facts.contents.index_total_bytes
    if stated is not None and _fits(stated, typed, params):
        return Weights(stated, _mean(stated, params), "index", f"total_size of its safetensors index: {stated:,} bytes")
    if counts:
        return typed
    bits = _stated_bits(facts, form)
    if params is None or bits is None:
        return None
    return _computed(params, bits, "its configuration")


def _fits(stated: int, typed: Weights | None, params: int | None) -> bool:
    """Whether the size that an index states agrees with what else is known."""
    if typed is not None:
        return 1 / MAX_INDEX_RATIO < stated / typed.bytes < MAX_INDEX_RATIO
    return params is None or 1 <= 8 * stated / params <= 64


def _typed(facts: wire.Facts, counts: Mapping[str, int], params: int | None, form: str | None) -> Weights | None:
    """By the types of the tensors; None where it is not known how many bits the values of packed ones have."""
    values = sum(counts.get(name, 0) for name in _HOLDERS)
    served = sum(counts.values())
    packing = count_tensors(facts)
    if packing is None or values < MIN_PACKED_SHARE * served or (packing.certain and packing.unpacked is None):
        return _stored(counts, params)
    each = packing.bits or (4 if form in _FOUR_BITS else None)
    if each is None or params is None:
        return None
    holder = max(_HOLDERS, key=lambda name: counts.get(name, 0))
    unpacked = packing.unpacked or served + round(values * (_TYPE_BITS[holder] / each - 1))
    if abs(math.log(params / unpacked)) < abs(math.log(params / served)):
        return _stored(counts, params)
    # The Hub counted the values that the packed elements hold, and no scales.
    width = each + _SCALE_BITS.get(form or "", _OTHER_SCALE_BITS)
    rest = sum(number * _TYPE_BITS[name] for name, number in counts.items() if name not in _HOLDERS)
    size = math.ceil((values * width + rest) / 8)
    formula = f"{values:,} values × {width:g} bits with scales + {rest // 8:,} bytes of other tensors"
    return Weights(size, _mean(size, params), "types", formula)


def _stored(counts: Mapping[str, int], params: int | None) -> Weights:
    """Each element in the width of its type."""
    size = sum(number * _TYPE_BITS[name] for name, number in counts.items()) // 8
    parts = [f"{number:,} × {_TYPE_BITS[name]} bits ({name})" for name, number in sorted(counts.items())]
    return Weights(size, _mean(size, params), "types", " + ".join(parts))


def _mean(size: int, params: int | None) -> float | None:
    return None if not params else 8 * size / params


def _computed(params: int, bits: float, source: str, variant: str | None = None) -> Weights:
    formula = f"{params:,} parameters × {bits:g} bits by {source}"
    return Weights(math.ceil(params * bits / 8), bits, "parameters", formula, variant)


def _stated_bits(facts: wire.Facts, form: str | None) -> float | None:  # noqa: PLR0911
    """Bits of a parameter as the configuration states them, with scales; None if it states none."""
    if form == Format.FP8:
        return 8
    if form in {Format.NVFP4, Format.MXFP4}:
        return 4 + _SCALE_BITS[form]
    quantization = wire.quantization(facts.config) or wire.mapping(facts.config, "quantization")
    width = quantization.get("bits", quantization.get("w_bit"))
    if isinstance(width, (int, float)) and not isinstance(width, bool) and 1 <= width <= 16:
        return width + (_SCALE_BITS.get(form or "", 0.5 if form == Format.MLX else 0))
    if form == Format.BNB:
        return 4.5 if quantization.get("load_in_4bit") is True else 8 if quantization.get("load_in_8bit") else None
    if form == Format.AWQ:
        return 4 + _SCALE_BITS[form]
    if form is not None:
        return None
    return _DTYPES.get(wire.text(facts.config, "torch_dtype") or wire.text(facts.config, "dtype") or "")


_DTYPES = {"float32": 32.0, "float16": 16.0, "bfloat16": 16.0}


# --- GGUF ---------------------------------------------------------------------------------------------------


def _gguf(facts: wire.Facts, params: int | None) -> Weights | None:
    """By the type in the names of the files: Q4_K_M where there is one, else the one nearest to it in bits."""
    header = wire.mapping(facts, "gguf")
    # Of a repository with a projector of images, the Hub may have read that file.
    of_model = wire.text(header, "architecture") not in _NOT_THE_MODEL
    total = (wire.count(header, "total") if of_model else None) or params
    types = {found for name in wire.files(facts) if is_gguf_model(name) and (found := gguf_type(name)) is not None}
    if total is None or not types:
        return None
    variant = min(types, key=lambda one: (abs(GGUF_BITS[one] - GGUF_BITS[_USUAL]), one != _USUAL, one))
    return _computed(total, GGUF_BITS[variant], f"the usual mean of {variant}", variant)


_NOT_THE_MODEL = frozenset({"clip", "mmproj"})
_BY_LENGTH = sorted(GGUF_BITS, key=lambda one: (-len(one), one))


def gguf_type(name: str) -> str | None:
    """The type of a GGUF file, the last one that its name has (``gemma-bf16-Q4_0.gguf``); None if it names none."""
    stem = name.rpartition("/")[2].upper().removesuffix(".GGUF").replace("-", ".").replace("_", ".")
    words = f".{stem}."
    # Where one type is the beginning of another, both begin at the same place: the longer one comes first.
    ends = {one: words.rfind(f".{one.replace('_', '.')}.") for one in _BY_LENGTH}
    last = max(_BY_LENGTH, key=ends.__getitem__)
    return last if ends[last] >= 0 else None
