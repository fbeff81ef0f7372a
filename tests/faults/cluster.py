"""The parts that docker-compose.yml names, started as processes with its very commands, to be killed at will."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

import yaml

from tests.conftest import ROOT
from tests.fakes.hub import ReplayHub, until
from tests.left_behind import LEFT_BEHIND
from tests.servers import free_port

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BIN = Path(sys.executable).parent
SHORT_LEASES = (
    "import sys; from monitor.schedule import LEASE_SECONDS; LEASE_SECONDS |= dict.fromkeys(LEASE_SECONDS, 4); "
    "from celery.__main__ import main; sys.exit(main())"
)
"""What a killed worker held is taken over after 4 s, so that a test need not wait for minutes."""


class Cluster:
    """Beat, workers and web on PostgreSQL and Redis; as a context, migrated first and ended whatever happens.

    What ends of itself is started again, as docker-compose.yml has it (``restart: unless-stopped``): a Celery worker
    may end when it loses Redis in the middle of a task. ``short``: with leases of seconds, for tests that kill.
    ``processes``: of each worker. ``migrate``: False where the database is migrated already.
    """

    def __init__(
        self,
        folder: Path,
        hub: ReplayHub,
        database_url: str,
        redis_url: str,
        *,
        short: bool = True,
        processes: int = 2,
        migrate: bool = True,
        **more: str,
    ) -> None:
        self.folder, self.port = folder, free_port()
        self._short, self._processes, self._migrate = short, processes, migrate
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.endpoint,
            "MONITOR_DATABASE_URL": database_url,
            "MONITOR_BROKER_URL": redis_url,
            "MONITOR_SECRET_KEY": "a key of the cluster",
            "MONITOR_HUB_INTERVAL": "1",
            "MONITOR_HUB_REQUESTS_PER_WINDOW": "100000",
            "MONITOR_FEEDS": "",
            "MONITOR_ALLOW_PRIVATE_TARGETS": "true",
            **more,
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._changing, self._over = Lock(), Event()
        self._keeping = Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Cluster:
        if self._migrate:
            subprocess.run(self.command("migrate"), env=self.environment, check=True)
        self._keeping.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeping.join(10)
        for name in list(self.running):
            self.kill(name)

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            with self._changing:
                ended = [name for name, process in self.running.items() if process.poll() is not None]
                for name in ended:
                    LEFT_BEHIND.ended(self.running[name].pid)
                    self._begin(*name.rsplit("-", 1))

    def start(self, service: str, number: int = 1) -> None:
        """Starts one more of a service of docker-compose.yml."""
        with self._changing:
            self._begin(service, str(number))

    def _begin(self, service: str, number: str) -> None:
        name = f"{service}-{number}"
        command = self.command(service)
        if service == "worker":
            command += ["--hostname", f"{name}-{uuid.uuid4().hex}@test"]
        with (self.folder / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        LEFT_BEHIND.started(started.pid)
        self.running[name] = started

    def command(self, service: str) -> list[str]:
        """The command of a service, with a free port for the web and few processes for a worker."""
        words = [str(word) for word in COMPOSE["services"][service]["command"]]
        words = [str(self.port) if word == "8000" else "127.0.0.1" if word == "0.0.0.0" else word for word in words]
        if words[0] == "celery" and self._short:
            words = [sys.executable, "-c", SHORT_LEASES, *words[1:]]
        if service == "worker":
            words[words.index("--concurrency") + 1] = str(self._processes)
        return words

    def kill(self, name: str) -> None:
        """SIGKILL to a service and all its processes, as when a machine goes."""
        process = self._taken(name)
        with suppress(ProcessLookupError):  # it had ended of itself
            os.killpg(process.pid, signal.SIGKILL)
        _ended(process)

    def stop(self, name: str) -> int:
        """Asks a service to stop; its exit code."""
        process = self._taken(name)
        process.send_signal(signal.SIGTERM)
        return _ended(process)

    def stop_group(self, name: str, then: Callable[[], object]) -> int:
        """Asks a worker and all its children to stop, as systemd does by default; ``then``: once it has heard.

        Returns its exit code.
        """
        process = self._taken(name)
        os.killpg(process.pid, signal.SIGTERM)
        until(lambda: "Warm shutdown" in self.log(name), what="the worker's word that it stops")
        then()
        return _ended(process)

    def _taken(self, name: str) -> subprocess.Popen[bytes]:
        with self._changing:
            return self.running.pop(name)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _ended(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process, once it has ended."""
    code = process.wait()
    LEFT_BEHIND.ended(process.pid)
    return code
