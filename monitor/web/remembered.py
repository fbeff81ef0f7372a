"""Answers are remembered for some seconds, as long as nothing is written: who asks the same again is told at once.

When many come at the same time they ask the same, and a newest page need not be made for each of them. An answer is
given again only where nothing was committed to the database since before it was made, so nobody reads what is no longer
so; and for no longer than ``KEPT_FOR`` even then, because a page says how long ago things were.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.db import Watch
from monitor.web.answers import has

KEPT_FOR = 10.0
"""Seconds."""
LARGEST, MOST = 2 << 20, 32 << 20
"""Bytes of an answer that is remembered, and of all of them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 200, and what the database was before it was made."""

    state: object
    until: float
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def give(self, scope: Scope, send: Send) -> None:
        """Sends it once more, or that the reader has it."""
        etag = next((value.decode() for name, value in self.headers if name == b"etag"), "")
        known = Headers(scope=scope).get("if-none-match", "")
        if etag and known and has(known, etag):
            few = [pair for pair in self.headers if pair[0] in {b"etag", b"cache-control", b"vary"}]
            await send({"type": "http.response.start", "status": 304, "headers": few})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})


class Remembered:
    """A middleware that remembers what was answered to a GET."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self.app = app
        self._watch = Watch(engine)
        self._kept: OrderedDict[Any, Answer] = OrderedDict()
        self._size = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        state = self._watch.state() if self._watch.quick else await run_in_threadpool(self._watch.state)
        headers = Headers(scope=scope)
        key = (
            scope["path"], scope["query_string"], "gzip" in headers.get("accept-encoding", ""), "hx-request" in headers
        )  # fmt: skip
        found = self._kept.get(key)
        if found is not None and state is not None and found.state == state and found.until > time.monotonic():
            await found.give(scope, send)
            return
        start: Message = {}
        parts: list[bytes] = []

        async def listened(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message, headers=list(message.get("headers", ())))
            elif start.get("status") == 200:
                parts.append(bytes(message.get("body", b"")))
                if sum(map(len, parts)) > LARGEST:
                    start.clear()
                    parts.clear()
                elif not message.get("more_body", False):
                    self._keep(key, Answer(state, time.monotonic() + KEPT_FOR, start["headers"], b"".join(parts)))
            await send(message)

        await self.app(scope, receive, listened)

    def _keep(self, key: Any, answer: Answer) -> None:
        if answer.state is None or any(
            name == b"cache-control" and b"no-store" in said for name, said in answer.headers
        ):
            return
        before = self._kept.pop(key, None)
        self._size += len(answer.body) - (len(before.body) if before else 0)
        self._kept[key] = answer
        while self._size > MOST:
            self._size -= len(self._kept.popitem(last=False)[1].body)
