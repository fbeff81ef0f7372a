"""The size of the key-value cache by a configuration: what a language model keeps of each token that it has read.

A cache of 16-bit values is assumed, as programs make it unless they are asked for another. State that does not grow
with the text (Mamba, linear attention, convolutions) and the small caches of sparse attention's indexers are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.classify import wire
from monitor.classify.size_config import language_config
from monitor.classify.size_layers import MAX_LAYERS, MAX_WIDTH, first

VALUE_BYTES = 2
_GENERATES = ("CausalLM", "ConditionalGeneration", "LMHeadModel")
_FULL = frozenset({"full_attention", "attention", "global_attention", "deepseek_sparse_attention", "hybrid"})
_SLIDING = frozenset({"sliding_attention", "chunked_attention", "local_attention"})
_WITHOUT = frozenset(
    {"linear_attention", "conv", "mamba", "mamba2", "moe", "mlp", "recurrent", "gated_deltanet", "rwkv", "short_conv"}
)
_STATE_SPACE = frozenset({"mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv6", "rwkv7"})
_OTHERWISE = ("block_configs", "compress_ratios", "use_cla")
"""Keys of models whose layers keep different numbers of heads (Nemotron-NAS), compressed values (DeepSeek-V4) or those
of other layers (Hunyuan): how much that is, is not computed here."""


class KVCache(NamedTuple):
    """Bytes that a token adds, and bytes of layers with a window once it is full; ``formula``: how they were made."""

    bytes_per_token: int
    fixed_bytes: int
    formula: str


class _Layers(NamedTuple):
    """How many layers keep every token (``full``), and how many only those of a window (``sliding``)."""

    full: int
    sliding: int


class _PerLayer(NamedTuple):
    """Values that a layer keeps of a token, and how they are made up."""

    values: int
    text: str


def kv_cache(config: Mapping[str, Any]) -> KVCache | None:
    """The cache of a model that generates text; None if the configuration does not state enough, or for others."""
    outer, text = language_config(config)
    if not _generates(config) or any(one.get("is_encoder_decoder") is True for one in (config, outer, text)):
        return None
    number = first(text, "num_hidden_layers", "n_layer", "num_layers", "n_layers")
    listed = text.get("layers_block_type")
    if number is None and isinstance(listed, (list, tuple)):
        number = len(listed)
    layers = _layers(text, number) if number is not None and 0 < number < MAX_LAYERS else None
    if layers is None:
        return None
    if layers == _Layers(0, 0):
        return KVCache(0, 0, "no layer keeps keys and values")
    full, sliding = _per_layer(text, wide=True), _per_layer(text, wide=False)
    window, most = first(text, "sliding_window", "attention_chunk_size"), first(text, "max_position_embeddings")
    if window is not None and most is not None and window >= most:
        layers = _Layers(layers.full + layers.sliding, 0)  # a window that no text fills (Phi-3.5) is none
    if full is None or sliding is None or (layers.sliding and window is None):
        return None
    parts, fixed = [], 0
    if layers.full:
        parts.append(f"{layers.full} layers × {full.text} × {VALUE_BYTES} bytes per token")
    if layers.sliding and window is not None:
        fixed = layers.sliding * sliding.values * VALUE_BYTES * window
        parts.append(f"at most {layers.sliding} layers × {sliding.text} × {VALUE_BYTES} bytes × {window:,} tokens")
    return KVCache(layers.full * full.values * VALUE_BYTES, fixed, "; ".join(parts))


def _generates(config: Mapping[str, Any]) -> bool:
    return any(name.endswith(_GENERATES) for name in wire.texts(config, "architectures"))


def _layers(config: Mapping[str, Any], number: int) -> _Layers | None:  # noqa: PLR0911
    """The layers that keep something; None if the configuration lists kinds that are not known."""
    if any(config.get(key) for key in _OTHERWISE):
        return None
    model_type = wire.text(config, "model_type") or ""
    if model_type in _STATE_SPACE:
        return _Layers(0, 0)
    kinds = config.get("layer_types") or config.get("layers_block_type")
    if isinstance(kinds, (list, tuple)) and kinds:
        return _listed(kinds, number - (first(config, "num_kv_shared_layers") or 0))
    pattern = wire.text(config, "hybrid_override_pattern")
    if pattern is not None:
        return _Layers(pattern.count("*"), 0)
    flags = config.get("attn_type_list")
    if isinstance(flags, (list, tuple)) and flags:
        return _Layers(sum(flag == 1 for flag in flags), 0)
    named = wire.mapping(config, "linear_attn_config").get("full_attn_layers")
    if isinstance(named, (list, tuple)):
        return _Layers(min(len(named), number), 0)
    every = first(config, "full_attention_interval", "attn_layer_period")
    if every is not None:
        return _Layers(len(range(first(config, "attn_layer_offset") or 0, number, every)), 0)
    if any("mamba" in key or "linear_attn" in key or "ssm" in key for key in config):
        return None
    return _windowed(config, model_type, number)


def _listed(kinds: Any, own: int) -> _Layers | None:
    """Of listed kinds, those that keep something; layers behind the first ``own`` share what an earlier one keeps."""
    words = [str(kind) for kind in kinds]
    if not set(words) <= _FULL | _SLIDING | _WITHOUT:
        return None
    words = words[: max(own, 0)]
    return _Layers(sum(word in _FULL for word in words), sum(word in _SLIDING for word in words))


def _windowed(config: Mapping[str, Any], model_type: str, number: int) -> _Layers | None:
    if first(config, "attention_chunk_size") is not None:
        return None  # Llama 4: which layers are chunked is not listed
    window = first(config, "sliding_window")
    if window is None or config.get("use_sliding_window") is False:
        return _Layers(number, 0)
    every = first(config, "sliding_window_pattern", "_sliding_window_pattern") or (
        2 if model_type == "gemma2" else None
    )
    if every is None:
        return _Layers(0, number)
    return _Layers(number // every, number - number // every)


def _per_layer(config: Mapping[str, Any], *, wide: bool) -> _PerLayer | None:
    """The values of one layer; ``wide``: of one that keeps every token, where the two kinds differ."""
    rank = first(config, "kv_lora_rank")
    if rank is not None:
        turned = first(config, "qk_rope_head_dim") or 0
        return (
            _PerLayer(rank + turned, f"(kv_lora_rank {rank} + qk_rope_head_dim {turned})") if rank < MAX_WIDTH else None
        )
    queries = first(config, "num_attention_heads", "n_head", "n_heads", "num_heads")
    heads = first(config, "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")
    if config.get("multi_query") is True and (heads is None or config.get("new_decoder_architecture") is False):
        heads = 1  # Falcon-7B states its query heads there, and keeps one
    heads = heads or queries
    hidden = first(config, "hidden_size", "n_embd", "d_model", "dim")
    width = first(config, "head_dim", "kv_channels", "attention_head_dim")
    if width is None and hidden is not None and queries is not None:
        width = hidden // queries
    if wide:
        heads = first(config, "num_global_key_value_heads") or heads
        width = first(config, "global_head_dim") or width
    if not heads or not width or max(heads, width) >= MAX_WIDTH:
        return None
    return _PerLayer(2 * heads * width, f"2 × {heads} heads × {width}")
