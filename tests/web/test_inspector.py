"""The MCP server through the command line of the protocol's own inspector (@modelcontextprotocol/inspector)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.web.history import BASE
from tests.web.test_model_context import HUB_MONITOR, KEY, READ_TOOLS

INSPECTOR = ROOT / "build" / "linters" / "node_modules" / ".bin" / "mcp-inspector"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSPECTOR.exists(), reason="the inspector is not installed: make validators"),
]


@pytest.fixture(params=["streams", "http"])
def target(request: pytest.FixtureRequest, filled: Path) -> list[str]:
    """What the inspector connects to."""
    if request.param == "http":
        return [f"{request.getfixturevalue('address')}/mcp", "--transport", "http"]
    settings = {"MONITOR_DATABASE_URL": f"sqlite:///{filled}", "MONITOR_SECRET_KEY": KEY}
    options = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    return [HUB_MONITOR, "mcp", *options]


def inspected(target: list[str], method: str, *more: str) -> Any:
    """What the inspector prints for a request; its exit status is one of success or of a tool's error."""
    command = [str(INSPECTOR), "--cli", *target, "--connect-timeout", "100000", "--method", method, *more]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=dict(os.environ))
    assert "Warning" not in done.stderr and "problem" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def test_every_tool_is_listed_with_a_portable_schema(target: list[str]) -> None:
    tools = inspected(target, "tools/list", "--strict")["tools"]
    assert {tool["name"] for tool in tools} == READ_TOOLS
    assert all(tool["annotations"]["readOnlyHint"] for tool in tools)


def test_a_tool_is_called(target: list[str]) -> None:
    call = ("tools/call", "--tool-name", "search_releases", "--tool-arg", f"query=repo:{BASE}")
    found = inspected(target, *call)
    assert [one["repo_id"] for one in found["structuredContent"]["items"]] == [BASE]
    assert "/c/" in found["content"][0]["text"]


def test_an_error_of_a_tool_is_shown(target: list[str]) -> None:
    found = inspected(target, "tools/call", "--tool-name", "explain_query", "--tool-arg", "query=orgin:CN")
    assert found["isError"] and "did you mean origin" in found["content"][0]["text"]


def test_a_resource_is_read(target: list[str]) -> None:
    found = inspected(target, "resources/read", "--uri", f"hub-monitor://releases/{BASE}")
    assert json.loads(found["contents"][0]["text"])["release"]["repo_id"] == BASE
