"""``classify`` over real objects of October 2026, with the files that were recorded and without any.

With them every total is right, and every active count that a configuration or a card allows. Without them a value is
the same or null: nothing is stated that the files contradict.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.console import run

B = 10**9
FOLDER = Path("hub") / "real-2026-10"


class Expected(NamedTuple):
    """What the files state: counts in billions, the class of the licence, the kind and the openness."""

    total: float
    active: float
    license_class: str
    kind: str = "base"
    openness: str = "open-weights"


TUNED, RESTRICTED = "finetune", "restricted-weights"
OBJECTS = {
    # A licence "other" whose name is in no file here: the class is its lab's habit, and no openness follows.
    "LiquidAI/LFM2.5-1.2B-Instruct": Expected(1.17, 1.17, "community", TUNED, "unknown"),
    "Qwen/Qwen3-8B": Expected(8.19, 8.19, "permissive", TUNED),
    "Qwen/Qwen3.5-2B-Base": Expected(2.274, 2.274, "permissive"),
    "Qwen/Qwen3.5-9B": Expected(9.653, 9.653, "permissive", TUNED),
    "Qwen/Qwen3.8-27B": Expected(27.78, 27.78, "permissive"),
    "Qwen/Qwen3.8-Flash-Next": Expected(180.0, 6, "community", openness=RESTRICTED),
    "google/gemma-3n-E4B-it": Expected(7.85, 4, "community", TUNED, RESTRICTED),
    "google/gemma-4-12B-it": Expected(11.96, 11.96, "permissive", TUNED),
    "google/gemma-4-31B-it": Expected(31.27, 31.27, "permissive", TUNED),
    "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16": Expected(32.91, 3, "permissive"),
    "openai/gpt-oss-120b": Expected(116.83, 5.13, "permissive"),
    "orcarouter/Qwen3.8-27B-Uncensored": Expected(27.78, 27.78, "permissive", TUNED),
    "ornith-ai/Ornith-1.5-9B": Expected(9.653, 9.653, "permissive"),
    "zai-org/GLM-5.3-Flash": Expected(321.3, 18, "permissive"),
}
"""The recorded objects; total by the sum of the tensors."""
CARDS = {
    # Its licence's address is a file that was not read.
    "MiniMaxAI/MiniMax-M2.7": Expected(230, 10, "unknown", openness="unknown"),
    "XiaomiMiMo/MiMo-V2.6-Flash-RL": Expected(309, 15, "permissive"),
    "deepseek-ai/DeepSeek-V4-Flash": Expected(284, 13, "permissive"),
    "google/gemma-4-26B-A4B-it": Expected(25.2, 3.8, "permissive", TUNED),
    "moonshotai/Kimi-K3": Expected(2800, 104, "community", openness=RESTRICTED),
    "ornith-ai/Ornith-1.5-35B-A3B": Expected(35, 3, "permissive"),
    "tencent/Hy3": Expected(295, 21, "permissive"),
    "thinkingmachines/Inkling-Small": Expected(276, 12, "permissive"),
}
"""Repositories of which only the card was recorded: an id and a README.md."""
UNKNOWN = {"license_class": {"undeclared", "unknown"}, "kind": {"unknown"}, "openness": {"unknown"}}


@pytest.fixture(scope="module")
def objects(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``models.jsonl`` and the folder ``files``: each configuration, and each card as a README.md."""
    folder = tmp_path_factory.mktemp("real")
    recorded = (shared / FOLDER / "models.jsonl").read_text("utf-8")
    alone = "".join(json.dumps({"id": repo_id}) + "\n" for repo_id in CARDS)
    (folder / "models.jsonl").write_text(recorded + alone, "utf-8")
    for path in (shared / FOLDER / "configs").glob("*.json"):
        place = folder / "files" / path.stem.replace("__", "/")
        place.mkdir(parents=True)
        (place / "config.json").write_bytes(path.read_bytes())
    for line in (shared / FOLDER / "cards.jsonl").read_text("utf-8").splitlines():
        card = json.loads(line)
        front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in card["front"].items())
        place = folder / "files" / card["id"]
        place.mkdir(parents=True, exist_ok=True)
        text = [f"---\n{front}\n---", f"# {card['id'].partition('/')[2]}", *card["statements"]]
        (place / "README.md").write_text("\n\n".join(text) + "\n", "utf-8")
    return folder


def classified(folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    done = run(
        "classify", "--input", str(folder / "models.jsonl"), "--format", "jsonl", *arguments,
        MONITOR_DATABASE_URL="sqlite:////nowhere/at/all.db", HF_ENDPOINT="http://127.0.0.1:9",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {row["repo_id"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_with_their_files_totals_active_counts_and_words_are_right(objects: Path) -> None:
    found = classified(objects, "--files", str(objects / "files"))
    assert set(found) == {*OBJECTS, *CARDS}
    for repo_id, expected in {**OBJECTS, **CARDS}.items():
        row = found[repo_id]
        assert row["params_total"] == pytest.approx(expected.total * B, rel=0.03), repo_id
        assert row["params_active"] == pytest.approx(expected.active * B, rel=0.1), repo_id
        words = (row["license_class"], row["kind"], row["openness"])
        assert words == (expected.license_class, expected.kind, expected.openness), repo_id
        # None of these files calls a paper its own: arXiv tags are citations.
        assert row["papers"] == [], repo_id


def test_without_files_a_value_is_right_or_null(objects: Path) -> None:
    for repo_id, row in classified(objects).items():
        expected = {**OBJECTS, **CARDS}[repo_id]
        exact = 0.03 if repo_id in OBJECTS else 0.1  # by the name alone
        assert row["params_total"] in (None, pytest.approx(expected.total * B, rel=exact)), repo_id
        assert row["params_active"] in (None, pytest.approx(expected.active * B, rel=0.1)), repo_id
        for name, unknown in UNKNOWN.items():
            assert row[name] in {getattr(expected, name), *unknown}, f"{name} of {repo_id}"
        assert row["papers"] == [], repo_id


def test_without_files_most_of_the_recorded_objects_still_have_their_counts(objects: Path) -> None:
    found = classified(objects)
    assert all(found[repo_id]["params_total"] for repo_id in OBJECTS)
    without = {repo_id for repo_id in OBJECTS if found[repo_id]["params_active"] is None}
    assert without == {"Qwen/Qwen3.8-Flash-Next", "google/gemma-4-31B-it", "zai-org/GLM-5.3-Flash"}
