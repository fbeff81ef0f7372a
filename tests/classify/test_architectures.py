"""Parameters by arithmetic from configurations, and whether an architecture is dense: by modules of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.classify import Classification, RepositoryFiles, classify
from monitor.classify.size_config import from_config
from monitor.labs import Registry, load

REGISTRY: Registry = load()
B = 10**9
ARCHITECTURES = [
    json.loads(line) for line in Path(__file__).with_name("architectures.jsonl").read_text("utf-8").splitlines()
]
"""Default configurations of transformers 5.24 and the parameters of their modules (LongCat-Flash: of its report)."""


def classified(repo_id: str, files: RepositoryFiles | None = None, **facts: Any) -> Classification:
    return classify({"id": repo_id, **facts}, REGISTRY, files=files or RepositoryFiles())


@pytest.mark.parametrize("entry", ARCHITECTURES, ids=lambda entry: str(entry["model_type"]))
def test_parameters_are_those_of_the_modules(entry: dict[str, Any]) -> None:
    found = from_config(entry["config"])
    assert found is not None
    assert found.total == pytest.approx(entry["total"], rel=0.03)
    assert found.active == pytest.approx(entry["active"], rel=0.05)


def _multiplied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _multiplied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_multiplied(item) for item in value]
    return value * 10**9 if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("entry", ARCHITECTURES, ids=lambda entry: str(entry["model_type"]))
def test_a_configuration_without_possible_dimensions_has_no_size(entry: dict[str, Any]) -> None:
    assert from_config({"model_type": entry["model_type"], "architectures": ["Any"]}) is None
    assert from_config(_multiplied(entry["config"])) is None


def test_nothing_is_calculated_for_an_architecture_whose_arithmetic_is_not_known() -> None:
    dimensions = {"hidden_size": 1024, "num_hidden_layers": 24, "vocab_size": 32_000, "intermediate_size": 4096}
    assert from_config({"model_type": "xlnet", **dimensions}) is None
    assert from_config({"model_type": "llama", **dimensions}) is not None


WEIGHTS = {"parameters": {"BF16": 30 * B}, "total": 30 * B}
TRANSFORMERS = ["transformers", "safetensors"]


@pytest.mark.parametrize(
    ("name", "facts", "active"),
    [
        # Without a sign of either, nothing is known, however small or large.
        ("thing", {"safetensors": WEIGHTS}, None),
        ("thing-30B", {"safetensors": WEIGHTS}, None),
        ("thing-30B", {}, None),
        ("thing", {"safetensors": WEIGHTS, "config": {"model_type": "of_its_own"}}, None),
        # An architecture that is always dense, in the trimmed configuration or as the Hub's tag.
        ("thing", {"safetensors": WEIGHTS, "config": {"model_type": "qwen3"}}, 30 * B),
        ("thing", {"safetensors": WEIGHTS, "tags": [*TRANSFORMERS, "qwen3", "text-generation"]}, 30 * B),
        ("thing-30B", {"tags": [*TRANSFORMERS, "llama", "text-generation"]}, 30 * B),
        # A tag further behind is the author's.
        ("thing", {"safetensors": WEIGHTS, "tags": [*TRANSFORMERS, "text-generation", "qwen3"]}, None),
        ("thing-30B", {"tags": ["gguf", "qwen3"]}, None),
        # One that exists in both forms.
        ("thing", {"safetensors": WEIGHTS, "config": {"model_type": "gemma4"}}, None),
        # A mixture by model_type, by a tag, by the name, by the GGUF header; whatever else is there.
        ("thing", {"safetensors": WEIGHTS, "config": {"model_type": "qwen3_5_moe"}}, None),
        ("thing", {"safetensors": WEIGHTS, "config": {"model_type": "mimo_v2"}}, None),
        ("thing", {"safetensors": WEIGHTS, "tags": [*TRANSFORMERS, "qwen4_exp", "text-generation"]}, None),
        ("thing", {"safetensors": WEIGHTS, "tags": [*TRANSFORMERS, "qwen3", "moe"]}, None),
        ("thing-moe", {"safetensors": WEIGHTS, "config": {"model_type": "qwen3"}}, None),
        ("thing-4x7B", {"safetensors": WEIGHTS, "config": {"model_type": "mistral"}}, None),
        ("thing", {"gguf": {"total": 30 * B, "architecture": "qwen3moe"}}, None),
        ("thing", {"gguf": {"total": 30 * B, "architecture": "qwen3"}}, 30 * B),
        # llama.cpp runs Mixtral as llama.
        ("thing", {"gguf": {"total": 30 * B, "architecture": "llama"}}, None),
        # What the name states.
        ("thing-30B-A3B", {"safetensors": WEIGHTS, "config": {"model_type": "qwen3_moe"}}, 3 * B),
    ],
)
def test_dense_only_on_positive_evidence(name: str, facts: dict[str, Any], active: int | None) -> None:
    found = classified(f"someone/{name}", **facts)
    assert (found.params_total, found.params_active) == (30 * B, active)


def test_the_evidence_names_the_mixture_and_the_rounding() -> None:
    found = classified("someone/thing", safetensors=WEIGHTS, config={"model_type": "qwen3_5_moe"})
    assert found.evidence["params"][-1] == ("architecture", "qwen3_5_moe", "a mixture of experts")
    found = classified("someone/thing-30B-A3B")
    assert [item.message for item in found.evidence["params"]] == [
        "rounded, as in its name", "active parameters, rounded, as in its name",
    ]  # fmt: skip


DENSE = {
    "model_type": "of_its_own", "hidden_size": 4096, "num_hidden_layers": 36, "vocab_size": 151_936,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12_288,
    "tie_word_embeddings": False,
}  # fmt: skip


@pytest.mark.parametrize(("served", "active"), [(8_190_735_360, 8_190_735_360), (9_500_000_000, None)])
def test_a_configuration_file_without_experts_is_dense_if_it_accounts_for_the_weights(
    served: int, active: int | None
) -> None:
    found = classified(
        "someone/thing",
        RepositoryFiles(config=DENSE),
        config={"model_type": "of_its_own"},
        safetensors={"parameters": {"BF16": served}},
    )
    assert (found.params_total, found.params_active) == (served, active)


def test_experts_in_the_configuration_file_give_the_active_parameters() -> None:
    mixture = {**DENSE, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 1_536}
    counted = from_config(mixture)
    assert counted is not None
    weights = {"parameters": {"BF16": counted.total + 5_000_000}}
    found = classified("someone/thing", RepositoryFiles(config=mixture), safetensors=weights)
    assert found.params_active == counted.active
    assert classified("someone/thing", safetensors=weights, config={"model_type": "of_its_own"}).params_active is None


@pytest.mark.parametrize(("experts", "active"), [(0, 8 * B), (128, None)])
def test_a_gguf_header_shows_whether_there_are_experts(experts: int, active: int | None) -> None:
    metadata = {"general.architecture": "llama", "llama.block_count": 32}
    if experts:
        metadata["llama.expert_count"] = experts
    found = classified("someone/thing-GGUF", RepositoryFiles(gguf_metadata=metadata, gguf_parameters=8 * B))
    assert (found.params_source, found.params_total, found.params_active) == ("gguf", 8 * B, active)


def test_the_context_length_of_a_gguf_header() -> None:
    metadata = {"general.architecture": "qwen3", "qwen3.context_length": 40_960}
    found = classified("someone/thing-GGUF", RepositoryFiles(gguf_metadata=metadata))
    assert found.stated["context_length"] == 40_960


REAL = {
    "Qwen/Qwen3.8-Flash-Next": (180 * B, 6 * B), "zai-org/GLM-5.3-Flash": (320 * B, 18 * B),
    "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16": (32_913_266_240, 3.3 * B),
    "openai/gpt-oss-120b": (116.83 * B, 5.13 * B), "google/gemma-4-31B-it": (31.27 * B, 31.27 * B),
    "Qwen/Qwen3.8-27B": (27.78 * B, 27.78 * B), "Qwen/Qwen3.5-9B": (9.65 * B, 9.65 * B),
    "ornith-ai/Ornith-1.5-9B": (9.65 * B, 9.65 * B), "Qwen/Qwen3-8B": (8.19 * B, 8.19 * B),
    "LiquidAI/LFM2.5-1.2B-Instruct": (1.17 * B, 1.17 * B),
}  # fmt: skip
"""Total by the sum of the tensors, active by the card (Nemotron: between its name and its dimensions)."""


def test_real_objects_with_and_without_their_configuration_files(shared: Path) -> None:
    folder = shared / "hub" / "real-2026-10"
    for line in (folder / "models.jsonl").read_text("utf-8").splitlines():
        model = json.loads(line)
        path = folder / "configs" / f"{model['id'].replace('/', '__')}.json"
        if not path.exists():
            continue
        total, active = REAL[model["id"]]
        config = json.loads(path.read_text("utf-8"))
        found = classify(model, REGISTRY, files=RepositoryFiles(config=config))
        assert found.params_total == pytest.approx(total, rel=0.03), model["id"]
        assert found.params_active == pytest.approx(active, rel=0.1), model["id"]
        alone = classify(model, REGISTRY)
        assert alone.params_total == pytest.approx(total, rel=0.03), model["id"]
        assert alone.params_active is None or alone.params_active == pytest.approx(active, rel=0.1), model["id"]
