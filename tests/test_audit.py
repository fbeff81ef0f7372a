"""What CI says of the packages that are pinned: what is known against them, and of which nothing could be learnt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.fakes.feeds import FeedServer

pytestmark = pytest.mark.slow


@pytest.fixture
def index() -> Iterator[FeedServer]:
    """A registry that knows one package, and something against its newest version."""
    entry = {"info": {"version": "2.0"}, "vulnerabilities": [{"id": "PYSEC-1", "fixed_in": ["2.1"]}]}
    with FeedServer() as server:
        server.put("/newest/json", json.dumps(entry))
        yield server


def audited(found: str, index: FeedServer) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "audit.py")],
        input=found, env={**os.environ, "AUDIT_INDEX": index.url("")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def skipped(name: str, version: str) -> dict[str, str]:
    return {"name": name, "skip_reason": f"Dependency not found on PyPI and could not be audited: {name} ({version})"}


def test_what_is_known_fails_and_what_is_not_told_is_named(index: FeedServer) -> None:
    known = {"name": "told", "version": "1", "vulns": [{"id": "PYSEC-2", "fix_versions": ["1.1"]}]}
    rows = [known, {"name": "fine", "version": "1", "vulns": []}, skipped("newest", "2.0"), skipped("absent", "1")]
    done = audited(json.dumps({"dependencies": rows}), index)
    assert done.returncode == 1
    assert "told: PYSEC-2, fixed in ['1.1']" in done.stdout
    assert "newest: PYSEC-1, fixed in ['2.1']" in done.stdout
    assert "3 of 4 pinned packages audited, 2 findings" in done.stdout
    assert "NOT DONE for absent" in done.stdout


def test_an_older_version_than_the_newest_is_not_called_safe(index: FeedServer) -> None:
    done = audited(json.dumps({"dependencies": [skipped("newest", "1.0")]}), index)
    assert (done.returncode, "0 of 1" in done.stdout, "NOT DONE for newest" in done.stdout) == (0, True, True)


def test_a_registry_that_is_away_stops_no_build_but_is_said(index: FeedServer) -> None:
    done = audited("", index)
    assert (done.returncode, "NOT DONE" in done.stdout) == (0, True)
