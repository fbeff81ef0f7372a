"""What a model is for, as the Hub and its tags say."""

from __future__ import annotations

import pytest

from monitor.classify import classify
from monitor.labs import load


@pytest.mark.parametrize(
    ("facts", "task", "modality"),
    [
        ({"pipeline_tag": "text-generation", "tags": ["conversational"]}, "text-generation", "text"),
        ({"tags": ["gguf", "conversational"]}, None, None),
        ({"tags": ["conversational", "text-generation"]}, "text-generation", "text"),
        ({"pipeline_tag": "conversational"}, "conversational", "text"),
        ({"tags": ["text-to-video"]}, "text-to-video", "video"),
        ({"cardData": {"pipeline_tag": "text-to-video"}, "tags": ["text-generation"]}, "text-to-video", "video"),
        ({"pipeline_tag": 7, "tags": {"text-generation": 1}}, None, None),
    ],
)
def test_the_task_is_the_pipeline_tag_or_a_tag_that_names_one(
    facts: dict[str, object], task: str | None, modality: str | None
) -> None:
    classified = classify({"id": "x/one", **facts}, load())
    assert (classified.task, classified.modality) == (task, modality)


@pytest.mark.parametrize(
    ("facts", "languages"),
    [
        ({"cardData": {"language": ["ko", "en"]}, "tags": ["fr"]}, ("en", "ko")),
        ({"cardData": {"language": "zh-TW"}}, ("zh-TW",)),
        ({"cardData": {"language": ["Klingon", "en"]}}, ("en",)),
        ({"cardData": {"license": "mit"}, "tags": ["fr", "en", "moe"]}, ("en", "fr")),
        ({"tags": ["pt-BR", "yue", "text-generation"]}, ("pt-BR", "yue")),
        ({}, ()),
    ],
)
def test_languages_are_those_of_the_card_or_else_of_the_tags(
    facts: dict[str, object], languages: tuple[str, ...]
) -> None:
    assert classify({"id": "x/one", **facts}, load()).languages == languages
