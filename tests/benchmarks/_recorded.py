"""Models in the distributions of the recorded timeline, as many as wanted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

from monitor.demo.build import TIMELINE


def recorded() -> list[dict[str, Any]]:
    """The recorded models, as the Hub would list them."""
    rows = [json.loads(line) for line in gzip.decompress(TIMELINE.read_bytes()).decode().splitlines()]
    for row in rows:
        for name in ("first", "last", "released"):
            row.pop(name, None)
        row.update(
            {"author": row["id"].partition("/")[0], "private": False, "gated": False, "likes": 3, "downloads": 9}
        )
    return rows


def whole(row: dict[str, Any]) -> dict[str, Any]:
    """A recorded row with what a listing that asks for all adds to it: card, configuration, files and tensors.

    The recording was of bare rows. What is added is as the Hub makes it: the card's head says what the tags say, the
    configuration of a text model brings the chat template of its tokenizer (here of 2 kB), the files are those that
    `save_pretrained` and an upload write.
    """
    tags, library = row["tags"], row.get("library_name")
    card = {
        "license": _after(tags, "license:", 1),
        "base_model": _after([tag for tag in tags if tag.count(":") == 1], "base_model:", 9),
        "datasets": _after(tags, "dataset:", 9),
        "language": [tag for tag in tags if len(tag) == 2],
        "pipeline_tag": row.get("pipeline_tag"),
        "library_name": library,
        "tags": [tag for tag in tags if ":" not in tag],
    }
    files = [".gitattributes", "README.md"]
    facts: dict[str, Any] = {"config": {}}
    if library in {"transformers", "peft", "sentence-transformers"}:
        files += ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"]
        files += ["merges.txt", "special_tokens_map.json", "chat_template.jinja"]
        facts["config"] = {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "tokenizer_config": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": TEMPLATE},
        }
    if "gguf" in tags:
        files += [f"{row['id'].rpartition('/')[2]}-{precision}.gguf" for precision in PRECISIONS]
    elif "safetensors" in tags:
        files += [f"model-{part:05d}-of-00004.safetensors" for part in range(1, 5)] + ["model.safetensors.index.json"]
        facts["safetensors"] = {"parameters": {"BF16": 8_190_735_360}, "total": 8_190_735_360}
    card = {key: value for key, value in card.items() if value}
    return {**row, **facts, "cardData": card, "siblings": [{"rfilename": file} for file in files]}


PRECISIONS = ("BF16", "Q2_K", "Q3_K_M", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")
TEMPLATE = "{%- for message in messages %}{{ message.role + ': ' + message.content }}{%- endfor %}" * 25


def _after(tags: list[str], prefix: str, most: int) -> list[str]:
    return [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)][:most]


def many(number: int) -> Iterator[dict[str, Any]]:
    """``number`` models, whole: the recorded ones again and again under other names, one made every minute."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for index, row in enumerate(cycle(recorded())):
        if index == number:
            return
        moment += timedelta(minutes=1)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        yield {**whole(row), "id": f"{row['id']}-{index}", "createdAt": stamp, "lastModified": stamp}
