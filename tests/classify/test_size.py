"""Sizes from names, from weights in any packing and from configurations, and their order of trust."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import BaseModelInfo, Classification, Parent, RepositoryFiles, classify
from monitor.classify.size_names import from_name
from monitor.classify.subject import has_weights
from monitor.enums import Kind
from monitor.labs import Registry, load
from tests.classify.configs import CONFIGS
from tests.classify.shapes import PACKINGS, UNPACKED_BY_HUB, served, shape

B = 10**9
Form = Callable[[int, str], dict[str, Any]]


@cache
def registry() -> Registry:
    return load()


def classified(repo_id: str, **facts: Any) -> Classification:
    return classify({"id": repo_id, **facts}, registry())


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        ("Qwen3-30B-A3B", 30, 3),
        ("Qwen3-235B-A22B-Instruct-2507-FP8", 235, 22),
        ("ERNIE-4.5-21B-A3B-PT", 21, 3),
        ("granite-3.1-1b-a400m-base", 1, 0.4),
        ("Qwen3-0.6B", 0.6, None),
        ("SmolLM2-135M-Instruct", 0.135, None),
        ("Ling-1T", 1000, None),
        ("Llama-3.1-405B", 405, None),
        ("pythia-70m", 0.07, None),
        ("EuroLLM-1.7B", 1.7, None),
        # Versions are no sizes.
        ("Llama-3.1-8B", 8, None),
        ("Qwen2.5-VL-7B-Instruct", 7, None),
        ("Yi-1.5-34B-Chat", 34, None),
        ("internlm2_5-7b-chat", 7, None),
        ("OLMo-2-0325-32B", 32, None),
        ("Phi-3.5-mini", None, None),
        ("glm-4-9b-chat-1m", 9, None),
        # Precisions are no sizes.
        ("Qwen3-8B-4bit", 8, None),
        ("Mistral-7B-v0.1-Q4_K_M-GGUF", 7, None),
        ("Llama-3.3-70B-Instruct-W4A16", 70, None),
        ("gemma-3-27b-it-fp8", 27, None),
        ("model-8bit", None, None),
        # Contexts, tokens, steps and dates are no sizes.
        ("Yarn-Mistral-7b-128k", 7, None),
        ("Qwen2.5-14B-Instruct-1M", 14, None),
        ("TinyLlama-1.1B-step-50K-105b", None, None),
        ("TinyLlama-1.1B-Chat-v1.0", 1.1, None),
        ("OLMo-1B-step1000", 1, None),
        ("Amber-7B-1.3T-tokens", 7, None),
        # Versions, years, tokens, samples, leading zeros.
        ("llama3.2_1b", 1, None),
        ("stablelm-2-1_6b", 1.6, None),
        ("XORTRON.CriminalComputing.2026.27B.Instruct.NEXT", 27, None),
        ("XORTRON.CriminalComputing.2026.4B.Instruct.NEXT", 4, None),
        ("nucleus-22B-token-500B", 22, None),
        ("CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", None, None),
        ("vit-s13B-b90K", None, None),
        ("CLIP-ViT-L-14-laion2B-s32B-b82K", None, None),
        ("webssl-mae1b-full2b-224", None, None),
        ("Qwen3.5-08b", 0.8, None),
        ("gemma-2-9b-9b", 9, None),
        ("SmolVLM-256M-Instruct", 0.256, None),
        # Of teacher and student the student is the smaller one.
        ("Qwen3-0.6B-Distilled-30B-A3B", 0.6, None),
        ("Qwen3-30B-A3B-Distill-8B", 8, None),
        ("DeepSeek-R1-Distill-Qwen-1.5B", 1.5, None),
        # What was pruned has the size that stands behind that word.
        ("GLM-4.5-Air-REAP-82B-A12B", 82, 12),
        ("gpt-oss-20b-REAP", None, None),
        ("Qwen3-8B-pruned", None, None),
        ("Qwen3-32B-24layers", None, None),
        # Drafts have the size of their target in their name, models with heads for prediction their own.
        ("Qwen3-8B-DSpark", None, None),
        ("Qwen3-8B-dFlare", None, None),
        ("Qwen3-8B-Domino", None, None),
        ("Qwen3-8B-PARD", None, None),
        ("Qwen3.8-27B-MTP", 27, None),
        ("Qwen3.8-27B-MTP-GGUF", 27, None),
        # A part of a mixture, or what is effective, is active and not all.
        ("Llama-4-Scout-17B-16E-Instruct", None, 17),
        ("gemma-3n-E4B-it", None, 4),
        # Experts share what is no expert: the product is no total.
        ("MyMoE-8x7B", None, None),
        # An adapter's name has its base's size.
        ("Llama-3-8B-LoRA", None, None),
        ("Qwen3-8B-eagle3", None, None),
        ("bert", None, None),
        ("", None, None),
    ],
)
def test_sizes_in_names(name: str, total: float | None, active: float | None) -> None:
    found = from_name(name)
    counts = (None, None) if found is None else (found.total, found.active)
    assert counts == tuple(None if value is None else round(value * B) for value in (total, active))


LANGUAGE_MODEL = "that of the language model: what else it has is not in its name"
ENCODER = "that of the language model, perhaps without its encoder: no total is read from it"


@pytest.mark.parametrize(
    ("name", "facts", "total", "reason"),
    [
        # A number of one digit can be rounded by more than a tenth, and says so.
        ("Thing-1B", {}, 1, None),
        ("Thing-4B-it", {}, 4, None),
        ("Thing-0.3B", {}, 0.3, None),
        ("Thing-1T", {}, 1000, None),
        ("Thing-5B", {}, 5, None),
        ("Thing-0.5B", {}, 0.5, None),
        ("Thing-1.0B", {}, 1, None),
        ("Thing-300M", {}, 0.3, None),
        ("Thing-1b7", {}, 1.7, None),
        # A language model's size, without encoders.
        ("Thing-VL-7B", {}, None, ENCODER),
        ("Thing2.5VL-7B", {}, None, ENCODER),
        ("Thing-VL-8B", {}, 8, None),
        ("Thing-Audio-7B", {}, None, ENCODER),
        ("Thing-multimodal-7b", {}, None, ENCODER),
        ("blip2-opt-6.7b", {}, None, ENCODER),
        ("OmniThing-7B", {}, None, ENCODER),
        ("OmniCoder-9B", {}, 9, None),
        ("Thing-Omni-30B-A3B", {}, None, LANGUAGE_MODEL),
        ("Thing-7B", {}, 7, None),
        ("Thing-7B", {"pipeline_tag": "image-text-to-text"}, None, ENCODER),
        ("Thing-7B", {"pipeline_tag": "text-generation"}, 7, None),
        # Samples and batch size of a CLIP model.
        ("CLIP-ViT-bigG-14-laion2B-39B-b160k", {}, None, "no information found"),
    ],
)
def test_a_size_in_a_name_is_rounded_and_no_total_where_it_counts_a_part(
    name: str, facts: dict[str, Any], total: float | None, reason: str | None
) -> None:
    found = classified(f"someone/{name}", **facts)
    assert found.params_total == (None if total is None else round(total * B))
    messages = [item.message for item in found.evidence["params"]]
    if reason is None:
        coarse = name in {"Thing-1B", "Thing-4B-it", "Thing-0.3B", "Thing-1T"}
        assert messages == ["rounded, as in its name" + (", by more than a tenth" if coarse else "")]
    elif found.params_active is None:
        assert messages == [reason]


@pytest.mark.parametrize("total", [3_210_000_000, 4_700_000_000])
def test_a_rounded_name_still_shows_which_count_of_packed_weights_is_right(total: int) -> None:
    for form in (shape, served):
        assert classified("someone/thing-4B", **form(total, "gptq")).params_total == pytest.approx(total, rel=0.03)


def test_what_a_rounded_name_does_not_state_is_that_of_its_base() -> None:
    copy = classified("someone/Qwen3-4B-AWQ")
    assert copy.params_total == 4_020_000_000
    assert copy.evidence["params"][0].message.endswith("as the model that it is a copy of; rounded")
    tuned = classified("someone/thing-4B", tags=["base_model:finetune:Qwen/Qwen3-4B"])
    assert (tuned.params_total, tuned.params_source) == (4_020_000_000, "base_model")


def written_down() -> list[tuple[str, float | None, float | None]]:
    with Path(__file__).with_name("names.tsv").open() as file:
        return [
            (row["name"], float(row["total_b"] or 0) or None, float(row["active_b"] or 0) or None)
            for row in csv.DictReader(file, delimiter="\t")
        ]


def test_sizes_in_names_across_the_field() -> None:
    table = written_down()
    assert len(table) >= 240
    for name, total, active in table:
        found = from_name(name)
        counts = (None, None) if found is None else (found.total, found.active)
        assert counts == tuple(None if value is None else round(value * B) for value in (total, active)), name


@given(st.text(max_size=300))
def test_any_name_is_read_without_failing(name: str) -> None:
    found = from_name(name)
    assert found is None or found.total is None or found.active is None or 0 < found.active <= found.total


@given(
    st.sampled_from(["0.5", "1.5", "3", "7", "8", "14", "32", "70", "235", "405"]),
    st.sampled_from(["Nova", "Llama-3.1", "Foo2.5-VL", "yi-1.5", "model_v0.1", "X-2507"]),
    st.sampled_from(
        ["", "-Instruct", "-4bit", "-Q4_K_M", "-fp8", "-128k", "-v0.2", "-2507", "-step1000", "-W4A16", "-it"]
    ),
    st.sampled_from(["B", "b"]),
)
def test_the_size_is_found_among_what_only_looks_like_one(number: str, front: str, end: str, unit: str) -> None:
    found = from_name(f"{front}-{number}{unit}{end}")
    assert found is not None
    assert (found.total, found.active) == (round(float(number) * B), None)


BOTH = [*((shape, packing) for packing in PACKINGS), *((served, packing) for packing in PACKINGS)]
"""Each packing as it is in the files, and as the Hub serves it since 2026."""


@pytest.mark.parametrize(("form", "packing"), BOTH)
@pytest.mark.parametrize("total", [135_000_000, 8_030_261_248, 32_763_876_352, 405_853_388_800])
def test_both_forms_of_a_packing_are_counted_by_a_known_base(form: Form, packing: str, total: int) -> None:
    def history(repo_id: str) -> BaseModelInfo | None:
        return BaseModelInfo(repo_id, Kind.BASE, params_total=total) if repo_id == "lab/base" else None

    facts = form(total, packing)
    facts["tags"] = [*facts["tags"], "base_model:quantized:lab/base"]
    found = classify({"id": "someone/model", **facts}, registry(), history)
    assert found.params_total == pytest.approx(total, rel=0.04)
    assert found.params_source == "safetensors"


@pytest.mark.parametrize(("form", "packing"), BOTH)
@pytest.mark.parametrize(("name", "total"), [("135M", 135_000_000), ("8B", 8_030_261_248), ("405B", 405_853_388_800)])
def test_both_forms_of_a_packing_are_counted_by_the_name(form: Form, packing: str, name: str, total: int) -> None:
    found = classified(f"someone/model-{name}", **form(total, packing))
    assert found.params_source == "safetensors"
    assert found.params_total == pytest.approx(total, rel=0.04)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("total", [135_000_000, 8_030_261_248, 405_853_388_800])
def test_without_a_reference_the_form_of_today_is_assumed(packing: str, total: int) -> None:
    found = classified("someone/model", **served(total, packing))
    assert found.params_source == "safetensors"
    assert found.params_total == pytest.approx(total, rel=0.0003)


@pytest.mark.parametrize(("form", "packing"), BOTH)
def test_both_forms_of_a_packing_are_counted_by_the_configuration_file(form: Form, packing: str) -> None:
    config, total, _ = CONFIGS["qwen3-8b"]
    facts = form(round(total * B), packing)
    files = RepositoryFiles(config={**config, **shape(round(total * B), packing)["config"]})
    found = classify({"id": "someone/model", **facts}, registry(), files=files)
    assert found.params_total == pytest.approx(total * B, rel=0.04)
    assert found.params_active == found.params_total


@pytest.mark.parametrize("packing", sorted(UNPACKED_BY_HUB - {"compressed-tensors nvfp4"}))
def test_bytes_that_are_not_stored_show_that_the_hub_has_unpacked_already(packing: str) -> None:
    facts = served(8_030_261_248, packing)
    # A name that is nearer to the count after unpacking again does not outweigh it.
    wrong = "someone/model-30B" if "bnb" in packing or packing == "mxfp4" else "someone/model-60B"
    found = classified(wrong, **facts, usedStorage=5_500_000_000)
    assert found.params_total == 8_030_261_248


TAGS_REQUIRED = {"mlx", "nvfp4 with fp8"}
"""Packings that the configuration does not show."""


@pytest.mark.parametrize("packing", [packing for packing in PACKINGS if packing not in UNPACKED_BY_HUB])
def test_tags_and_configuration_show_a_packing_each_alone(packing: str) -> None:
    total = 8_030_261_248
    facts = shape(total, packing)
    if packing not in TAGS_REQUIRED:
        assert classified("someone/model", **facts | {"tags": []}).params_total == pytest.approx(total, rel=0.0003)
    if packing != "bitnet":
        assert classified("someone/model", **facts | {"config": {}}).params_total == pytest.approx(total, rel=0.0003)


@pytest.mark.parametrize(("name", "packing"), [("NVFP4", "nvfp4"), ("mlx", "none")])
def test_a_name_alone_shows_a_packing(name: str, packing: str) -> None:
    weights = shape(8 * B, packing)["safetensors"]
    assert classified(f"someone/model-{name}", safetensors=weights).params_total == pytest.approx(8 * B, rel=0.0003)


@pytest.mark.parametrize("tag", ["8-bit", "nvfp4", "modelopt"])
@pytest.mark.parametrize("scales", [True, False])
def test_nvfp4_is_four_bits_whatever_its_tags(tag: str, scales: bool) -> None:
    """The Hub tags NVFP4 as 8-bit: its elements are bytes. It does not unpack it, and may leave out the scales."""
    parameters = {"U8": 4 * B, "BF16": B} | ({"F8_E4M3": B // 2} if scales else {})
    facts = {"safetensors": {"parameters": parameters}, "config": {"quantization_config": {"quant_method": "modelopt"}}}
    for name in ("someone/model-NVFP4", "someone/model"):
        assert classified(name, tags=["safetensors", "8-bit", tag], **facts).params_total == 9 * B


def test_a_strangers_gptq_in_the_form_of_today_is_not_unpacked_again() -> None:
    weights = {"parameters": {"I32": 6_979_321_856, "F16": 1_050_939_392}, "total": 8_030_261_248}
    quantization = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    for name in ("stranger/thing", "stranger/thing-8B-GPTQ"):
        assert classified(name, safetensors=weights, config=quantization).params_total == 8_030_261_248


def test_a_gptq_counted_in_2023_is_unpacked_by_its_name() -> None:
    weights = {"parameters": {"I32": 14_664_900_864, "F16": 1_000_000_000}, "total": 15_664_900_864}
    found = classified("someone/model-120B-GPTQ", safetensors=weights, tags=["gptq", "4-bit"])
    assert found.params_total == pytest.approx(117 * B, rel=0.02)


@pytest.mark.parametrize("packed", [140 * B, 280 * B])
@pytest.mark.parametrize(
    ("config", "others"),
    [({"model_type": "deepseek_v4", "expert_dtype": "fp4"}, {"BF16": 4 * B}), ({}, {"F8_E4M3": 4 * B})],
)
def test_pairs_of_fp4_in_signed_bytes_are_counted_in_both_forms(
    packed: int, config: dict[str, str], others: dict[str, int]
) -> None:
    weights = {"parameters": {"I8": packed, **others}}
    files = RepositoryFiles(config=config or None)
    found = classify({"id": "someone/model-284B", "safetensors": weights}, registry(), files=files)
    assert found.params_total == 284 * B
    # In a model without FP8 they are weights.
    assert classified("someone/model", safetensors={"parameters": {"I8": 8 * B, "BF16": B}}).params_total == 9 * B


@pytest.mark.parametrize(
    ("name", "parameters", "method", "total"),
    [
        ("Kimi-K3", {"U8": 2_700 * B, "BF16": 80 * B}, "compressed-tensors", 2_780 * B),
        ("Some-70B-w4a16", {"I32": 68_450_000_000, "BF16": 2_100_000_000}, "compressed-tensors", 70_550_000_000),
        ("thing-AWQ", {"I32": 6_979_321_856, "BF16": 1_050_939_392}, "awq", 8_030_261_248),
        ("thing-bnb-4bit", {"U8": 6_979_321_856, "BF16": 1_050_939_392}, "bitsandbytes", 8_030_261_248),
    ],
)
def test_what_the_hub_has_unpacked_is_counted_as_served(
    name: str, parameters: dict[str, int], method: str, total: int
) -> None:
    config = {"quantization_config": {"quant_method": method}}
    found = classified(f"stranger/{name}", safetensors={"parameters": parameters}, config=config)
    assert found.params_total == total


@pytest.mark.parametrize(
    ("parameters", "total", "counted"),
    [
        ({"F32": 3_072, "BF16": 32_913_263_168}, 31_577_937_344, 32_913_266_240),
        ({"BF16": 35_107_181_936}, 664_944, 35_107_181_936),
    ],
)
def test_the_sum_of_the_types_is_counted_and_not_the_total(
    parameters: dict[str, int], total: int, counted: int
) -> None:
    found = classified("someone/model", safetensors={"parameters": parameters, "total": total})
    assert found.params_total == counted
    assert ("safetensors", f"total: {total}") in {item[:2] for item in found.evidence["params"]}


def test_values_packed_without_zero_points_are_counted_without_them() -> None:
    packing = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": False}
    weights = {"I32": B // 8, "F16": 100_000_000 + B // 128}
    found = classified("someone/model-1B", safetensors={"parameters": weights}, config={"quantization_config": packing})
    assert found.params_total == B + 100_000_000


def test_a_name_that_disagrees_with_the_weights_is_in_the_evidence() -> None:
    found = classified("someone/thing-7B", safetensors={"total": 3 * B})
    assert found.params_total == 3 * B
    assert ("name", "7B", "disagrees") in found.evidence["params"]
    assert len(classified("someone/thing-7B", safetensors={"total": 7 * B}).evidence["params"]) == 1


def rows(shared: Path) -> list[tuple[str, float, float | None]]:
    with (shared / "facts" / "parameters.tsv").open() as file:
        return [
            (row["repo_id"], float(row["total_params_b"]) * B, float(row["active_params_b"] or 0) * B or None)
            for row in csv.DictReader(file, delimiter="\t")
        ]


def test_by_the_name_alone_no_curated_model_is_wrong(shared: Path) -> None:
    answered = 0
    for repo_id, total, active in rows(shared):
        found = classified(repo_id)
        if found.params_total is not None:
            answered += 1
            assert found.params_total == pytest.approx(total, rel=0.05), repo_id
        if found.params_active is not None and active is not None:
            assert found.params_active == pytest.approx(active, rel=0.05), repo_id
    assert answered >= 75


@pytest.mark.parametrize("packing", PACKINGS)
def test_by_their_weights_curated_models_are_right(shared: Path, packing: str) -> None:
    wrong = []
    table = rows(shared)
    for repo_id, total, active in table:
        found = classified(repo_id, **served(round(total), packing))
        if found.params_total != pytest.approx(total, rel=0.03):
            wrong.append((repo_id, total, found.params_total, found.params_source))
        elif active is not None and found.params_active not in (None, pytest.approx(active, rel=0.1)):
            wrong.append((repo_id, active, found.params_active, found.params_source))
    assert len(wrong) <= 0.01 * len(table), wrong


@pytest.mark.parametrize("name", CONFIGS)
def test_arithmetic_from_a_configuration(name: str) -> None:
    config, total, active = CONFIGS[name]
    found = classified("someone/nameless", config=config)
    assert found.params_source == "config"
    assert found.params_total == pytest.approx(total * B, rel=0.03)
    assert found.params_active == pytest.approx(active * B, rel=0.05)


@pytest.mark.parametrize(
    ("encoder", "counted"),
    [
        ({"hidden_size": 1152, "num_hidden_layers": 27, "intermediate_size": 4304}, 411_070_464),
        ({"hidden_size": 1280, "depth": 32, "intermediate_size": 3420, "hidden_act": "silu"}, 629_964_800),
        ({"d_model": 1280, "encoder_layers": 32, "encoder_ffn_dim": 5120}, 629_145_600),
        ({"width": 1024, "layers": 24, "hidden_act": "silu"}, 301_989_888),
        ({"hidden_size": 1152}, 0),
        ({"hidden_size": 100_001, "depth": 1}, 0),
    ],
)
def test_an_encoder_is_counted_to_the_unit(encoder: dict[str, Any], counted: int) -> None:
    config, _, _ = CONFIGS["gemma3-27b"]
    alone = classified("someone/nameless", config={**config, "vision_config": {}}).params_total
    both = classified("someone/nameless", config={**config, "vision_config": encoder}).params_total
    assert alone is not None and both is not None
    assert both - alone == counted


@pytest.mark.parametrize(
    ("stated", "heads"),
    [
        ({}, 16 + 16 + 16 + 16),
        ({"num_key_value_heads": 4}, 16 + 4 + 4 + 16),
        ({"num_key_value_heads": 32}, 16 + 16 + 16 + 16),
        ({"attn_config": {"kv_n_heads": 4}}, 16 + 4 + 4 + 16),
        ({"attn_output_gate": True}, 16 + 16 + 16 + 16 + 16),
        ({"head_dim": 128}, 2 * (16 + 16 + 16 + 16)),
        ({"share_q_dim": 128}, 2 + 2 + 16 + 16 + 16),
        # Falcon: one head of keys for all, and as many as it says since its newer architecture.
        ({"multi_query": False, "num_kv_heads": 4}, 16 + 4 + 4 + 16),
        ({"multi_query": True}, 16 + 1 + 1 + 16),
        ({"multi_query": True, "num_kv_heads": 4}, 16 + 1 + 1 + 16),
        ({"multi_query": True, "num_kv_heads": 4, "new_decoder_architecture": False}, 16 + 1 + 1 + 16),
        ({"multi_query": True, "num_kv_heads": 4, "new_decoder_architecture": True}, 16 + 4 + 4 + 16),
    ],
)
def test_attention_is_counted_to_the_unit(stated: dict[str, Any], heads: int) -> None:
    """``heads``: matrices of 1,024 times 64 in a layer."""
    plain = {"hidden_size": 1_024, "num_hidden_layers": 3, "num_attention_heads": 16, "vocab_size": 1_000}
    config = {**plain, "intermediate_size": 4_096, "tie_word_embeddings": True, **stated}
    found = classified("someone/nameless", config=config)
    assert found.params_total == 3 * (heads * 1_024 * 64 + 3 * 1_024 * 4_096) + 1_000 * 1_024


PLAIN = {
    "hidden_size": 1_024, "num_hidden_layers": 4, "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 80,
    "intermediate_size": 3_000, "vocab_size": 1_000, "tie_word_embeddings": True,
}  # fmt: skip
MIXED = {
    **PLAIN, "num_hidden_layers": 9, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 500,
    "first_k_dense_replace": 1, "decoder_sparse_step": 3, "shared_expert_intermediate_size": 700,
}  # fmt: skip
SHARED = {key: value for key, value in MIXED.items() if key != "shared_expert_intermediate_size"}
SPELLINGS = [
    (PLAIN, "hidden_size", "n_embd d_model n_embed dim model_dim"),
    (PLAIN, "num_hidden_layers", "n_layer num_layers n_layers"),
    (PLAIN, "vocab_size", "padded_vocab_size"),
    (PLAIN, "intermediate_size",
     "n_inner ffn_dim ffn_hidden_size d_ff encoder_ffn_dim hidden_dim inner_hidden_size block_ff_dim"),
    (PLAIN, "num_attention_heads", "n_head n_heads num_heads encoder_attention_heads"),
    (PLAIN, "num_key_value_heads", "num_kv_heads n_head_kv multi_query_group_num num_attention_groups"),
    (PLAIN, "head_dim", "d_kv kv_channels attention_head_dim"),
    (MIXED, "num_experts", "num_local_experts n_routed_experts moe_num_experts num_moe_experts"),
    (MIXED, "num_experts_per_tok",
     "num_experts_per_token experts_per_token moe_topk moe_k moe_top_k top_k_experts num_selected_experts"),
    (MIXED, "moe_intermediate_size", "expert_ffn_hidden_size expert_intermediate_size moe_ffn_hidden_size"),
    (MIXED, "shared_expert_intermediate_size",
     "shared_intermediate_size moe_shared_expert_intermediate_size share_expert_dim"),
    (MIXED, "first_k_dense_replace", "num_dense_layers moe_layer_start_index"),
    (MIXED, "decoder_sparse_step", "interleave_moe_layer_step moe_layer_interval"),
    ({**SHARED, "n_shared_experts": 2}, "n_shared_experts",
     "num_shared_experts moe_num_shared_experts num_shared_expert"),
]  # fmt: skip
"""A configuration, one of its words, and what other labs write for it."""


@pytest.mark.parametrize(
    ("config", "word", "others"), SPELLINGS, ids=lambda value: value if str(value) == value else ""
)
def test_each_lab_spells_it_in_its_own_way(config: dict[str, Any], word: str, others: str) -> None:
    def counts(config: dict[str, Any]) -> tuple[int | None, int | None]:
        found = classified("someone/nameless", config=config)
        return found.params_total, found.params_active

    without = {key: value for key, value in config.items() if key != word}
    assert counts(config) != counts(without)
    for other in others.split():
        assert counts({**without, other: config[word]}) == counts(config), other


@pytest.mark.parametrize(
    ("stated", "sparse"),
    [
        ({}, 6),
        ({"first_k_dense_replace": 2}, 4),
        ({"mlp_only_layers": [0, 1, 5]}, 3),
        ({"mlp_only_layers": [0, 1], "first_k_dense_replace": 1}, 3),
        ({"moe_layers_enum": "1,3,5"}, 3),
        ({"moe_layers_enum": "0,1,2,3,4,5,6"}, 6),
        ({"moe_layer_freq": [0, 1, 1, 0, 1, 1]}, 4),
        ({"moe_layer_freq": [0, 1]}, 6),
        ({"moe_layer_freq": 2}, 3),
        ({"moe_layer_freq": 2, "decoder_sparse_step": 3}, 2),
        ({"expert_layer_period": 2, "expert_layer_offset": 1}, 3),
        ({"expert_layer_period": 4}, 2),
    ],
)
def test_the_layers_that_have_experts_are_counted(stated: dict[str, Any], sparse: int) -> None:
    plain = {**PLAIN, "num_hidden_layers": 6, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 500}
    found = classified("someone/nameless", config={**plain, **stated})
    attention, dense, expert = 1_024 * 80 * (16 + 2 + 2 + 16), 3 * 1_024 * 3_000, 3 * 1_024 * 500
    common = 6 * attention + (6 - sparse) * dense + sparse * 1_024 * 8 + 1_000 * 1_024
    assert found.params_total == common + sparse * 8 * expert
    assert found.params_active == common + sparse * 2 * expert


@pytest.mark.parametrize(
    ("stated", "layer"),
    [
        # Of the first generation: in and out, what makes the step, the state.
        ({}, 1_024 * 4_096 + 2_048 * (64 + 32) + 64 * 2_048 + 2_048 * 16 + 2_048 * 1_024),
        (
            {"expand": 3, "state_size": 8, "time_step_rank": 32},
            1_024 * 6_144 + 3_072 * (32 + 16) + 32 * 3_072 + 3_072 * 8 + 3_072 * 1_024,
        ),
        # With heads.
        (
            {"mamba_n_heads": 32, "mamba_d_head": 64, "mamba_n_groups": 2, "mamba_d_state": 128},
            1_024 * (2 * 2_048 + 2 * 2 * 128 + 32) + 2_048 * 1_024,
        ),
        (
            {"mamba_num_heads": 32, "mamba_head_dim": 96, "n_groups": 8, "ssm_state_size": 128},
            1_024 * (2 * 3_072 + 2 * 8 * 128 + 32) + 3_072 * 1_024,
        ),
        (
            {"mamba_n_heads": 32, "mamba_d_head": 64, "mamba_d_ssm": 1_500, "mamba_d_state": 128},
            1_024 * (2 * 1_500 + 2 * 128 + 32) + 1_500 * 1_024,
        ),
    ],
)
def test_a_state_space_is_counted_to_the_unit(stated: dict[str, Any], layer: int) -> None:
    config = {"model_type": "mamba", "hidden_size": 1_024, "num_hidden_layers": 5, "vocab_size": 1_000}
    assert classified("someone/nameless", config={**config, **stated}).params_total == 5 * layer + 1_000 * 1_024


@pytest.mark.parametrize(
    ("stated", "attention"),
    [
        # A latent: queries (through a latent of their own), keys and values out of one, and out.
        ({}, 1_024 * 16 * 192 + 1_024 * (256 + 64) + 256 * 16 * 256 + 16 * 128 * 1_024),
        (
            {"q_lora_rank": 300, "qk_rope_head_dim": 32, "qk_nope_head_dim": 96, "v_head_dim": 80},
            1_024 * 300 + 300 * 16 * 128 + 1_024 * (256 + 32) + 256 * 16 * (96 + 80) + 16 * 80 * 1_024,
        ),
    ],
)
def test_attention_over_a_latent_is_counted_to_the_unit(stated: dict[str, Any], attention: int) -> None:
    found = classified("someone/nameless", config={**PLAIN, "kv_lora_rank": 256, **stated})
    assert found.params_total == 4 * (attention + 3 * 1_024 * 3_000) + 1_000 * 1_024


def test_linear_attention_in_three_of_four_layers_is_counted_to_the_unit() -> None:
    linear = {
        "linear_num_key_heads": 4, "linear_key_head_dim": 64, "linear_num_value_heads": 6, "linear_value_head_dim": 96,
        "full_attention_interval": 4,
    }  # fmt: skip
    found = classified("someone/nameless", config={**PLAIN, **linear})
    keys, values = 4 * 64, 6 * 96
    other = 1_024 * (2 * keys + 2 * values + 2 * 6) + values * 1_024
    assert found.params_total == 1_024 * 80 * 36 + 3 * other + 4 * 3 * 1_024 * 3_000 + 1_000 * 1_024


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_layers_that_convolve_are_counted_where_they_are(layers: int) -> None:
    kinds = ["conv"] * layers + ["full_attention"] * (4 - layers)
    found = classified("someone/nameless", config={**PLAIN, "conv_L_cache": 3, "layer_types": kinds})
    mixing = (4 - layers) * 1_024 * 80 * 36 + layers * 4 * 1_024 * 1_024
    assert found.params_total == mixing + 4 * 3 * 1_024 * 3_000 + 1_000 * 1_024


def test_an_encoder_of_images_alone_has_patches_and_positions_and_no_vocabulary() -> None:
    seen = {key: value for key, value in PLAIN.items() if key != "vocab_size"}
    found = classified("someone/nameless", config={**seen, "patch_size": 16, "image_size": 224})
    layer = 1_024 * 80 * 36 + 3 * 1_024 * 3_000
    assert found.params_total == 4 * layer + 3 * 16 * 16 * 1_024 + 14 * 14 * 1_024


@pytest.mark.parametrize(
    ("facts", "held"),
    [
        ({"gguf": {"total": 7}}, True),
        ({"safetensors": {"total": 7}}, True),
        ({"siblings": [{"rfilename": "README.md"}]}, False),
        ({"siblings": [{"rfilename": "model.safetensors"}]}, True),
        ({}, None),
    ],
)
def test_any_sign_of_weights_is_enough(facts: dict[str, Any], held: bool | None) -> None:
    assert has_weights({"id": "someone/thing", **facts}) is held


@pytest.mark.parametrize("packing", PACKINGS)
def test_packed_weights_with_a_configuration(packing: str) -> None:
    for name, (config, total, active) in CONFIGS.items():
        facts = shape(round(total * B), packing)
        facts["config"] = {**config, **{key: value for key, value in facts["config"].items() if key != "model_type"}}
        found = classified("someone/nameless", **facts)
        assert found.params_source == "safetensors"
        assert found.params_total == pytest.approx(total * B, rel=0.03), (name, packing)
        assert found.params_active == pytest.approx(active * B, rel=0.05), (name, packing)


def test_the_total_is_that_of_the_weights_and_the_active_count_that_of_the_configuration() -> None:
    found = classified("someone/nameless", config=CONFIGS["qwen3-235b-a22b"][0], safetensors={"total": 235_093_634_560})
    assert (found.params_source, found.params_total) == ("safetensors", 235_093_634_560)
    assert found.params_active == pytest.approx(22.2 * B, rel=0.03)


def test_plain_weights_of_another_size_are_not_those_that_the_lab_states() -> None:
    found = classified("moonshotai/Kimi-K2-Vision-Tower", safetensors={"parameters": {"BF16": 400_000_000}})
    assert (found.params_source, found.params_total) == ("safetensors", 400_000_000)


def test_weights_packed_in_an_unknown_way_are_not_counted() -> None:
    facts = {"safetensors": {"parameters": {"I32": B, "F16": 100_000_000}, "total": 1_100_000_000}}
    assert classified("someone/nameless", **facts).params_total is None
    assert classified("someone/nameless-7B", **facts).params_source == "name"


def test_a_copy_without_counts_by_type_has_the_size_of_its_base() -> None:
    tags = ["base_model:quantized:Qwen/Qwen3-30B-A3B"]
    found = classified("someone/copy", tags=tags, safetensors={"total": 5 * B})
    assert (found.params_source, found.params_total) == ("base_model", 30_500_000_000)


@pytest.mark.parametrize(
    ("repo_id", "total", "active"),
    [
        ("lmstudio-community/gpt-oss-120b-GGUF", 116.83, 5.13),
        # Pruned from a model of 20B: how many are left is not stated.
        ("someone/gpt-oss-20b-REAP", None, None),
        ("inclusionAI/Ling-mini-2.0", 16.26, 1.43),
        ("LiquidAI/LFM2-8B-A1B-GGUF", 8.3, 1.5),
        ("allenai/MolmoE-1B-0924", 7.2, 1.5),
        ("bigscience/bloom", 176, 176),
        ("Wan-AI/Wan2.2-T2V-A14B-Diffusers", 27, 14),
        ("microsoft/MAI-DS-R1", 671, 37),
        ("google/siglip-so400m-patch14-384", 0.878, 0.878),
        ("sentence-transformers/all-MiniLM-L6-v2", 0.0227, 0.0227),
        ("Qwen/SAE-Res-Qwen3-8B-Base-W64K-L0_50", None, None),
        # A date is a version: a later one has the count that its own row states, or none.
        ("deepseek-ai/DeepSeek-V4-Flash", 284, 13),
        ("deepseek-ai/DeepSeek-V4-Flash-0731", None, None),
        ("deepseek-ai/DeepSeek-R1-0528", 671, 37),
        ("deepseek-ai/DeepSeek-R1-1201", None, None),
        ("moonshotai/Kimi-K2-Instruct-0905", 1000, 32),
        ("moonshotai/Kimi-K2.5-20261101", None, None),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", 30.5, 3.3),
        ("google/siglip-so400m-patch16-256-i18n", None, None),
    ],
)
def test_counts_stated_by_labs(repo_id: str, total: float | None, active: float | None) -> None:
    found = classified(repo_id)
    counts = (found.params_total, found.params_active)
    assert counts == tuple(None if value is None else round(value * B) for value in (total, active))
    if found.params_source == "registry":
        assert [item.message.rpartition("; ")[2] for item in found.evidence["params"]] == ["rounded"]


def test_what_the_lab_states_outranks_what_its_files_count() -> None:
    found = classified(
        "openai/gpt-oss-120b", safetensors={"parameters": {"U8": 60 * B, "BF16": 2 * B}, "total": 62 * B}
    )
    assert found.params_source == "registry"
    assert (found.params_total, found.params_active) == (116_830_000_000, 5_130_000_000)


def test_an_experts_count_is_never_taken_for_dense() -> None:
    found = classified("someone/nameless-moe", safetensors={"total": 16 * B}, config={"model_type": "qwen3_moe"})
    assert (found.params_total, found.params_active) == (16 * B, None)


def test_a_quantised_copy_has_the_size_of_its_base() -> None:
    def history(repo_id: str) -> BaseModelInfo | None:
        return (
            BaseModelInfo("lab/base", Kind.BASE, params_total=30 * B, params_active=3 * B)
            if repo_id == "lab/base"
            else None
        )

    model = {"id": "someone/copy-GGUF", "tags": ["gguf", "base_model:quantized:lab/base"]}
    found = classify(model, registry(), history)
    assert found.lineage == (Parent("lab/base", Kind.QUANTIZED),)
    assert (found.params_source, found.params_total, found.params_active) == ("base_model", 30 * B, 3 * B)


@pytest.mark.parametrize(
    ("name", "base", "total", "active"),
    [
        ("Qwen3.6-28B-REAP20-A3B-GGUF", "Qwen/Qwen3.6-35B-A3B", 28, 3),
        ("Qwen3.6-35B-REAP20-A3B-GGUF", "Qwen/Qwen3.6-35B-A3B", None, 3),
        ("GLM-9B-pruned", "someone/GLM-9B", None, None),
        ("GLM-6B-pruned", "someone/GLM-9B", 6, None),
        ("GLM-6B-pruned", "someone/GLM", None, None),
    ],
)
def test_a_size_before_a_word_for_pruned_is_the_one_that_is_left_if_it_is_smaller_than_the_base(
    name: str, base: str, total: int | None, active: int | None
) -> None:
    found = classified(f"someone/{name}", tags=[f"base_model:quantized:{base}"])
    counts = (found.params_total, found.params_active)
    assert counts == tuple(None if value is None else value * B for value in (total, active))


def base_of_30b(repo_id: str) -> BaseModelInfo | None:
    known = {"lab/base", "lab/nano-base"}
    return BaseModelInfo(repo_id, Kind.BASE, params_total=30 * B, params_active=3 * B) if repo_id in known else None


@pytest.mark.parametrize("relation", ["quantized", "finetune"])
@pytest.mark.parametrize(
    ("name", "base", "total"),
    [
        ("copy", "lab/base", 30 * B),
        ("base-REAP", "lab/base", None),
        ("base-pruned", "lab/base", None),
        ("base-5layer", "lab/base", None),
        ("tiny-base", "lab/base", None),
        ("base-nano", "lab/base", None),
        ("base-distill", "lab/base", None),
        # The word is in the base's name too.
        ("nano-base-thing", "lab/nano-base", 30 * B),
        # Another size in the name.
        ("thing-8B", "lab/base", 8 * B),
    ],
)
def test_the_count_of_a_base_is_not_given_to_what_is_smaller(
    relation: str, name: str, base: str, total: int | None
) -> None:
    model = {"id": f"someone/{name}", "tags": [f"base_model:{relation}:{base}"]}
    assert classify(model, registry(), base_of_30b).params_total == total


@pytest.mark.parametrize(
    ("name", "facts", "total"),
    [
        # Weights that are not packed, and fewer: another model.
        ("copy", {"safetensors": {"parameters": {"BF16": 20 * B}}}, 20 * B),
        # The first of several GGUF files, of a repository with the name of the base.
        ("base-GGUF", {"gguf": {"total": B}}, 30 * B),
        ("other-GGUF", {"gguf": {"total": 20 * B}}, 20 * B),
    ],
)
def test_a_copy_with_a_count_of_its_own(name: str, facts: dict[str, Any], total: int) -> None:
    model = {"id": f"someone/{name}", "tags": ["base_model:quantized:lab/base"], **facts}
    assert classify(model, registry(), base_of_30b).params_total == total


def test_an_adapters_size_is_its_own() -> None:
    adapter = {"tags": ["base_model:adapter:Qwen/Qwen3-8B"], "safetensors": {"total": 40_000_000}}
    assert classified("someone/Qwen3-8B-thing", **adapter).params_total == 40_000_000
    assert classified("someone/Qwen3-8B-lora", tags=["base_model:adapter:Qwen/Qwen3-8B"]).params_total is None


def test_a_draft_model_does_not_have_the_size_of_its_target() -> None:
    assert classified("someone/Kimi-K2.5-DFlash").params_total is None
    assert classified("someone/x-eagle3", tags=["base_model:finetune:openai/gpt-oss-20b"]).params_total is None


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (999_999_999, "tiny"),
        (B, "small"),
        (10 * B - 1, "small"),
        (10 * B, "medium"),
        (50 * B, "large"),
        (250 * B, "giant"),
    ],
)
def test_size_classes(total: int, size: str) -> None:
    assert classified("someone/thing", safetensors={"total": total}).size == size


@pytest.mark.parametrize("total", [0, -1, True, "7B", None, 1.5, {}])
def test_an_invalid_count_is_none(total: object) -> None:
    assert classified("someone/thing", safetensors={"total": total}).params_total is None


def _by_config(name: str, **changed: int) -> int:
    config, _, _ = CONFIGS[name]
    total = classified("someone/nameless", config=config | changed).params_total
    assert total is not None
    return total


def test_feed_forward_width_is_rounded_up_to_a_multiple() -> None:
    """LFM2: two thirds of 12,288, rounded up to a multiple."""
    wider = _by_config("lfm2-1.2b", block_multiple_of=5_000) - _by_config("lfm2-1.2b", block_multiple_of=256)
    assert wider == 16 * 3 * 2048 * (10_000 - 8_192)


def test_state_space_layers_are_as_wide_as_they_are_expanded() -> None:
    """Jamba: 63 of 72 layers; projections in and out, of the step, and of the state."""
    wider = _by_config("jamba-large", mamba_expand=4) - _by_config("jamba-large", mamba_expand=2)
    hidden, rank, state = 8_192, 512, 16
    assert wider == 63 * 2 * hidden * (3 * hidden + 2 * rank + 3 * state)


@pytest.mark.parametrize(
    ("name", "types", "config", "total"),
    [
        ("", {"F4": 8_000_000_000, "F8_E8M0": 250_000_000, "BF16": 500_000_000}, {}, 8_500_000_000),
        ("", {"F8_E4M3": 8_000_000_000, "F8_E8M0": 2_000_000_000, "BF16": 500_000_000}, {}, 8_500_000_000),
        (
            "-1T", {"I32": 127_000_000_000, "BF16": 12_000_000_000},
            {"text_config": {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {
                "group_0": {"weights": {"num_bits": 4, "group_size": 32}}}}}},
            1_016_000_000_000,
        ),
        # Of two widths in elements of one type nobody can say how much is of which.
        (
            "", {"I32": 800_000_000, "BF16": 300_000_000},
            {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {
                "group_0": {"targets": ["re:.*embed.*"], "weights": {"num_bits": 2, "group_size": 128}},
                "group_1": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 128}}}}},
            None,
        ),
        (
            "-8B", {"I32": 800_000_000, "F8_E4M3": 1_000_000_000, "BF16": 300_000_000},
            {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {
                "group_0": {"weights": {"num_bits": 8, "group_size": 128}},
                "group_1": {"weights": {"num_bits": 4, "group_size": 128}}}}},
            7_650_000_000,
        ),
        ("", {"F8_E8M0": 250_000_000}, {}, None),
    ],
)  # fmt: skip
def test_exponents_nested_settings_and_mixed_widths(
    name: str, types: dict[str, int], config: dict[str, Any], total: int | None
) -> None:
    found = classify({"id": f"acme/Thing{name}", "safetensors": {"parameters": types}, "config": config}, registry())
    assert found.params_total == total


def test_total_and_active_parameters_keep_their_places() -> None:
    found = classified("Qwen/Qwen3-30B-A3B")
    assert (found.params_total, found.params_active) == (30_500_000_000, 3_300_000_000)
