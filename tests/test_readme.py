"""What the README promises: its settings are the settings, and every command in it runs."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.settings import Settings, variable
from tests.conftest import ROOT
from tests.fakes.hub import ReplayHub, model, until

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:sh)?\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.removeprefix(".venv/bin/")
    for block in BLOCKS
    for line in block.splitlines()
    if line.removeprefix(".venv/bin/").startswith("hub-monitor ")
]
ENDLESS = ("hub-monitor up", "hub-monitor demo")


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
    for command in ("python3 -m venv .venv", "pip install", "hub-monitor demo", "python -m pytest -n 2"):
        assert command in README
        assert command in makefile
    for target in re.findall(r"`make (\w+)`", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert len(links) > 3
    for link in links:
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link


@pytest.mark.timeout(320)
@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS), ids=str)
def test_every_command_runs(command: str, tmp_path: Path) -> None:
    with ReplayHub(quota=1_000_000) as hub:
        hub.add(model("Qwen/Qwen3-8B"))
        _runs(command, tmp_path, hub)


def _runs(command: str, tmp_path: Path, hub: ReplayHub) -> None:
    (tmp_path / "models.jsonl").write_text('{"id": "Qwen/Qwen3-8B", "tags": ["license:apache-2.0"]}\n')
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "MONITOR_FEEDS": "",
        "MONITOR_HUB_WEBHOOK_SECRET": "secret",
        "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
    }
    words = [str(Path(sys.executable).parent / "hub-monitor"), *shlex.split(command)[1:]]
    if command.startswith(ENDLESS):
        _starts_and_stops([*words, "--port", "0"], environment, tmp_path)
        return
    subprocess.run([words[0], "poll", "--source", "hub"], env=environment, cwd=tmp_path, check=True, timeout=150)
    done = subprocess.run(
        words, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def _starts_and_stops(words: list[str], environment: dict[str, str], folder: Path) -> None:
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(words, env=environment, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        until(lambda: "page at http://" in log.read_text(), 90, "its start")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
