"""Traces: nothing without being asked for; asked for, from the look at the Hub to the message that tells of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from monitor.channels.email.servers import Server
from monitor.channels.email.smtp_client import SmtpClient
from monitor.channels.slack import api as slack
from monitor.net.client import FetchError
from monitor.net.client import get as fetch
from monitor.notify.message import SendError
from monitor.observability import tracing as telemetry
from monitor.observability.logging import traced
from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app
from tests.environment import TestEnv
from tests.fakes.hub import ReplayHub, model
from tests.fakes.smtp import SmtpSink
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
    asked = [span for span in collector.named("GET") if span.trace_id == look.trace_id]
    assert {span.kind for span in asked} == {SPAN_KIND_CLIENT}
    first = attributes(asked[0])
    assert first["url.full"].startswith("http://127.0.0.1:")
    assert "/api/models" in first["url.full"]
    assert {"http.response.status_code", "server.address", "server.port"} <= first.keys()
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
    httpx.get(
        f"http://127.0.0.1:{web.port}/preferences/a.secret.signature", headers=headers, trust_env=False, timeout=60
    )
    web.stop()
    telemetry.flush()
    (span,) = collector.named("GET /preferences/{token}")
    assert b"signature" not in span.SerializeToString()
    found = attributes(span)
    assert found["http.response.status_code"] >= 400
    assert found["http.route"] == found["url.path"] == "/preferences/{token}"


def attributes(span: Any) -> dict[str, Any]:
    """The attributes of a span that was sent."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


SPAN_KIND_SERVER, SPAN_KIND_CLIENT, STATUS_ERROR = 2, 3, 2
"""As OTLP numbers them."""
SERVER_ATTRIBUTES = {
    "http.request.method", "http.response.status_code", "network.protocol.version", "server.address", "server.port",
    "url.path", "url.scheme", "user_agent.original",
}  # fmt: skip


def test_a_request_is_a_span_of_kind_server_as_the_conventions_name_it(
    collector: Collector, sqlite_url: str, sqlite_engine: Engine
) -> None:
    web = WebThread(create_app(Service(Settings(database_url=sqlite_url))), "127.0.0.1", 0)
    web.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{web.port}", trust_env=False, timeout=60) as client:
        client.get("/labs/qwen?as_of=2026-11-01", headers={"User-Agent": "a reader"})
        client.head("/labs/qwen")
        client.get("/a-mistyped-link/secret-signature")
        client.request("PROPFIND", "/labs")
    web.stop()
    telemetry.flush()
    page, head = collector.named("GET /labs/{lab}") + collector.named("HEAD /labs/{lab}")
    assert {span.kind for span in collector.spans if "http.request.method" in attributes(span)} == {SPAN_KIND_SERVER}
    found = attributes(page)
    assert set(found) == SERVER_ATTRIBUTES | {"http.route"}
    assert found | {"server.port": 0} == {
        "http.request.method": "GET", "http.response.status_code": 200, "network.protocol.version": "1.1",
        "server.address": "127.0.0.1", "server.port": 0, "url.path": "/labs/qwen", "url.scheme": "http",
        "http.route": "/labs/{lab}", "user_agent.original": "a reader",
    }  # fmt: skip
    assert (found["server.port"], page.status.code) == (web.port, 0)
    assert attributes(head)["http.request.method"] == "HEAD"
    (missing,) = collector.named("GET")
    assert (attributes(missing)["http.response.status_code"], attributes(missing)["url.path"]) == (404, "/REDACTED")
    assert missing.status.code == 0  # what the client got wrong is no failure of the server
    assert b"signature" not in missing.SerializeToString()
    (strange,) = collector.named("HTTP /labs")
    assert attributes(strange)["http.request.method"] == "_OTHER"
    assert attributes(strange)["http.request.method_original"] == "PROPFIND"


def test_an_answer_that_is_the_servers_failure_is_an_error(collector: Collector, tmp_path: Path) -> None:
    web = WebThread(create_app(Service(Settings(database_url=f"sqlite:///{tmp_path}/none/none.db"))), "127.0.0.1", 0)
    web.start()
    assert httpx.get(f"http://127.0.0.1:{web.port}/readyz", trust_env=False, timeout=60).status_code == 503
    web.stop()
    telemetry.flush()
    (span,) = collector.named("GET /readyz")
    assert (attributes(span)["error.type"], span.status.code) == ("503", STATUS_ERROR)


def test_what_is_asked_of_others_is_a_span_of_kind_client(collector: Collector) -> None:
    """Over real sockets: somebody's address, Slack, a mail relay."""
    refusing = Refusing()
    with contextlib.suppress(FetchError):
        fetch(f"{refusing.url}/hooks/secret-token?key=secret", user_agent="x", allow_private=True)
    with contextlib.suppress(FetchError):
        fetch("http://127.0.0.1:1/", user_agent="x", allow_private=True)
    with contextlib.suppress(SendError):
        slack.call(slack.web_client(f"{refusing.url}/api/", "xoxb-secret").auth_test)
    with contextlib.suppress(SendError):
        slack.post_to_webhook(slack.webhook_client(f"{refusing.url}/services/T0/B0/secret"), {"text": "x"})
    with SmtpSink() as sink:
        SmtpClient(Server("127.0.0.1", sink.port, "none", None, None, "")).send("a@x.example", "b@x.example", b"\r\n")
    relay = sink.port
    refusing.close()
    telemetry.flush()
    assert all(b"secret" not in span.SerializeToString() for span in collector.spans)
    assert {span.kind for span in collector.spans} == {SPAN_KIND_CLIENT}
    refused, unsent, api, webhook, mail = collector.spans
    port = int(refusing.url.rpartition(":")[2])
    assert refused.name == "GET"
    assert attributes(refused) == {
        "http.request.method": "GET", "server.address": "127.0.0.1", "server.port": port,
        "url.full": f"{refusing.url}/REDACTED", "http.response.status_code": 503, "error.type": "503",
    }  # fmt: skip
    assert refused.status.code == STATUS_ERROR
    assert attributes(unsent)["error.type"] == "ConnectError"
    assert attributes(api)["url.full"] == f"{refusing.url}/api/auth.test"
    assert (attributes(webhook)["url.full"], webhook.name) == (f"{refusing.url}/REDACTED", "POST")
    assert attributes(webhook)["error.type"] == "503"
    assert attributes(mail) == {"network.protocol.name": "smtp", "server.address": "127.0.0.1", "server.port": relay}
    assert (mail.name, mail.status.code) == ("SMTP send", 0)


class Refusing:
    """A server that is not available, for anybody."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


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
