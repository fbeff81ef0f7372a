"""What a release that states no base was probably built on: each with evidence and a confidence, never a foundation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitor.classify import (
    Classification,
    RepositoryFiles,
    SameSize,
    SizeLookup,
    Suspicion,
    classify,
    no_size_lookup,
)
from monitor.labs import Registry, load

TOTAL = 7_615_616_512
QWEN = {"model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "vocab_size": 152_064}


@cache
def registry() -> Registry:
    return load()


def classified(
    repo_id: str = "someone/Thing",
    config: dict[str, Any] | None = None,
    same_size: SizeLookup = no_size_lookup,
    total: int = TOTAL,
    read: dict[str, Any] | None = None,
    **facts: Any,
) -> Classification:
    model = {"id": repo_id, "config": config, "safetensors": {"parameters": {"BF16": total}, "total": total}, **facts}
    return classify(model, registry(), files=RepositoryFiles(config=read), same_size=same_size)


def history(*found: SameSize) -> SizeLookup:
    """A history in which these have TOTAL parameters."""

    def same_size(total: int) -> Sequence[SameSize]:
        return found if total == TOTAL else ()

    return same_size


def suspicion(found: Classification) -> Suspicion:
    assert found.suspected_foundation is not None
    assert found.evidence["suspected_foundation"] == found.suspected_foundation.evidence
    return found.suspected_foundation


def test_the_same_architecture_and_exact_size_show_the_base() -> None:
    known = history(SameSize("Qwen/Qwen2.5-7B", "qwen2", {}))
    found = classified(config={"model_type": "qwen2"}, same_size=known)
    suspected = suspicion(found)
    assert suspected[:4] == ("Qwen/Qwen2.5-7B", "qwen", "CN", 0.9)
    assert suspected.evidence[0].message == "shares architecture and exact size with Qwen/Qwen2.5-7B"
    assert found.foundation is None
    assert (
        classified(config={"model_type": "qwen2"}, same_size=known, total=TOTAL + 1).suspected_foundation != suspected
    )


def test_the_same_dimensions_raise_the_confidence_and_others_refute_it() -> None:
    same = classified(read=QWEN, same_size=history(SameSize("Qwen/Qwen2.5-7B", "qwen2", QWEN)))
    assert suspicion(same).confidence == 0.98
    assert "hidden_size 3584" in str(suspicion(same).evidence)
    assert "tokenizer" not in {item.signal for item in suspicion(same).evidence}
    for ids, shown in (({"eos_token_id": 5, "bos_token_id": 4}, "eos_token_id 5"), ({"eos_token_id": [5, 6]}, None)):
        config = {**QWEN, **ids}
        known = history(SameSize("Qwen/Qwen2.5-7B", "qwen2", {**config, "bos_token_id": 3}))
        found = suspicion(classified(read=config, same_size=known))
        assert next((item.value for item in found.evidence if item.signal == "tokenizer"), None) == shown
    other = history(SameSize("Qwen/Qwen2.5-7B", "qwen2", {**QWEN, "num_hidden_layers": 29}))
    assert suspicion(classified(read=QWEN, same_size=other)).repo_id is None


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2", "bert"])
def test_nothing_is_claimed_by_the_dimensions_of_what_everybody_trains(kind: str) -> None:
    config = {**QWEN, "model_type": kind}
    known = history(SameSize("meta-llama/Llama-3.1-8B", kind, config))
    assert classified(read=config, same_size=known).suspected_foundation is None


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", ("Qwen/Qwen2.5-7B-Instruct", "qwen", "CN", 0.85)),
        ("/mnt/data/models/Qwen2.5-7B-Instruct", ("Qwen/Qwen2.5-7B-Instruct", "qwen", "CN", 0.7)),
        ("./Qwen3-8B/", ("Qwen/Qwen3-8B", "qwen", "CN", 0.7)),
        ("bert-base-uncased", ("google-bert/bert-base-uncased", "google", "US", 0.85)),
        ("/mnt/data/checkpoint-500", None),
        ("output/final", None),
        ("someone/Thing", None),
        ("someone/Thing-v0", None),
        ("", None),
        (["Qwen/Qwen3-8B"], None),
    ],
)
def test_the_configuration_names_what_it_was_loaded_from(stated: Any, expected: tuple[Any, ...] | None) -> None:
    found = classified(read={"model_type": "llama", "_name_or_path": stated}).suspected_foundation
    assert (found and found[:4]) == expected


def test_an_architecture_of_one_publisher_shows_the_publisher_and_no_more() -> None:
    suspected = suspicion(classified(config={"model_type": "qwen3_5"}))
    assert suspected[:4] == (None, "qwen", "CN", 0.5)
    # Labs take an architecture and train their own weights; a test with random weights is built on nothing.
    assert classified("moonshotai/Kimi-Something", {"model_type": "deepseek_v3"}).suspected_foundation is None
    assert classified(config={"model_type": "qwen3_5"}, total=2_000_000).suspected_foundation is None


@pytest.mark.parametrize(
    "facts",
    [
        {"tags": ["base_model:finetune:Qwen/Qwen2.5-7B"]},
        {"tags": ["base_model:Qwen/Qwen2.5-7B"]},
        {"library_name": "peft"},
        {"repo_id": "someone/Thing-AWQ"},
        {"repo_id": "Qwen/Thing"},
        {"repo_id": "someone/Qwen2.5-7B-abliterated"},
    ],
)
def test_what_states_a_base_or_is_a_copy_or_the_publishers_own_is_not_suspected(facts: dict[str, Any]) -> None:
    known = history(SameSize("Qwen/Qwen2.5-7B", "qwen2", {}))
    assert classified(config={"model_type": "qwen2"}, same_size=known, **facts).suspected_foundation is None


def test_ornith_is_qwen_to_the_last_parameter(shared: Path) -> None:
    folder = shared / "hub" / "real-2026-10"
    rows = [json.loads(line) for line in (folder / "models.jsonl").read_text().splitlines()]
    suspected = {row["id"]: classify(row, registry()).suspected_foundation for row in rows}
    assert {repo_id for repo_id, found in suspected.items() if found} == {"ornith-ai/Ornith-1.5-9B"}
    found = suspected["ornith-ai/Ornith-1.5-9B"]
    assert found is not None
    assert found[:3] == ("Qwen/Qwen3.5-9B", "qwen", "CN")
    configs = [
        json.loads((folder / "configs" / f"{name}.json").read_text())
        for name in ("ornith-ai__Ornith-1.5-9B", "Qwen__Qwen3.5-9B")
    ]

    def same_size(total: int) -> Sequence[SameSize]:
        return [SameSize("Qwen/Qwen3.5-9B", "qwen3_5", configs[1])] if total == 9_653_104_368 else []

    ornith = next(row for row in rows if row["id"] == "ornith-ai/Ornith-1.5-9B")
    whole = classify(ornith, registry(), files=RepositoryFiles(config=configs[0]), same_size=same_size)
    assert suspicion(whole).confidence == 0.98
    tokens = "eos_token_id 248044, image_token_id 248056, video_token_id 248057, vision_start_token_id 248053, "
    assert suspicion(whole).evidence[-1] == (
        "tokenizer",
        tokens + "vision_end_token_id 248054",
        "the vocabulary and special tokens of Qwen/Qwen3.5-9B",
    )
