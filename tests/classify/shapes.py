"""Safetensors facts of packed and unpacked weights of a model of known size, as counted before and since 2026."""

from __future__ import annotations

from typing import Any

LINEAR = 0.94
"""The part of a model's parameters that quantisers pack; embeddings, norms and heads stay as they are."""


def shape(total: int, packing: str) -> dict[str, Any]:
    """``{"safetensors": …, "config": …, "tags": …}`` of a model with ``total`` parameters: elements as in the files."""
    packed = round(total * LINEAR)
    rest = total - packed
    make = {
        "none": lambda: ({"BF16": total}, {}, []),
        "f32": lambda: ({"F32": total}, {}, []),
        "fp8": lambda: (
            {"F8_E4M3": packed, "BF16": rest, "F32": packed // 16_384},
            {"quant_method": "fp8", "weight_block_size": [128, 128]},
            ["fp8"],
        ),
        "gptq": lambda: (
            {"I32": packed // 8 + packed // 128 // 8, "F16": rest + packed // 128},
            {"quant_method": "gptq", "bits": 4, "group_size": 128},
            ["gptq", "4-bit"],
        ),
        "awq": lambda: (
            {"I32": packed // 8 + packed // 128 // 8, "F16": rest + packed // 128},
            {"quant_method": "awq", "bits": 4, "group_size": 128},
            ["awq", "4-bit"],
        ),
        "bnb": lambda: (
            {"U8": packed // 2 + packed // 64, "BF16": rest, "F32": packed // 64 // 256},
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "_load_in_4bit": True},
            ["bitsandbytes", "4-bit"],
        ),
        "bnb without nesting": lambda: (
            {"U8": packed // 2, "BF16": rest, "F32": packed // 64},
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            ["bitsandbytes"],
        ),
        "mxfp4": lambda: (
            {"U8": packed // 2 + packed // 32, "BF16": rest},
            {"quant_method": "mxfp4"},
            ["mxfp4"],
        ),
        "nvfp4": lambda: (
            {"U8": packed // 2, "F8_E4M3": packed // 16, "BF16": rest, "F32": 500},
            {"quant_method": "modelopt", "quant_algo": "NVFP4"},
            ["modelopt", "nvfp4"],
        ),
        "compressed-tensors w4a16": lambda: (
            {"I32": packed // 8, "BF16": rest + packed // 128, "I64": 1_000},
            {
                "quant_method": "compressed-tensors",
                "format": "pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128, "type": "int"}}},
            },
            ["compressed-tensors"],
        ),
        "compressed-tensors w8a8": lambda: (
            {"I8": packed, "BF16": rest + packed // 4_096},
            {
                "quant_method": "compressed-tensors",
                "format": "int-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "int"}}},
            },
            ["compressed-tensors"],
        ),
        "mlx": lambda: (
            {"U32": packed // 8, "BF16": rest + 2 * (packed // 64)},
            {},
            ["mlx", "4-bit"],
        ),
        "gptq in groups of 32": lambda: (
            {"I32": packed // 8 + packed // 32 // 8, "F16": rest + packed // 32},
            {"quant_method": "gptq", "bits": 4, "group_size": 32},
            ["gptq"],
        ),
        "gptq 3-bit": lambda: (
            {"I32": packed * 3 // 32 + packed // 128 * 3 // 32, "F16": rest + packed // 128},
            {"quant_method": "gptq", "bits": 3, "group_size": 128},
            ["gptq"],
        ),
        "gptq 8-bit": lambda: (
            {"I32": packed // 4 + packed // 128 // 4, "F16": rest + packed // 128},
            {"quant_method": "gptq", "bits": 8, "group_size": 128},
            ["gptq", "8-bit"],
        ),
        "auto-round": lambda: (
            {"I32": packed // 8 + packed // 128 // 8, "F16": rest + packed // 128},
            {"quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": True},
            ["4-bit", "auto-round"],
        ),
        "bnb 8-bit": lambda: (
            {"I8": packed, "F16": rest, "F32": packed // 4_096},
            {"quant_method": "bitsandbytes", "load_in_8bit": True},
            ["bitsandbytes", "8-bit"],
        ),
        "compressed-tensors in groups of 32": lambda: (
            {"I32": packed // 8, "BF16": rest + packed // 32, "I64": 1_000},
            {
                "quant_method": "compressed-tensors",
                "format": "pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 32, "type": "int"}}},
            },
            ["compressed-tensors"],
        ),
        "compressed-tensors nvfp4": lambda: (
            {"U8": packed // 2, "F8_E4M3": packed // 16, "BF16": rest, "F32": 500},
            {
                "quant_method": "compressed-tensors",
                "format": "nvfp4-pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 16, "type": "float"}}},
            },
            ["compressed-tensors"],
        ),
        "nvfp4 with fp8": lambda: (
            {"U8": packed // 4, "F8_E4M3": packed // 32 + packed // 2, "BF16": rest, "F32": 500},
            {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"},
            ["modelopt", "nvfp4"],
        ),
        "modelopt that does not say which": lambda: (
            {"U8": packed // 2, "F8_E4M3": packed // 16, "BF16": rest, "F32": 500},
            {"quant_method": "modelopt"},
            ["modelopt"],
        ),
        "mxfp8": lambda: ({"F8_E4M3": packed, "U8": packed // 32, "BF16": rest}, {"quant_method": "mxfp8"}, ["mxfp8"]),
        "mlx 8-bit": lambda: (
            {"U32": packed // 4, "BF16": rest + 2 * (packed // 64)},
            {"group_size": 64, "bits": 8},
            ["mlx", "8-bit"],
        ),
        "mlx mxfp4": lambda: (
            {"U32": packed // 8, "U8": packed // 32, "BF16": rest},
            {"group_size": 32, "bits": 4, "mode": "mxfp4"},
            ["mlx", "4-bit"],
        ),
        "bitnet": lambda: ({"U8": packed // 4, "BF16": rest}, {"quant_method": "bitnet"}, ["bitnet"]),
    }[packing]
    by_type, quantization, tags = make()
    by_type = {name: count for name, count in by_type.items() if count > 0}
    return {
        "safetensors": {"parameters": by_type, "total": sum(by_type.values())},
        "config": {"quantization_config": quantization} if quantization else {},
        "tags": ["safetensors", *tags],
    }


def served(total: int, packing: str) -> dict[str, Any]:
    """The same as the Hub serves it since 2026: values instead of packed elements, and no scales, in some formats.

    The configuration is trimmed to what the Hub serves of it.
    """
    facts = shape(total, packing)
    if packing in UNPACKED_BY_HUB:
        packed = round(total * LINEAR)
        holder = max(facts["safetensors"]["parameters"], key=facts["safetensors"]["parameters"].__getitem__)
        holder = next(kind for kind in ("I32", "U8", holder) if kind in facts["safetensors"]["parameters"])
        by_type = {holder: packed, "BF16": total - packed}
        facts["safetensors"] = {"parameters": by_type, "total": total}
    quantization = facts["config"].get("quantization_config", {})
    kept = {key: quantization[key] for key in SERVED_KEYS if key in quantization}
    facts["config"] = {"quantization_config": kept} if kept else {}
    return facts


PACKINGS = (
    "none", "f32", "fp8", "gptq", "awq", "bnb", "bnb without nesting", "mxfp4", "nvfp4", "compressed-tensors w4a16",
    "compressed-tensors w8a8", "mlx", "gptq in groups of 32", "gptq 3-bit", "gptq 8-bit", "auto-round", "bnb 8-bit",
    "compressed-tensors in groups of 32", "compressed-tensors nvfp4", "nvfp4 with fp8",
    "modelopt that does not say which", "mxfp8", "mlx 8-bit", "mlx mxfp4", "bitnet",
)  # fmt: skip

UNPACKED_BY_HUB = frozenset(
    {"gptq", "awq", "bnb", "bnb without nesting", "mxfp4", "compressed-tensors w4a16", "gptq in groups of 32",
     "gptq 3-bit", "gptq 8-bit", "compressed-tensors in groups of 32", "compressed-tensors nvfp4"}
)  # fmt: skip
"""Packings of which the Hub counts the values since 2026."""
SERVED_KEYS = ("bits", "load_in_4bit", "load_in_8bit", "quant_method")
"""What the Hub serves of a quantization_config."""
