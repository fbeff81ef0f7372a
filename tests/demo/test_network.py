"""The demo needs no network: nothing that it does leads off this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fakes.hub import until

pytestmark = pytest.mark.slow

RECORDED = """
import os, sys
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
HERE = {"127.0.0.1", "::1", "localhost", "0.0.0.0", None, ""}
def note(event, args):
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in {"socket.gethostbyname", "socket.gethostbyaddr"}:
        host = args[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in HERE:
        os.write(log, f"{event} {host}\\n".encode())
        raise OSError(101, "Network is unreachable")
sys.addaudithook(note)
from workers.main import main
main()
"""
"""Runs the console script where every look-up and connection that leads elsewhere is written down, and fails."""


def test_the_demo_asks_nobody_but_this_machine(tmp_path: Path) -> None:
    asked, output = tmp_path / "asked", tmp_path / "output"
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "hf"), "AI_AGENT": "some"}
    command = [sys.executable, "-c", RECORDED, str(asked), "demo", "--port", "0", "--speed", "20"]
    with output.open("wb") as alerts:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=alerts, stderr=subprocess.STDOUT)
    try:
        until(
            lambda: process.poll() is not None or output.read_bytes().count(b"\n") > 8, what="some releases to be sent"
        )
        assert process.poll() is None, output.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(300)
    assert asked.read_text() == ""
