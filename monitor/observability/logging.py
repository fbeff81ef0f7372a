"""Logging with structlog, for this package and for libraries, to standard error."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars

from monitor.masking import masked
from monitor.text import without_control

LIBRARIES_THAT_LOG_URLS = ("apprise", "httpcore", "httpx", "requests", "slack_sdk", "urllib3")
"""Below warnings they log the whole URL of each request: that of a chat service has a token in its path."""


def trace() -> str | None:
    """The id that joins the log lines of one observation, from the poll to its deliveries, or None."""
    found = get_contextvars().get("trace")
    return None if found is None else str(found)


@contextmanager
def traced(ident: str | None) -> Iterator[None]:
    """Sets the trace id of log lines and rows written inside; None changes nothing."""
    if ident is None:
        yield
        return
    with bound_contextvars(trace=ident):
        yield


def _without_secrets(_logger: Any, _method: str, event: Any) -> Any:
    """Masks secrets in log lines: libraries name the server that failed, and the access log the path of a link."""
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return without_control(masked(value))
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    return {key: _masked(one) for key, one in value.items()} if isinstance(value, dict) else value


def _print_uncaught(error: BaseException | None) -> None:
    """Prints an error that nothing caught as Python does, with the secrets in it masked."""
    if error is not None:
        sys.stderr.write(masked("".join(traceback.format_exception(error))))


def configure(*, verbose: bool = False, json: bool | None = None) -> None:
    """Log to standard error: readable on a terminal, JSON lines elsewhere (or as ``json`` says)."""
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _without_secrets,
                render,
            ],
        )
    )
    sys.excepthook = lambda _kind, error, _traceback: _print_uncaught(error)
    threading.excepthook = lambda about: _print_uncaught(about.exc_value)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        # uvicorn takes the handlers away for --no-access-log: what has none is to stay silent.
        logger.propagate = logger.propagate or bool(logger.handlers)
        logger.handlers = []
    for name in ("monitor", "workers"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in LIBRARIES_THAT_LOG_URLS:
        logging.getLogger(name).setLevel(logging.WARNING)
