"""Elements of tensors to parameters: packing undone.

The Hub counts a file's elements by type. A packed format keeps several parameters in one element (4-bit in ``I32``:
eight; in ``U8``: two) and adds scales and zero points, which are no parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from monitor.classify import wire
from monitor.classify.result import Evidence

_BITS = {"I64": 64, "U64": 64, "I32": 32, "U32": 32, "I16": 16, "U16": 16, "I8": 8, "U8": 8}
_HALVES = ("F16", "BF16")
_EIGHT_BIT_FLOATS = ("F8_E4M3", "F8_E5M2")
_FLOATS = ("F64", "F32", *_HALVES)
MIN_PACKED_SHARE = 0.05
"""Whole numbers of less than this part of all elements are indices, masks and counters, and no packed weights."""
MAX_TOTAL_DIFFERENCE = 0.001
"""Share of the sum by which ``total`` may differ without a mention."""
MAX_REFERENCE_RATIO = 1.5
"""A reference that differs by a larger factor from both counts decides nothing."""
_WITH_ZEROS = frozenset({"gptq", "awq", "auto-round", "intel/auto-round", "auto_round", "autoround"})
_FOUR_BITS = frozenset(
    {"awq", "gptq", "auto-round", "intel/auto-round", "modelopt", "hqq", "nvfp4", "mxfp4", "compressed-tensors"}
)
_WIDTHS = (4, 8, 3, 2, 6, 5)


class TensorCount(NamedTuple):
    """The elements of all tensors, as served by the Hub and with their packing undone.

    Since 2026 the Hub unpacks some formats itself (``hub_unpacks``), and older answers hold what was counted before:
    both forms exist, and the counts alone do not always show which one it is.
    """

    served: int
    """Sum of ``parameters``, without block scales."""
    unpacked: int | None = None
    """Parameters if the served counts are those of packed elements; None if no packing is known."""
    how: str | None = None
    """How the packing was undone."""
    hub_unpacks: bool = False
    packed_bytes: int = 0
    """Bytes of the packed elements if they were not unpacked by the Hub."""
    is_packed: bool | None = None
    """Whether the counts themselves show that they are those of packed elements; None if they do not show it."""
    typed: bool = True
    """Whether the counts are known by type; without that, no packing can be seen."""
    certain: bool = True
    """Whether one of the counts is that of the parameters. False for values of mixed or unknown width."""
    bits: float | None = None
    """Bits of a packed value; None if nothing is packed, or it is not known how."""
    stated_total: int | None = None
    """``total``, if it differs from the sum of ``parameters``: it can be taken from an index file."""


class _Packing(NamedTuple):
    """How weights are packed: bits of a value, and how many values share a scale; None if not stated.

    ``mixed``: values of several widths are packed into elements of one type. ``zeros_method``: the one of GPTQ, AWQ and
    their kin that the configuration or else a tag names.
    """

    bits: float | None
    group: int | None
    method: str
    hint: str
    zeros: bool
    mixed: bool
    zeros_method: str
    fp4_experts: bool


def count_tensors(model: wire.Model) -> TensorCount | None:
    """The parameter counts by the safetensors facts; None without such facts."""
    facts = wire.mapping(model, "safetensors")
    if not facts:
        return None
    stated = wire.mapping(facts, "parameters")
    by_type = {str(key).upper(): value for key, value in stated.items() if _whole(value)}
    total = wire.count(facts, "total")
    if not by_type:
        return None if total is None else TensorCount(total, typed=False)
    everything = sum(by_type.values())
    found = _count(model, by_type)
    if found is None or total is None or abs(total - everything) <= MAX_TOTAL_DIFFERENCE * everything:
        return found
    return found._replace(stated_total=total)


def _count(model: wire.Model, by_type: dict[str, int]) -> TensorCount | None:
    # Block exponents (MXFP4, MXFP8) are scales, not parameters; the Hub does not count them either.
    exponents = by_type.pop("F8_E8M0", 0)
    plain = sum(by_type.values())
    if not plain:
        return None
    if all(kind in _FLOATS for kind in by_type):
        return TensorCount(plain)
    holder = max(
        (kind for kind in ("I32", "U32", "U8", "I16", "I8") if kind in by_type), key=by_type.__getitem__, default=None
    )
    if holder is None or by_type[holder] < MIN_PACKED_SHARE * plain:
        return TensorCount(plain - _exponents(by_type))
    return _undone(by_type, plain, holder, _packing(model, by_type), exponents)


def settle(count: TensorCount, references: Iterable[tuple[str, int]], stored_bytes: int | None) -> Evidence | None:
    """The parameter count (``value`` of the evidence) out of a served and an unpacked one; None if neither is certain.

    ``references``: (source, parameters) of the base model, the configuration and the name, the best first. ``total`` is
    the last one if it differs from the sum. ``stored_bytes``: no more than these are stored in the repository.
    """
    references = [*references, *([("total", count.stated_total)] if count.stated_total else [])]
    if not count.certain:
        near = next((source for source, number in references if abs(number - count.served) <= 0.1 * number), None)
        return None if near is None else _as_served(count, f"as the {near} has it")
    if count.unpacked is None:
        return _as_served(count, None)
    packed, reason = _is_packed(count, references, stored_bytes)
    return _as_unpacked(count, reason) if packed else _as_served(count, reason)


def _is_packed(
    count: TensorCount, references: Iterable[tuple[str, int]], stored_bytes: int | None
) -> tuple[bool, str | None]:
    """(whether the served counts are those of packed elements, why)."""
    if count.is_packed:
        return True, None
    if stored_bytes is not None and stored_bytes < count.packed_bytes:
        return False, "unpacked by the Hub: more bytes would be stored otherwise"
    for source, number in references:
        served, unpacked = (abs(math.log(one / number)) for one in (count.served, count.unpacked or count.served))
        if min(served, unpacked) < math.log(MAX_REFERENCE_RATIO):
            near = f"nearer to the {source} ({number})"
            return (True, near) if unpacked < served else (False, f"unpacked by the Hub: {near}")
    return (False, "the Hub unpacks this format itself") if count.hub_unpacks else (True, None)


def _as_served(count: TensorCount, reason: str | None) -> Evidence:
    message = "sum of the elements of all tensors"
    return Evidence("safetensors", str(count.served), message if reason is None else f"{message}; {reason}")


def _as_unpacked(count: TensorCount, reason: str | None) -> Evidence:
    return Evidence("safetensors", str(count.unpacked), f"{count.how}; {reason}" if reason else str(count.how))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _exponents(by_type: Mapping[str, int]) -> int:
    """Scales of eight-bit floats in blocks (MXFP8) that come as exponents in plain bytes."""
    eight = sum(count for kind, count in by_type.items() if kind.startswith(_EIGHT_BIT_FLOATS))
    scales = by_type.get("U8", 0)
    return scales if 0 < scales < 0.05 * eight else 0


def _undone(by_type: Mapping[str, int], plain: int, holder: str, packing: _Packing, exponents: int) -> TensorCount:
    packed, bits = by_type[holder], packing.bits
    if packing.mixed:
        return TensorCount(plain, certain=False)  # the counts by type do not show how much has which width
    if holder == "I8":
        fp8 = exponents > 0 or any(kind.startswith(_EIGHT_BIT_FLOATS) for kind in by_type)
        return _signed_bytes(plain, packed, fp8=fp8 or packing.fp4_experts)
    scales_counted = _near(by_type.get("F8_E4M3", 0), packed / 8)
    if holder == "U8" and (bits is not None or packing.method or packing.hint or scales_counted):
        # A byte of a format with four bits is a pair, whatever a tag like 8-bit counts (elements of a byte).
        four = packing.hint in {"nvfp4", "mxfp4"} or packing.method == "modelopt" or scales_counted
        bits = 2 if packing.method == "bitnet" else (8 if bits == 8 and not four else 4)
    elif holder == "U32" and bits is None and packing.hint:
        bits = 4
    if bits is None or not 1 <= bits <= _BITS[holder]:
        # A wide type is packed, and it is not stated how.
        return TensorCount(plain, certain=False)
    if holder == "U8" and bits == 8:
        return TensorCount(plain)
    values, scales = (
        _bytes(by_type, packed, packing, exponents)
        if holder == "U8"
        else _words(by_type, packed, holder, bits, packing)
    )
    if packing.method == "bitnet":
        values, scales = packed * 4, 0
    rest = max(plain - packed - scales, 0)
    return TensorCount(
        plain,
        values + rest,
        f"{bits:g}-bit values unpacked from {holder}",
        _unpacked_by_hub(packing, holder),
        packed * _BITS[holder] // 8,
        is_packed=True if holder == "U8" and scales_counted else None,
        bits=bits,
    )


def _signed_bytes(plain: int, packed: int, *, fp8: bool) -> TensorCount:
    """Signed bytes are eight-bit weights; in a model in FP8 they can be pairs of FP4 values (DeepSeek-V4)."""
    if not fp8:
        return TensorCount(plain)
    return TensorCount(plain, plain + packed, "4-bit values unpacked from I8", True, packed, bits=4)


def _unpacked_by_hub(packing: _Packing, holder: str) -> bool:
    """Whether the Hub counts the values of this format, not the packed elements (since 2026)."""
    if packing.method in {"gptq", "awq", "compressed-tensors"} or packing.zeros_method in {"gptq", "awq"}:
        return holder in {"I32", "U8"}
    return holder == "U8" and (packing.method in {"mxfp4", "bitsandbytes"} or packing.hint in {"mxfp4", "bnb"})


def _bytes(by_type: Mapping[str, int], packed: int, packing: _Packing, exponents: int) -> tuple[int, int]:
    """(values, elements that are scales) of four-bit values in bytes: NVFP4, MXFP4, bitsandbytes, Quark."""
    if packing.hint == "nvfp4" or (packing.hint != "mxfp4" and _near(by_type.get("F8_E4M3", 0), packed / 8)):
        return packed * 2, min(by_type.get("F8_E4M3", 0), packed // 8)
    if packing.hint == "mxfp4" or packing.method in {"mxfp4", "quark"}:
        if exponents > packed // 32:
            return packed * 2, 0
        return round(packed / (1 / 2 + 1 / 32)), 0  # the scales are bytes among the others
    if packing.hint == "bnb":
        group = 64
        if by_type.get("F32", 0) > packed / group:
            return packed * 2, min(by_type["F32"], 2 * packed // group)
        return round(packed / (1 / 2 + 1 / group)), 0
    group = packing.group or 128
    values = packed * 2
    return values, min(values // group, sum(by_type.get(kind, 0) for kind in _FLOATS))


def _near(found: float, expected: float) -> bool:
    return expected > 0 and 0.9 < found / expected < 1.1


def _words(by_type: Mapping[str, int], packed: int, holder: str, bits: float, packing: _Packing) -> tuple[int, int]:
    """(values, elements that are scales) of values in words: GPTQ, AWQ, compressed-tensors, MLX, EXL."""
    each = _BITS[holder] / bits
    floats = sum(by_type.get(kind, 0) for kind in _FLOATS)
    if packing.method in {"exl2", "exl3", "aqlm", "vptq", "quip"}:
        return round(packed * each), 0
    if holder == "U32":  # MLX: a scale and a bias for each group, or a byte's exponent
        group = packing.group or 64
        values = round(packed * each)
        scales = by_type.get("U8", 0)
        return values, scales or min(2 * values // group, sum(by_type.get(kind, 0) for kind in _HALVES))
    group = packing.group if packing.group is not None else 128
    if packing.group is not None and packing.group < 0:
        return round(packed * each), 0
    zeros = 1 / group if packing.zeros else 0.0
    values = round(packed * each / (1 + zeros))
    return values, min(values // group, floats)


def _packing(model: wire.Model, by_type: Mapping[str, int]) -> _Packing:
    config = wire.config(model)
    quantization = wire.quantization(config) or wire.mapping(config, "quantization")
    method = (wire.text(quantization, "quant_method") or wire.text(quantization, "quant_type") or "").lower()
    tags, name = set(wire.tags(model)), wire.name(model).lower()
    config_text = str(quantization)[:2_000].lower()
    hint = ""
    if method == "mxfp4" or "mxfp4" in tags or "mxfp4" in name or "mxfp4" in config_text:
        hint = "mxfp4"
    elif method == "modelopt" or "nvfp4" in tags or "nvfp4" in name or "nvfp4" in config_text:
        hint = "nvfp4"
    elif method == "bitsandbytes" or "bitsandbytes" in tags or "bnb" in name:
        hint = "bnb"
    elif method in {"", "mlx"} and ("mlx" in tags or wire.text(model, "library_name") == "mlx"):
        hint = "mlx"
    known = (_WITH_ZEROS & {method}) or (frozenset() if method else _WITH_ZEROS & tags)
    widths = _widths(quantization, by_type)
    bits = _stated_bits(quantization) or min(widths, default=None) or _bits(quantization, tags, name, method)
    if bits is None and hint in {"mxfp4", "nvfp4"}:
        bits = 4
    if bits is None and "exl" in config_text + name:
        method = method or "exl2"
    fp4 = any(wire.text(source, "expert_dtype") == "fp4" for source in (config, quantization))
    zeros = bool(known) and quantization.get("zero_point") is not False
    return _Packing(bits, _group(quantization, hint), method, hint, zeros, len(widths) > 1, min(known, default=""), fp4)


def _widths(quantization: Mapping[str, Any], by_type: Mapping[str, int]) -> set[float]:
    """The widths of the groups of weights, without eight bits if an eight-bit type holds those unpacked."""
    widths = {bits for group in _weights(quantization) if (bits := _stated_bits(group)) is not None}
    if len(widths) > 1 and any(kind.startswith(_EIGHT_BIT_FLOATS) or kind == "I8" for kind in by_type):
        widths.discard(8)
    return widths


def _group(quantization: Mapping[str, Any], hint: str) -> int | None:
    for source in (quantization, *_weights(quantization)):
        for key in ("group_size", "q_group_size"):
            value = source.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value != 0:
                return value
    return {"mxfp4": 32, "nvfp4": 16}.get(hint)


def _weights(quantization: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """How compressed-tensors describes each group's weights."""
    groups = wire.mapping(quantization, "config_groups").values()
    return [wire.mapping(group, "weights") for group in groups if isinstance(group, dict)]


def _stated_bits(source: Mapping[str, Any]) -> float | None:
    for key in ("bits", "w_bit", "num_bits", "nbits", "weight_bits"):
        value = source.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value < 16:
            return value
    return None


def _bits(quantization: Mapping[str, Any], tags: set[str], name: str, method: str) -> float | None:
    if quantization.get("load_in_4bit") is True:
        return 4
    if quantization.get("load_in_8bit") is True:
        return 8
    for bits in _WIDTHS:
        if f"{bits}-bit" in tags or f"{bits}bit" in name or f"int{bits}" in name or f"w{bits}a" in name:
            return bits
    return 4 if method in _FOUR_BITS or not _FOUR_BITS.isdisjoint(tags) else None
