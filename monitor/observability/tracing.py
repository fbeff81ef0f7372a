"""OpenTelemetry, where the extra ``otel`` is installed and ``OTEL_*`` asks for it; otherwise nothing is imported.

The id by which the logs follow a look at the Hub (``trace``) is the trace: the task that looked, or the request that
brought the Hub's webhook, is its root; what was recorded is inside; and each message that tells of it hangs below the
root, however much later it goes and in whichever process. So nothing has to be kept for it in the tables.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

import structlog

from monitor import __version__

log = structlog.get_logger(__name__)

ENABLING_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
"""Any of these switches it on, but for ``OTEL_SDK_DISABLED=true`` and ``OTEL_TRACES_EXPORTER=none``."""
NO_SPAN: AbstractContextManager[None] = nullcontext()
_P = ParamSpec("_P")
_R = TypeVar("_R")
_root: ContextVar[str | None] = ContextVar("root", default=None)
"""The id of the root that is just being begun."""


def root(name: str, ident: str, **attributes: Any) -> AbstractContextManager[Any]:
    """A span that begins the trace ``ident``."""
    provider = _provider(os.getpid())
    return NO_SPAN if provider is None else _begun(provider, name, ident, attributes)


def http_request(method: str, ident: str, **attributes: Any) -> AbstractContextManager[Any]:
    """A span of kind SERVER for a request that was received; it begins the trace ``ident``. See :func:`routed`."""
    provider = _provider(os.getpid())
    if provider is None:
        return NO_SPAN
    name, about = _method(method)
    return _begun(provider, name, ident, about | attributes, kind="SERVER")


def routed(span: Any, route: str | None, path: str, status: int) -> None:
    """Notes of a request which route it took, and how it was answered. ``span``: None without traces.

    The path is noted where no secret can be in it: not that of a link with a token, and not one that has no route.
    """
    if span is None or not span.is_recording():
        return
    secret = route is None or "{token}" in route
    span.set_attributes({"url.path": (route or _HIDDEN) if secret else path, "http.response.status_code": status})
    if route is not None:
        span.set_attribute("http.route", route)
        span.update_name(f"{span.name} {route}")
    if status >= 500:
        _failed(span, str(status))


def http_call(
    method: str, scheme: str, host: str, port: int | None, path: str | None = None
) -> AbstractContextManager[Any]:
    """A span of kind CLIENT for an HTTP request that is sent. ``path``: None where a secret may be in it."""
    provider = _provider(os.getpid())
    if provider is None:
        return NO_SPAN
    name, about = _method(method)
    default = _PORTS.get(scheme)
    authority = f"[{host}]" if ":" in host else host
    place = authority if port in {None, default} else f"{authority}:{port}"
    full = f"{scheme}://{place}{_HIDDEN if path is None else path}"
    where = {"server.address": host, "server.port": port or default or 0, "url.full": full}
    return _inside(provider, name, (), about | where, kind="CLIENT")


def call(name: str, protocol: str, host: str | None, port: int | None) -> AbstractContextManager[Any]:
    """A span of kind CLIENT for an exchange in another protocol (``smtp``) with a server."""
    provider = _provider(os.getpid())
    if provider is None:
        return NO_SPAN
    about = {"network.protocol.name": protocol, "server.address": host, "server.port": port}
    return _inside(provider, name, (), {key: value for key, value in about.items() if value is not None}, kind="CLIENT")


def answered(span: Any, status: int) -> None:
    """Notes the status of the answer to a request that was sent. ``span``: None without traces."""
    if span is None:
        return
    span.set_attribute("http.response.status_code", status)
    if status >= 400:
        _failed(span, str(status))


_PORTS = {"http": 80, "https": 443}
_HIDDEN = "/REDACTED"
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})


def _method(method: str) -> tuple[str, dict[str, Any]]:
    """The name of a span, and the attributes, of a method: one that nobody knows is no name."""
    if method in _METHODS:
        return method, {"http.request.method": method}
    return "HTTP", {"http.request.method": "_OTHER", "http.request.method_original": method[:40]}


def _failed(span: Any, kind: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def span(name: str, of: Sequence[str] = (), **attributes: Any) -> AbstractContextManager[Any]:
    """A span inside the one under way; or below the root of the first trace of ``of``, linked to the others."""
    provider = _provider(os.getpid())
    return NO_SPAN if provider is None else _inside(provider, name, of, attributes)


def spanned(name: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Makes each call of a function a span."""

    def around(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def called(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with span(name):
                return function(*args, **kwargs)

        return called

    return around


def flush(seconds: float = 2.0) -> None:
    """Hands over what this process has not handed over yet; called before it ends without ceremony."""
    provider = _provider(os.getpid())
    if provider is not None:
        provider.force_flush(int(seconds * 1_000))


@lru_cache(maxsize=1)
def _provider(_process: int) -> Any:
    """The SDK's provider for this process (threads do not survive a fork), or None."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    off = exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or not any(os.environ.get(name) for name in ENABLING_VARIABLES):
        return None
    try:
        return _made()
    except ImportError:
        log.warning("OTEL_* asks for traces, which need the extra: pip install 'hub-release-monitor[otel]'")
        return None


def _made() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Roots have the ids that follow from what the logs call the trace; all else is drawn."""

        def generate_trace_id(self) -> int:
            ident = _root.get()
            return super().generate_trace_id() if ident is None else _trace_id(ident)

        def generate_span_id(self) -> int:
            ident = _root.get()
            return super().generate_span_id() if ident is None else _root_id(ident)

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    who = {"service.version": __version__} if named else {"service.name": "hub-monitor", "service.version": __version__}
    provider = TracerProvider(id_generator=Ids(), resource=Resource.create(who))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@contextmanager
def _begun(
    provider: Any, name: str, ident: str, attributes: dict[str, Any], *, kind: str = "INTERNAL"
) -> Iterator[Any]:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind

    token = _root.set(ident)
    try:
        started = _tracer(provider).start_span(name, Context(), SpanKind[kind], attributes)
    finally:
        _root.reset(token)
    with _current(started):
        yield started


@contextmanager
def _inside(
    provider: Any, name: str, of: Sequence[str], attributes: dict[str, Any], *, kind: str = "INTERNAL"
) -> Iterator[Any]:
    from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, get_current_span, set_span_in_context

    parent, links = None, []
    if of:
        first, *others = (_root_of(provider, ident) for ident in of)
        parent = set_span_in_context(NonRecordingSpan(first))
        here = get_current_span().get_span_context()
        links = [Link(context) for context in (*others, *([here] if here.is_valid else []))]
    with _current(_tracer(provider).start_span(name, parent, SpanKind[kind], attributes, links)) as started:
        yield started


@contextmanager
def _current(started: Any) -> Iterator[Any]:
    """The span while the block runs. Of an error only the type is recorded: its message may contain an address."""
    from opentelemetry.trace import Status, StatusCode, use_span

    with use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield started
        except BaseException as error:
            if "error.type" not in (getattr(started, "attributes", None) or {}):  # an answer says more
                started.set_attribute("error.type", type(error).__qualname__)
                started.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _root_of(provider: Any, ident: str) -> Any:
    """Where the root of a trace is, begun by whichever process; sampled as that process decided."""
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, TraceFlags

    sampled = provider.sampler.should_sample(Context(), _trace_id(ident), "root").decision.is_sampled()
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(_trace_id(ident), _root_id(ident), is_remote=True, trace_flags=flags)


def _tracer(provider: Any) -> Any:
    return provider.get_tracer("hub-monitor", __version__)


def _trace_id(ident: str) -> int:
    """The id of a task or a request itself where it is a UUID, so that it can be searched for; else drawn from it."""
    digits = ident.replace("-", "").lower()
    if re.fullmatch(r"[0-9a-f]{32}", digits) and int(digits, 16):
        return int(digits, 16)
    return int(hashlib.sha256(f"trace {ident}".encode()).hexdigest()[:32], 16)


def _root_id(ident: str) -> int:
    return int(hashlib.sha256(f"root {ident}".encode()).hexdigest()[:16], 16)
