"""Formats by files, configuration and tags; memory by the types of tensors, the files and the configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import classify, wire
from monitor.classify.copies import is_further_work
from monitor.classify.formats import formats_in
from monitor.classify.kv_cache import kv_cache
from monitor.classify.memory import GGUF_BITS, gguf_type, memory, runs
from monitor.classify.repository_files import RepositoryFiles
from monitor.labs import load
from tests.classify.memory_facts import FACTS, estimate, table
from tests.conftest import ROOT

CAUSAL = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 4, "num_attention_heads": 8, "hidden_size": 512}


def facts(*files: str, tags: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A model object with these files."""
    return {"id": "a/b", "tags": list(tags), "siblings": [{"rfilename": name} for name in files], **more}


def types(**counts: int) -> dict[str, Any]:
    return {"safetensors": {"parameters": counts, "total": sum(counts.values())}}


def config(**more: Any) -> dict[str, Any]:
    return {"config": more}


FORMATS: list[tuple[dict[str, Any], dict[str, str]]] = [
    (facts("a-Q4_K_M.gguf"), {"gguf": "file"}),
    (facts("mmproj-a.gguf", "imatrix.gguf", "imatrix_unsloth.gguf", "Qwen3-8B.imatrix.gguf", tags=("gguf",)), {}),
    (facts("Ornith-35B-MXFP4_MOE-Imatrix-Q6_K.gguf"), {"gguf": "file"}),
    (facts("imatrix/Qwen3-8B-Q4_K_M.gguf"), {"gguf": "file"}),
    ({"id": "a/b", "tags": ["gguf"]}, {"gguf": "tag"}),
    ({"id": "a/b-GGUF", "tags": []}, {}),
    ({"id": "a/b", "gguf": {"total": 7, "architecture": "llama"}}, {"gguf": "gguf"}),
    (facts("model.safetensors", tags=("gguf",)), {}),
    (facts("model.safetensors", library_name="mlx"), {"mlx": "library_name"}),
    (facts("model.safetensors", tags=("mlx", "fp8")), {"mlx": "tag"}),
    (facts("a.gguf", tags=("mlx",)), {"gguf": "file"}),
    (facts("model.safetensors", **config(quantization_config={"quant_method": "awq"})), {"awq": "config"}),
    (facts("model.safetensors", **config(quantization_config={"quant_method": "gptq"})), {"gptq": "config"}),
    (facts("model.safetensors", **config(quantization_config={"load_in_4bit": True})), {"bnb": "config"}),
    (facts("model.safetensors", **config(quantization_config={"quant_method": "fp8"})), {"fp8": "config"}),
    (facts("m.safetensors", **config(quantization_config={"quant_method": "hqq"}), tags=("awq",)), {}),
    (facts("m.safetensors", **types(F8_E4M3=90, BF16=10)), {"fp8": "safetensors"}),
    (facts("m.safetensors", **types(F8_E4M3=100, U8=800, BF16=9), **config(quantization_config={"quant_method":
     "modelopt"})), {"nvfp4": "safetensors"}),
    (facts("m.safetensors", **config(quantization_config={"quant_method": "compressed-tensors"}), tags=("nvfp4",)),
     {"nvfp4": "tag"}),
    (facts("m.safetensors", **types(BF16=10), tags=("fp8", "awq")), {}),
    (facts("onnx/model_q4.onnx", "model.safetensors"), {"onnx": "file"}),
    (facts("unet/model.onnx", "unet/diffusion_pytorch_model.safetensors"), {"onnx": "file"}),
    (facts("decoder_model_merged.onnx", "pytorch_model.bin"), {"onnx": "file"}),
    (facts("rmvpe.onnx"), {"onnx": "file"}),
    (facts("assets/token2wav/campplus.onnx", "assets/speech_tokenizer_v2_25hz.onnx", "model-00001.safetensors"), {}),
    ({"id": "a/b", "tags": ["gguf", "mxfp4"]}, {"gguf": "tag"}),
    ({"id": "a/b", "tags": ["gguf", "safetensors", "fp8"]}, {"fp8": "tag", "gguf": "tag"}),
    (facts("Model.mlpackage/Data/weights.bin"), {"coreml": "file"}),
    (facts("model.safetensors", tags=("onnx", "coreml")), {}),
    (facts("m.safetensors", **config(quantization_config={"quant_method": "exl3"})), {"exl3": "config"}),
]  # fmt: skip
"""A model object, and the signal of each of its formats."""


@pytest.mark.parametrize(("model", "signals"), FORMATS)
def test_formats_by_what_the_wire_says(model: dict[str, Any], signals: dict[str, str]) -> None:
    assert {name: one.signal for name, one in formats_in(model).items()} == signals


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
_KEYS = (
    "architectures", "num_hidden_layers", "layer_types", "layers_block_type", "sliding_window", "kv_lora_rank",
    "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "quantization_config", "quantization",
    "text_config", "hybrid_override_pattern", "attn_type_list", "linear_attn_config", "full_attention_interval",
)  # fmt: skip
_CONFIGS = st.dictionaries(st.sampled_from(_KEYS), _JSON | st.sampled_from([["XForCausalLM"], 10**30, -1, "fp8"]))


@given(
    st.fixed_dictionaries(
        {"id": st.text(max_size=20)},
        optional={
            "tags": _JSON, "siblings": _JSON | st.lists(st.fixed_dictionaries({"rfilename": st.text()}), max_size=3),
            "safetensors": _JSON | st.fixed_dictionaries({"parameters": st.dictionaries(
                st.sampled_from(["BF16", "U8", "I32", "F8_E4M3", "X"]), st.integers() | st.floats())}),
            "gguf": _JSON, "config": _CONFIGS | _JSON, "library_name": _JSON,
        },
    ),
    st.none() | st.integers(0, 10**20),
    _CONFIGS,
)  # fmt: skip
def test_nothing_that_a_repository_holds_breaks_it(model: dict[str, Any], params: int | None, whole: Any) -> None:
    found = runs(wire.prepared(model, RepositoryFiles(config=whole)), params)
    json.dumps(found, allow_nan=False)
    for one in [found.memory, *(entry["memory"] for entry in found.formats.values())]:
        assert one is None or one["weights_gb"] >= 0
        assert one is None or one["kv_gb_per_1k_tokens"] is None or one["kv_gb_per_1k_tokens"] >= 0


# --- memory -------------------------------------------------------------------------------------------------


def test_the_docs_compare_estimates_with_real_files() -> None:
    assert table() in (ROOT / "docs/explanation/formats.md").read_text("utf-8"), (
        "run: python -m tests.classify.memory_facts"
    )
    assert all(abs(estimate(fact) * 1e9 / fact.size - 1) < 0.03 for fact in FACTS)


def test_every_type_is_read_in_the_names_of_files() -> None:
    for name in GGUF_BITS:
        assert gguf_type(f"x/Model-1.5-9B-{name}-00001-of-00002.gguf") == name
        assert gguf_type(f"model.{name.lower()}.gguf") == name
    assert gguf_type("model.gguf") is None
    assert gguf_type("UD-Q4_K_XL/Model-UD-Q4_K_XL.gguf") == "Q4_K_XL"


def test_of_several_types_in_a_name_the_last_one_counts() -> None:
    assert gguf_type("gemma-3-12b-bf16-Q4_0.gguf") == "Q4_0"
    assert gguf_type("gpt-oss-20b-MXFP4-Q2_K.gguf") == "Q2_K"


def weights(model: dict[str, Any], params: int | None, form: str | None = None) -> float | None:
    found = memory(model, params, form)
    return None if found is None else found["weights_gb"]


def test_packed_values_take_the_bits_that_they_have() -> None:
    def quantized(method: str, **more: Any) -> dict[str, Any]:
        return config(quantization_config={"quant_method": method, **more})

    def packed(*parts: dict[str, Any]) -> dict[str, Any]:
        made = facts("m.safetensors")
        for part in parts:
            made |= part
        return made

    # As the Hub serves compressed-tensors in four bits: the values, under the type that they are packed in.
    ints = types(I32=25 * 10**9, BF16=2 * 10**9)
    groups = {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}}
    served = packed(ints, quantized("compressed-tensors", config_groups=groups))
    assert weights(served, 27 * 10**9) == pytest.approx(25 * 4.125 / 8 + 4, abs=0.01)
    eight = packed(ints, quantized("gptq", bits=8))
    assert weights(eight, 27 * 10**9, "gptq") == pytest.approx(25 * 8.16 / 8 + 4, abs=0.01)
    # FP4 experts in signed bytes, two in each, of which the Hub counts both (DeepSeek-V4).
    experts = packed(types(I8=270 * 10**9, F8_E4M3=10**10, BF16=10**9), quantized("fp8", expert_dtype="fp4"))
    assert weights(experts, 281 * 10**9, "fp8") == pytest.approx(270 * 4.125 / 8 + 10 + 2, abs=0.01)
    whole = packed(types(I8=7 * 10**9, F16=10**9), quantized("bitsandbytes", load_in_8bit=True))
    assert weights(whole, 8 * 10**9, "bnb") == 9.0


def test_where_it_is_not_known_how_values_are_packed_nothing_is_said() -> None:
    unstated = facts("m.safetensors", **types(I32=25 * 10**9, BF16=2 * 10**9))
    assert weights(unstated, 27 * 10**9) is None
    gptq = unstated | config(quantization_config={"quant_method": "gptq", "bits": 4})
    assert weights(gptq, None, "gptq") is None
    assert weights(facts("m.safetensors", **types(U32=10**9, F16=10**9), library_name="mlx"), None, "mlx") == 6.0


def test_an_index_of_something_else_is_not_believed() -> None:
    typed = facts("m.safetensors", **types(BF16=35 * 10**9))
    assert weights(wire.prepared(typed, RepositoryFiles(index_total_bytes=1_329_888)), 35 * 10**9) == 70.0
    untyped = facts("m.safetensors", **config(torch_dtype="bfloat16"))
    assert weights(wire.prepared(untyped, RepositoryFiles(index_total_bytes=1_329_888)), 35 * 10**9) == 70.0


def test_a_small_file_takes_little_and_not_nothing() -> None:
    assert weights(facts("adapter.safetensors", **types(F32=100_000)), 100_000) == 0.0004


def test_the_header_of_a_projector_is_not_that_of_the_model() -> None:
    copy = facts("mmproj-F16.gguf", "m-Q4_K_M.gguf", gguf={"total": 460_000_000, "architecture": "clip"})
    assert weights(copy, 27 * 10**9, "gguf") == pytest.approx(16.5, abs=0.01)
    assert weights(copy, None, "gguf") is None


def test_weights_by_the_best_that_is_known() -> None:
    index = RepositoryFiles(index_total_bytes=5_000_000_000)
    by_index = memory(wire.prepared(facts("m.safetensors", **types(BF16=2_499_999_990)), index), 2_500_000_000, None)
    assert by_index is not None
    assert (by_index["weights_gb"], by_index["bits"], by_index["basis"]) == (5.0, 16.0, "index")
    by_types = memory(facts("m.safetensors", **types(BF16=10**9, F32=10**9)), 2 * 10**9, None)
    assert by_types is not None
    assert (by_types["weights_gb"], by_types["basis"]) == (6.0, "types")
    computed = memory(facts("pytorch_model.bin", **config(torch_dtype="float16")), 10**9, None)
    assert computed is not None
    assert (computed["weights_gb"], computed["basis"]) == (2.0, "parameters")
    assert memory(facts("pytorch_model.bin"), 10**9, None) is None
    assert memory(facts("pytorch_model.bin", **config(torch_dtype="float16")), None, None) is None


def test_what_the_hub_unpacked_is_packed_again() -> None:
    served = facts("m.safetensors", **types(BF16=2_167_371_072, U8=114_661_785_600))
    found = memory(served, 116_829_156_672, "mxfp4")
    assert found is not None
    assert found["weights_gb"] == pytest.approx(65.25, abs=0.01)  # the files of openai/gpt-oss-120b
    raw = memory(facts("m.safetensors", **types(I32=14_664_900_864 // 8, F16=10**9)), 14_664_900_864, "gptq")
    assert raw is not None
    assert raw["weights_gb"] == pytest.approx(14_664_900_864 / 2e9 + 2, abs=0.01)


def test_of_several_gguf_files_the_usual_one_is_stated() -> None:
    found = memory(facts("m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-F16.gguf"), 10**9, "gguf")
    assert found is not None
    assert (found["variant"], found["bits"]) == ("Q4_K_M", 4.89)
    found = memory(facts("m-Q8_0.gguf", "m-F16.gguf"), 10**9, "gguf")
    assert found is not None
    assert found["variant"] == "Q8_0"


CACHES: list[tuple[dict[str, Any], tuple[int, int] | None]] = [
    (CAUSAL, (4 * 2 * 8 * 64 * 2, 0)),
    (CAUSAL | {"num_key_value_heads": 2, "head_dim": 128}, (4 * 2 * 2 * 128 * 2, 0)),
    (CAUSAL | {"kv_lora_rank": 512, "qk_rope_head_dim": 64}, (4 * 576 * 2, 0)),
    (CAUSAL | {"sliding_window": 100}, (0, 4 * 2 * 8 * 64 * 2 * 100)),
    (CAUSAL | {"sliding_window": 100, "use_sliding_window": False}, (4 * 2 * 8 * 64 * 2, 0)),
    (CAUSAL | {"sliding_window": 10, "layer_types": ["sliding_attention", "full_attention"] * 2}, (4_096, 40_960)),
    (CAUSAL | {"layer_types": ["linear_attention"] * 3 + ["full_attention"]}, (2_048, 0)),
    (CAUSAL | {"layer_types": ["something_new"] * 4}, None),
    (CAUSAL | {"layers_block_type": ["mamba", "attention", "mlp", "mamba"]}, (2_048, 0)),
    (CAUSAL | {"hybrid_override_pattern": "M-M*"}, (2_048, 0)),
    (CAUSAL | {"full_attention_interval": 4}, (2_048, 0)),
    (CAUSAL | {"mamba_d_state": 16}, None),
    (CAUSAL | {"model_type": "mamba2"}, (0, 0)),
    (CAUSAL | {"num_kv_shared_layers": 2, "layer_types": ["full_attention"] * 4}, (4_096, 0)),
    (CAUSAL | {"multi_query": True}, (4 * 2 * 64 * 2, 0)),
    (CAUSAL | {"is_encoder_decoder": True}, None),
    (CAUSAL | {"architectures": ["BertModel"]}, None),
    (CAUSAL | {"num_hidden_layers": None}, None),
    ({"architectures": ["XForConditionalGeneration"], "text_config": CAUSAL}, (8_192, 0)),
    (CAUSAL | {"sliding_window": 262_144, "max_position_embeddings": 131_072}, (4 * 2 * 8 * 64 * 2, 0)),
    (CAUSAL | {"multi_query": True, "num_kv_heads": 8, "new_decoder_architecture": False}, (4 * 2 * 64 * 2, 0)),
    (CAUSAL | {"multi_query": True, "num_kv_heads": 2, "new_decoder_architecture": True}, (4 * 2 * 2 * 64 * 2, 0)),
    (CAUSAL | {"num_key_value_heads": None, "block_configs": [{"attention": {"no_op": True}}] * 4}, None),
    (CAUSAL | {"sliding_window": 128, "compress_ratios": [0, 4, 128, 4]}, None),
    (CAUSAL | {"attention_chunk_size": 8_192}, None),
    ({}, None),
]


@pytest.mark.parametrize(("given_config", "expected"), CACHES)
def test_the_cache_by_the_configuration(given_config: dict[str, Any], expected: tuple[int, int] | None) -> None:
    found = kv_cache(given_config)
    assert (found and (found.bytes_per_token, found.fixed_bytes)) == expected


REAL = {
    "Qwen__Qwen3-8B": 36 * 2 * 8 * 128 * 2,
    "Qwen__Qwen3.5-9B": 8 * 2 * 4 * 256 * 2,
    "Qwen__Qwen3.8-27B": 16 * 2 * 4 * 256 * 2,
    "Qwen__Qwen3.8-Flash-Next": 12 * 2 * 2 * 256 * 2,
    "LiquidAI__LFM2.5-1.2B-Instruct": 6 * 2 * 8 * 64 * 2,
    "google__gemma-4-31B-it": 10 * 2 * 4 * 512 * 2,
    "nvidia__NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16": 6 * 2 * 2 * 128 * 2,
    "openai__gpt-oss-120b": 18 * 2 * 8 * 64 * 2,
    "ornith-ai__Ornith-1.5-9B": 8 * 2 * 4 * 256 * 2,
    "zai-org__GLM-5.3-Flash": 11 * 512 * 2,
}
"""Bytes that a token adds, by the layers that keep every token as the recorded configurations list them."""


@pytest.mark.parametrize("name", REAL)
def test_the_cache_of_real_configurations(shared: Path, name: str) -> None:
    path = shared / "hub" / "real-2026-10" / "configs" / f"{name}.json"
    found = kv_cache(json.loads(path.read_text("utf-8")))
    assert found is not None
    assert found.bytes_per_token == REAL[name]


def test_a_classification_has_what_its_own_weights_take() -> None:
    found = classify({"id": "a/b", **types(BF16=10**9)}, load())
    assert found.own_memory is not None
    assert found.own_memory["weights_gb"] == 2.0
    assert classify({"id": "a/b"}, load()).own_memory is None


@pytest.mark.parametrize(
    ("copy", "base", "further"),
    [
        ("x/Qwen3-8B-GGUF", "Qwen/Qwen3-8B", False),
        ("x/Qwen3-8B-Uncensored-GGUF", "Qwen/Qwen3-8B", True),
        ("x/Qwen3-8B-heretic-GGUF", "y/Qwen3-8B-heretic", False),
        ("x/GLM-5.3-Flash-REAP50-GGUF", "zai-org/GLM-5.3-Flash", True),
        ("x/DeepSeek-R1-Distill-Qwen-7B-AWQ", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", False),
        ("x/Qwen3.5-27B-Opus-Reasoning-Distilled", "Qwen/Qwen3.5-27B", True),
    ],
)
def test_a_name_shows_that_a_copy_is_another_work(copy: str, base: str, further: bool) -> None:
    assert is_further_work(copy, base) == further
