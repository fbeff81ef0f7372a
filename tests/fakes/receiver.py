"""A receiver of webhooks that takes its time: it answers each request only when it is let."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class SlowReceiver:
    """A context. ``ids``: the ``webhook-id`` of each request as it arrives; ``let``: set, requests are answered."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.bodies: list[Any] = []
        self.let = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                receiver.ids.append(self.headers["webhook-id"])
                receiver.let.wait(60)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let.set()
        self._server.shutdown()
        self._server.server_close()
