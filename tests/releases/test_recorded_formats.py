"""The formats of the recorded timeline are those that the docs list."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from tests.recorded_formats import found, table


def test_the_docs_list_the_hours_to_each_first_copy(tmp_path: Path) -> None:
    docs = (ROOT / "docs" / "explanation" / "formats.md").read_text("utf-8")
    assert table(found(f"sqlite:///{tmp_path}/formats.db")) in docs, "run: python -m tests.recorded_formats"
