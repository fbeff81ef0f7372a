"""Parameter counts of architectures that are built otherwise than the common language model.

Each function takes a configuration and returns its counts; None if dimensions are missing. Checked against the modules
of transformers 5.24, except for the code of LongCat-Flash (its report) and Phi-4-MM (its own code).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monitor.classify import wire
from monitor.classify.size_layers import Counted, first

_SIGLIP_SO400M = 412_000_000
"""The image encoder of Phi-4-MM, which its configuration does not describe."""
_MIMI = 79_000_000
"""The audio codec of CSM."""


def _dimensions(config: Mapping[str, Any], *keys: str | tuple[str, ...]) -> list[int] | None:
    found = [first(config, *((key,) if isinstance(key, str) else key)) for key in keys]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) and max(known) < 10_000_000 else None


def _dense(total: int) -> Counted:
    return Counted(total, total)


def _albert(config: Mapping[str, Any]) -> Counted | None:
    """All layers of a group have the same weights."""
    found = _dimensions(config, "vocab_size", "embedding_size", "hidden_size", "intermediate_size")
    if found is None:
        return None
    vocab, embedded, hidden, width = found
    groups = (first(config, "num_hidden_groups") or 1) * (first(config, "inner_group_num") or 1)
    positions = first(config, "max_position_embeddings") or 512
    outside = (vocab + positions) * embedded + 2 * embedded * hidden + hidden * hidden
    return _dense(outside + groups * (4 * hidden * hidden + 2 * hidden * width))


def _electra(config: Mapping[str, Any]) -> Counted | None:
    """A narrow embedding that is projected to the width of the layers."""
    found = _dimensions(config, "vocab_size", "embedding_size", "hidden_size", "intermediate_size", "num_hidden_layers")
    if found is None:
        return None
    vocab, embedded, hidden, width, layers = found
    positions = first(config, "max_position_embeddings") or 512
    outside = (vocab + positions) * embedded + (2 * embedded * hidden if embedded != hidden else hidden * hidden)
    return _dense(outside + layers * (4 * hidden * hidden + 2 * hidden * width))


def _zamba(config: Mapping[str, Any]) -> Counted | None:
    """Mamba layers, and attention blocks whose weights several layers share; each of these projects to its own use."""
    found = _dimensions(config, "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size")
    if found is None:
        return None
    vocab, hidden, layers, width = found
    inner = (first(config, "mamba_expand") or 2) * hidden
    state = first(config, "mamba_d_state") or 16
    both = first(config, "attention_hidden_size") or 2 * hidden
    hybrids = _hybrid_layers(config, layers)
    block = 3 * both * both + both * hidden + 3 * hidden * width
    if wire.text(config, "model_type") == "zamba":
        rank = first(config, "mamba_dt_rank") or -(-hidden // 16)
        mamba = hidden * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * hidden
        adapters, blocks = 0, 1
    else:
        groups, heads = first(config, "mamba_ngroups") or 1, first(config, "n_mamba_heads") or 8
        mamba = hidden * (2 * inner + 2 * groups * state + heads) + inner * hidden
        rank = first(config, "adapter_rank") or 128
        adapters = hybrids * (hidden * rank + rank * 2 * width)
        if config.get("use_shared_attention_adapter") is True:
            adapters += hybrids * 3 * 2 * both * rank
        blocks = first(config, "num_mem_blocks") or 1
    return _dense(vocab * hidden + layers * mamba + blocks * block + adapters + hybrids * hidden * hidden)


def _hybrid_layers(config: Mapping[str, Any], layers: int) -> int:
    """The number of layers with a shared attention block."""
    listed = config.get("hybrid_layer_ids")
    if isinstance(listed, (list, tuple)) and listed:
        return min(len(listed), layers)
    kinds = config.get("layers_block_type")
    if isinstance(kinds, (list, tuple)):
        return sum(kind == "hybrid" for kind in kinds[:layers])
    period, offset = first(config, "attn_layer_period") or 6, first(config, "attn_layer_offset") or 4
    return 1 + len(range(offset, layers - 3, period))


def _recurrent_gemma(config: Mapping[str, Any]) -> Counted | None:
    """Two linear recurrences for each layer of attention; ``intermediate_size`` counts both halves of the gate."""
    found = _dimensions(
        config, "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads"
    )
    if found is None:
        return None
    vocab, hidden, layers, width, heads = found
    each = first(config, "head_dim") or hidden // heads
    groups = first(config, "num_key_value_heads") or heads
    lru = first(config, "lru_width") or hidden
    kinds = config.get("block_types") or config.get("_block_types")
    kinds = kinds if isinstance(kinds, (list, tuple)) and kinds else ("recurrent", "recurrent", "attention")
    attending = sum(kinds[layer % len(kinds)] == "attention" for layer in range(min(layers, 1_000)))
    total = vocab * hidden + layers * 3 * hidden * (width // 2)
    total += attending * hidden * each * 2 * (heads + groups)
    total += (layers - attending) * (3 * hidden * lru + 2 * lru * lru // heads)
    return _dense(total)


def _xlstm(config: Mapping[str, Any]) -> Counted | None:
    """Matrix memories: queries and keys are narrower than values."""
    found = _dimensions(config, "vocab_size", ("hidden_size", "embedding_dim"), ("num_hidden_layers", "num_blocks"))
    if found is None:
        return None
    vocab, hidden, layers = found
    factors = [config.get(key) for key in ("qk_dim_factor", "v_dim_factor", "ffn_proj_factor")]
    query, value, wide = (
        stated if isinstance(stated, (int, float)) and 0 < stated < 100 else usual
        for stated, usual in zip(factors, (0.5, 1.0, 2.667), strict=True)
    )
    step = first(config, "ffn_round_up_to_multiple_of") or 64
    width = -(-int(wide * hidden) // step) * step
    layer = 2 * hidden * int(query * hidden) + 3 * hidden * int(value * hidden) + 3 * hidden * width
    tables = 1 if config.get("tie_word_embeddings") is True else 2
    return _dense(tables * vocab * hidden + layers * layer)


def _jetmoe(config: Mapping[str, Any]) -> Counted | None:
    """Experts in attention too: each has its own queries and output, keys and values are common."""
    found = _dimensions(
        config, "vocab_size", "hidden_size", ("num_hidden_layers", "num_layers"),
        ("intermediate_size", "ffn_hidden_size"), "num_key_value_heads", "kv_channels",
        ("num_local_experts", "moe_num_experts"), ("num_experts_per_tok", "moe_top_k"),
    )  # fmt: skip
    if found is None:
        return None
    vocab, hidden, layers, width, groups, each, experts, chosen = found
    expert = 2 * hidden * groups * each + 3 * hidden * width
    tables = 2 if config.get("tie_word_embeddings") is False else 1
    common = tables * vocab * hidden + layers * (2 * hidden * groups * each + 2 * hidden * experts)
    return Counted(common + layers * experts * expert, common + layers * min(chosen, experts) * expert)


def _longcat(config: Mapping[str, Any]) -> Counted | None:
    """Two attentions and two dense layers for each layer of experts; some experts that can be chosen do nothing.

    Active is the expected number: a token chooses among experts with and without weights.
    """
    found = _dimensions(
        config, "vocab_size", "hidden_size", ("num_layers", "num_hidden_layers"),
        ("ffn_hidden_size", "intermediate_size"),
        ("expert_ffn_hidden_size", "moe_intermediate_size"), "n_routed_experts", ("moe_topk", "num_experts_per_tok"),
        "num_attention_heads", "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
    )  # fmt: skip
    if found is None:
        return None
    vocab, hidden, layers, width, narrow, experts, chosen, heads, query, rank, plain, rope, value = found
    idle = first(config, "zero_expert_num") or 0
    attending = hidden * query + query * heads * (plain + rope) + hidden * (rank + rope)
    attending += rank * heads * (plain + value) + heads * value * hidden
    common = 2 * vocab * hidden + layers * (2 * attending + 2 * 3 * hidden * width + hidden * (experts + idle))
    expert = layers * 3 * hidden * narrow
    used = chosen * experts / (experts + idle)
    return Counted(common + experts * expert, common + round(used * expert))


def _phi4mm(config: Mapping[str, Any]) -> Counted | None:
    """Phi-3 with an adapter for images and one for speech in each layer, and their encoders."""
    found = _dimensions(
        config, "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
        "num_key_value_heads",
    )  # fmt: skip
    if found is None:
        return None
    vocab, hidden, layers, width, heads, groups = found
    each = hidden // heads
    mixed = (heads + 2 * groups) * each
    ranks = sum(first(wire.mapping(config, key), "r") or 0 for key in ("vision_lora", "speech_lora"))
    adapter = ranks * (2 * hidden + mixed + heads * each + hidden + 2 * width + width + hidden)
    layer = hidden * mixed + heads * each * hidden + 3 * hidden * width + adapter
    tables = 2 if config.get("tie_word_embeddings") is False else 1
    audio = wire.mapping(wire.mapping(config, "audio_processor"), "config") or wire.mapping(config, "audio_config")
    encoders = _conformer(audio)
    vision = wire.mapping(config, "vision_config")
    seen = _dimensions(vision, "hidden_size", "num_hidden_layers", "intermediate_size")
    encoders += _SIGLIP_SO400M if seen is None else seen[1] * (4 * seen[0] ** 2 + 2 * seen[0] * seen[2])
    return _dense(tables * vocab * hidden + layers * layer + encoders)


def _conformer(config: Mapping[str, Any]) -> int:
    found = _dimensions(config, ("hidden_size", "attention_dim"), ("intermediate_size", "linear_units"), "num_blocks")
    if found is None:
        return 0
    hidden, width, layers = found
    return layers * (2 * 3 * hidden * width + 8 * hidden * hidden)


def _csm(config: Mapping[str, Any]) -> Counted | None:
    """Sesame's speech model: a language model over text and codes, a small decoder of codes, and the codec."""
    found = _dimensions(config, "vocab_size", "text_vocab_size", "num_codebooks", "hidden_size")
    depth = wire.mapping(config, "depth_decoder_config")
    deep = _dimensions(depth, "hidden_size", "vocab_size")
    both = (_llama_layers(config), _llama_layers(depth))
    if found is None or deep is None or None in both:
        return None
    vocab, texts, books, hidden = found
    tables = (texts + books * vocab) * hidden + vocab * hidden
    heads = (books - 1) * deep[0] * deep[1] + hidden * deep[0]
    return _dense(tables + heads + sum(filter(None, both)) + _MIMI)


def _llama_layers(config: Mapping[str, Any]) -> int | None:
    found = _dimensions(config, "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads")
    if found is None:
        return None
    hidden, layers, width, heads = found
    each = first(config, "head_dim") or hidden // heads
    groups = first(config, "num_key_value_heads") or heads
    return layers * (2 * hidden * each * (heads + groups) + 3 * hidden * width)


def _t5gemma(config: Mapping[str, Any]) -> Counted | None:
    """An encoder and a decoder of Gemma 2, each with its own embedding; the decoder attends to both."""
    total = 0
    for key, attentions in (("encoder", 1), ("decoder", 2)):
        part = wire.mapping(config, key)
        found = _dimensions(
            part, "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads"
        )
        if found is None:
            return None
        vocab, hidden, layers, width, heads = found
        each, groups = first(part, "head_dim") or hidden // heads, first(part, "num_key_value_heads") or heads
        layer = attentions * 2 * hidden * each * (heads + groups) + 3 * hidden * width
        total += vocab * hidden + layers * layer
    return _dense(total)


_TOWERS: dict[str, dict[str, int]] = {
    "clip_text": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "vocab_size": 49_408},
    "clip_vision": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "patch_size": 32},
    "siglip_text": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "vocab_size": 32_000},
    "siglip_vision": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "patch_size": 16},
}
"""What a configuration of CLIP or SigLIP leaves out, by the defaults of transformers."""


def _two_towers(config: Mapping[str, Any]) -> Counted | None:
    """CLIP and SigLIP: an encoder of texts and one of images; SigLIP has an attention layer that pools."""
    kind = "siglip" if "siglip" in (wire.text(config, "model_type") or "") else "clip"
    parts = [wire.mapping(config, key) for key in ("text_config", "vision_config")]
    if not all(parts):
        return None
    total = 0
    for part, side in zip(parts, ("text", "vision"), strict=True):
        stated = {**_TOWERS[f"{kind}_{side}"], **{key: value for key, value in part.items() if value is not None}}
        found = _dimensions(stated, "hidden_size", "intermediate_size", "num_hidden_layers")
        if found is None:
            return None
        hidden, width, layers = found
        pooling = 1 if kind == "siglip" and side == "vision" else 0
        outside = (first(stated, "vocab_size") or 0) * hidden
        if side == "vision":
            patch, image = first(stated, "patch_size") or 16, first(stated, "image_size") or 224
            outside = 3 * patch * patch * hidden + (image // patch) ** 2 * hidden
        total += outside + (layers + pooling) * (4 * hidden * hidden + 2 * hidden * width)
    return _dense(total)


def _sam3(config: Mapping[str, Any]) -> Counted | None:
    """SAM 3: an image encoder with its neck, CLIP's text encoder, and small detectors."""
    vision = wire.mapping(config, "vision_config")
    seen = _dimensions(wire.mapping(vision, "backbone_config"), "hidden_size", "num_hidden_layers", "intermediate_size")
    read = _dimensions(
        wire.mapping(config, "text_config"), "hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size"
    )
    if seen is None or read is None:
        return None
    total = read[3] * read[0]
    total += sum(layers * (4 * hidden**2 + 2 * hidden * width) for hidden, layers, width in (seen, read[:3]))
    for key, attentions in (("detr_encoder_config", 2), ("detr_decoder_config", 3)):
        found = _dimensions(
            wire.mapping(config, key), "hidden_size", ("num_layers", "num_hidden_layers"), "intermediate_size"
        )
        if found is not None:
            total += found[1] * (attentions * 4 * found[0] ** 2 + 2 * found[0] * found[2])
    neck = first(vision, "fpn_hidden_size") or 256
    return _dense(total + 2 * seen[0] * 2 * neck * 4 + 4 * 9 * neck**2 + 49 * neck**2)


SPECIAL: dict[str, Callable[[Mapping[str, Any]], Counted | None]] = {
    "albert": _albert, "electra": _electra, "zamba": _zamba, "zamba2": _zamba, "recurrent_gemma": _recurrent_gemma,
    "xlstm": _xlstm, "jetmoe": _jetmoe, "longcat_flash": _longcat, "phi4mm": _phi4mm, "phi4_multimodal": _phi4mm,
    "csm": _csm, "t5gemma": _t5gemma, "clip": _two_towers, "siglip": _two_towers, "siglip2": _two_towers,
    "metaclip_2": _two_towers, "chinese_clip": _two_towers, "sam3": _sam3,
}  # fmt: skip
"""Functions by ``model_type``."""
