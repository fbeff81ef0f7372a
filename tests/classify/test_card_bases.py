"""What a card's text states of the base becomes kind and lineage, and nothing that it states of other models does."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from monitor.classify import Classification, Foundation, Parent, RepositoryFiles, classify
from monitor.classify.card import read_card
from monitor.classify.result import BaseModelInfo, Lookup, no_lookup
from monitor.enums import Kind
from monitor.labs import Registry, load

QWEN = Foundation("Qwen/Qwen3-8B", "qwen", "CN")


@cache
def registry() -> Registry:
    return load()


def classified(readme: str, known: Lookup = no_lookup, **facts: Any) -> Classification:
    return classify({"id": "x/Foo-8B", **facts}, registry(), known, files=RepositoryFiles(readme=readme))


def history(*rows: BaseModelInfo) -> Lookup:
    by_id = {row.repo_id.lower(): row for row in rows}
    return lambda repo_id: by_id.get(repo_id.lower())


@pytest.mark.parametrize(
    "readme",
    [
        "Foo-8B is fine-tuned from Qwen/Qwen3-8B.",
        "This model is a fine-tuned version of [Qwen3 8B](https://huggingface.co/Qwen/Qwen3-8B) on our data.",
        "- **Finetuned from model :** Qwen/Qwen3-8B",
        "Foo-8B was initialised from the Qwen3-8B base model weights and trained on 1T tokens.",
        "It is a fine-tune of Alibaba's Qwen3-8B.",
        "We obtained Foo-8B by continued pretraining of Qwen3-8B.",
        "It is built on top of [Qwen3-8B](https://huggingface.co/Qwen/Qwen3-8B).",
        "Foo-8B is initialised from Qwen3-8B and distilled from DeepSeek-R1.",
        "Foo-8B is distilled from DeepSeek-R1, initialised from Qwen3-8B.",
        "Unlike other models, Foo-8B is fine-tuned from Qwen3-8B.",
        "本模型基于 [Qwen3-8B](https://huggingface.co/Qwen/Qwen3-8B) 微调。",
        "Foo-8B 在 Qwen3-8B 的基础上继续预训练，数据为 100B token。",
        "Foo-8B 基于 Qwen3-8B 使用 10 万条数据微调。",
        "Foo-8B 由 Qwen3-8B 初始化。",
    ],
)
def test_a_stated_base_is_parent_and_foundation(readme: str) -> None:
    found = classified(readme)
    assert (found.kind, found.lineage, found.foundation) == (
        Kind.FINETUNE, (Parent("Qwen/Qwen3-8B", Kind.FINETUNE),), QWEN,
    )  # fmt: skip
    for name in ("kind", "foundation"):
        reason = found.evidence[name][0]
        assert reason.signal == "card"
        assert reason.value in readme
        assert "Qwen/Qwen3-8B, as its card states; README.md, line 1" in reason.message


@pytest.mark.parametrize(
    "readme",
    [
        "Foo-8B outperforms Bar-7B, which was fine-tuned from Qwen3-8B.",
        "Unlike Bar-7B, fine-tuned from Qwen3-8B, this model was trained from scratch.",
        "Other models are fine-tuned from Qwen3-8B.",
        "Most competitors are built on top of Qwen/Qwen3-8B.",
        "We compare with a model fine-tuned from Qwen3-8B.",
        "Better than anything fine-tuned from Qwen3-8B.",
        "The 70B version is fine-tuned from Qwen3-8B.",
        "- **Foo-70B**: fine-tuned from Qwen3-8B",
        "## Foo-70B\n\nThis model is fine-tuned from Qwen3-8B.",
        "## Baselines\n\nFine-tuned from Qwen3-8B with the same data.",
        "## Usage\n\nTrained from Qwen/Qwen3-8B, your model can be served alike.",
        "## 对比\n\n基于 Qwen3-8B 微调，效果较差。",
        "It can also be fine-tuned from Qwen3-8B.",
        "If it were fine-tuned from Qwen3-8B, it would be smaller.",
        "Is it fine-tuned from Qwen3-8B?",
        "Foo-8B is not fine-tuned from Qwen3-8B.",
        "Foo-8B was trained from scratch, with data like that of Qwen3-8B.",
        "Foo-8B is trained on data distilled from Qwen3-8B.",
        "Foo-8B is fine-tuned from Qwen3-8B outputs.",
        "Foo-8B is fine-tuned on Qwen3-8B-generated answers.",
        "The reward model is initialized from Qwen3-8B.",
        "Its vision encoder is initialised from Qwen3-8B.",
        "The draft head was trained from Qwen3-8B.",
        "The teacher is fine-tuned from Qwen3-8B.",
        "Foo-8B is based on the Qwen3-8B architecture.",
        "Foo-8B is built on [Qwen3-8B](https://huggingface.co/Qwen/Qwen3-8B)'s tokenizer.",
        "Foo-8B is fine-tuned from Qwen/Qwen3-70B.",
        "The model was developed from Qwen3-8B to Foo-8B.",
        "| Model | Origin |\n| --- | --- |\n| Bar-8B | fine-tuned from Qwen3-8B |\n",
        "```\nfine-tuned from Qwen/Qwen3-8B\n```",
        "Thanks to the Bar team: their model is fine-tuned from Qwen3-8B.",
        "Bar-7B 基于 Qwen3-8B 微调。",
        "与基于 Qwen3-8B 微调的模型相比，Foo-8B 更好。",
        "其他模型大多基于 Qwen3-8B 微调。",
        "本模型由 Qwen 团队训练。",
        "Foo-8B 基于 Qwen3-8B 架构从头训练。",
        "奖励模型基于 Qwen3-8B 微调。",
        "Foo-8B 由 Qwen3-8B 生成的数据微调。",
        "您可以基于 Qwen3-8B 微调自己的模型。",
        "本模型不是基于 Qwen3-8B 微调的。",
    ],
)
def test_a_statement_on_another_model_is_none_on_this_one(readme: str) -> None:
    found = classified(readme)
    assert (found.kind, found.lineage, found.foundation) == (Kind.UNKNOWN, (), None)


def test_the_metadata_outranks_the_text() -> None:
    readme = "---\nbase_model: Qwen/Qwen3-4B\n---\nFoo-8B is fine-tuned from Qwen/Qwen3-8B."
    assert classified(readme).lineage == (Parent("Qwen/Qwen3-4B", Kind.FINETUNE),)
    tagged = classified("Fine-tuned from Qwen/Qwen3-8B.", tags=["base_model:adapter:Qwen/Qwen3-4B"])
    assert tagged.lineage == (Parent("Qwen/Qwen3-4B", Kind.ADAPTER),)


def test_a_base_that_is_no_id_in_the_metadata_is_read_in_the_text() -> None:
    readme = "---\nbase_model: ./checkpoint-100\n---\nFoo-8B is fine-tuned from Qwen/Qwen3-8B."
    assert classified(readme).foundation == QWEN


@pytest.mark.parametrize("name", ["Bar-9-8B", "Qwen9-8B", "Foo-8B-Base"])
def test_a_base_that_no_repository_is_known_of_gives_the_kind_and_no_id(name: str) -> None:
    found = classified(f"Foo-8B is fine-tuned from {name}.")
    assert (found.kind, found.lineage, found.foundation) == (Kind.FINETUNE, (), None)
    assert found.evidence["foundation"][0].message.endswith("no repository of that name is known")


def test_a_base_of_the_own_series_is_found_in_the_own_namespace() -> None:
    base = BaseModelInfo("x/Foo-8B-Base", Kind.FINETUNE, (Parent("Qwen/Qwen3-8B", Kind.FINETUNE),), QWEN)
    readme = "Foo-8B is fine-tuned from Foo-8B-Base, which was initialised from Llama 3.1 8B."
    found = classified(readme, history(base))
    assert [parent.repo_id for parent in found.lineage] == ["x/Foo-8B-Base", "Qwen/Qwen3-8B"]
    assert found.foundation == QWEN


@pytest.mark.parametrize(
    "readme",
    [
        "Foo-8B is fine-tuned from Qwen3-8B.\n\nIt was initialised from Llama 3.1 8B.",
        "Foo-8B is fine-tuned from Qwen3-8B.\n\nIt was initialised from Bar-9-8B.",
    ],
)
def test_of_several_bases_none_is_taken(readme: str) -> None:
    found = classified(readme)
    assert (found.kind, found.lineage, found.foundation) == (Kind.FINETUNE, (), None)


def test_a_labs_own_release_that_its_card_states_a_base_of_is_a_finetune() -> None:
    found = classified("Foo-8B is fine-tuned from Qwen3-8B.", id="google/Foo-8B")
    assert (found.lab, found.kind, found.foundation) == ("google", Kind.FINETUNE, QWEN)


def test_a_labs_own_release_whose_card_states_no_base_is_a_base() -> None:
    assert classified("# Foo-8B", id="google/Foo-8B").kind is Kind.BASE
    assert classify({"id": "google/Foo-8B"}, registry()).kind is Kind.UNKNOWN


def test_a_copy_has_the_root_that_its_originals_card_states() -> None:
    found = classified("Foo-8B is fine-tuned from Qwen3-8B.", id="x/Foo-8B-GGUF")
    assert (found.kind, found.lineage, found.foundation) == (Kind.QUANTIZED, (), QWEN)


@pytest.mark.parametrize("readme", ["Foo-8B is distilled from Qwen3-8B.", "Foo-8B 蒸馏自 Qwen3-8B。"])
def test_a_teacher_in_the_text_is_no_base(readme: str) -> None:
    assert [one.relation for one in read_card(readme, "x/Foo-8B").built_on] == ["distill"]
    found = classified(readme)
    assert (found.kind, found.lineage, found.foundation) == (Kind.UNKNOWN, (), None)


TEACHER = {"cardData": {"base_model": "deepseek-ai/DeepSeek-R1", "base_model_relation": "distill"}}


def test_a_teacher_in_the_metadata_is_no_foundation() -> None:
    found = classified("# Foo", **TEACHER)
    assert [parent.repo_id for parent in found.lineage] == ["deepseek-ai/DeepSeek-R1"]
    assert (found.kind, found.foundation, found.params_total) == (Kind.FINETUNE, None, 8 * 10**9)
    assert "what it was initialised from is not stated" in found.evidence["foundation"][0].message


@pytest.mark.parametrize(
    ("readme", "root"),
    [
        ("Foo-8B is initialised from Qwen3-8B.", "Qwen/Qwen3-8B"),
        ("Foo is initialised from deepseek-ai/DeepSeek-R1.", "deepseek-ai/DeepSeek-R1"),
    ],
)
def test_a_student_has_the_root_of_what_it_began_with(readme: str, root: str) -> None:
    found = classified(readme, **TEACHER | {"id": "x/Foo" if "Foo is" in readme else "x/Foo-8B"})
    assert found.foundation is not None
    assert (found.kind, found.lineage[0].repo_id, found.foundation.repo_id) == (Kind.FINETUNE, root, root)


def test_what_is_built_on_a_student_has_not_the_root_of_its_teacher() -> None:
    student = BaseModelInfo("y/Student", Kind.FINETUNE, (Parent("deepseek-ai/DeepSeek-R1", Kind.FINETUNE),), None)
    found = classified("# Foo", history(student), tags=["base_model:finetune:y/Student"])
    assert found.foundation == Foundation("y/Student", None, None)
    assert found.lineage == (Parent("y/Student", Kind.FINETUNE),)
