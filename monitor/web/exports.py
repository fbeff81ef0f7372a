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
from monitor.releases.export import as_csv, as_jsonl
from monitor.releases.export_metadata import ExportMetadata
from monitor.releases.parquet import write_parquet
from monitor.releases.query import Query
from monitor.releases.revisions import as_of as known
from monitor.releases.search import stream
from monitor.web.head import ONLY_HEAD

RETRY_SECONDS = 30
"""Retry-After of a refused request."""
MAX_EXPORT_SECONDS = 3_600
"""An export is cancelled after this time: while it runs, the database cannot reclaim deleted rows."""


class ExportVersion:
    """The version of the database's content, for the ETags of exports."""

    def __init__(self, engine: Engine) -> None:
        self._watch = CommitVersion(engine)
        self._process = secrets.token_hex(8)  # SQLite counts commits for each connection apart
        self._lock = Lock()

    def etag(self, *request: object) -> str | None:
        """The ETag of a request; None if the version of the database cannot be read."""
        with self._lock:
            state = self._watch.state()
        if state is None:
            return None
        known = repr((self._process, state, *request)).encode()
        return f'W/"{hashlib.blake2b(known, digest_size=12).hexdigest()}"'


class ExportSlots:
    """Limits how many exports are sent at the same time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._lock = Lock()

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Holds one slot; raises HTTPException (503, with Retry-After) if none is free."""
        with self._lock:
            if self._taken >= self._limit:
                message = f"{self._limit} exports are being sent; try again in {RETRY_SECONDS} s"
                raise HTTPException(503, message, headers={"Retry-After": str(RETRY_SECONDS)})
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1


class Export(StreamingResponse):
    """Streams ``chunks`` while it holds one of the ``slots``; always releases it, and closes what makes the chunks."""

    def __init__(self, slots: ExportSlots, chunks: Generator[bytes], media_type: str, headers: dict[str, str]) -> None:
        self._slots = slots
        self._chunks = chunks
        super().__init__(self._with_first(), media_type=media_type, headers=headers)

    def _with_first(self) -> Iterator[bytes]:
        yield self._first
        yield from self._chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(ONLY_HEAD):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        with self._slots.acquire():
            try:
                # Before the status is sent, so that a failure can still be said.
                self._first = await run_in_threadpool(next, self._chunks, b"")
                with anyio.move_on_after(MAX_EXPORT_SECONDS):
                    await super().__call__(scope, receive, send)
            finally:
                with anyio.CancelScope(shield=True):
                    await run_in_threadpool(self._chunks.close)


def exported(
    engine: Engine, query: Query, form: str, as_of_time: datetime | None, about: ExportMetadata
) -> Generator[bytes]:
    """The file, piece by piece; raises SearchError where Parquet cannot be written."""
    with db.reading(engine) as session, known(session, as_of_time):
        rows = stream(session, query)
        if form != "parquet":
            yield from as_csv(rows) if form == "csv" else as_jsonl(rows)
            return
        # Parquet's directory stands at its end, so it is made on disk first.
        with tempfile.TemporaryFile() as file:
            write_parquet(about.passed(rows), file, about.values)
            file.seek(0)
            while chunk := file.read(1 << 16):
                yield chunk
