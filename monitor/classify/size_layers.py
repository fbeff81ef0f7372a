"""Parameters of one layer of a language model: attention, linear attention, state space; and how to read dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.classify import wire

MAX_PARAMETERS = 10**15
"""A configuration that results in more is wrong."""
MAX_WIDTH, MAX_LAYERS = 10_000_000, 10_000


class Counted(NamedTuple):
    """Total and active parameters."""

    total: int
    active: int


def first(config: Mapping[str, Any], *keys: str) -> int | None:
    """The first of these keys with a positive count; of a list (Hunyuan: a value for each layer) the largest."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, (list, tuple)):
            value = max((item for item in value if isinstance(item, int) and not isinstance(item, bool)), default=None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


class Shape(NamedTuple):
    """The dimensions that every language model's configuration has, under various keys."""

    config: Mapping[str, Any]
    model_type: str
    hidden: int
    layers: int
    width: int
    gates: int


def routed_experts(config: Mapping[str, Any]) -> int | None:
    keys = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
    found = first(config, *keys) or first(wire.mapping(config, "ffn_config"), "moe_num_experts")
    return found if found is not None and 1 < found < 100_000 else None


def shared_width(config: Mapping[str, Any], width: int) -> int:
    """The total width of the shared experts, which every token uses."""
    number = first(config, "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert") or 0
    stated = first(
        config, "shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size",
        "share_expert_dim",
    )  # fmt: skip
    return stated if stated is not None else min(number, 1_000) * width


def chosen_experts(config: Mapping[str, Any]) -> int:
    keys = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "moe_k", "moe_top_k")
    found = first(config, *keys, "top_k_experts", "num_selected_experts")
    return found or first(wire.mapping(config, "ffn_config"), "moe_top_k") or 1


def attention(shape: Shape) -> int:
    config, hidden = shape.config, shape.hidden
    heads = first(config, "num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads") or max(
        1, hidden // 128
    )
    if first(config, "o_lora_rank") is not None and first(config, "q_lora_rank") is not None:
        return compressed_attention(config, hidden, heads)
    rank = first(config, "kv_lora_rank")
    if rank is not None:
        return latent(config, hidden, heads, rank)
    width = first(config, "head_dim", "d_kv", "kv_channels", "attention_head_dim") or max(1, hidden // heads)
    nested = wire.mapping(config, "attn_config")
    groups = first(
        config, "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups"
    )
    groups = groups or first(nested, "kv_n_heads") or heads
    if config.get("multi_query") is True and config.get("new_decoder_architecture") is not True:
        groups = 1
    shared = first(config, "share_q_dim")
    query = hidden * heads * width if shared is None else shared * (hidden + heads * width)
    gate = shape.model_type.startswith(("qwen3_next", "qwen3_5", "afmoe")) or config.get("attn_output_gate") is True
    return query + hidden * width * ((2 if gate else 1) * heads + 2 * min(groups, heads))


def latent(config: Mapping[str, Any], hidden: int, heads: int, rank: int) -> int:
    """Multi-head latent attention (DeepSeek-V2 and its successors)."""
    rope = 0 if config.get("qk_rope_head_dim") == 0 else first(config, "qk_rope_head_dim") or 64
    plain = first(config, "qk_nope_head_dim") or 128
    value = first(config, "v_head_dim") or 128
    query_rank = first(config, "q_lora_rank")
    query = hidden * heads * (plain + rope)
    if query_rank is not None:
        query = hidden * query_rank + query_rank * heads * (plain + rope)
    keys = hidden * (rank + rope) + rank * heads * (plain + value)
    return query + keys + heads * value * hidden


def delta_net(config: Mapping[str, Any], hidden: int) -> int:
    """Linear attention of Qwen3-Next: queries and keys, values and their gate, two small projections, out."""
    keys = (first(config, "linear_num_key_heads") or 1) * (first(config, "linear_key_head_dim") or 128)
    heads = first(config, "linear_num_value_heads") or 1
    values = heads * (first(config, "linear_value_head_dim") or 128)
    return hidden * (2 * keys + 2 * values + 2 * heads) + values * hidden


def state_space(shape: Shape) -> int:
    """A Mamba layer: of the first generation, or with heads (the second)."""
    config, hidden = shape.config, shape.hidden
    expand = first(config, "mamba_expand", "expand") or 2
    state = first(config, "mamba_d_state", "ssm_state_size", "state_size", "d_state") or 16
    heads = first(config, "mamba_n_heads", "mamba_num_heads", "num_heads" if shape.model_type == "mamba2" else "")
    inner = first(config, "mamba_d_ssm", "d_inner") or expand * hidden
    if heads is not None:
        each = first(config, "mamba_d_head", "mamba_head_dim", "head_dim")
        inner = first(config, "mamba_d_ssm") or (heads * each if each else inner)
        groups = first(config, "mamba_n_groups", "n_groups") or 1
        return hidden * (2 * inner + 2 * groups * state + heads) + inner * hidden
    rank = first(config, "mamba_dt_rank", "time_step_rank") or -(-hidden // 16)
    return hidden * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * state + inner * hidden


def delta_attention(config: Mapping[str, Any], hidden: int) -> int | None:
    """Kimi's linear attention (KDA): queries, keys, values, output, and two gates of low rank; None if not stated."""
    nested = wire.mapping(config, "linear_attn_config")
    heads = first(nested, "num_heads") or first(config, "linear_num_heads")
    each = first(nested, "head_dim") or first(config, "linear_head_dim")
    if heads is None or each is None:
        return None
    inner = heads * each
    return 4 * hidden * inner + 2 * (hidden * each + each * inner) + hidden * heads


def compressed_attention(config: Mapping[str, Any], hidden: int, heads: int) -> int:
    """Attention of DeepSeek-V4: one latent for keys and values, output through groups of low rank, an indexer."""
    width, rank = first(config, "head_dim") or 512, first(config, "q_lora_rank") or 1_024
    groups, out_rank = first(config, "o_groups") or 8, first(config, "o_lora_rank") or 1_024
    query = hidden * rank + rank * heads * width
    out = groups * out_rank * (heads * width // groups) + groups * out_rank * hidden
    indexer = rank * (first(config, "index_n_heads") or 0) * (first(config, "index_head_dim") or 0) // 2
    return query + hidden * width + out + 2 * hidden * width + indexer
