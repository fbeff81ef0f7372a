"""The HTTP under the stand-in Hub: keep-alive connections in daemon threads, and how one goes wrong."""

import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from monitor.demo.faults import Trouble

_HTML = b"<!doctype html><html><head><title>Hugging Face</title></head><body>Just a moment</body></html>"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing resets the connection."""


@dataclass(frozen=True)
class Request:
    """What a client asks: `base` is the Hub's URL as the client wrote it, `client` its IP address."""

    method: str
    path: str
    query: str
    base: str
    client: str
    token: str | None
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @property
    def params(self) -> dict[str, list[str]]:
        return parse_qs(self.query, keep_blank_values=True)


@dataclass
class Answer:
    """A response: text and bytes are sent as text, anything else as JSON; or a fault instead."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None


class Server:
    """A server that can be stopped, with all its connections, and started again on the same port."""

    def __init__(self, answer: Callable[[Request], Answer], host: str, port: int) -> None:
        self.answer = answer
        self.held = 0
        self._address = (host, port)
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None
        self._held_lock = threading.Lock()
        self._release = threading.Event()

    @property
    def url(self) -> str:
        host, port = self._address
        if port == 0:
            raise RuntimeError("not started: no port yet")
        return f"http://{host}:{port}"

    def start(self) -> None:
        if self._http is not None:
            return
        self._http = _Http(self._address, self)
        self._address = (self._address[0], self._http.server_address[1])
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="replay-hub", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        http, thread = self._http, self._thread
        if http is None or thread is None:
            return
        self._http = self._thread = None
        self.release()
        # Wakes its thread, which otherwise ends with its interval; some systems cannot.
        with suppress(OSError):
            http.socket.shutdown(socket.SHUT_RDWR)
        http.shutdown()
        thread.join()
        http.server_close()
        http.close_connections()

    def release(self) -> None:
        with self._held_lock:
            held, self._release = self._release, threading.Event()
        held.set()

    def hold(self, connection: socket.socket) -> None:
        """Say nothing until released, or until the client hangs up."""
        with self._held_lock:
            release = self._release
            self.held += 1
        try:
            while not release.wait(0.05):
                readable, _, _ = select.select([connection], [], [], 0)
                if readable and not connection.recv(1, socket.MSG_PEEK):
                    return
        finally:
            with self._held_lock:
                self.held -= 1


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: Server) -> None:
        self.owner = owner
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            # Its thread wakes from its read, finds the end and closes; it may just have done so.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news; anything else is a bug of this server and shows."""
        import sys

        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ReplayHub"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        owner = cast(_Http, self.server).owner
        answer = owner.answer(self._request())
        if answer.trouble is None:
            self._send(answer)
            return
        self._fail(owner, answer)

    def _request(self) -> Request:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        try:
            body = json.loads(content) if content else None
        except ValueError:
            body = None
        url = urlsplit(self.path)
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        return Request(
            method=self.command,
            path=url.path,
            query=url.query,
            base=f"http://{self.headers.get('Host')}",
            client=str(self.client_address[0]),
            token=token.strip() if scheme.lower() == "bearer" and token.strip() else None,
            body=body,
            headers={name.lower(): value for name, value in self.headers.items()},
        )

    def _fail(self, owner: Server, answer: Answer) -> None:
        """The answer as the trouble leaves it (`faults.Trouble`)."""
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        match answer.trouble:
            case "timeout":
                owner.hold(self.connection)
                self.close_connection = True
            case "refused":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.close_connection = True
            case "cut":
                self._write(answer, content[: len(content) // 2], length=len(content))
                self.close_connection = True
            case "truncated":
                self._write(answer, content[: len(content) // 2])
            case "garbage":
                self._write(Answer(200, None), _HTML, kind="text/html; charset=utf-8")
            case _:
                other: Any = [] if isinstance(answer.body, dict) else {"models": "none"}
                self._send(Answer(200, other, answer.headers))

    def _send(self, answer: Answer) -> None:
        if isinstance(answer.body, (str, bytes)):
            content = answer.body.encode() if isinstance(answer.body, str) else answer.body
            self._write(answer, content, kind="text/plain; charset=utf-8")
        else:
            self._write(answer, json.dumps(answer.body).encode())

    def _write(
        self,
        answer: Answer,
        content: bytes,
        *,
        kind: str = "application/json; charset=utf-8",
        length: int | None = None,
    ) -> None:
        """Headers and body in one write; `length` is what the headers promise, if not the truth."""
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        headers = {
            "Date": self.date_time_string(),
            **answer.headers,
            "Content-Type": kind,
            "Content-Length": str(len(content) if length is None else length),
        }
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
        """Nothing: what came in is counted instead."""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
