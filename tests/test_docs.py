"""Every command that docs/ shows runs: here, against servers on loopback, or where NOT_HERE says."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.console import run
from tests.fakes.hub import ReplayHub, model
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import FakeTelegram
from tests.test_readme import COMMANDS, DOCS, said

pytestmark = pytest.mark.slow

PROGRAMS = (
    "hub-monitor", "celery", "python", "make", "docker", "systemctl", "pg_dump", "pg_restore", "sqlite3", "openssl",
    "pip", "uv", "curl", "pre-commit",
)  # fmt: skip
NOT_HERE = {
    "docker compose up": "needs an engine; its commands run in tests/faults, the file is checked in test_deploy.py",
    "systemctl enable": "needs systemd; units are held to compose's commands in test_deploy.py",
    "pip install": "needs an index; that there is such an extra is checked below",
    "pip download": "needs an index",
    "uv tool run": "needs an index",
    "make ": "the suite, the benchmarks and the audit themselves; that they are targets is checked below",
    "python -m tests.benchmarks": "minutes each; that they are there is checked in test_readme.py",
    "python -m tests.checks": "run over small wheels in tests/checks/test_checks.py",
    "python -m tests.pictures": "a browser takes pictures of pages for a minute; tests/web opens the same pages in it",
    "python -m tests.mcp_session": "what it writes is compared in tests/web/test_mcp_session.py",
    "python -m tests.brief_pictures": "likewise, of the brief",
    "python -m tests.audit.example": "what it writes is compared in tests/audit/test_example.py",
    "python -m tests.recorded_launches": "its table is what tests/releases/test_recorded_launches.py compares",
    "python -m tests.recorded_notable": "its table is what tests/releases/test_recorded_notable.py compares",
    "python -m tests.tracked_notable": "its section is what tests/releases/test_tracked_notable.py compares",
    "python -m tests.recorded_formats": "its table is what tests/releases/test_recorded_formats.py compares",
    "python -m tests.notebook": "the outputs that it writes are what tests/test_notebook.py compares",
    "python -m tests.recorded_answers": "its answers are what tests/releases/test_recorded_answers.py compares",
    "pg_dump": "run in test_deploy.py, on a PostgreSQL of its own",
    "pg_restore": "the same",
    "sqlite3": "the same, through Python's sqlite3",
    "curl": "a mail server's pipe; the same POST is made in tests/channels/email/test_bounces.py",
    "hub-monitor subscribe journal": "the guide's own channel, which runs in tests/channels/test_guide.py",
    "hub-monitor verify https": "needs a citation of that site; run in tests/cli/test_verify.py",
    "hub-monitor publish /srv/dataset --push": "needs a Hub that takes uploads; run in tests/cli/test_publish.py",
    "hub-monitor demo": "run in test_readme.py",
    "hub-monitor mcp --http": "run in tests/web/test_model_context.py",
    "hub-monitor up ": "run in test_readme.py",
    "python -m pytest": "the suite itself",
    "pre-commit install": "writes into .git; its hooks call what `make lint types imports` calls",
}
"""What is not run in this file, by how it begins, and why."""
LINES = list(dict.fromkeys(line for page in DOCS for program in PROGRAMS for line in said(page, program)))
RUN = [line for line in LINES if line not in COMMANDS and not f"{line} ".startswith(tuple(NOT_HERE))]
"""What this file runs: all that the README has not and that is not excused."""


@dataclass(frozen=True)
class OperatorSettings:
    """An operator's settings, and what stands for the words that a reader puts in."""

    settings: dict[str, str]
    words: dict[str, str]

    def filled(self, line: str) -> list[str]:
        for shown, real in self.words.items():
            line = line.replace(shown, real)
        return shlex.split(line)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorSettings]:
    """A database that learnt two releases, with a subscription of a channel in Slack."""
    folder = tmp_path_factory.mktemp("operator")
    with (
        ReplayHub(quota=1_000_000, tokens={"hf_right": "me"}) as hub,
        FakeSlack() as slack,
        FakeTelegram() as telegram,
    ):
        hub.add(model("Qwen/Qwen3-8B"))
        hub.add(model("deepseek-ai/DeepSeek-V3"))
        workspace = slack.workspace()
        channel = slack.channel(workspace).id
        settings = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": "hf_right",
            "HF_HOME": str(folder / "hf"),
            "MONITOR_DATABASE_URL": f"sqlite:///{folder}/hub-monitor.db",
            "MONITOR_FEEDS": "",
            # Of the namespaces of the registry, a pass sweeps as many; for each release here two would do.
            "MONITOR_HUB_REQUESTS_PER_WINDOW": "100",
            "MONITOR_HUB_WEBHOOK_SECRET": "secret",
            "MONITOR_PUBLIC_URL": "https://monitor.example",
            "MONITOR_SECRET_KEY": "new,old",
            "MONITOR_SLACK_API_URL": slack.api_url,
            "MONITOR_SLACK_BOT_TOKEN": workspace.token,
            "MONITOR_TELEGRAM_API_URL": telegram.url,
            "MONITOR_TELEGRAM_BOT_TOKEN": telegram.token,
        }
        learnt = run("backfill", "--namespace", "Qwen", "--namespace", "deepseek-ai", **settings)
        assert learnt.returncode == 0, learnt.stderr
        stack = run("watch", "Qwen/Qwen3-8B", "--name", "prod", "--offline", **settings)
        assert stack.returncode == 0, stack.stderr
        made = run("subscribe", "slack", channel, "--filter", "origin:KR", **settings)
        assert made.returncode == 0, made.stderr
        (folder / "models.jsonl").write_text(json.dumps(hub.facts("Qwen/Qwen3-8B")) + "\n")
        (folder / "compose.yaml").write_text("services: {llm: {command: vllm serve Qwen/Qwen3-8B}}\n")
        (folder / "policy.toml").write_text("[[rule]]\nid = 'a'\nrequire = 'license:permissive'\n")
        words = {
            "models.jsonl": str(folder / "models.jsonl"),
            "tests/compare/samples": str(ROOT / "tests" / "compare" / "samples"),
            "compose.yaml": str(folder / "compose.yaml"),
            "policy.toml": str(folder / "policy.toml"),
            "REPO_ID": "Qwen/Qwen3-8B",
            "monitor/labs/labs.toml": str(ROOT / "monitor" / "labs" / "labs.toml"),
            "monitor/releases/lenses": str(ROOT / "monitor" / "releases" / "lenses"),
            " ID": f" {made.stdout.strip()}",
            "C0123ABC": channel,
            "C0123 ": f"{channel} ",
            "services/…": "services/T0ACME001/B00000001/secret",
            "webhooks/…": f"webhooks/123456789012345678/{'x' * 68}",
            "….environment.api.powerplatform.com/…": "prod-1.northeurope.logic.azure.com/workflows/0123456789abcdef/"
            "triggers/manual/paths/invoke?api-version=1&sig=x",
            "/etc/hub-monitor": str(folder),
        }
        yield OperatorSettings(settings, words)


def test_what_is_not_run_is_still_written_somewhere() -> None:
    for begin in NOT_HERE:
        assert any(f"{line} ".startswith(begin) for line in LINES), begin


def test_every_line_of_a_shell_block_is_a_command_that_is_looked_at() -> None:
    for text in DOCS.values():
        for block in text.split("```sh\n")[1:]:
            for line in block.partition("```")[0].splitlines():
                assert line.strip().removeprefix(".venv/bin/").startswith((*PROGRAMS, "python3 ", "export ", "#")), line


def test_every_target_and_extra_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text().splitlines()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in LINES:
        if line.startswith("make "):
            assert any(rule.startswith(f"{line.split()[1]}:") for rule in makefile), line
        if line.startswith("pip install 'hub-release-monitor["):
            assert line.partition("[")[2].partition("]")[0] in extras, line


@pytest.mark.parametrize("line", [line for line in RUN if line.startswith("hub-monitor ")])
def test_a_command_of_ours_runs(line: str, operator: OperatorSettings) -> None:
    done = run(*operator.filled(line)[1:], **operator.settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", [line for line in RUN if not line.startswith("hub-monitor ")])
def test_a_command_of_another_program_runs(line: str, operator: OperatorSettings, redis_url: str) -> None:
    program, *words = operator.filled(line)
    found = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{program} is not installed")
    environment = {**os.environ, **operator.settings, "PYTHONPATH": str(ROOT), "MONITOR_BROKER_URL": redis_url}
    subprocess.run([found, *words], check=True, env=environment)
