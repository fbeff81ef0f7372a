"""Bases as people write them: one repository in many spellings, and what is no repository at all."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import BaseModelInfo, Classification, Foundation, Parent, classify
from monitor.classify.repo_ids import parse_repo_id
from monitor.enums import Kind
from monitor.labs import Registry, load

QWEN = BaseModelInfo("Qwen/Qwen3-8B", Kind.BASE, (), Foundation("Qwen/Qwen3-8B", "qwen", "CN"))


@cache
def registry() -> Registry:
    return load()


def in_any_case(repo_id: str) -> BaseModelInfo | None:
    """A history that holds Qwen3-8B, and finds it as the Hub does."""
    return QWEN if repo_id.lower() == QWEN.repo_id.lower() else None


def classified(base: Any, *tags: str, repo_id: str = "acme/Tuned", **facts: Any) -> Classification:
    model = {"id": repo_id, "cardData": {"base_model": base}, "tags": list(tags), **facts}
    return classify(model, registry(), in_any_case)


SPELLINGS = [
    "Qwen/Qwen3-8B",
    "qwen/qwen3-8b",
    " QWEN/Qwen3-8B ",
    "Qwen/Qwen3-8B/",
    "Qwen/Qwen3-8B@main",
    "Qwen/Qwen3-8B@refs/pr/3",
    "https://huggingface.co/Qwen/Qwen3-8B",
    "http://www.huggingface.co/Qwen/Qwen3-8B/",
    "https://huggingface.co/Qwen/Qwen3-8B/tree/main?library=x#files",
    "https://huggingface.co/Qwen/Qwen3-8B/blob/main/README.md",
    "https://hf-mirror.com/Qwen/Qwen3-8B",
    "huggingface.co/Qwen/Qwen3-8B",
    "hf.co/Qwen/Qwen3-8B",
    "[Qwen3-8B](https://huggingface.co/Qwen/Qwen3-8B)",
    "`Qwen/Qwen3-8B`",
    ["Qwen/Qwen3-8B", "qwen/qwen3-8b"],
    {"name": "Qwen3-8B", "repo_url": "https://huggingface.co/Qwen/Qwen3-8B"},
    [{"name": "Qwen3-8B", "repo_url": "https://huggingface.co/Qwen/Qwen3-8B"}],
    [{"name": "Qwen/Qwen3-8B"}],
    ["acme/Tuned", "Qwen/Qwen3-8B"],
]


@pytest.mark.parametrize("base", SPELLINGS, ids=str)
@pytest.mark.parametrize("tags", [(), ("base_model:Qwen/Qwen3-8B", "base_model:finetune:Qwen/Qwen3-8B")])
def test_one_repository_in_many_spellings_is_one_parent(base: Any, tags: tuple[str, ...]) -> None:
    found = classified(base, *tags)
    assert (found.kind, found.lineage) == (Kind.FINETUNE, (Parent("Qwen/Qwen3-8B", Kind.FINETUNE),))
    assert found.foundation == Foundation("Qwen/Qwen3-8B", "qwen", "CN")


@pytest.mark.parametrize(
    ("card", "resolved"),
    [
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        ("THUDM/glm-4-9b", "zai-org/glm-4-9b"),
        ("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("/home/u/models/glm-4-9b", "zai-org/glm-4-9b"),
    ],
)
@pytest.mark.parametrize("relation", ["finetune", "adapter", "quantized"])
def test_a_former_name_in_the_card_is_what_the_hub_resolved_it_to(card: str, resolved: str, relation: str) -> None:
    by_tags = classified(card, f"base_model:{resolved}", f"base_model:{relation}:{resolved}")
    by_list = classified(card, baseModels={"relation": relation, "models": [{"_id": "6" * 24, "id": resolved}]})
    for found in (by_tags, by_list):
        assert (found.kind, found.lineage[0]) == (Kind(relation), Parent(resolved, Kind(relation)))
        assert [parent.repo_id for parent in found.lineage].count(resolved) == 1
        assert len(found.lineage) == 1


def test_a_merge_of_spellings_holds_each_model_once_in_the_cards_order() -> None:
    card = ["qwen/QWEN3-8B", "THUDM/glm-4-9b", "Qwen/Qwen3-8B"]
    found = classified(
        card, "base_model:Qwen/Qwen3-8B", "base_model:zai-org/glm-4-9b", "base_model:merge:Qwen/Qwen3-8B"
    )
    assert [parent.repo_id for parent in found.lineage] == ["Qwen/Qwen3-8B", "zai-org/glm-4-9b"]


@pytest.mark.parametrize(
    ("name", "today", "lab"),
    [
        ("gpt2", "openai-community/gpt2", "openai"),
        ("bert-base-uncased", "google-bert/bert-base-uncased", "google"),
        ("t5-small", "google-t5/t5-small", "google"),
        ("roberta-base", "FacebookAI/roberta-base", "meta"),
        ("https://huggingface.co/gpt2/tree/main", "openai-community/gpt2", "openai"),
    ],
)
def test_a_model_older_than_namespaces_is_found_where_the_hub_keeps_it(name: str, today: str, lab: str) -> None:
    found = classified(name)
    assert found.lineage == (Parent(today, Kind.FINETUNE),)
    assert found.foundation is not None
    assert (found.foundation.repo_id, found.foundation.lab) == (today, lab)


def test_an_unknown_name_has_its_namespace_as_the_registry_writes_it() -> None:
    found = classified("qwen/some-model-unknown-here")
    assert found.foundation == Foundation("Qwen/some-model-unknown-here", "qwen", "CN")


NO_IDS = [
    "./Qwen3-8B",
    "../models/Qwen3-8B",
    "/workspace/models/Qwen3-8B",
    "~/models/Qwen3-8B",
    "C:\\models\\Qwen3-8B",
    "Qwen3-8B",
    "Qwen/Qwen3-8B, meta-llama/Llama-3.1-8B",
    "Qwen/Qwen3-8B-",
    "Qwen/Qwen3-8B/checkpoint-100",
    "https://example.com/Qwen/Qwen3-8B",
    "https://huggingface.co/datasets/a/b",
    "https://huggingface.co/spaces/a/b",
    "models/Qwen3-8B",
    "a model of ours",
    "x" * 400,
]


@pytest.mark.parametrize("text", NO_IDS, ids=lambda text: text[:40])
def test_what_is_no_id_is_no_base_and_is_named_in_the_evidence(text: str) -> None:
    for publisher in ("acme/Tuned", "Qwen/Tuned"):
        found = classified(text, repo_id=publisher)
        assert (found.lineage, found.foundation, found.kind) == ((), None, Kind.UNKNOWN)
        (reason,) = found.evidence["kind"]
        assert (reason.signal, reason.value) == ("base_model", text[:300])


@pytest.mark.parametrize("text", ["None", "none", "N/A", "null", "-", "", " ", None, [], [None], {}, "acme/tuned"])
def test_a_word_for_nothing_and_itself_state_no_base(text: Any) -> None:
    found = classified(text)
    assert (found.lineage, found.foundation) == ((), None)
    assert classified(text, repo_id="Qwen/Tuned").kind is (Kind.FINETUNE if text == "acme/tuned" else Kind.BASE)


CASES = st.text(st.sampled_from("aB3.-_/@:#? "), max_size=24)


@given(st.one_of(CASES, st.text(max_size=40)))
def test_what_is_read_is_an_id_and_reads_as_itself(text: str) -> None:
    parsed = parse_repo_id(text)
    if parsed is not None:
        assert parsed.count("/") == 1
        assert parse_repo_id(parsed) == parsed
        assert parse_repo_id(f"https://huggingface.co/{parsed}/tree/main") == parsed


@given(st.sampled_from(SPELLINGS), st.booleans())
def test_the_case_of_a_base_decides_nothing(base: Any, upper: bool) -> None:
    if isinstance(base, str) and "://" not in base:
        changed = base.upper() if upper else base.lower()
        assert classified(changed).foundation == classified(base).foundation
        assert classified(changed).kind is classified(base).kind


def test_a_relation_that_is_not_known_names_its_base_all_the_same() -> None:
    found = classified(None, "base_model:distill:Qwen/Qwen3-8B")
    assert (found.kind, found.lineage) == (Kind.FINETUNE, (Parent("Qwen/Qwen3-8B", Kind.FINETUNE),))
    packed = classified(None, "base_model:distill:Qwen/Qwen3-8B", "base_model:quantized:Qwen/Qwen3-8B")
    assert packed.kind is Kind.QUANTIZED
