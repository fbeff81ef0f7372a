"""A test process that is killed leaves no server and no folder behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fakes.hub import until
from tests.servers import free_port

pytestmark = pytest.mark.slow

BOTH = """
import sys, time
from pathlib import Path
from tests.left_behind import LEFT_BEHIND
from tests.servers import PostgresServer, RedisServer

folder = Path(sys.argv[1])
LEFT_BEHIND.folder(folder)
redis = RedisServer(folder)
redis.start()
with PostgresServer() as postgres:
    print(redis.port, postgres.folder, flush=True)
    time.sleep(600)
"""


def test_a_killed_process_leaves_no_server_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-c", BOTH, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port, _, data = process.stdout.readline().strip().partition(" ")
    assert _listens(int(port)) and Path(data, "postmaster.pid").exists()
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not _listens(int(port)), what="Redis to end")
    until(lambda: not Path(data).exists(), what="PostgreSQL to end, and its folder to go")
    until(lambda: not folder.exists(), what="the folder of Redis to go")


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_is_given_once_and_to_nobody_who_asks_for_any() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    for port in ports:
        assert port < 32_768
        with socket.create_server(("127.0.0.1", port)):
            pass
