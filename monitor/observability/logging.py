"""Logging with structlog, for this package and for libraries, to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars

from monitor.urls import masked_text


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


def _without_passwords(_logger: Any, _method: str, event: Any) -> Any:
    """Masks passwords of URLs in log lines: libraries name the server that failed."""
    return {key: masked_text(value) if isinstance(value, str) else value for key, value in event.items()}


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
                _without_passwords,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name in ("monitor", "workers"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
