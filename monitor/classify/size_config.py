"""Parameter counts by arithmetic from a configuration: dense models, mixtures of experts, hybrids, and their encoders.

Counted are projections, feed-forward layers, embeddings and state-space layers. Norms and biases are left out: they are
less than the precision of this arithmetic (about 1%).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.classify import wire

MAX_PARAMETERS = 10**15
"""A configuration that results in more is wrong."""
MAX_WIDTH, MAX_LAYERS = 10_000_000, 10_000

_TWO_MATRICES = frozenset(
    """gpt2 opt bert roberta xlm-roberta camembert electra distilbert mpnet phi gpt_neox gptj gpt_neo bloom falcon
    RefinedWeb RefinedWebModel mpt starcoder2 gpt_bigcode codegen xglm nemotron nemotron_h apertus arcee persimmon
    wav2vec2 wavlm hubert vit deit dinov2 siglip clip deberta deberta-v2 megatron-bert xlm esm biogpt nanochat
    wav2vec2-bert layoutlm layoutlmv3 mobilebert albert ernie data2vec-text longformer big_bird""".split()  # noqa: SIM905
)
"""Architectures whose feed-forward layers have two matrices (no gate), not three."""
_TIED = frozenset(
    """gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text gemma4 gemma4_text cohere cohere2 gpt2 opt bloom falcon mpt
    mamba mamba2 bert roberta xlm-roberta camembert electra distilbert albert mpnet deberta deberta-v2 starcoder2
    gpt_bigcode gpt_neo t5 mt5 umt5 bart mbart marian m2m_100 pegasus whisper codegen xglm modernbert nomic_bert esm
    wav2vec2 wavlm hubert lfm2 lfm2_moe granite falcon_h1 smollm3 longformer led ernie layoutlm layoutlmv3
    biogpt paligemma""".split()  # noqa: SIM905
)
"""Architectures that use the embedding as the output head unless the configuration states otherwise."""
_UNCOUNTED_TABLES = {
    "gpt_oss": 1, "llama4": 1, "llama4_text": 1, "afmoe": 1, "ernie4_5_moe": 1, "ernie4_5_vl_moe": 1, "deepseek_v2": 1,
    "deepseek_v3": 1, "deepseek_v32": 1, "kimi_k2": 1, "glm_moe_dsa": 1, "glm4_moe": 2, "glm4v_moe_text": 2,
    "minimax": 2, "minimax_text_01": 2, "minimax_m1": 2, "minimax_m2": 2,
}  # fmt: skip
"""Architectures whose labs do not count the embedding (1), or embedding and head (2), as active."""
_BERTS = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "ernie", "esm", "layoutlm"})
_AUDIO_ENCODERS = frozenset({"wav2vec2", "wavlm", "hubert", "data2vec-audio", "unispeech-sat"})
_TEXT_CONFIGS = (
    "text_config",
    "llm_config",
    "language_config",
    "thinker_config",
    "language_model_config",
    "decoder_config",
)
_TEXT_CONFIG_KEYS = frozenset(_TEXT_CONFIGS)
_ENCODER_CONFIGS = (
    "vision_config",
    "visual",
    "vit_config",
    "vision_tower_config",
    "audio_config",
    "audio_encoder_config",
)


class Counted(NamedTuple):
    """Total and active parameters."""

    total: int
    active: int


def from_config(config: Mapping[str, Any]) -> Counted | None:
    """Counts from ``config.json``, nested encoders included; None if it does not have enough dimensions."""
    if not config:
        return None
    outer, text = language_config(config)
    counted = _language_model(text, outer)
    if counted is None:
        return None
    encoders = sum(_encoder(wire.mapping(source, name)) for source in _once(config, outer) for name in _ENCODER_CONFIGS)
    if not 0 < counted.total + encoders < MAX_PARAMETERS:
        return None
    return Counted(counted.total + encoders, min(counted.active + encoders, counted.total + encoders))


def experts(config: Mapping[str, Any]) -> int | None:
    """The number of experts of a layer; None for a dense model, or if it is not stated."""
    if not config:
        return None
    _, text = language_config(config)
    for source in (text, config):
        found = _routed(source)
        if found is not None:
            return found
    return None


def _routed(config: Mapping[str, Any]) -> int | None:
    keys = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
    found = _first(config, *keys) or _first(wire.mapping(config, "ffn_config"), "moe_num_experts")
    return found if found is not None and 1 < found < 100_000 else None


def language_config(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """(the enclosing configuration, the configuration of the language model), at most two levels down."""
    outer = config
    if _TEXT_CONFIG_KEYS.isdisjoint(config):
        return config, config
    for _ in range(2):
        inner = next((found for key in _TEXT_CONFIGS if (found := wire.mapping(config, key))), None)
        if inner is None:
            break
        outer, config = config, inner
    return outer, config


def _once(*sources: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list({id(source): source for source in sources}.values())


def _first(config: Mapping[str, Any], *keys: str) -> int | None:
    """The first of these keys with a positive count; of a list (Hunyuan: a value for each layer) the largest."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, (list, tuple)):
            value = max((item for item in value if isinstance(item, int) and not isinstance(item, bool)), default=None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


class _Shape(NamedTuple):
    """The dimensions that every language model's configuration has, under various keys."""

    config: Mapping[str, Any]
    model_type: str
    hidden: int
    layers: int
    width: int
    gates: int


def _language_model(config: Mapping[str, Any], outer: Mapping[str, Any]) -> Counted | None:
    model_type = wire.text(config, "model_type") or wire.text(outer, "model_type") or ""
    hidden = _first(config, "hidden_size", "n_embd", "d_model", "n_embed", "dim", "model_dim")
    layers = _first(config, "num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers")
    vocab = _first(config, "vocab_size", "padded_vocab_size") or _first(outer, "vocab_size")
    if not hidden or not layers or max(hidden, vocab or 0) >= MAX_WIDTH or layers >= MAX_LAYERS:
        return None
    if vocab is None and not (_first(config, "image_size") or _first(config, "patch_size")):
        return None
    shape = _Shape(config, model_type, hidden, layers, _width(config, model_type, hidden), _gates(config, model_type))
    tied = next(
        (value for source in (config, outer) if isinstance(value := source.get("tie_word_embeddings"), bool)), None
    )
    if tied is None:
        tied = model_type in _TIED
    table = (vocab or 0) * hidden
    embeddings = table * (1 if tied or vocab is None else 2)
    body = _encoder_decoder(shape) or _body(shape)
    around = _around(shape)
    unused = table * _UNCOUNTED_TABLES.get(model_type, 0) if body.active < body.total else 0
    counted = Counted(
        body.total + embeddings + around + _per_layer(shape), body.active + around + max(embeddings - unused, 0)
    )
    return counted if 0 < counted.active <= counted.total < MAX_PARAMETERS else None


def _around(shape: _Shape) -> int:
    """Parameters outside the layers and the embedding: positions, patches, a pooler, convolutions."""
    config, hidden = shape.config, shape.hidden
    found = 0
    positions = _first(config, "max_position_embeddings", "n_positions")
    if shape.gates == 2 and positions is not None and positions <= 4_096 and shape.model_type in _TIED:
        found += positions * hidden
    if shape.model_type in _BERTS:
        found += hidden * hidden
    if shape.model_type in _AUDIO_ENCODERS:
        found += 16 * 512 * 512 + 512 * hidden + 8 * hidden * hidden
    patch, image = _first(config, "patch_size"), _first(config, "image_size")
    if patch is not None and image is not None and patch <= image <= 10_000 and "vocab_size" not in config:
        found += 3 * patch * patch * hidden + (image // patch) ** 2 * hidden
    return found


def _width(config: Mapping[str, Any], model_type: str, hidden: int) -> int:
    """The width of the feed-forward layers."""
    keys = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff", "encoder_ffn_dim", "hidden_dim")
    found = _first(config, *keys, "inner_hidden_size", "block_ff_dim")
    found = found or _first(wire.mapping(config, "ffn_config"), "ffn_hidden_size")
    if found is None:
        ratio = config.get("expansion_ratio") or config.get("mlp_ratio")
        return round(hidden * ratio) if isinstance(ratio, (int, float)) and 0 < ratio < 100 else 4 * hidden
    if model_type == "qwen":
        return found // 2
    if model_type.startswith("lfm2") and config.get("block_auto_adjust_ff_dim") is True:
        step = _first(config, "block_multiple_of") or 256
        return -(-(2 * found // 3) // step) * step
    return found


def _gates(config: Mapping[str, Any], model_type: str) -> int:
    feed = wire.text(config, "feed_forward_proj")
    if feed is not None:
        return 3 if feed.startswith("gated") else 2
    if model_type in _TWO_MATRICES or (model_type == "chatglm" and "inner_hidden_size" in config):
        return 2
    return 3


def _encoder_decoder(shape: _Shape) -> Counted | None:
    """Encoder and decoder of T5, BART or Whisper; the decoder attends to itself and to the encoder."""
    config = shape.config
    decoders = _first(config, "decoder_layers", "num_decoder_layers")
    if (
        decoders is None
        or decoders >= MAX_LAYERS
        or not (config.get("is_encoder_decoder") or "encoder_layers" in config)
    ):
        return None
    gates = shape.gates if "feed_forward_proj" in config else 2
    attention = _attention(shape)
    encoders = _first(config, "encoder_layers", "num_layers") or shape.layers
    width = _first(config, "decoder_ffn_dim") or shape.width
    total = encoders * (attention + gates * shape.hidden * shape.width)
    total += decoders * (2 * attention + gates * shape.hidden * width)
    return Counted(total, total)


def _per_layer(shape: _Shape) -> int:
    """Per-layer embeddings (Gemma 3n and its successors), which are looked up and not multiplied."""
    each = _first(shape.config, "hidden_size_per_layer_input")
    vocab = _first(shape.config, "vocab_size_per_layer_input")
    if each is None or vocab is None or max(each, vocab) >= MAX_WIDTH:
        return 0
    return vocab * each * shape.layers + 3 * shape.hidden * each * shape.layers


# --- layers -----------------------------------------------------------------------------------------------


def _body(shape: _Shape) -> Counted:
    """All layers: token mixing (attention, state space, convolution) and feed-forward."""
    pattern = wire.text(shape.config, "hybrid_override_pattern")
    if pattern is not None:
        return _patterned(shape, pattern)
    if shape.model_type in {"mamba", "mamba2", "falcon_mamba"}:
        total = shape.layers * _state_space(shape)
        return Counted(total, total)
    mixing = _mixing(shape)
    dense = shape.gates * shape.hidden * shape.width
    routed = _routed(shape.config)
    if routed is None:
        total = mixing + shape.layers * dense
        if shape.model_type.startswith("granitemoehybrid"):
            total = mixing + shape.layers * 3 * shape.hidden * (_first(shape.config, "shared_intermediate_size") or 0)
        return Counted(total, total)
    return _mixture(shape, routed, mixing, dense)


def _mixture(shape: _Shape, routed: int, mixing: int, dense: int) -> Counted:
    config, hidden = shape.config, shape.hidden
    sparse = _sparse_layers(config, shape.layers)
    width = _first(
        config, "moe_intermediate_size", "expert_ffn_hidden_size", "expert_intermediate_size", "moe_ffn_hidden_size"
    )
    llama4 = shape.model_type.startswith("llama4")
    if llama4:
        dense = 3 * hidden * (_first(config, "intermediate_size_mlp") or shape.width)
    width = width or shape.width
    shared = _shared(config, width) + (width if llama4 else 0)
    chosen = min(_chosen(config), routed)
    always = sparse * hidden * (3 * shared + routed)
    if config.get("use_residual") is True:  # Arctic: in addition to the experts, a dense layer as wide as the model
        always += sparse * 3 * hidden * hidden
    elif shape.model_type.startswith("gemma4") or config.get("residual_moe") is True:
        always += sparse * dense
    common = mixing + (shape.layers - sparse) * dense + always
    expert = sparse * 3 * hidden * width
    return Counted(common + routed * expert, common + chosen * expert)


def _shared(config: Mapping[str, Any], width: int) -> int:
    """The total width of the shared experts, which every token uses."""
    number = (
        _first(config, "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert") or 0
    )
    stated = _first(
        config, "shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size",
        "share_expert_dim",
    )  # fmt: skip
    return stated if stated is not None else min(number, 1_000) * width


def _chosen(config: Mapping[str, Any]) -> int:
    keys = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "moe_k", "moe_top_k")
    found = _first(config, *keys, "top_k_experts", "num_selected_experts")
    return found or _first(wire.mapping(config, "ffn_config"), "moe_top_k") or 1


def _sparse_layers(config: Mapping[str, Any], layers: int) -> int:
    """The number of layers that have experts."""
    listed = config.get("moe_layer_freq")
    if isinstance(listed, (list, tuple)) and len(listed) == layers:
        return sum(bool(item) for item in listed)
    enumerated = wire.text(config, "moe_layers_enum")
    if enumerated is not None:
        return min(layers, enumerated.count(",") + 1)
    period = _first(config, "expert_layer_period")
    if period is not None:
        return len(range(_first(config, "expert_layer_offset") or 0, layers, period))
    dense = _first(config, "first_k_dense_replace", "num_dense_layers", "moe_layer_start_index") or 0
    only = config.get("mlp_only_layers")
    if isinstance(only, (list, tuple)):
        dense += len(only)
    step = _first(config, "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval") or 1
    if step == 1 and isinstance(listed, int) and not isinstance(listed, bool) and listed > 1:
        step = listed
    return max(0, layers - dense) // step


def _mixing(shape: _Shape) -> int:
    """The parameters of token mixing in all layers."""
    config, layers = shape.config, shape.layers
    attention = _attention(shape)
    if shape.model_type.startswith("falcon_h1"):
        return layers * (attention + _state_space(shape))
    other = _other_layers(config, layers)
    if other == 0:
        return layers * attention
    if _first(config, "linear_num_value_heads") is not None:
        return (layers - other) * attention + other * _delta_net(config, shape.hidden)
    if "conv_L_cache" in config:
        return (layers - other) * attention + other * 4 * shape.hidden * shape.hidden
    if shape.model_type.startswith("minimax"):
        heads = (_first(config, "num_attention_heads") or 1) * (_first(config, "head_dim") or 128)
        return (layers - other) * attention + other * 5 * shape.hidden * heads
    return (layers - other) * attention + other * _state_space(shape)


def _other_layers(config: Mapping[str, Any], layers: int) -> int:
    """The number of layers that mix tokens without attention."""
    kinds = config.get("layer_types") or config.get("layers_block_type")
    if isinstance(kinds, (list, tuple)) and len(kinds) == layers:
        return sum(
            isinstance(kind, str) and kind in {"mamba", "linear_attention", "conv", "recurrent"} for kind in kinds
        )
    listed = config.get("attn_type_list")
    if isinstance(listed, (list, tuple)) and len(listed) == layers:
        return sum(item == 0 for item in listed)
    indices = config.get("full_attn_idxs") or config.get("attn_layer_indices")
    if isinstance(indices, (list, tuple)):
        return max(0, layers - len(indices))
    period = _first(config, "attn_layer_period", "full_attention_interval")
    if period is None:
        return 0
    offset = _first(config, "attn_layer_offset") or 0
    return layers - (len(range(offset, layers, period)) if "attn_layer_period" in config else layers // period)


def _attention(shape: _Shape) -> int:
    config, hidden = shape.config, shape.hidden
    heads = _first(config, "num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads") or max(
        1, hidden // 128
    )
    rank = _first(config, "kv_lora_rank")
    if rank is not None:
        return _latent(config, hidden, heads, rank)
    width = _first(config, "head_dim", "d_kv", "kv_channels", "attention_head_dim") or max(1, hidden // heads)
    nested = wire.mapping(config, "attn_config")
    groups = _first(
        config, "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups"
    )
    groups = groups or _first(nested, "kv_n_heads") or heads
    if config.get("multi_query") is True and config.get("new_decoder_architecture") is not True:
        groups = 1
    shared = _first(config, "share_q_dim")
    query = hidden * heads * width if shared is None else shared * (hidden + heads * width)
    gate = shape.model_type.startswith(("qwen3_next", "qwen3_5", "afmoe")) or config.get("attn_output_gate") is True
    return query + hidden * width * ((2 if gate else 1) * heads + 2 * min(groups, heads))


def _latent(config: Mapping[str, Any], hidden: int, heads: int, rank: int) -> int:
    """Multi-head latent attention (DeepSeek-V2 and its successors)."""
    rope = _first(config, "qk_rope_head_dim") or 64
    plain = _first(config, "qk_nope_head_dim") or 128
    value = _first(config, "v_head_dim") or 128
    query_rank = _first(config, "q_lora_rank")
    query = hidden * heads * (plain + rope)
    if query_rank is not None:
        query = hidden * query_rank + query_rank * heads * (plain + rope)
    keys = hidden * (rank + rope) + rank * heads * (plain + value)
    return query + keys + heads * value * hidden


def _delta_net(config: Mapping[str, Any], hidden: int) -> int:
    """Linear attention of Qwen3-Next: queries and keys, values and their gate, two small projections, out."""
    keys = (_first(config, "linear_num_key_heads") or 1) * (_first(config, "linear_key_head_dim") or 128)
    heads = _first(config, "linear_num_value_heads") or 1
    values = heads * (_first(config, "linear_value_head_dim") or 128)
    return hidden * (2 * keys + 2 * values + 2 * heads) + values * hidden


def _state_space(shape: _Shape) -> int:
    """A Mamba layer: of the first generation, or with heads (the second)."""
    config, hidden = shape.config, shape.hidden
    expand = _first(config, "mamba_expand", "expand") or 2
    state = _first(config, "mamba_d_state", "ssm_state_size", "state_size", "d_state") or 16
    heads = _first(config, "mamba_n_heads", "mamba_num_heads", "num_heads" if shape.model_type == "mamba2" else "")
    inner = _first(config, "mamba_d_ssm", "d_inner") or expand * hidden
    if heads is not None:
        each = _first(config, "mamba_d_head", "mamba_head_dim", "head_dim")
        inner = _first(config, "mamba_d_ssm") or (heads * each if each else inner)
        groups = _first(config, "mamba_n_groups", "n_groups") or 1
        return hidden * (2 * inner + 2 * groups * state + heads) + inner * hidden
    rank = _first(config, "mamba_dt_rank", "time_step_rank") or -(-hidden // 16)
    return hidden * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * state + inner * hidden


def _patterned(shape: _Shape, pattern: str) -> Counted:
    """Nemotron-H: one character for each layer (M: Mamba, *: attention, -: feed-forward, E: experts)."""
    config, hidden = shape.config, shape.hidden
    pattern = pattern[:MAX_LAYERS]
    common = pattern.count("M") * _state_space(shape) + pattern.count("*") * _attention(shape)
    common += pattern.count("-") * 2 * hidden * shape.width
    routed = _routed(config) or 0
    width = _first(config, "moe_intermediate_size") or shape.width
    sparse = pattern.count("E")
    common += sparse * hidden * (2 * _shared(config, width) + routed)
    expert = sparse * 2 * hidden * width
    return Counted(common + routed * expert, common + min(_chosen(config), routed) * expert)


def _encoder(config: Mapping[str, Any]) -> int:
    """The image or audio encoder of a multimodal model; 0 if its configuration does not have enough dimensions."""
    if not config:
        return 0
    hidden = _first(config, "embed_dim", "width", "hidden_size", "d_model")
    layers = _first(config, "depth", "num_hidden_layers", "layers", "encoder_layers")
    if hidden is None or layers is None or hidden > 100_000 or layers > 1_000:
        return 0
    width = _first(config, "intermediate_size", "encoder_ffn_dim") or 4 * hidden
    gates = 3 if config.get("hidden_act") == "silu" and "intermediate_size" in config else 2
    return layers * (4 * hidden * hidden + gates * hidden * width)
