"""Logging and tracing of workers: our format, the task's ids in every line, one line where the database fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import structlog
from celery.signals import setup_logging, task_postrun, task_prerun, worker_process_init, worker_process_shutdown
from sqlalchemy.exc import OperationalError
from structlog.contextvars import bind_contextvars, clear_contextvars

from monitor import stopping
from monitor.db.engine import failure
from monitor.observability import logging as logs
from monitor.observability import tracing as telemetry

log = structlog.get_logger(__name__)

_P = ParamSpec("_P")
REPEAT_SECONDS = 60.0
"""How long a process does not log the same failure of the database again."""


_logged_at: dict[str, float] = {}
"""When this process last logged a failure of the database, by its text."""


def traced_task(function: Callable[_P, None]) -> Callable[_P, None]:
    """Runs a task as a trace; logs one line, without a traceback, where the database fails.

    The transaction was rolled back, so the next run of the task does the work.
    """
    name = f"hub.{function.__name__}"

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            with telemetry.root(name, logs.trace() or name):
                function(*args, **kwargs)
        except OperationalError as error:
            text, at = failure(error), time.monotonic()
            if at >= _logged_at.get(text, -REPEAT_SECONDS) + REPEAT_SECONDS:
                _logged_at.clear()
                _logged_at[text] = at
                log.error(text)  # noqa: TRY400  (a traceback adds nothing)

    return run


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure()


_child = {"new": False}
"""Whether this is a child of a pool before its first task: only then are its signal handlers final."""


@worker_process_init.connect
def _forked(**_: Any) -> None:
    _child["new"] = True


@task_prerun.connect
def _began(task_id: str, task: Any, **_: Any) -> None:
    if _child["new"]:
        # SIGTERM to the whole process group reaches the children as well, one of them perhaps while it sends a message.
        _child["new"] = False
        stopping.postpone_sigterm()
    # What a poll or sweep finds is traced to its task; a webhook event brings the trace of its own request.
    bind_contextvars(task=task.name, task_id=task_id, trace=task_id)


@task_postrun.connect
def _ended(**_: Any) -> None:
    clear_contextvars()


@worker_process_shutdown.connect
def _ends(**_: Any) -> None:
    # A child of the pool ends without Python's exit handlers.
    telemetry.flush()
