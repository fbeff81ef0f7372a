"""Wake-up signals of the web process: a worker of another process looks for what a request has written at once."""

from __future__ import annotations

from threading import Condition, Thread

import redis
import structlog
from kombu.exceptions import OperationalError

from monitor.settings import Settings
from workers.app import QUEUES, make_app

log = structlog.get_logger(__name__)

EXPIRES_SECONDS = 10.0
"""After which a worker drops a signal: the beat has sent its own several times by then."""
REDIS_TIMEOUT_SECONDS = 5.0


class WakeUps:
    """Sends tasks to workers through Redis ahead of the beat, from a thread of its own.

    Of one task, one message at the most waits in the queue: the worker that takes it finds everything that was
    written before. If Redis does not answer, the signal is dropped and the beat sends the task later.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = make_app(settings)
        seconds = REDIS_TIMEOUT_SECONDS
        self._redis = redis.Redis.from_url(settings.broker_url, socket_connect_timeout=seconds, socket_timeout=seconds)
        self._wanted: list[str] = []
        self._changed = Condition()
        self._thread: Thread | None = None

    def request(self, task: str) -> None:
        """Has ``task`` sent soon, and returns at once."""
        with self._changed:
            if task not in self._wanted:
                self._wanted.append(task)
                self._changed.notify()
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="wake-ups", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted)
                # Taken before it is sent, so that what is written meanwhile asks for another.
                task = self._wanted.pop(0)
            self._send(task)

    def _send(self, task: str) -> None:
        try:
            if self._redis.llen(QUEUES[task]) == 0:
                self._app.send_task(f"hub.{task}", expires=EXPIRES_SECONDS)
        except (redis.RedisError, OperationalError) as error:
            log.info("broker unavailable", task=task, error=str(error))
