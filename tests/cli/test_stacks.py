"""``hub-monitor watch`` and ``stacks``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.audit.history import fill
from tests.console import run

pytestmark = pytest.mark.slow


@pytest.fixture
def url(sqlite_engine: Engine, sqlite_url: str) -> str:
    fill(sqlite_engine)
    return sqlite_url


def test_a_stack_is_saved_watched_and_updated_by_the_same_command(url: str, tmp_path: Path) -> None:
    compose = tmp_path / "compose.yaml"
    compose.write_text("services:\n  a: {command: vllm serve acme/tuned}\n  b:\n    command: vllm serve ${MODEL}\n")
    asked = ("watch", str(compose), "--name", "prod", "--offline")
    made = run(*asked, "--channel", "webhook", "--target", "https://hooks.example/x", MONITOR_DATABASE_URL=url)
    assert made.returncode == 0, made.stderr
    assert "stack prod, version 1: 1 models, 2 watched with their ancestors, 1 without a repository" in made.stderr
    shown = run("subscriptions", "show", made.stdout.strip(), "--format", "json", MONITOR_DATABASE_URL=url)
    (found,) = json.loads(shown.stdout)
    assert (found["when"], found["filter"]) == ("stack(prod)", "")
    compose.write_text("services: {a: {command: vllm serve acme/gone}}\n")
    again = run(*asked, MONITOR_DATABASE_URL=url)
    assert again.stdout == "prod\n"
    assert again.stderr.splitlines()[:3] == [
        "added: acme/gone", "removed: acme/tuned", "hub-monitor: stack prod, version 2: 1 models, 1 watched with their"
        " ancestors",
    ]  # fmt: skip
    (listed,) = json.loads(run("stacks", "list", "--format", "json", MONITOR_DATABASE_URL=url).stdout)
    assert (listed["version"], listed["models"], listed["subscriptions"]) == (2, 1, 1)
    (member,) = json.loads(run("stacks", "show", "prod", "--format", "json", MONITOR_DATABASE_URL=url).stdout)
    assert (member["model"], member["is_public"], member["entries"]) == ("acme/gone", False, ["acme/gone"])
    also = run("subscribe", "webhook", "https://hooks.example/y", "--stack", "prod", MONITOR_DATABASE_URL=url)
    assert also.returncode == 0, also.stderr
    assert "You are notified when something happens to a model of the stack prod" in also.stderr
    assert run("stacks", "remove", "prod", MONITOR_DATABASE_URL=url).stdout == "removed prod\n"
    assert json.loads(run("subscriptions", "list", "--format", "json", MONITOR_DATABASE_URL=url).stdout) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("watch", "acme/tuned", "--name", "a b", "--offline"), "a name of letters, digits"),
        (("watch", "acme/tuned", "--name", "x", "--channel", "slack"), "--channel and --target belong together"),
        (("watch", "acme/tuned", "--name", "x", "--channel", "pigeon", "--target", "y"), "'pigeon' is not available"),
        (("watch", "nothing.yaml", "--name", "x", "--offline"), "no repository was found"),
        (("stacks", "show", "x"), "no stack 'x'"),
        (("stacks", "remove", "x"), "no stack 'x'"),
        (("subscribe", "webhook", "https://hooks.example/x", "--stack", "x"), "no stack 'x'"),
        (("subscribe", "webhook", "https://hooks.example/x", "--when", "stack(x)"), "expected"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_what_is_wrong_is_named(url: str, args: tuple[str, ...], words: str) -> None:
    done = run(*args, MONITOR_DATABASE_URL=url, COLUMNS="200")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
