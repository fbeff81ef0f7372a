"""Parameter counts by arithmetic from a configuration: dense models, mixtures of experts, hybrids, and their encoders.

Counted are projections, feed-forward layers, embeddings and state-space layers. Norms and biases are left out: they are
less than the precision of this arithmetic (about 1%).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from monitor.classify import wire
from monitor.classify.size_layers import (
    MAX_LAYERS,
    MAX_PARAMETERS,
    MAX_WIDTH,
    Counted,
    Shape,
    attention,
    chosen_experts,
    delta_attention,
    delta_net,
    first,
    routed_experts,
    shared_width,
    state_space,
)
from monitor.classify.size_special import SPECIAL

_TWO_MATRICES = frozenset(
    """gpt2 opt bert roberta xlm-roberta camembert electra distilbert mpnet phi gpt_neox gptj gpt_neo bloom falcon
    RefinedWeb RefinedWebModel mpt starcoder2 gpt_bigcode codegen xglm nemotron nemotron_h apertus arcee persimmon
    wav2vec2 wavlm hubert vit deit dinov2 siglip clip deberta deberta-v2 megatron-bert xlm esm biogpt nanochat
    wav2vec2-bert layoutlm layoutlmv3 mobilebert albert ernie data2vec-text longformer big_bird jais2 dinov3_vit
    dinov2_with_registers beit vit_msn vit_mae ijepa pixio data2vec-vision mlcd_vision_model clip_text_model
    clip_vision_model siglip_text_model siglip_vision_model siglip2_text_model siglip2_vision_model openai-gpt
    roberta-prelayernorm xlm-roberta-xl rembert roformer splinter dpr markuplm lilt bros imagegpt gpt_neox_japanese
    data2vec-audio unispeech unispeech-sat videomae vivit vjepa2 vitdet seggpt yolos aimv2_text_model ctrl xmod
    bert-generation nystromformer mra yoso ibert roc_bert jina_embeddings_v3 audio-spectrogram-transformer tapas
    visual_bert vilt sew sew-d squeezebert convbert radio timesformer""".split()  # noqa: SIM905
)
"""Architectures whose feed-forward layers have two matrices (no gate), not three."""
_TIED = frozenset(
    """gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text gemma4 gemma4_text cohere cohere2 gpt2 opt bloom falcon mpt
    mamba mamba2 bert roberta xlm-roberta camembert electra distilbert albert mpnet deberta deberta-v2 starcoder2
    gpt_bigcode gpt_neo t5 mt5 umt5 bart mbart marian m2m_100 pegasus whisper codegen xglm modernbert nomic_bert esm
    wav2vec2 wavlm hubert lfm2 lfm2_moe granite falcon_h1 smollm3 longformer led ernie layoutlm layoutlmv3
    biogpt paligemma clip_text_model siglip_text_model siglip2_text_model openai-gpt roberta-prelayernorm
    xlm-roberta-xl roformer splinter dpr markuplm lilt bros imagegpt data2vec-text xmod bert-generation nystromformer
    mra yoso ibert roc_bert jina_embeddings_v3 tapas visual_bert vilt big_bird ctrl squeezebert convbert""".split()  # noqa: SIM905
)
"""Architectures that use the embedding as the output head unless the configuration states otherwise."""
_UNCOUNTED_TABLES = {
    "gpt_oss": 1, "llama4": 1, "llama4_text": 1, "afmoe": 1, "ernie4_5_moe": 1, "ernie4_5_vl_moe": 1, "deepseek_v2": 1,
    "deepseek_v3": 1, "deepseek_v32": 1, "kimi_k2": 1, "glm_moe_dsa": 1, "glm4_moe": 2, "glm4v_moe_text": 2,
    "deepseek_v4": 1, "qwen4_exp_text": 1, "minimax": 2, "minimax_text_01": 2, "minimax_m1": 2, "minimax_m2": 2,
}  # fmt: skip
"""Architectures whose labs do not count the embedding (1), or embedding and head (2), as active."""
_UNCOUNTED = frozenset(
    tomllib.loads(files(__package__).joinpath("architectures.toml").read_text("utf-8"))["uncounted"].split()
)
_BERTS = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "ernie", "esm", "layoutlm"})
_AUDIO_ENCODERS = frozenset({"wav2vec2", "wavlm", "hubert", "data2vec-audio", "unispeech-sat"})
_GLM_VISION = ("glm4v", "glm46v")
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


def from_config(config: Mapping[str, Any]) -> Counted | None:
    """Counts from ``config.json``, nested encoders included; None if it does not have enough dimensions."""
    if not config:
        return None
    special = SPECIAL.get(wire.text(config, "model_type") or "")
    if special is not None:
        found = special(config)
        return found if found is not None and 0 < found.active <= found.total < MAX_PARAMETERS else None
    outer, text = language_config(config)
    if any(wire.text(source, "model_type") in _UNCOUNTED for source in (config, outer, text)):
        return None
    counted = _language_model(text, outer)
    if counted is None:
        return None
    glm = (wire.text(config, "model_type") or "").startswith(_GLM_VISION)
    parts = [wire.mapping(source, name) for source in _once(config, outer) for name in _ENCODER_CONFIGS]
    encoders = sum(_glm_encoder(part) if glm else _encoder(part) for part in parts)
    if not 0 < counted.total + encoders < MAX_PARAMETERS:
        return None
    return Counted(counted.total + encoders, min(counted.active + encoders, counted.total + encoders))


def experts(config: Mapping[str, Any]) -> int | None:
    """The number of experts of a layer; None for a dense model, or if it is not stated."""
    if not config:
        return None
    _, text = language_config(config)
    for source in (text, config):
        found = routed_experts(source)
        if found is not None:
            return found
    return None


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


def _language_model(config: Mapping[str, Any], outer: Mapping[str, Any]) -> Counted | None:
    model_type = wire.text(config, "model_type") or wire.text(outer, "model_type") or ""
    hidden = first(config, "hidden_size", "n_embd", "d_model", "n_embed", "dim", "model_dim")
    layers = first(config, "num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers")
    listed = config.get("layers_block_type")
    if layers is None and isinstance(listed, (list, tuple)):
        layers = len(listed) or None
    vocab = first(config, "vocab_size", "padded_vocab_size") or first(outer, "vocab_size")
    if not hidden or not layers or max(hidden, vocab or 0) >= MAX_WIDTH or layers >= MAX_LAYERS:
        return None
    if vocab is None and not (first(config, "image_size") or first(config, "patch_size")):
        return None
    shape = Shape(config, model_type, hidden, layers, _width(config, model_type, hidden), _gates(config, model_type))
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
        body.total + embeddings + around + _looked_up(shape), body.active + around + max(embeddings - unused, 0)
    )
    return counted if 0 < counted.active <= counted.total < MAX_PARAMETERS else None


def _around(shape: Shape) -> int:
    """Parameters outside the layers and the embedding: positions, patches, a pooler, convolutions."""
    config, hidden = shape.config, shape.hidden
    found = 0
    positions = first(config, "max_position_embeddings", "n_positions")
    if shape.gates == 2 and positions is not None and positions <= 4_096 and shape.model_type in _TIED:
        found += positions * hidden
    if shape.model_type in _BERTS:
        found += hidden * hidden
    if shape.model_type in _AUDIO_ENCODERS:
        found += 16 * 512 * 512 + 512 * hidden + 8 * hidden * hidden
    patch, image = first(config, "patch_size"), first(config, "image_size")
    if patch is not None and image is not None and patch <= image <= 10_000 and "vocab_size" not in config:
        found += 3 * patch * patch * hidden + (image // patch) ** 2 * hidden
    return found


def _width(config: Mapping[str, Any], model_type: str, hidden: int) -> int:
    """The width of the feed-forward layers."""
    keys = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff", "encoder_ffn_dim", "hidden_dim")
    found = first(config, *keys, "inner_hidden_size", "block_ff_dim")
    found = found or first(wire.mapping(config, "ffn_config"), "ffn_hidden_size")
    if found is None:
        ratio = config.get("expansion_ratio") or config.get("mlp_ratio")
        return round(hidden * ratio) if isinstance(ratio, (int, float)) and 0 < ratio < 100 else 4 * hidden
    if model_type == "qwen":
        return found // 2
    if model_type.startswith("lfm2") and config.get("block_auto_adjust_ff_dim") is True:
        step = first(config, "block_multiple_of") or 256
        return -(-(2 * found // 3) // step) * step
    return found


def _gates(config: Mapping[str, Any], model_type: str) -> int:
    feed = wire.text(config, "feed_forward_proj")
    if feed is not None:
        return 3 if feed.startswith("gated") else 2
    if config.get("use_gated_mlp") is True or config.get("use_swiglu_ffn") is True:
        return 3
    if model_type in _TWO_MATRICES or (model_type == "chatglm" and "inner_hidden_size" in config):
        return 2
    return 3


def _encoder_decoder(shape: Shape) -> Counted | None:
    """Encoder and decoder of T5, BART or Whisper; the decoder attends to itself and to the encoder."""
    config = shape.config
    decoders = first(config, "decoder_layers", "num_decoder_layers")
    if (
        decoders is None
        or decoders >= MAX_LAYERS
        or not (config.get("is_encoder_decoder") or "encoder_layers" in config)
    ):
        return None
    gates = shape.gates if "feed_forward_proj" in config else 2
    attending = attention(shape)
    encoders = first(config, "encoder_layers", "num_layers") or shape.layers
    width = first(config, "decoder_ffn_dim") or shape.width
    total = encoders * (attending + gates * shape.hidden * shape.width)
    total += decoders * (2 * attending + gates * shape.hidden * width)
    return Counted(total, total)


def _looked_up(shape: Shape) -> int:
    """Tables that are looked up and not multiplied: per-layer embeddings of Gemma 3n, n-gram embeddings of Qwen."""
    ngrams, each = first(shape.config, "ngram_vocab_size_base"), first(shape.config, "ple_embed_dim")
    placed = shape.config.get("ple_layer_ids")
    if ngrams is not None and each is not None and isinstance(placed, (list, tuple)) and each < MAX_WIDTH:
        return min(ngrams, 10**9) * each * min(len(placed), shape.layers)
    each = first(shape.config, "hidden_size_per_layer_input")
    vocab = first(shape.config, "vocab_size_per_layer_input")
    if each is None or vocab is None or max(each, vocab) >= MAX_WIDTH:
        return 0
    return vocab * each * shape.layers + 3 * shape.hidden * each * shape.layers


# --- layers -----------------------------------------------------------------------------------------------


def _body(shape: Shape) -> Counted:
    """All layers: token mixing (attention, state space, convolution) and feed-forward."""
    pattern = wire.text(shape.config, "hybrid_override_pattern") or _listed_pattern(shape)
    if pattern is not None:
        return _patterned(shape, pattern)
    if shape.model_type in {"mamba", "mamba2", "falcon_mamba"}:
        total = shape.layers * state_space(shape)
        return Counted(total, total)
    mixing = _mixing(shape)
    dense = shape.gates * shape.hidden * shape.width
    routed = routed_experts(shape.config)
    if routed is None:
        total = mixing + shape.layers * dense
        if shape.model_type.startswith("granitemoehybrid"):
            total = mixing + shape.layers * 3 * shape.hidden * (first(shape.config, "shared_intermediate_size") or 0)
        return Counted(total, total)
    return _mixture(shape, routed, mixing, dense)


def _mixture(shape: Shape, routed: int, mixing: int, dense: int) -> Counted:
    config, hidden = shape.config, shape.hidden
    sparse = _sparse_layers(config, shape.layers)
    width = first(
        config, "moe_intermediate_size", "expert_ffn_hidden_size", "expert_intermediate_size", "moe_ffn_hidden_size"
    )
    llama4 = shape.model_type.startswith("llama4")
    if llama4:
        dense = 3 * hidden * (first(config, "intermediate_size_mlp") or shape.width)
    width = width or shape.width
    shared = shared_width(config, width) + (width if llama4 else 0)
    chosen = min(chosen_experts(config), routed)
    always = sparse * hidden * (3 * shared + routed)
    if config.get("use_residual") is True:  # Arctic: in addition to the experts, a dense layer as wide as the model
        always += sparse * 3 * hidden * hidden
    elif shape.model_type.startswith("gemma4") or config.get("residual_moe") is True:
        always += sparse * dense
    common = mixing + (shape.layers - sparse) * dense + always
    expert = sparse * 3 * hidden * width
    return Counted(common + routed * expert, common + chosen * expert)


def _sparse_layers(config: Mapping[str, Any], layers: int) -> int:
    """The number of layers that have experts."""
    kinds = config.get("mlp_layer_types")
    if isinstance(kinds, (list, tuple)) and len(kinds) == layers:
        return sum(kind != "dense" for kind in kinds)
    listed = config.get("moe_layer_freq")
    if isinstance(listed, (list, tuple)) and len(listed) == layers:
        return sum(bool(item) for item in listed)
    enumerated = wire.text(config, "moe_layers_enum")
    if enumerated is not None:
        return min(layers, enumerated.count(",") + 1)
    period = first(config, "expert_layer_period")
    if period is not None:
        return len(range(first(config, "expert_layer_offset") or 0, layers, period))
    dense = first(config, "first_k_dense_replace", "num_dense_layers", "moe_layer_start_index") or 0
    only = config.get("mlp_only_layers")
    if isinstance(only, (list, tuple)):
        dense += len(only)
    step = first(config, "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval") or 1
    if step == 1 and isinstance(listed, int) and not isinstance(listed, bool) and listed > 1:
        step = listed
    return max(0, layers - dense) // step


def _mixing(shape: Shape) -> int:
    """The parameters of token mixing in all layers."""
    config, layers = shape.config, shape.layers
    attending = attention(shape)
    if shape.model_type.startswith("falcon_h1"):
        return layers * (attending + state_space(shape))
    other = _other_layers(config, layers)
    if other == 0:
        return layers * attending
    return (layers - other) * attending + other * _other_mixer(shape)


def _other_mixer(shape: Shape) -> int:
    """The parameters of a layer that mixes tokens without attention."""
    config = shape.config
    kimi = delta_attention(config, shape.hidden)
    if kimi is not None:
        return kimi
    if first(config, "linear_num_value_heads") is not None:
        return delta_net(config, shape.hidden)
    if "conv_L_cache" in config:
        return 4 * shape.hidden * shape.hidden
    if shape.model_type.startswith("minimax"):
        heads = (first(config, "num_attention_heads") or 1) * (first(config, "head_dim") or 128)
        return 5 * shape.hidden * heads
    return state_space(shape)


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
    listed = wire.mapping(config, "linear_attn_config").get("kda_layers")
    if isinstance(listed, (list, tuple)):
        return min(len(listed), layers)
    indices = config.get("full_attn_idxs") or config.get("attn_layer_indices")
    if isinstance(indices, (list, tuple)):
        return max(0, layers - len(indices))
    period = first(config, "attn_layer_period", "full_attention_interval")
    if period is None:
        return 0
    offset = first(config, "attn_layer_offset") or 0
    return layers - (len(range(offset, layers, period)) if "attn_layer_period" in config else layers // period)


_PATTERN = {"mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*", "mlp": "-", "moe": "E"}


def _listed_pattern(shape: Shape) -> str | None:
    """``layers_block_type`` of Nemotron-H as a pattern; None for another architecture."""
    kinds = shape.config.get("layers_block_type")
    if not shape.model_type.startswith("nemotron_h") or not isinstance(kinds, (list, tuple)):
        return None
    return "".join(_PATTERN.get(kind, "") for kind in kinds[:MAX_LAYERS] if isinstance(kind, str))


def _patterned(shape: Shape, pattern: str) -> Counted:
    """Nemotron-H: one character for each layer (M: Mamba, *: attending, -: feed-forward, E: experts)."""
    config, hidden = shape.config, shape.hidden
    pattern = pattern[:MAX_LAYERS]
    common = pattern.count("M") * state_space(shape) + pattern.count("*") * attention(shape)
    common += pattern.count("-") * 2 * hidden * shape.width
    routed = routed_experts(config) or 0
    width = first(config, "moe_intermediate_size") or shape.width
    sparse = pattern.count("E")
    common += sparse * hidden * (2 * shared_width(config, width) + routed)
    narrow = first(config, "moe_latent_size")
    if narrow is not None:  # the experts of Nemotron 3 Super work on a projection of the layer's input
        common += sparse * 2 * hidden * narrow
    expert = sparse * 2 * (narrow or hidden) * width
    return Counted(common + routed * expert, common + min(chosen_experts(config), routed) * expert)


def _glm_encoder(config: Mapping[str, Any]) -> int:
    """The image encoder of GLM-4.1V and its successors: ``intermediate_size`` is that of the merger behind it."""
    hidden, layers = first(config, "hidden_size"), first(config, "depth")
    out, merged = first(config, "out_hidden_size"), first(config, "intermediate_size")
    if hidden is None or layers is None or out is None or merged is None or max(hidden, out, merged, layers) > 100_000:
        return 0
    return layers * (4 * hidden * hidden + 3 * hidden * out) + 3 * out * merged + out * out + 4 * hidden * out


def _encoder(config: Mapping[str, Any]) -> int:
    """The image or audio encoder of a multimodal model; 0 if its configuration does not have enough dimensions."""
    if not config:
        return 0
    hidden = first(config, "embed_dim", "width", "hidden_size", "d_model")
    layers = first(config, "depth", "num_hidden_layers", "layers", "encoder_layers")
    if hidden is None or layers is None or hidden > 100_000 or layers > 1_000:
        return 0
    width = first(config, "intermediate_size", "encoder_ffn_dim") or 4 * hidden
    gates = 3 if config.get("hidden_act") == "silu" and "intermediate_size" in config else 2
    return layers * (4 * hidden * hidden + gates * hidden * width)
