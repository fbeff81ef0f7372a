"""How many models of a list that others keep are in notable launches is what the docs say."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from tests.tracked_notable import STRUCK, compare, section, tracked


def test_the_docs_compare_with_the_list_of_others(tmp_path: Path, shared: Path) -> None:
    found = compare(tmp_path, tracked(shared / "facts"))
    docs = (ROOT / "docs" / "explanation" / "notable.md").read_text("utf-8")
    assert section(found) in docs, "run: python -m tests.tracked_notable"
    assert set(STRUCK) <= set(found.notable)
