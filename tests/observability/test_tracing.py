"""Traces: nothing without being asked for; asked for, from the look at the Hub to the message that tells of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from monitor.observability import tracing as telemetry
from monitor.observability.logging import traced
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model
from workers.embedded import WebThread


class Collector:
    """What speaks OTLP over HTTP: keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        kept = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

                body = self.rfile.read(int(self.headers["content-length"]))
                sent = ExportTraceServiceRequest.FromString(body)
                kept.extend(span for some in sent.resource_spans for one in some.scope_spans for span in one.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{made.server.server_address[1]}")
    telemetry._provider.cache_clear()
    yield made
    telemetry._provider(os.getpid()).shutdown()
    telemetry._provider.cache_clear()
    made.server.shutdown()
    made.server.server_close()


def test_a_release_is_one_trace_from_the_look_to_the_message(
    collector: Collector, sqlite_engine: Engine, hub: ReplayHub
) -> None:
    env, task, other = TestEnv(sqlite_engine, hub), str(uuid4()), str(uuid4())
    env.subscribe()
    hub.add(model("x/before"))
    env.begin()
    hub.add(model("y/new"))
    with traced(task), telemetry.root("hub.poll", task):
        env.look()
    with telemetry.root("hub.deliver", other):
        assert env.deliver() == 1
    telemetry.flush()
    (look,), (tick,) = collector.named("hub.poll"), collector.named("hub.deliver")
    (alerts,) = collector.named("deliver kept")
    recorded = [span for span in collector.named("record") if span.trace_id == look.trace_id]
    asked = [span for span in collector.named("GET 127.0.0.1") if span.trace_id == look.trace_id]
    assert look.trace_id.hex() == task.replace("-", "")
    assert not look.parent_span_id
    assert recorded and asked and {span.parent_span_id for span in recorded + asked} == {look.span_id}
    assert (alerts.trace_id, alerts.parent_span_id) == (look.trace_id, look.span_id)
    assert [link.span_id for link in alerts.links] == [tick.span_id]


def test_a_request_tells_its_route_and_not_what_stands_in_its_path(
    collector: Collector, sqlite_url: str, sqlite_engine: Engine
) -> None:
    web = WebThread(create_app(Service(Settings(database_url=sqlite_url))), "127.0.0.1", 0)
    web.start()
    headers = {"X-Request-ID": "a-request-of-mine"}
    httpx.get(f"http://127.0.0.1:{web.port}/preferences/a.secret.signature", headers=headers, trust_env=False)
    web.stop()
    telemetry.flush()
    (span,) = collector.named("GET")
    assert b"signature" not in span.SerializeToString()
    alerts = {attribute.key: attribute.value for attribute in span.attributes}
    assert alerts["http.response.status_code"].int_value >= 400
    assert alerts["http.route"].string_value == "/preferences/{token}"


def test_an_error_is_sent_by_its_kind(collector: Collector) -> None:
    with pytest.raises(ValueError, match="someone@example"), telemetry.root("hub.poll", "x"):
        raise ValueError("someone@example.org")
    telemetry.flush()
    (span,) = collector.named("hub.poll")
    assert (span.status.message, b"someone" in span.SerializeToString()) == ("ValueError", False)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_being_asked_for_it_does_nothing(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    telemetry._provider.cache_clear()
    assert telemetry.root("x", "y") is telemetry.span("z") is telemetry.NO_SPAN
    telemetry._provider.cache_clear()


@pytest.mark.slow
def test_nothing_is_imported_that_is_not_asked_for() -> None:
    # redis-py imports the SDK wherever it is installed; the exporter is ours.
    code = "import sys, workers.tasks, monitor.web.app; print('opentelemetry.exporter' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
