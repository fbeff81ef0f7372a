"""A web server on loopback that serves feeds, well and badly: a real socket, every request counted."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

RSS = "application/rss+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its path with query, its headers in lower case, its body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Page:
    """What a path answers. ``etag`` and ``last_modified`` are compared with the conditions of a request.

    ``drip``: bytes without end after the body, one every so many seconds (0: as fast as they go).
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    packed: bool = False
    drip: float | None = None

    def unchanged(self, asked: Asked) -> bool:
        """Whether the request's conditions say that it has this page already."""
        matches = self.etag is not None and asked.headers.get("if-none-match") == self.etag
        since = self.last_modified is not None and asked.headers.get("if-modified-since") == self.last_modified
        return matches or since


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that has had enough and hangs up is what is tested here, and no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FeedServer:
    """Serves ``pages`` by path; ``asked`` is every request so far, in order. Use as a context manager."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = _Quiet((host, port), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def url(self, path: str) -> str:
        """The address of ``path``."""
        return f"http://{self._http.server_address[0]!s}:{self.port}{path}"

    def count(self, path: str) -> int:
        """How often ``path`` was asked for."""
        return sum(1 for asked in self.asked if asked.path == path)

    def last(self, path: str) -> Asked:
        """The latest request for ``path``."""
        return next(asked for asked in reversed(self.asked) if asked.path == path)

    # --- what is served -------------------------------------------------------------------------------------

    def put(self, path: str, body: bytes | str, content_type: str | None = RSS, **page: Any) -> str:
        """Serves ``body`` at ``path``; returns its address."""
        data = body.encode() if isinstance(body, str) else body
        headers = page.pop("headers", {}) | ({"Content-Type": content_type} if content_type else {})
        self.pages[path] = Page(data, headers=headers, **page)
        return self.url(path)

    def fail(self, path: str, status: int, **headers: str) -> str:
        """Answers ``status`` at ``path``; ``retry_after="60"`` becomes a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Page(status=status, headers=named)
        return self.url(path)

    def redirect(self, path: str, to: str, status: int = 301) -> str:
        """Sends ``path`` on to ``to``."""
        self.pages[path] = Page(status=status, headers={"Location": to})
        return self.url(path)

    def gzip_bomb(self, path: str, size: int) -> str:
        """``size`` bytes of nothing, packed a thousandfold."""
        self.pages[path] = Page(gzip.compress(b" " * size), headers={"Content-Type": RSS, "Content-Encoding": "gzip"})
        return self.url(path)

    def endless(self, path: str, body: bytes = b"<rss>", drip: float = 0.0) -> str:
        """A body that never ends."""
        self.pages[path] = Page(body, headers={"Content-Type": RSS}, drip=drip)
        return self.url(path)

    # --- how it is served -----------------------------------------------------------------------------------

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        length = int(handler.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, handler.path, headers, handler.rfile.read(length))
        self.asked.append(asked)
        page = self.pages.get(handler.path, Page(status=404))
        self._send(handler, page, asked)

    def _send(self, handler: BaseHTTPRequestHandler, page: Page, asked: Asked) -> None:
        unchanged = page.unchanged(asked)
        handler.send_response(304 if unchanged else page.status)
        headers = dict(page.headers)
        headers |= {"ETag": page.etag} if page.etag else {}
        headers |= {"Last-Modified": page.last_modified} if page.last_modified else {}
        body = b"" if unchanged else page.body
        if page.packed and "gzip" in asked.headers.get("accept-encoding", ""):
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        if page.drip is None:
            headers.setdefault("Content-Length", str(len(body)))
        else:
            headers["Connection"] = "close"
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        while page.drip is not None and not self.closing.wait(page.drip):
            handler.wfile.write(b" " if page.drip else b" " * 65_536)


def item(
    title: str, link: str | None = None, *, guid: str | None = None, date: str | None = None, text: str = ""
) -> str:
    """One ``<item>``; ``text`` is HTML, escaped here."""
    parts = [f"<title>{title}</title>"]
    parts += [f"<link>{link}</link>"] if link else []
    parts += [f'<guid isPermaLink="false">{guid}</guid>'] if guid else []
    parts += [f"<pubDate>{date}</pubDate>"] if date else []
    parts += [f"<description><![CDATA[{text}]]></description>"] if text else []
    return f"<item>{''.join(parts)}</item>"


def rss(items: Sequence[str] = (), *, extra: str = "", title: str = "News of a lab") -> str:
    """An RSS 2.0 feed of these items."""
    names = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" {names}><channel>'
        f"<title>{title}</title><link>https://lab.example/</link>{extra}{''.join(items)}</channel></rss>"
    )


def numbered(count: int, make: Callable[[int], str] | None = None) -> list[str]:
    """``count`` items, newest first."""
    return [(make or _numbered)(number) for number in range(count, 0, -1)]


def _numbered(number: int) -> str:
    return item(f"Post {number}", f"https://lab.example/{number}", guid=f"post-{number}")
