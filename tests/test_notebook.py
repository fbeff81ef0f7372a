"""The notebook of the tutorials: its outputs are those that the demo's data give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.notebook import NOTEBOOK, PYTHON, executed

pytestmark = pytest.mark.slow


def test_the_notebook_s_outputs_are_those_of_the_demo_s_data(tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("run `make validators` first")
    shown = json.loads(NOTEBOOK.read_text("utf-8"))
    again = executed(tmp_path)
    assert _texts(again) == _texts(shown), "run `python -m tests.notebook`"
    assert sum(bool(one) for one in _texts(shown)) >= 3


def _texts(notebook: dict[str, Any]) -> list[str]:
    """What each cell of code shows, as text."""
    return [
        "".join("".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in cell["outputs"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
