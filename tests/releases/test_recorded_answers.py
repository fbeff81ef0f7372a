"""The answers that the docs give from the recorded timeline are those that the program gives."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from tests.recorded_answers import answers


def test_the_docs_give_the_answers_of_the_recording(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "explanation" / "questions.md").read_text("utf-8")
    words = " ".join(page.split())
    missing = [one for one in answers(f"sqlite:///{tmp_path}/answers.db") if " ".join(one.split()) not in words]
    assert missing == [], "run: python -m tests.recorded_answers"
