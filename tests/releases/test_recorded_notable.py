"""The notable launches of the recorded timeline are those that the docs list."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from tests.recorded_notable import found, table


def test_the_docs_list_every_notable_launch_with_its_reasons(tmp_path: Path) -> None:
    launches = found(f"sqlite:///{tmp_path}/notable.db")
    docs = (ROOT / "docs" / "explanation" / "notable.md").read_text("utf-8")
    listed = table(launches)
    assert listed in docs, "run: python -m tests.recorded_notable"
    assert f"({len(listed.splitlines()) - 2} of {len(launches)})" in docs
