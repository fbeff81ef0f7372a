"""Parameters of a transformer by arithmetic from its configuration: dense, and mixtures of experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.classify import wire

MOST = 10**15
"""No model has more; a configuration that says so is wrong."""


class Counted(NamedTuple):
    """Total and active parameters."""

    total: int
    active: int


def from_config(config: Mapping[str, Any]) -> Counted | None:
    """Counts from ``config.json`` (or its ``text_config``); None where it does not hold enough."""
    if not config:
        return None
    inner = wire.mapping(config, "text_config") or wire.mapping(config, "llm_config")
    for candidate in (config, inner):
        hidden = _first(candidate, "hidden_size", "n_embd", "d_model")
        layers = _first(candidate, "num_hidden_layers", "n_layer", "num_layers")
        vocab = wire.count(candidate, "vocab_size")
        if hidden and layers and vocab and max(hidden, vocab) < 10_000_000 and layers < 10_000:
            return _counted(candidate, hidden, layers, vocab)
    return None


def experts(config: Mapping[str, Any]) -> int | None:
    """How many experts a layer has; None for a dense model, or where nothing says."""
    if not config:
        return None
    inner = wire.mapping(config, "text_config") or config
    for source in (config, inner):
        found = _first(source, "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
        if found is not None and found > 1:
            return found
    return None


def _first(config: Mapping[str, Any], *keys: str) -> int | None:
    return next((value for key in keys if (value := wire.count(config, key)) is not None), None)


def _counted(config: Mapping[str, Any], hidden: int, layers: int, vocab: int) -> Counted | None:
    attention = _attention(config, hidden)
    dense_width = _first(config, "intermediate_size", "n_inner", "ffn_dim") or 4 * hidden
    gates = (
        2 if wire.text(config, "model_type") in {"gpt2", "opt", "bert", "roberta", "phi", "gpt_neox", "bloom"} else 3
    )
    embeddings = vocab * hidden * (1 if config.get("tie_word_embeddings") is True else 2)
    routed = experts(config)
    if routed is None:
        total = layers * (attention + gates * hidden * dense_width) + embeddings
        return Counted(total, total) if 0 < total < MOST else None
    dense_layers = min(layers, wire.count(config, "first_k_dense_replace") or 0)
    sparse_layers = (layers - dense_layers) // (wire.count(config, "decoder_sparse_step") or 1)
    width = _first(config, "moe_intermediate_size", "expert_ffn_hidden_size") or dense_width
    shared = (wire.count(config, "n_shared_experts") or 0) * width + (
        wire.count(config, "shared_expert_intermediate_size") or 0
    )
    chosen = _first(config, "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k") or 1
    common = layers * attention + (layers - sparse_layers) * gates * hidden * dense_width + embeddings
    always = sparse_layers * hidden * (gates * shared + routed)
    expert = sparse_layers * gates * hidden * width
    counted = Counted(common + always + routed * expert, common + always + min(chosen, routed) * expert)
    return counted if 0 < counted.total < MOST else None


def _attention(config: Mapping[str, Any], hidden: int) -> int:
    heads = _first(config, "num_attention_heads", "n_head") or max(1, hidden // 128)
    rank = wire.count(config, "kv_lora_rank")
    if rank is not None:
        return _latent(config, hidden, heads, rank)
    width = wire.count(config, "head_dim") or hidden // heads
    groups = wire.count(config, "num_key_value_heads") or heads
    return 2 * hidden * heads * width + 2 * hidden * groups * width


def _latent(config: Mapping[str, Any], hidden: int, heads: int, rank: int) -> int:
    """Attention over a latent (DeepSeek-V2 and its heirs)."""
    rope = wire.count(config, "qk_rope_head_dim") or 64
    plain = wire.count(config, "qk_nope_head_dim") or 128
    value = wire.count(config, "v_head_dim") or 128
    query_rank = wire.count(config, "q_lora_rank")
    query = hidden * heads * (plain + rope)
    if query_rank is not None:
        query = hidden * query_rank + query_rank * heads * (plain + rope)
    keys = hidden * (rank + rope) + rank * heads * (plain + value)
    return query + keys + heads * value * hidden
