"""What CONTRIBUTING.md and the decisions show: examples that run, paths that exist, records of one form."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from monitor.db.engine import reading
from monitor.labs import load
from monitor.models import Release
from tests.conftest import ROOT
from tests.environment import TestEnv
from tests.fakes.hub import model

GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def shown(language: str, number: int = 0) -> str:
    """A block of CONTRIBUTING.md in this language, without its indentation."""
    indent, block = re.findall(rf"^( *)```{language}\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)[number]
    return "\n".join(line.removeprefix(indent) for line in block.splitlines()) + "\n"


def test_every_path_that_it_names_is_there() -> None:
    to_be_made = {"monitor/ingest/watch_list.py"}
    paths = re.findall(r"`((?:monitor|workers|tests|alembic|docs|\.ci|\.github)/[\w/.]*)`", GUIDE)
    assert len(paths) > 30
    for path in set(paths) - to_be_made:
        assert (ROOT / path).exists(), path


def test_the_lab_that_it_adds_is_one(tmp_path: Path) -> None:
    (tmp_path / "labs.toml").write_text(shown("toml"))
    lab = load(tmp_path / "labs.toml").of("example-lab")
    assert lab is not None
    assert (lab.name, lab.origin) == ("Example Lab", "KR")


def test_the_source_of_a_lab_that_it_adds_is_one(tmp_path: Path) -> None:
    (tmp_path / "labs.toml").write_text(shown("toml") + "\n" + shown("toml", 1))
    lab = load(tmp_path / "labs.toml").of("example-lab")
    assert lab is not None
    assert [source.url for source in lab.sources] == ["https://example.com/sitemap.xml"]


def test_the_source_that_it_adds_records_what_is_public_once(tmp_path: Path, env: TestEnv) -> None:
    module: dict[str, Any] = {"__name__": "monitor.ingest.watch_list"}
    exec(compile(shown("python"), "CONTRIBUTING.md", "exec"), module)
    env.hub.add(model("Qwen/Qwen3-8B"))
    (tmp_path / "list.txt").write_text("Qwen/Qwen3-8B\nQwen/never-made\n\n")
    for _ in range(2):
        module["read_list"](env.ingest, tmp_path / "list.txt")
    with reading(env.engine) as session:
        assert session.scalars(select(col(Release.repo_id))).all() == ["Qwen/Qwen3-8B"]


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_a_decision_has_its_form(path: Path) -> None:
    text = path.read_text()
    number = int(path.stem[:4])
    assert text.startswith(f"# {number}. ")
    (day,) = re.findall(r"^Date: (.+)$", text, re.MULTILINE)
    datetime.date.fromisoformat(day)
    assert re.findall(r"^Status: (.+)$", text, re.MULTILINE) in (["accepted"], ["replaced"])
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    for name in re.findall(r"`((?:monitor|workers)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name


def test_decisions_are_numbered_and_listed() -> None:
    assert [int(path.stem[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    listed = re.findall(r"\]\((\d.*?\.md)\) \| (\S+) \|", (ROOT / "docs" / "adr" / "index.md").read_text())
    dates = [re.findall(r"^Date: (.+)$", path.read_text(), re.MULTILINE)[0] for path in ADRS]
    assert listed == [(path.name, day) for path, day in zip(ADRS, dates, strict=True)]
