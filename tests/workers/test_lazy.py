"""Importing the applications reads no settings; using them with a wrong one says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

INVALID = {"MONITOR_HUB_INTERVAL": "often"}


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **INVALID}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_an_import_does_not_read_the_settings() -> None:
    done = _python("-c", "import workers.app, workers.tasks, monitor.web.app")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "use",
    [
        ("-c", "from workers.app import app; app.conf.beat_schedule"),
        ("-c", "from workers.tasks import service; service()"),
        ("-m", "celery", "-A", "workers.app", "worker"),
        ("-m", "uvicorn", "monitor.web.app:app"),
    ],
    ids=["configuration", "service", "celery", "web"],
)
def test_the_first_use_says_which_setting_is_wrong_and_a_command_without_a_traceback(use: tuple[str, ...]) -> None:
    done = _python(*use)
    assert done.returncode != 0
    assert "MONITOR_HUB_INTERVAL" in done.stderr + done.stdout
    if use[0] == "-m":
        assert "Traceback" not in done.stderr
