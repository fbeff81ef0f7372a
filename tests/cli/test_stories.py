"""What belongs together and what is unsure, from the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from monitor import db
from monitor.cli import app
from monitor.releases.corrections import CorrectionError
from monitor.releases.search import find
from tests.fakes.hub import model
from tests.web.test_stories import seen


@pytest.fixture
def history(sqlite_engine: Engine) -> Engine:
    """Two repositories of one launch, and one of whom nothing is known."""
    seen(sqlite_engine, model("Qwen/Qwen9-4B"), model("Qwen/Qwen9-8B"), model("x/Wonder-8B", likes=50))
    return sqlite_engine


def called(engine: Engine, *args: str) -> Result:
    """What a command answers over this history."""
    return CliRunner().invoke(app, args, env={"MONITOR_DATABASE_URL": str(engine.url)})


def rows(engine: Engine, *args: str) -> list[dict[str, Any]]:
    """The rows of a command."""
    done = called(engine, *args, "--format", "jsonl")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_launches_and_their_members_are_listed_and_counted_apart(history: Engine) -> None:
    launched = {row["name"]: row for row in rows(history, "launches")}
    assert (launched["Qwen9"]["repositories"], len(launched["Qwen9"]["members"])) == (2, 2)
    members = rows(history, "releases", launched["Qwen9"]["query"])
    assert {row["repo_id"] for row in members} == {"Qwen/Qwen9-4B", "Qwen/Qwen9-8B"}
    (counted,) = rows(history, "stats", "lab:qwen", "--by", "lab")
    assert (counted["count"], counted["launches"]) == (2, 1)


def test_what_is_unsure_is_listed_corrected_by_hand_and_taken_back(history: Engine) -> None:
    doubted = {row["repo_id"]: row["doubts"] for row in rows(history, "review")}
    assert "origin unknown" in doubted["x/Wonder-8B"]
    changed = rows(history, "correct", "x/Wonder-8B", "origin=KR", "params_total=9B", "--because", "its paper says so")
    assert {(row["field"], row["after"]) for row in changed} >= {("origin", "KR"), ("params_total", 9_000_000_000)}
    with db.reading(history) as session:
        row = find(session, "x/Wonder-8B")
        assert row is not None
        assert any("its paper says so" in str(item) for item in row.evidence["origin"])
    assert "origin unknown" not in str({row["repo_id"]: row["doubts"] for row in rows(history, "review")})
    undone = rows(history, "correct", "x/Wonder-8B", "origin=x", "--undo", "--because", "it was a mistake")
    assert {(row["field"], row["after"]) for row in undone} == {("origin", None)}


@pytest.mark.parametrize(
    ("wrong", "because", "field"),
    [
        ("origin=Mars", "why not", "origin"),
        ("params_total=many", "why not", "params_total"),
        ("likes=7", "why not", "field"),
        ("origin", "why not", "field"),
        ("origin=KR", " ", "because"),
    ],
)
def test_a_correction_that_cannot_be_names_what_is_wrong(history: Engine, wrong: str, because: str, field: str) -> None:
    done = called(history, "correct", "x/Wonder-8B", wrong, "--because", because)
    assert isinstance(done.exception, CorrectionError)
    assert done.exception.field == field
    assert called(history, "correct", "x/Nobody", "origin=KR", "--because", "why not").exit_code == 2
