"""What was built on what: relations, chains, circles, and names as weak evidence."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from monitor.classify import BaseModelInfo, Classification, Foundation, Parent, classify
from monitor.enums import Kind
from monitor.labs import Registry, load


@cache
def registry() -> Registry:
    return load()


def classified(repo_id: str, *tags: str, known: dict[str, BaseModelInfo] | None = None, **facts: Any) -> Classification:
    return classify({"id": repo_id, "tags": list(tags), **facts}, registry(), (known or {}).get)


def chain(*pairs: tuple[str, str]) -> dict[str, BaseModelInfo]:
    """A history in which each first was fine-tuned from its second."""
    return {
        child: BaseModelInfo(child, Kind.FINETUNE, (Parent(parent, Kind.FINETUNE),), Foundation(parent, None, None))
        for child, parent in pairs
    }


@pytest.mark.parametrize("relation", ["finetune", "adapter", "merge", "quantized"])
def test_the_relation_is_that_of_the_tags(relation: str) -> None:
    found = classified("someone/thing", f"base_model:{relation}:Qwen/Qwen3-8B", "base_model:Qwen/Qwen3-8B")
    assert found.kind == relation
    assert found.lineage == (Parent("Qwen/Qwen3-8B", Kind(relation)),)
    assert found.foundation == Foundation("Qwen/Qwen3-8B", "qwen", "CN")


def test_what_the_author_states_outranks_the_tags() -> None:
    card = {"base_model": "Qwen/Qwen3-8B", "base_model_relation": "quantized"}
    assert classified("someone/thing", "base_model:finetune:Qwen/Qwen3-8B", cardData=card).kind is Kind.QUANTIZED


@pytest.mark.parametrize(
    ("repo_id", "facts", "kind"),
    [
        ("someone/Thing-GGUF", {}, Kind.QUANTIZED),
        ("someone/Thing-AWQ", {}, Kind.QUANTIZED),
        ("mlx-community/Thing-4bit", {}, Kind.QUANTIZED),
        ("someone/Thing-ONNX", {}, Kind.CONVERSION),
        ("someone/Thing", {"siblings": [{"rfilename": "adapter_config.json"}]}, Kind.ADAPTER),
        ("someone/Thing", {"siblings": [{"rfilename": "thing.Q4_K_M.gguf"}]}, Kind.QUANTIZED),
        ("someone/Thing", {"library_name": "peft"}, Kind.ADAPTER),
        ("someone/Thing", {"tags": ["mlx", "4-bit"]}, Kind.QUANTIZED),
        ("someone/Thing", {"tags": ["4-bit"]}, Kind.UNKNOWN),
        ("someone/Thing", {"tags": ["gguf"]}, Kind.QUANTIZED),
        ("someone/Thing", {"tags": ["gguf", "safetensors"]}, Kind.UNKNOWN),
        ("someone/Thing", {"library_name": "onnx"}, Kind.CONVERSION),
        # A re-packager's is of somebody else, if it is a model at all.
        ("unsloth/Thing", {}, Kind.UNKNOWN),
        *(("unsloth/Thing", {"tags": [tag]}, Kind.CONVERSION) for tag in ("comfyui", "safetensors", "mlx", "onnx")),
        ("unsloth/Thing", {"pipeline_tag": "text-to-image"}, Kind.CONVERSION),
        ("someone/Thing-slerp", {}, Kind.MERGE),
        ("someone/Thing-abliterated", {}, Kind.FINETUNE),
        ("Qwen/Qwen9-8B", {}, Kind.BASE),
        ("someone/Thing", {}, Kind.UNKNOWN),
        # A word for a pretrained model, and one for a size between small and large.
        ("someone/Thing-8B-Base", {}, Kind.BASE),
        ("someone/Thing-base-8b", {}, Kind.BASE),
        ("someone/Thing-8B-v0.1-base", {}, Kind.BASE),
        ("someone/Thing-pretrained", {}, Kind.BASE),
        ("someone/text2vec-base-multilingual", {}, Kind.UNKNOWN),
        ("someone/thing-roberta-base", {}, Kind.UNKNOWN),
        ("someone/thing-base-embeddings-8M", {}, Kind.UNKNOWN),
    ],
)
def test_the_kind_without_a_stated_base(repo_id: str, facts: dict[str, Any], kind: Kind) -> None:
    found = classified(repo_id, **facts)
    assert found.kind is kind
    assert found.evidence["kind"]


@pytest.mark.parametrize(
    ("repo_id", "tags"), [("someone/thing-exl2", ()), ("someone/thing", ("exl3",)), ("someone/thing", ("exl2", "x"))]
)
def test_exl_is_a_quantisation_whatever_the_hub_infers(repo_id: str, tags: tuple[str, ...]) -> None:
    assert classified(repo_id, "base_model:finetune:Qwen/Qwen3-8B", *tags).kind is Kind.QUANTIZED


def test_a_packed_image_model_is_traced_by_its_name_and_one_that_only_begins_so_is_not() -> None:
    packed = classified("someone/FLUX.1-dev-GGUF", "gguf")
    assert packed.foundation is not None
    assert packed.foundation.repo_id == "black-forest-labs/FLUX.1-dev"
    assert classified("someone/FLUX.1-dev").foundation is None


def test_a_base_is_its_own_foundation() -> None:
    assert classified("Qwen/Qwen9-8B").foundation == Foundation("Qwen/Qwen9-8B", "qwen", "CN")


def test_an_id_alone_does_not_show_that_no_base_is_stated() -> None:
    found = classify({"id": "Qwen/Qwen9-8B"}, registry())
    assert (found.kind, found.foundation) == (Kind.UNKNOWN, None)
    assert "is not known" in found.evidence["kind"][0].message
    for facts in ({"tags": []}, {"cardData": {"license": "mit"}}, {"baseModels": None}):
        assert classify({"id": "Qwen/Qwen9-8B", **facts}, registry()).kind is Kind.BASE


def test_a_labs_instruct_version_of_its_own_base_is_a_finetune_of_it() -> None:
    found = classified("Qwen/Qwen9-8B-Instruct", "base_model:finetune:Qwen/Qwen9-8B")
    assert (found.kind, found.foundation) == (Kind.FINETUNE, Foundation("Qwen/Qwen9-8B", "qwen", "CN"))


def test_several_bases_make_a_merge_whose_parents_are_all_sent() -> None:
    found = classified("someone/thing", "base_model:merge:Qwen/Qwen3-8B", "base_model:merge:google/gemma-3-4b-it")
    assert found.kind is Kind.MERGE
    assert {parent.repo_id for parent in found.lineage} == {"Qwen/Qwen3-8B", "google/gemma-3-4b-it"}
    assert "google/gemma-3-4b-it" in str(found.evidence["foundation"])


def test_a_chain_is_followed_through_the_history_to_its_root() -> None:
    known = chain(("b/two", "c/three"), ("c/three", "Qwen/Qwen3-8B"))
    found = classified("a/one", "base_model:finetune:b/two", known=known)
    assert [parent.repo_id for parent in found.lineage] == ["b/two", "c/three", "Qwen/Qwen3-8B"]
    assert found.foundation == Foundation("Qwen/Qwen3-8B", "qwen", "CN")


def test_a_circle_ends_where_it_closes() -> None:
    known = chain(("b/two", "a/one"), ("a/one", "b/two"))
    found = classified("a/one", "base_model:finetune:b/two", known=known)
    assert [parent.repo_id for parent in found.lineage] == ["b/two"]
    assert found.foundation is not None


def test_a_circle_further_up_ends_where_it_closes() -> None:
    known = chain(("b/two", "c/three"), ("c/three", "b/two"))
    found = classified("a/one", "base_model:finetune:b/two", known=known)
    assert [parent.repo_id for parent in found.lineage] == ["b/two", "c/three"]
    known = chain(("b/two", "c/three"), ("c/three", "d/four"), ("d/four", "c/three"))
    found = classified("a/one", "base_model:finetune:b/two", known=known)
    assert [parent.repo_id for parent in found.lineage] == ["b/two", "c/three", "d/four"]


def test_a_format_of_a_labs_own_release_is_no_conversion_unless_it_is_of_another() -> None:
    assert classified("google/thing-hf").kind is Kind.BASE
    assert classified("google/thing-hf", "base_model:google/thing").kind is Kind.CONVERSION
    assert classified("someone/thing-hf").kind is Kind.CONVERSION


def test_one_that_names_itself_states_no_base() -> None:
    found = classified("a/one", "base_model:finetune:a/one")
    assert (found.kind, found.lineage, found.foundation) == (Kind.UNKNOWN, (), None)
    own = classified("Qwen/one", "base_model:quantized:qwen/ONE")
    assert (own.kind, own.lineage, own.foundation) == (Kind.BASE, (), Foundation("Qwen/one", "qwen", "CN"))


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("distill", Kind.FINETUNE),
        ("Distillation", Kind.FINETUNE),
        ("fine-tuned", Kind.FINETUNE),
        ("continued pretraining", Kind.FINETUNE),
        ("LoRA", Kind.ADAPTER),
        ("merged", Kind.MERGE),
        ("quantization", Kind.QUANTIZED),
        ("conversion", Kind.CONVERSION),
        ("inspired by", Kind.FINETUNE),
    ],
)
def test_a_relation_in_an_authors_own_word_is_said_as_it_is_stated(word: str, kind: Kind) -> None:
    card = {"base_model": "a/base", "base_model_relation": word}
    found = classify({"id": "a/one", "cardData": card}, registry())
    assert found.kind is kind and [parent.repo_id for parent in found.lineage] == ["a/base"]
    reason = found.evidence["kind"][0]
    assert (reason.signal, reason.value) == (
        "card",
        f"base_model_relation: {word}",
    ) and "not stated" not in reason.message


def test_a_very_long_chain_comes_to_an_end() -> None:
    known = chain(*((f"a/{n}", f"a/{n + 1}") for n in range(100)))
    assert len(classified("a/start", "base_model:finetune:a/0", known=known).lineage) <= 20


def test_a_missing_parent_is_the_root_as_far_as_anyone_knows() -> None:
    found = classified("a/one", "base_model:finetune:gone/away")
    assert found.foundation == Foundation("gone/away", None, None)


def test_a_repackagers_copy_in_the_middle_is_seen_through() -> None:
    found = classified("someone/tuned", "base_model:finetune:unsloth/Qwen3-8B-bnb-4bit")
    assert found.foundation == Foundation("Qwen/Qwen3-8B", "qwen", "CN")
    assert [parent.repo_id for parent in found.lineage] == ["unsloth/Qwen3-8B-bnb-4bit", "Qwen/Qwen3-8B"]


def test_a_copy_that_states_no_base_is_traced_by_its_name() -> None:
    found = classified("unsloth/Qwen3-8B-GGUF", "gguf")
    assert found.foundation == Foundation("Qwen/Qwen3-8B", "qwen", "CN")
    assert "weak" in str(found.evidence["foundation"])


@pytest.mark.parametrize(
    ("repo_id", "bases", "method", "kind"),
    [
        ("deepseek-ai/DeepSeek-V3", [], "fp8", Kind.BASE),
        ("deepseek-ai/thing", [], "MXFP4", Kind.BASE),
        ("deepseek-ai/thing", [], "gptq", Kind.QUANTIZED),
        ("deepseek-ai/thing-FP8", [], "fp8", Kind.QUANTIZED),
        ("deepseek-ai/thing", ["deepseek-ai/other"], "fp8", Kind.FINETUNE),
        # Built on another lab's, it was packed since.
        ("deepseek-ai/thing", ["Qwen/Qwen3-8B"], "fp8", Kind.QUANTIZED),
        ("deepseek-ai/thing", ["deepseek-ai/other", "Qwen/Qwen3-8B"], "fp8", Kind.QUANTIZED),
        ("someone/thing", [], "fp8", Kind.QUANTIZED),
        ("someone/thing", ["x/y"], "fp8", Kind.QUANTIZED),
        ("unsloth/thing", [], "fp8", Kind.QUANTIZED),
        # One that was born packed keeps its precision when it is taught further.
        ("someone/thing", ["deepseek-ai/DeepSeek-V3"], "fp8", Kind.FINETUNE),
        ("someone/thing", ["deepseek-ai/DeepSeek-V3", "x/y"], "fp8", Kind.QUANTIZED),
        ("someone/thing-fp8", ["deepseek-ai/DeepSeek-V3"], "fp8", Kind.QUANTIZED),
    ],
)
def test_a_precision_that_a_model_was_born_in_is_no_quantisation(
    repo_id: str, bases: list[str], method: str, kind: Kind
) -> None:
    packed = {"quantization_config": {"quant_method": method}}
    assert classified(repo_id, *(f"base_model:{base}" for base in bases), config=packed).kind is kind


@pytest.mark.parametrize(
    ("repo_id", "word"),
    [
        ("JANGQ-AI/DeepSeek-V4-Flash-JANGTQ", "JANGTQ"),
        ("bearzi/gemma-4-31B-it-JANG_1L", "JANG_1L"),
        ("someone/Qwen3.6-27B-PARO", "PARO"),
        ("someone/Qwen3.6-27B-ParoQuant", "ParoQuant"),
        ("someone/Qwen3.6-27B-TQ3", "TQ3"),
        ("someone/Qwen3.6-27B-TQ3_4S", "TQ3_4S"),
        ("someone/Qwen3.6-27B-MixFP4", "MixFP4"),
        ("someone/Qwen3.6-27B-ROCmFP4-STRIX", "ROCmFP4"),
        ("mlx-community/Qwen3-8B-4bit-DWQ", "4bit"),
        ("someone/Qwen3-8B-DWQ", "DWQ"),
        ("someone/Qwen3-8B-OptiQ", "OptiQ"),
        ("someone/Qwen3-8B-SINQ", "SINQ"),
        ("someone/Qwen3-8B-VPTQ-k65536", "VPTQ"),
        ("someone/Qwen3-8B-W4A16", "W4A16"),
        ("majentik/Qwen3.6-35B-A3B-TurboQuant", "TurboQuant"),
    ],
)
def test_a_packing_is_known_by_a_rule_and_outranks_what_the_hub_infers(repo_id: str, word: str) -> None:
    tagged = classified(repo_id, "base_model:finetune:x/Original", "base_model:x/Original")
    assert (tagged.kind, tagged.evidence["kind"][0].value) == (Kind.QUANTIZED, word)
    assert classified(repo_id).kind is Kind.QUANTIZED


@pytest.mark.parametrize(
    ("repo_id", "kind"),
    [
        ("someone/QwQ-32B-tuned", Kind.FINETUNE),
        ("someone/QVQ-72B-tuned", Kind.FINETUNE),
        ("someone/thing-FAQ", Kind.FINETUNE),
        ("someone/checkpoint4", Kind.FINETUNE),
        ("someone/thing-unquantized", Kind.FINETUNE),
        ("someone/Thing-LoRA", Kind.ADAPTER),
        ("someone/Thing-lora-merged", Kind.FINETUNE),
    ],
)
def test_only_a_plain_word_outranks_what_the_hub_infers(repo_id: str, kind: Kind) -> None:
    assert classified(repo_id, "base_model:finetune:x/Original").kind is kind


def test_a_fine_tune_of_a_packed_model_is_no_packed_copy() -> None:
    found = classified("someone/Thing-bnb-4bit-tuned", "base_model:finetune:unsloth/Qwen3-8B-bnb-4bit")
    assert found.kind is Kind.FINETUNE
    files = [{"rfilename": "config.json"}, {"rfilename": "model.safetensors"}]
    whole = classified("someone/Thing-LoRA", "base_model:finetune:x/Original", siblings=files)
    assert whole.kind is Kind.FINETUNE


def test_an_inferred_packing_of_the_publishers_own_is_a_release() -> None:
    packing = {"quantization_config": {"quant_method": "fp8"}}
    tags = ("fp8", "safetensors", "base_model:quantized:deepseek-ai/DeepSeek-V3.1-Base")
    assert classified("deepseek-ai/DeepSeek-V3.1", *tags, config=packing).kind is Kind.FINETUNE
    unregistered = ("safetensors", "base_model:quantized:nobody-known/Thing-Base")
    assert classified("nobody-known/Thing", *unregistered).kind is Kind.FINETUNE
    assert classified("nobody-known/Thing", *unregistered, config=packing).kind is Kind.FINETUNE
    # With a word, with a tag of a packing, of another's model, or as the author states: packed.
    assert classified("deepseek-ai/DeepSeek-V3.1-FP8", *tags).kind is Kind.QUANTIZED
    assert classified("nobody-known/Thing", *unregistered, "gptq").kind is Kind.QUANTIZED
    assert classified("someone/Thing", "base_model:quantized:deepseek-ai/DeepSeek-V3.1-Base").kind is Kind.QUANTIZED
    card = {"base_model_relation": "quantized", "base_model": "nobody-known/Thing-Base"}
    assert classified("nobody-known/Thing", *unregistered, cardData=card).kind is Kind.QUANTIZED


@pytest.mark.parametrize(
    ("parent", "root"),
    [
        ("wangzhang/Qwen3.6-27B-abliterated", "Qwen/Qwen3.6-27B"),
        ("huihui-ai/Huihui-Qwen3.6-27B-abliterated", "Qwen/Qwen3.6-27B"),
        ("mlabonne/gemma-3-12b-it-abliterated-v2", "google/gemma-3-12b-it"),
        ("cerebras/GLM-4.7-Flash-REAP-23B-A3B", "zai-org/GLM-4.7-Flash"),
        ("someone/Hermes-9-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "Qwen/Qwen2.5-Math-7B"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "meta-llama/Llama-3.3-70B-Instruct"),
        ("someone/Qwen3.6-40B-Deckard", "someone/Qwen3.6-40B-Deckard"),
        ("someone/Thing", "someone/Thing"),
        ("Qwen/Qwen9-8B", "Qwen/Qwen9-8B"),
    ],
)
def test_a_stated_base_that_nothing_knows_is_traced_by_its_name(parent: str, root: str) -> None:
    found = classified("someone/else", f"base_model:finetune:{parent}")
    assert found.foundation is not None
    assert (found.lineage[0].repo_id, found.foundation.repo_id) == (parent, root)


@pytest.mark.parametrize(
    "name",
    ["Qwen3.6-40B-Deckard", "Qwen3-9B-x", "gemma-4-99B-it-x", "Llama-3.1-13B-x", "GLM-4.9-x", "Mixtral-8x99B-v0.1-x"],
)
def test_no_id_is_made_up(name: str) -> None:
    for repo_id in (f"someone/{name}", f"someone/{name}-GGUF"):
        found = classified(repo_id)
        assert (found.lineage, found.foundation) == ((), None), repo_id
        assert "/" not in found.evidence["kind"][0].message


def test_a_name_that_only_the_history_knows_is_traced() -> None:
    known = {"Qwen/Qwen9-8B": BaseModelInfo("Qwen/Qwen9-8B", Kind.BASE, (), Foundation("Qwen/Qwen9-8B", "qwen", "CN"))}
    found = classified("someone/Qwen9-8B-abliterated", known=known)
    assert found.lineage == (Parent("Qwen/Qwen9-8B", Kind.FINETUNE),)
