"""Elements of tensors to parameters: packing undone.

The Hub counts a file's elements by type. A packed format keeps several parameters in one element (4-bit in ``I32``:
eight; in ``U8``: two) and adds scales, which are no parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.classify import wire

_BITS = {"I64": 64, "U64": 64, "I32": 32, "U32": 32, "I16": 16, "U16": 16, "I8": 8, "U8": 8}
_FLOATS = {"F64", "F32", "F16", "BF16"}
_EIGHT_BIT = {"F8_E4M3", "F8_E5M2", "F8_E4M3FN", "I8"}


class Unpacked(NamedTuple):
    """Parameters, and how the packing was undone (None: there was none)."""

    total: int
    how: str | None


def unpacked(model: wire.Model) -> Unpacked | None:
    """The parameters that the safetensors facts tell; None where there are none."""
    facts = wire.mapping(model, "safetensors")
    by_type = {str(key).upper(): value for key, value in wire.mapping(facts, "parameters").items() if _whole(value)}
    if not by_type:
        total = wire.count(facts, "total")
        return None if total is None else Unpacked(total, None)
    plain = sum(by_type.values())
    bits, packed_in, group = _packing(model, by_type)
    if bits is None or packed_in is None:
        return Unpacked(plain, None)
    packed = by_type[packed_in]
    values = _values(packed, bits, packed_in, group, by_type)
    scales = _scales(by_type, values, group, packed_in)
    rest = plain - packed - scales
    return Unpacked(values + max(rest, 0), f"{bits}-bit values unpacked from {packed_in}")


def _values(packed: int, bits: int, packed_in: str, group: int, by_type: Mapping[str, int]) -> int:
    """Values in ``packed`` elements, some of which may be scales: a byte for each group, in the formats of bytes."""
    values = packed * _BITS[packed_in] // bits
    if packed_in != "U8" or group <= 0:
        return values
    scales_elsewhere = by_type.get("F8_E4M3", 0) + by_type.get("F32", 0) > 0.5 * values / group
    return values if scales_elsewhere else round(packed / (bits / 8 + 1 / group))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _packing(model: wire.Model, by_type: Mapping[str, int]) -> tuple[int | None, str | None, int]:
    """(bits of a value, the type that they are packed in, values that share a scale)."""
    quantization = wire.mapping(wire.config(model), "quantization_config") or wire.mapping(
        wire.config(model), "quantization"
    )
    method = (wire.text(quantization, "quant_method") or "").lower()
    tags = set(wire.tags(model))
    name = wire.name(model).lower()
    if method == "mxfp4" or "mxfp4" in tags or "mxfp4" in name:
        return _in("U8", by_type, 4, 32)
    if "nvfp4" in tags or "nvfp4" in name or "nvfp4" in str(quantization)[:2_000].lower():
        return _in("U8", by_type, 4, 16)
    bits = _bits(quantization, tags, name, method)
    if bits is None or bits >= 16:
        return None, None, 0
    group = wire.count(quantization, "group_size") or 128
    if method == "bitsandbytes" or "bitsandbytes" in tags or "bnb" in name:
        return (None, None, 0) if bits == 8 else _in("U8", by_type, 4, 64)
    for kind in ("I32", "U32"):
        if by_type.get(kind, 0) > 0.05 * sum(by_type.values()):
            return _in(kind, by_type, bits, 64 if kind == "U32" else group)
    return (None, None, 0) if bits == 8 else _in("U8", by_type, bits, group)


def _in(kind: str, by_type: Mapping[str, int], bits: int, group: int) -> tuple[int | None, str | None, int]:
    return (bits, kind, group) if kind in by_type else (None, None, 0)


def _bits(quantization: Mapping[str, Any], tags: set[str], name: str, method: str) -> int | None:
    stated = wire.count(quantization, "bits") or wire.count(quantization, "w_bit")
    if stated is not None:
        return stated
    if quantization.get("load_in_4bit") is True:
        return 4
    if quantization.get("load_in_8bit") is True:
        return 8
    for group in wire.mapping(quantization, "config_groups").values():
        if isinstance(group, Mapping):
            found = wire.count(wire.mapping(group, "weights"), "num_bits")
            if found is not None:
                return found
    for bits in (4, 8, 3, 2, 6, 5):
        if f"{bits}-bit" in tags or f"{bits}bit" in name or f"int{bits}" in name or f"w{bits}a" in name:
            return bits
    return 4 if method in {"awq", "gptq"} or tags & {"awq", "gptq"} else None


def _scales(by_type: Mapping[str, int], values: int, group: int, packed_in: str) -> int:
    """Elements that are scales and zero points of the packed values, as far as they can be told from weights."""
    expected = values // group if group > 0 else 0
    if packed_in == "U8" and "F8_E4M3" in by_type and by_type["F8_E4M3"] < 1.2 * expected:
        return by_type["F8_E4M3"]
    if packed_in == "U32":
        return min(2 * expected, by_type.get("BF16", 0) + by_type.get("F16", 0))
    if packed_in == "U8":
        return min(expected, by_type["F32"]) if by_type.get("F32", 0) > 0.5 * expected else 0
    return min(expected, sum(by_type.get(kind, 0) for kind in _FLOATS))
