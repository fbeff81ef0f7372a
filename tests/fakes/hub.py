"""The Hub that the tests talk to: the demo's, and a builder of repositories that look like real ones."""

import time
from collections.abc import Callable
from typing import Any

from monitor.demo.faults import Kind, Trouble
from monitor.demo.hub import Call, ReplayHub
from monitor.demo.replay import Recorded, Replay, load_timeline
from monitor.demo.world import OLDEST, Facts, World, made_id, stamp

__all__ = [
    "OLDEST",
    "Call",
    "Facts",
    "Kind",
    "Recorded",
    "Replay",
    "ReplayHub",
    "Trouble",
    "World",
    "empty",
    "load_timeline",
    "made_id",
    "model",
    "stamp",
    "until",
]

WEIGHTS = (".gitattributes", "README.md", "config.json", "model.safetensors", "tokenizer.json")


def model(
    repo_id: str,
    *,
    params: int | None = 7_615_616_512,
    license: str | None = "apache-2.0",  # noqa: A002 - the word of the field
    base_model: str | None = None,
    relation: str | None = None,
    **facts: Any,
) -> Facts:
    """A repository for `ReplayHub.add` as a real one with weights: files, safetensors, tags and card that agree.

    params: elements of its BF16 tensors; None: it has no safetensors. license: its identifier, None: none stated.
    base_model, relation: what it was made of and how (finetune, adapter, merge, quantized), in tags and card.
    `facts`, in the Hub's field names, replace any of it (`tags=[…]`, `createdAt=…`, `private=True`, …).
    """
    tags = ["transformers", "safetensors", "text-generation", "conversational"]
    card: Facts = {}
    siblings = list(WEIGHTS)
    if params is None:
        tags.remove("safetensors")
        siblings.remove("model.safetensors")
    if base_model is not None:
        tags += [f"base_model:{base_model}", *([f"base_model:{relation}:{base_model}"] if relation else [])]
        card |= {"base_model": base_model, **({"base_model_relation": relation} if relation else {})}
    if license is not None:
        tags.append(f"license:{license}")
        card["license"] = license
    weights = None if params is None else {"parameters": {"BF16": params}, "total": params}
    return {
        "id": repo_id,
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "tags": [*tags, "region:us"],
        "siblings": siblings,
        "safetensors": weights,
        "config": {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"},
        "cardData": card,
        "usedStorage": None if params is None else 2 * params,
        **facts,
    }


def empty(repo_id: str, **facts: Any) -> Facts:
    """A repository as it is made, before anything was uploaded: no weights, no card, no task."""
    return {"id": repo_id, **facts}


def until(condition: Callable[[], Any], timeout: float = 120.0, what: str = "the condition") -> Any:
    """Wait until `condition()` is true and return what it gave; fail after `timeout` seconds, which
    are many: a machine may be loaded, and to wait costs time only where a test fails.

    It is asked again after 5 ms, and ever more rarely down to every 50: what waits long leaves the cores to others.
    """
    began = time.monotonic()
    while not (result := condition()):
        waited = time.monotonic() - began
        if waited > timeout:
            raise AssertionError(f"{what} did not come true in {timeout:g} s")
        time.sleep(min(0.05, 0.005 + waited / 20))
    return result
