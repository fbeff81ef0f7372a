"""What a worker logs: our own format, the ids of the task in every line, and one line where the database fails."""

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
QUIET = 60.0
"""Seconds for which a process does not say again why the database fails."""


_said: dict[str, float] = {}
"""When this process said last why the database fails, by the words."""


def work(function: Callable[_P, None]) -> Callable[_P, None]:
    """A task as a trace; one that the database fails ends in a line that says why.

    It was rolled back, so the task's next turn does the work.
    """
    name = f"hub.{function.__name__}"

    @wraps(function)
    def done(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            with telemetry.root(name, logs.trace() or name):
                function(*args, **kwargs)
        except OperationalError as error:
            text, moment = failure(error), time.monotonic()
            if moment >= _said.get(text, -QUIET) + QUIET:
                _said.clear()
                _said[text] = moment
                log.error(text)  # noqa: TRY400  (a traceback would say nothing more)

    return done


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure()


_child = {"new": False}
"""Whether this is a child of a pool that has had no task yet: only then does it have the handlers that it keeps."""


@worker_process_init.connect
def _forked(**_: Any) -> None:
    _child["new"] = True


@task_prerun.connect
def _began(task_id: str, task: Any, **_: Any) -> None:
    if _child["new"]:
        # SIGTERM to the whole process group reaches the children as well, one of them in the middle of a message.
        _child["new"] = False
        stopping.postpone_sigterm()
    # What a poll or a sweep finds is traced to its task, until a hint names the request that it came with.
    bind_contextvars(task=task.name, task_id=task_id, trace=task_id)


@task_postrun.connect
def _ended(**_: Any) -> None:
    clear_contextvars()


@worker_process_shutdown.connect
def _ends(**_: Any) -> None:
    # A child of the pool leaves without what Python does at exit.
    telemetry.flush()
