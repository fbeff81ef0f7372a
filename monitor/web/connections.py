"""uvicorn's HTTP protocol with limits that uvicorn lacks: a client that sends slowly, or nothing, holds no connection.

``uvicorn monitor.web.app:app --http monitor.web.connections:GuardedProtocol``; :func:`guard_default` puts it in place
where that option is not given.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from monitor.settings import Settings, SettingsError

HEADER_SECONDS, BODY_SECONDS = 10, 30
"""From the start of a connection, or the end of the response before, to the end of a request's headers; and from there
to the end of its body. uvicorn itself closes what is idle after a response (``--timeout-keep-alive``, 5 s)."""
DISCARD_PAUSE_SECONDS = 0.05
MAX_HEADER_BYTES = 64 << 10
MAX_CONNECTIONS = 500
"""Of one process; more than half of the 1,024 files that a process may usually have open is left to everything else."""
_CLOSING = "HTTP/1.1 {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}"


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Its deadline is set exactly while it waits for the client to send something."""

    _deadline: asyncio.TimerHandle | None = None
    _receives_headers, _receives_body = True, False
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS and not self._make_room():
            self._refuse("503 Service Unavailable", "too many connections; try again later")
            return
        self._wait(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._receives_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._receives_body and self.cycle is not None and self.cycle.response_complete:
            # What still comes of a body that was refused is thrown away, but not as fast as it can be sent.
            self.flow.pause_reading()
            self.loop.call_later(DISCARD_PAUSE_SECONDS, self._read_on)
        if self._receives_headers and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse("431 Request Header Fields Too Large", f"at most {MAX_HEADER_BYTES} bytes of headers")

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._receives_headers, self._receives_body, self._header_bytes = False, True, 0
        self._wait(BODY_SECONDS)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receives_headers, self._receives_body = True, False
        self._wait(HEADER_SECONDS if self.cycle is None or self.cycle.response_complete else None)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self._receives_body and not self.transport.is_closing():
            self._wait(HEADER_SECONDS)

    def _wait(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.close)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _make_room(self) -> bool:
        """Closes the connection that has waited longest for its client to send; False where each has a request."""
        waiting = [one for one in self.connections if isinstance(one, GuardedProtocol) and one._deadline is not None]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda one: one._deadline.when() if one._deadline else 0.0)
        oldest._wait(None)
        oldest.transport.abort()
        return True

    def _refuse(self, status: str, message: str) -> None:
        self._wait(None)
        self.transport.write(_CLOSING.format(status, len(message), message).encode())
        self.transport.close()


def server_config(app: Any) -> uvicorn.Config:
    """How uvicorn serves an application within another program: with these limits, and with our logs."""
    return uvicorn.Config(
        app,
        http=GuardedProtocol,
        proxy_headers=False,  # MONITOR_TRUSTED_PROXIES says which proxies to trust
        log_config=None,  # ours, which hides secrets
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SettingsError where there cannot be one."""
    try:
        return socket.create_server((host, port), reuse_port=False)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None


def link_to(settings: Settings, host: str, port: int) -> None:
    """Makes links lead to the page that is served here; for where MONITOR_PUBLIC_URL is not set."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    settings.public_url = f"http://{reachable}:{port}"


def guard_default() -> None:
    """Makes each connection of this process that uvicorn's default protocol would serve a guarded one.

    uvicorn chooses its protocol before it imports the application, so the application cannot choose another.
    """

    def guarded(_cls: type[HttpToolsProtocol], *_args: Any, **_options: Any) -> HttpToolsProtocol:
        return object.__new__(GuardedProtocol)

    HttpToolsProtocol.__new__ = guarded  # type: ignore[assignment]
