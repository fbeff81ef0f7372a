"""The threat model names a test for each thing that somebody cannot do; each of them exists."""

from __future__ import annotations

import ast
import re

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "explanation" / "threat-model.md"
ACTORS = (
    "Anonymous reader", "Subscriber", "Member of a Slack workspace", "Administrator of a Slack workspace",
    "Somebody who writes to the Telegram bot",
    "Operator with the admin token", "Feed or site of a lab", "Publisher on the Hub", "Mail provider",
    "Reverse proxy, and who is on the network", "Someone with access to files",
)  # fmt: skip


def test_each_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text("utf-8"))
    assert len(named) > 40
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not name or name in functions, f"{path}::{name}"


def test_each_row_names_one_and_each_actor_has_a_section() -> None:
    text = PAGE.read_text("utf-8")
    assert [actor for actor in ACTORS if f"\n## {actor}" not in text] == []
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| cannot", "| ---"))]
    assert len(rows) > 25
    assert [row for row in rows if "`tests/" not in row.rsplit("| ", 1)[-1]] == []
