"""What README and docs promise: the settings are the settings, every command of the README runs, every one is known."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from monitor.settings import Settings, variable
from tests.conftest import ROOT
from tests.console import run
from tests.fakes.hub import ReplayHub, model, until
from workers.app import QUEUES
from workers.main import app

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:sh)?\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.removeprefix(".venv/bin/")
    for block in BLOCKS
    for line in block.splitlines()
    if line.removeprefix(".venv/bin/").startswith("hub-monitor ")
]
ENDLESS = ("hub-monitor up", "hub-monitor demo")
IN_ROOT = tuple(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY"))
PAGES = (*IN_ROOT, *sorted((ROOT / "docs").rglob("*.md")))
DOCS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
"""Every page for people, by its path."""


def settings_table() -> str:
    """The table as the README must show it."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "none" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{variable(name)}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_settings_table_is_that_of_the_code() -> None:
    shown = README.partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert shown == settings_table(), f"paste this into the README:\n{settings_table()}"


def test_make_does_what_is_written_beside_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    tests = "python -m pytest -n 3 --dist worksteal"
    for command in ("python3 -m venv .venv", "pip install", "hub-monitor demo", tests):
        assert command in README
        assert command in makefile
    for target in re.findall(r"`make (\w+)`", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("page", DOCS)
def test_what_a_page_links_to_is_there(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", DOCS[page]):
        if not link.startswith("http"):
            assert ((ROOT / page).parent / link).exists(), link


@dataclass(frozen=True)
class Reader:
    """One who does what the README says: in a folder where the Hub was polled once, with this environment."""

    folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / "models.jsonl").write_text('{"id": "Qwen/Qwen3-8B", "tags": ["license:apache-2.0"]}\n')
    config = folder / "folder" / "Qwen" / "Qwen3-8B" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"model_type": "qwen3"}')
    with ReplayHub(quota=1_000_000) as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MONITOR_", "HF_"))},
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(folder / "hf"),
            "MONITOR_FEEDS": "",
            "MONITOR_HUB_WEBHOOK_SECRET": "secret",
            # Of the namespaces of the registry, a pass sweeps as many; for each release here two would do.
            "MONITOR_HUB_REQUESTS_PER_WINDOW": "100",
        }
        words = [_installed("hub-monitor"), "poll", "--source", "hub"]
        done = subprocess.run(words, check=False, env=environment, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield Reader(folder, environment)


def _installed(command: str) -> str:
    return str(Path(sys.executable).parent / command)


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS), ids=str)
def test_every_command_runs(command: str, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(reader.folder, tmp_path / "copy")
    _, *words = shlex.split(command)
    if command.startswith(ENDLESS):
        _starts_and_stops([_installed("hub-monitor"), *words, "--port", "0"], reader.environment, folder)
        return
    monkeypatch.chdir(folder)
    done = run(*words, **reader.environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def said(page: str, command: str) -> list[str]:
    """The lines of a page that are this command: in blocks (also of a list), and in the middle of a sentence."""
    spans = re.findall(rf"`(?:\.venv/bin/)?({command}\b[^`]*)`", DOCS[page])
    blocks = re.findall(r"^(?:\d+\.)? *```(\w*)\n(.*?)^ *```", DOCS[page], re.DOTALL | re.MULTILINE)
    shell = [block for language, block in blocks if language in {"", "sh", "bash"}]
    lines = [line.strip().removeprefix(".venv/bin/") for block in shell for line in block.splitlines()]
    found = [" ".join(text.split()) for text in (*spans, *lines) if text.startswith(f"{command} ")]
    return list(dict.fromkeys(text.partition(" # ")[0] for text in found))


@pytest.mark.parametrize(
    ("page", "line"), [(page, line) for page in DOCS for line in said(page, "hub-monitor")], ids=str
)
def test_every_command_that_is_written_anywhere_is_one(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "monitor").symlink_to(ROOT / "monitor")
    monkeypatch.chdir(tmp_path)  # what the lines name is there
    _, *words = shlex.split(line, comments=True)
    command: Any = typer.main.get_command(app)
    while words and words[0] != "--help" and hasattr(command, "commands"):
        assert words[0] in command.commands
        command, words = command.commands[words[0]], words[1:]
    # A command that is only named is not parsed: what it must be given is not said there.
    if words and words != ["--help"]:
        command.make_context(line, words)


def test_tasks_and_benchmarks_that_are_written_anywhere_are_there() -> None:
    tasks = [word for text in DOCS.values() for word in re.findall(r"celery -A workers\.app call hub\.(\w+)", text)]
    benchmarks = [
        word for text in DOCS.values() for word in re.findall(r"python -m tests\.benchmarks ([a-z]\w*)", text)
    ]
    assert tasks and benchmarks
    assert set(tasks) <= set(QUEUES)
    assert set(benchmarks) <= {path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py")}


def test_the_services_that_are_to_be_started_are_shipped() -> None:
    lines = [line for page in DOCS for line in said(page, "systemctl")]
    units = {name.partition("@")[0] for line in lines for name in line.split() if name.startswith("hub-monitor")}
    shipped = {path.stem.partition("@")[0] for path in (ROOT / "deploy" / "systemd").glob("*.service")}
    assert units == shipped


def _starts_and_stops(words: list[str], environment: dict[str, str], folder: Path) -> None:
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(words, env=environment, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        until(lambda: "page at http://" in log.read_text(), what="its start")
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    finally:
        process.kill()
