"""Everything in one process: Celery's worker (threads) on the memory broker, its own beat, and the web server."""

from __future__ import annotations

import fcntl
import heapq
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import structlog
import uvicorn
from celery.worker import state as worker_state

from monitor import stopping
from monitor.masking import masked
from monitor.observability import tracing as telemetry
from monitor.settings import Settings, SettingsError
from monitor.web.connections import listen, server_config

log = structlog.get_logger(__name__)

WORKER_THREADS = 6
TASK_GRACE_SECONDS = 3.0
"""How long a stop waits for running tasks. What it interrupts is found again in the tables."""
STOP_LIMIT_SECONDS = 4.5
"""When a stop ends the process, whatever still hangs."""


class Beat:
    """A thread that sends each task of a beat schedule at its interval, the first round at once.

    Celery's own beat computes with time zones for every entry at each wake-up, which costs five times as much CPU.
    """

    def __init__(self, send: Callable[..., object], schedule: Mapping[str, Mapping[str, Any]]) -> None:
        self._send = send
        self._schedule = schedule
        self._changed = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def reschedule(self, schedule: Mapping[str, Mapping[str, Any]]) -> None:
        """Continues with other intervals, counted from now."""
        self._schedule = schedule
        self._changed.set()

    def stop(self) -> None:
        self._stopping = True
        self._changed.set()

    def _run(self) -> None:
        first = True
        while not self._stopping:
            self._changed.clear()
            began = time.monotonic()
            entries = list(self._schedule.values())
            due = [(began + (0.0 if first else entry["schedule"]), number) for number, entry in enumerate(entries)]
            heapq.heapify(due)
            first = False
            while not self._changed.wait(max(0.0, due[0][0] - time.monotonic())):
                due_at, number = due[0]
                entry = entries[number]
                self._send(entry["task"], args=entry["args"], **entry["options"])
                # Runs missed while the machine was suspended are not made up for.
                last = max(due_at, time.monotonic() - entry["schedule"])
                heapq.heapreplace(due, (last + entry["schedule"], number))


class Embedded:
    """Worker and beat as threads of this process."""

    def __init__(self) -> None:
        from workers import tasks

        self.app = tasks.app
        self._worker = self.app.WorkController(
            pool="threads",
            concurrency=WORKER_THREADS,
            loglevel="WARNING",
            hostname=f"embedded@{socket.gethostname()}",
            queues=["celery", *set(_queues())],
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        self._worker_thread = threading.Thread(target=self._worker.start, name="worker", daemon=True)
        self.beat = Beat(self.app.send_task, self.app.conf.beat_schedule)

    def start(self) -> None:
        """Starts both."""
        worker_state.should_stop = None
        stopping.reset()
        self._worker_thread.start()
        self.beat.start()

    def stop(self) -> None:
        """Stops both: no further task starts, and running ones have ``TASK_GRACE_SECONDS`` to end."""
        stopping.request()
        self.beat.stop()
        worker_state.should_stop = 0
        self._worker_thread.join(TASK_GRACE_SECONDS)
        worker_state.should_stop = None


def _queues() -> list[str]:
    from workers.app import QUEUES

    return list(QUEUES.values())


class WebThread:
    """uvicorn in a thread of this process."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        self._socket = listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(server_config(app))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self) -> None:
        self._server.should_exit = True

    def stop(self) -> None:
        self.request_stop()
        self._thread.join(1.0)


@contextmanager
def single_instance_lock(database: Path | None) -> Iterator[None]:
    """Holds the lock of an SQLite file while everything runs; raises SettingsError where another holds it."""
    if database is None:
        yield
        return
    path = database.with_name(database.name + ".lock")
    try:
        lock: IO[str] = path.open("w")
    except OSError as error:
        raise SettingsError(f"MONITOR_DATABASE_URL: cannot write {path}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(
                f"another hub-monitor already runs on {database}; stop it, or use another file"
            ) from None
        yield


def run(settings: Settings, web: WebThread | None, started: Callable[[Embedded], None]) -> None:
    """Runs until SIGINT or SIGTERM; then stops in under 5 s."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    embedded = Embedded()
    if web is not None:
        web.start()
    embedded.start()
    started(embedded)
    # Python handles a signal that another thread received in this thread, and only when it wakes.
    while not stop.wait(0.5):
        pass
    log.info("stopping", database=masked(settings.database_url))
    limit = threading.Timer(STOP_LIMIT_SECONDS, exit_immediately)
    limit.daemon = True
    limit.start()
    if web is not None:
        web.request_stop()
    embedded.stop()
    if web is not None:
        web.stop()


def exit_immediately() -> None:
    """Exports the last traces and ends the process without waiting for threads: the database has all that matters."""
    telemetry.flush(1.0)
    os._exit(0)
