"""The files for others: the example in the guide, the action and the hook."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.audit.example import PAGE, written
from tests.conftest import ROOT
from tests.console import run

pytestmark = pytest.mark.slow


def test_the_guide_shows_what_the_audit_of_the_samples_says() -> None:
    assert PAGE.read_text() == written(PAGE.read_text())


def test_the_action_and_the_hook_call_the_command_with_options_that_it_has(sqlite_url: str, tmp_path: Path) -> None:
    action: dict[str, Any] = yaml.safe_load((ROOT / ".github/actions/audit/action.yml").read_text())
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "hub-monitor audit"
    script = action["runs"]["steps"][-1]["run"]
    (tmp_path / "models.txt").write_text("Qwen/Qwen3-8B\nhouse-brand\n")
    (tmp_path / "policy.toml").write_text('unresolved = "error"\n')
    (tmp_path / "hub-monitor").write_text('#!/bin/sh\necho "$@" > called\n')
    (tmp_path / "hub-monitor").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin", "PATHS": "models.txt", "POLICY": "policy.toml", "DATABASE_URL": sqlite_url,
        "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output"),
    }  # fmt: skip
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=True)
    words = (tmp_path / "called").read_text().split()
    assert words[:4] == ["audit", "models.txt", "--policy", "policy.toml"]
    log = str(tmp_path / "hub-monitor.sarif")
    assert (tmp_path / "output").read_text() == f"sarif={log}\n"
    done = run(
        *[
            word if word.startswith("-") or "/" in word or word in {"audit", "sarif"} else str(tmp_path / word)
            for word in words
        ],
        "--offline",
        MONITOR_DATABASE_URL=sqlite_url,
    )
    assert done.returncode == 1, done.stderr
    assert '"ruleId": "unresolved"' in Path(log).read_text()
