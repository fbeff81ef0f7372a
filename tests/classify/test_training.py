"""Whether an original is pretrained or post-trained: by its name, by its card, and unknown where these differ."""

from __future__ import annotations

import pytest

from monitor.classify import NO_FILES, RepositoryFiles, classify
from monitor.labs import load
from tests.fakes.hub import model

REGISTRY = load()


def stages(name: str, readme: str | None = None, task: str = "text-generation", **facts: object) -> list[str]:
    """The stages that the evidence has, and how it was read: ``["name: post-trained"]``."""
    files = RepositoryFiles(readme=readme) if readme else NO_FILES
    found = classify({**model(name), "pipeline_tag": task, **facts}, REGISTRY, files=files)
    return [f"{one.signal}: {one.value}" for one in found.evidence.get("training", ())]


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("Qwen/Qwen9-VL-8B-Instruct", "post-trained"),
        ("google/gemma-9-4b-it", "post-trained"),
        ("google/gemma-9-4b-pt", "pretrained"),
        ("Qwen/Qwen9-8B-Base", "pretrained"),
        ("deepseek-ai/DeepSeek-V9-Flash-Base", "pretrained"),
        ("openai/gpt-oss-20b", None),
        ("Qwen/Qwen9-8B-Instruct-Base", None),
    ],
)
def test_a_name_says_the_stage(name: str, stage: str | None) -> None:
    assert stages(name) == ([f"name: {stage}"] if stage else [])


def test_base_is_a_size_outside_text_generation_and_it_a_language() -> None:
    assert stages("openai/whisper-base", task="automatic-speech-recognition") == []
    assert stages("google/Minerva9-7B-it", tags=["it"]) == []
    assert stages("google/Minerva9-7B-it", tags=["en"]) == ["name: post-trained"]


def test_what_is_no_original_has_no_stage() -> None:
    tuned = model("Qwen/Owl-8B-Instruct", base_model="google/gemma-9-4b-pt", relation="finetune")
    assert stages("Qwen/Owl-8B-Instruct", **tuned) == []


@pytest.mark.parametrize(
    ("card", "stage"),
    [
        ("- Type: Causal Language Models\n- Training Stage: Pretraining & Post-training\n", "post-trained"),
        ("- Type: Causal Language Models\n- Training Stage: Pretraining\n", "pretrained"),
        ("Qwen9-8B is an instruction-tuned model of 8B parameters.\n", "post-trained"),
        ("Qwen9-8B is a dense, multilingual post-trained model.\n", "post-trained"),
        ("This is the base model. It has not been instruction-tuned.\n", "pretrained"),
        ("Qwen9-8B is a model. Gemma-9-4B is an instruction-tuned model.\n", None),
        ("It is the pretrained base model.\n\nIt is an instruction-tuned model.\n", None),
        ("We pretrained it on 36T tokens.\n", None),
    ],
)
def test_a_card_says_the_stage(card: str, stage: str | None) -> None:
    assert stages("Qwen/Qwen9-8B", f"# Qwen9-8B\n\n{card}") == ([f"card: {stage}"] if stage else [])


def test_name_and_card_that_differ_leave_it_unknown() -> None:
    card = "# Qwen9-8B-Base\n\n- Training Stage: Pretraining & Post-training\n"
    assert stages("Qwen/Qwen9-8B-Base", card) == []
    agreeing = "# Qwen9-8B-Base\n\n- Training Stage: Pretraining\n"
    assert stages("Qwen/Qwen9-8B-Base", agreeing) == ["name: pretrained", "card: pretrained"]
