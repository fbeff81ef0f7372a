"""``classify`` with the files of repositories: given with the objects, or read from the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.console import run
from tests.fakes.hub import ReplayHub, model
from tests.ingest.test_repository_files import ACTIVE, MIXTURE, PARAMS

NO_DATABASE = "sqlite:////nowhere/at/all.db"
OBJECT = {
    "id": "acme/Mix-30B",
    "tags": ["safetensors"],
    "safetensors": {"parameters": {"BF16": PARAMS}, "total": PARAMS},
    "config": {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe"},
}


def _classified(folder: Path, objects: list[Any], *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    source = folder / "models.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in objects))
    done = run(
        "classify", "--input", str(source), "--format", "jsonl", *arguments,
        MONITOR_DATABASE_URL=NO_DATABASE, HF_ENDPOINT="http://127.0.0.1:9",
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _is_mixture(row: dict[str, Any]) -> bool:
    return row["params_active"] is not None and abs(row["params_active"] - ACTIVE) < 0.1 * ACTIVE


@pytest.mark.parametrize("form", [dict, str])
def test_an_object_may_hold_its_files(tmp_path: Path, form: type) -> None:
    config = MIXTURE if form is dict else json.dumps(MIXTURE)
    without, with_files = _classified(tmp_path, [OBJECT, {**OBJECT, "files": {"config.json": config, "x.py": "1"}}])
    assert without["params_active"] is None
    assert _is_mixture(with_files)


@pytest.mark.parametrize("place", ["acme/Mix-30B/config.json", "acme__Mix-30B/config.json", "acme__Mix-30B.json"])
def test_files_may_lie_in_a_folder(tmp_path: Path, place: str) -> None:
    path = tmp_path / "files" / place
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(MIXTURE))
    (row,) = _classified(tmp_path, [OBJECT], "--files", str(tmp_path / "files"))
    assert _is_mixture(row)


@pytest.mark.parametrize("name", ["../secret", "..", "a/../../secret", "/secret", "a\\b/c"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    inside, outside = tmp_path / "files", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    for place in (outside / "config.json", tmp_path / "secret.json", tmp_path / "config.json"):
        place.write_text(json.dumps(MIXTURE))
    for row in _classified(tmp_path, [{**OBJECT, "id": name}], "--files", str(inside)):
        assert row["params_active"] is None


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    (row,) = _classified(tmp_path, [{**OBJECT, "files": {"config.json": 7}}], code=1)
    assert row["params_active"] is None
    (row,) = _classified(tmp_path, [{**OBJECT, "files": {"config.json": "no JSON"}}])
    assert row["params_active"] is None


def test_files_need_objects_beside_which_they_lie(tmp_path: Path) -> None:
    done = run("classify", "acme/Mix", "--files", str(tmp_path))
    assert done.returncode == 2
    assert "--input" in done.stderr


def test_the_hubs_files_are_read_but_not_those_of_a_packed_copy(hub: ReplayHub) -> None:
    hub.add(model("acme/Mix-30B", config=MIXTURE, params=PARAMS))
    hub.add(model("acme/Mix-30B-AWQ", base_model="acme/Mix-30B", relation="quantized", config=MIXTURE))
    done = run(
        "classify", "acme/Mix-30B", "acme/Mix-30B-AWQ", "--format", "jsonl",
        HF_ENDPOINT=hub.endpoint, MONITOR_DATABASE_URL=NO_DATABASE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mixture, _ = map(json.loads, done.stdout.splitlines())
    assert _is_mixture(mixture)
    assert {call.path.split("/")[2] for call in hub.calls if "/resolve/" in call.path} == {"Mix-30B"}
