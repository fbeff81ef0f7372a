"""The launches of the recorded timeline are those that the docs list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.labs import load
from tests.recorded_launches import Found, found, table

DOCS = Path(__file__).parents[2] / "docs" / "explanation" / "launches.md"


@pytest.fixture(scope="module")
def launches(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return found(f"sqlite:///{tmp_path_factory.mktemp('recorded')}/launches.db")


def test_the_docs_list_every_launch_of_several_repositories_with_its_members(launches: Found) -> None:
    assert table(launches.several) in DOCS.read_text()


def test_the_docs_count_launches_and_repositories_apart(launches: Found) -> None:
    said = re.search(r"(\d+) launches of (\d+) repositories, (\d+) of them with more than one", DOCS.read_text())
    assert said is not None
    counted = len(launches.launches), launches.repositories, len(launches.several)
    assert tuple(map(int, said.groups())) == counted


def test_no_repository_is_of_two_launches_and_no_strangers_copy_of_any(launches: Found) -> None:
    members = [row for one in launches.launches for row in one.members]
    assert len({row.repo_id for row in members}) == len(members) == launches.repositories
    repackagers = {name for lab in load().labs if lab.repackager for name in lab.namespaces}
    assert not [row.repo_id for row in members if row.namespace in repackagers and row.kind != "base"]
