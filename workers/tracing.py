"""What a worker logs: our own format, and the ids of the task in every line."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging, task_postrun, task_prerun
from structlog.contextvars import bind_contextvars, clear_contextvars

from monitor import logs


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure()


@task_prerun.connect
def _began(task_id: str, task: Any, **_: Any) -> None:
    # What a poll or a sweep finds is traced to its task, until a hint names the request that it came with.
    bind_contextvars(task=task.name, task_id=task_id, trace=task_id)


@task_postrun.connect
def _ended(**_: Any) -> None:
    clear_contextvars()
