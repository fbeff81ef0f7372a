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
        ({"pipeline_tag": 7, "tags": {"text-generation": 1}}, None, None),
    ],
)
def test_the_task_is_the_pipeline_tag_or_a_tag_that_names_one(
    facts: dict[str, object], task: str | None, modality: str | None
) -> None:
    judged = classify({"id": "x/one", **facts}, load())
    assert (judged.task, judged.modality) == (task, modality)
