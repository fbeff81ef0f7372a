"""Exports over HTTP: a file that is made while it is sent, few at a time, each on a connection of its own pool."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock

import anyio
from fastapi import HTTPException
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from monitor import db
from monitor.db.engine import CommitVersion
from monitor.releases.export import FORMATS, as_csv, as_jsonl, write_parquet
from monitor.releases.query import Query
from monitor.releases.revisions import as_of as known
from monitor.releases.search import stream
from monitor.web.head import ONLY_HEAD

RETRY_SECONDS = 30
"""When a client that is refused should try again."""
LONGEST_SECONDS = 3_600
"""An export is given up after that: as long as it lasts the database keeps what was since deleted."""


class Version:
    """Tells whether an export would be what it was: as long as nothing was committed to the database."""

    def __init__(self, engine: Engine) -> None:
        self._watch = CommitVersion(engine)
        self._process = secrets.token_hex(8)  # SQLite counts commits for each connection apart
        self._lock = Lock()

    def etag(self, *asked: object) -> str | None:
        """The ETag of what is asked for; None where the state of the database cannot be known."""
        with self._lock:
            state = self._watch.state()
        if state is None:
            return None
        known = repr((self._process, state, *asked)).encode()
        return f'W/"{hashlib.blake2b(known, digest_size=12).hexdigest()}"'


class Slots:
    """How many exports are sent at this moment, of how many that may be."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._lock = Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Holds one slot; raises HTTPException (503, with Retry-After) where none is free."""
        with self._lock:
            if self._taken >= self._most:
                message = f"{self._most} exports are being sent; try again in {RETRY_SECONDS} s"
                raise HTTPException(503, message, headers={"Retry-After": str(RETRY_SECONDS)})
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1


class Export(StreamingResponse):
    """All releases that match, in one of ``FORMATS``. However it ends, its slot and its connection are given back."""

    def __init__(
        self, slots: Slots, engine: Engine, query: Query, form: str, moment: datetime | None, headers: dict[str, str]
    ) -> None:
        self._slots = slots
        self._chunks = exported(engine, query, form, moment)
        super().__init__(self._with_first(), media_type=FORMATS[form], headers=headers)

    def _with_first(self) -> Iterator[bytes]:
        yield self._first
        yield from self._chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(ONLY_HEAD):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        with self._slots.taken():
            try:
                # Before the status is sent, so that a failure can still be said.
                self._first = await run_in_threadpool(next, self._chunks, b"")
                with anyio.move_on_after(LONGEST_SECONDS):
                    await super().__call__(scope, receive, send)
            finally:
                with anyio.CancelScope(shield=True):
                    await run_in_threadpool(self._chunks.close)


def exported(engine: Engine, query: Query, form: str, moment: datetime | None) -> Generator[bytes]:
    """The file, piece by piece; raises SearchError where Parquet cannot be written."""
    with db.reading(engine) as session, known(session, moment):
        rows = stream(session, query)
        if form != "parquet":
            yield from as_csv(rows) if form == "csv" else as_jsonl(rows)
            return
        # Parquet's directory stands at its end, so it is made on disk first.
        with tempfile.TemporaryFile() as file:
            write_parquet(rows, file)
            file.seek(0)
            while chunk := file.read(1 << 16):
                yield chunk
