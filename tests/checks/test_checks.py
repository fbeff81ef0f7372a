"""The development checks over small wheels in the form of the real ones."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from monitor.labs import load
from tests.checks.compare import compare, explanations, report
from tests.checks.lists import Row, read
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "contributors" / "checks.md"
SPECS = [
    {
        "model_size_in_billions": "1_8", "activated_size_in_billions": 3,
        "model_src": {"huggingface": {"model_id": "Qwen/Thing-{quantization}", "quantizations": ["4bit", "8bit"]}},
    },
    {"model_size_in_billions": 7, "model_src": {"huggingface": {"model_id": "Qwen/Thing-8B", "quantizations": None}}},
    {"model_size_in_billions": 7, "model_src": {"modelscope": {"model_id": "elsewhere/Thing-7B"}}},
    {"model_src": {"huggingface": {"model_id": "Qwen/Without-size"}}},
]  # fmt: skip
META = """
MILLION = 1_000_000
ModelMeta(name="Qwen/Thing-0.6B", n_parameters=int(595.5 * 1e6), license="apache-2.0", adapted_from="Qwen/Qwen3-0.6B")
ModelMeta(name="Qwen/Qwen2.5-Omni-3B", n_parameters=5 * MILLION + 2, n_active_parameters_override=3 * MILLION,
          license="https://example.com/LICENSE", adapted_from=None)
ModelMeta(name="no-repository", n_parameters=1)
ModelMeta(name="Qwen/Nothing", n_parameters=None, license="not specified", adapted_from=build())
"""


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}-py3-none-any.whl" for name in ("xinference-9.1.0", "mteb-9.2.0")]
    with zipfile.ZipFile(paths[0], "w") as archive:
        archive.writestr("xinference/model/llm/models/thing.json", json.dumps([{"model_specs": SPECS}]))
        archive.writestr("xinference/model/llm/core.py", "raise RuntimeError")
    with zipfile.ZipFile(paths[1], "w") as archive:
        archive.writestr("mteb/models/model_meta.py", 'OPEN_LICENSES: frozenset[str] = frozenset({"apache-2.0"})')
        archive.writestr("mteb/models/model_implementations/thing.py", META)
    return paths


def test_each_packing_with_a_size_on_the_hub_is_a_row(wheels: list[Path]) -> None:
    assert read(wheels[0]) == [
        Row("Qwen/Thing-4bit", 1_800_000_000, 3_000_000_000),
        Row("Qwen/Thing-8B", 7_000_000_000),
        Row("Qwen/Thing-8bit", 1_800_000_000, 3_000_000_000),
    ]


def test_the_arguments_of_each_model_are_read_and_nothing_is_run(wheels: list[Path]) -> None:
    assert read(wheels[1]) == [
        Row("Qwen/Nothing", None),
        Row("Qwen/Qwen2.5-Omni-3B", 5_000_002, 3_000_000, "https://example.com/LICENSE", False),
        Row("Qwen/Thing-0.6B", 595_500_000, None, "apache-2.0", True, "Qwen/Qwen3-0.6B"),
    ]


def test_another_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a wheel of xinference or mteb"):
        read(tmp_path / "other-1.0-py3-none-any.whl")


def test_answers_are_counted_and_disagreements_are_named() -> None:
    rows = [
        Row("someone/A-8B", 8_030_000_000),
        Row("someone/B-8B", 16_000_000_000),
        Row("someone/C-4B", 4_000_000_000),
        Row("microsoft/phi-2", 2_000_000_000),
        Row("facebook/mms-1b-all", None, license="mit", is_open=True),
        Row("someone/D-AWQ", None, base="Qwen/Qwen3-8B"),
    ]
    table, unexplained = report("list", compare(rows, load()))
    assert table.splitlines()[2:] == [
        "| total | 4 | 4 | 2 | 2: 1 not explained, 1 rounded-in-list |",
        "| open licence | 1 | 1 | 1 | 0 |",
        "| licence by table | 1 | 1 | 0 | 1: 1 licence-of-code |",
        "| base by id | 1 | 0 | 0 | 0 |",
        "| lab of the root | 1 | 1 | 1 | 0 |",
    ]
    assert unexplained == ["total of someone/B-8B: the list 16B, ours 8B"]


def documented() -> list[str]:
    return re.findall(r"^python -m tests\.checks .*$", PAGE.read_text(), re.MULTILINE)


def test_the_documented_command_prints_the_figures_of_each_list(wheels: list[Path]) -> None:
    (line,) = documented()
    command = shlex.split(line)
    assert command[-1].endswith("*.whl")
    line_run = [sys.executable, *command[1:-1], *map(str, wheels)]
    ran = subprocess.run(line_run, check=False, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert "| xinference 9.1.0 | stated | answered | agree | differ |" in ran.stdout
    assert "| mteb 9.2.0 | stated | answered | agree | differ |" in ran.stdout
    assert "not explained: total of Qwen/Thing-8B: the list 7B, ours 8B" in ran.stdout


def test_every_kind_of_disagreement_is_described_in_the_docs() -> None:
    described = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert described == set(explanations().values())
