"""Exports over HTTP: a file that is made while it is sent, few at a time, each on a connection of its own pool."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import BinaryIO

import anyio
from fastapi import HTTPException
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor import db
from monitor.db.engine import CommitVersion
from monitor.net.client_key import client_key
from monitor.releases.export import FORMATS, as_csv, as_jsonl
from monitor.releases.parquet import write_parquet
from monitor.releases.query import Query
from monitor.releases.revisions import as_of as known
from monitor.releases.search import stream
from monitor.service import Service
from monitor.web.compression import AS_IT_IS
from monitor.web.export_files import ExportFiles, Key, TooLargeError
from monitor.web.head import ONLY_HEAD
from monitor.web.ranges import RangeResponse, strong_tags

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

    def of(self, *request: object) -> str | None:
        """What stands for a request and the state in an ETag; None if the version of the database cannot be read."""
        with self._lock:
            state = self._watch.state()
        return None if state is None else opaque(self._process, state, *request)


def opaque(*what: object) -> str:
    """A digest of this, for an ETag."""
    return hashlib.blake2b(repr(what).encode(), digest_size=12).hexdigest()


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


def exported(engine: Engine, query: Query, form: str, as_of_time: datetime | None) -> Generator[bytes]:
    """CSV or JSON lines, piece by piece."""
    with db.reading(engine) as session, known(session, as_of_time):
        rows = stream(session, query)
        yield from as_csv(rows) if form == "csv" else as_jsonl(rows)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """An export that is asked for. ``opaque`` stands for its state in ETags; None: unknown.

    ``relative``: the query means something else tomorrow, so that no ETag of the state alone can stand for it.
    """

    service: Service
    query: Query
    form: str
    as_of_time: datetime | None
    opaque: str | None
    relative: bool

    @property
    def key(self) -> Key:
        """What distinguishes it from other exports of the same state."""
        return self.form, self.query.normal, self.as_of_time

    def chunks(self) -> Generator[bytes]:
        """CSV or JSON lines, piece by piece."""
        return exported(self.service.export_engine, self.query, self.form, self.as_of_time)

    def write(self, file: BinaryIO, max_bytes: int) -> None:
        """Writes the file; raises TooLargeError if it is no Parquet, which can be sent in no other way."""
        if self.form != "parquet":
            with closing(self.chunks()) as chunks:
                for chunk in chunks:
                    file.write(chunk)
                    if file.tell() > max_bytes:
                        raise TooLargeError
            return
        about = self.service.export_metadata(self.query, self.as_of_time)
        with db.reading(self.service.export_engine) as session, known(session, self.as_of_time):
            write_parquet(about.passed(stream(session, self.query)), file, about.values)


class ExportResponse(Response):
    """An export: streamed where all of CSV or JSON lines is asked for, else from a file that is written first.

    HEAD and ranges are answered from the file, so that length, parts and ETag belong together. HEAD does not answer
    before the file is written: readers of tables take the length from it, which no count of rows gives, and without one
    they read no ranges.
    """

    def __init__(self, wanted: ExportRequest, files: ExportFiles, slots: ExportSlots, headers: dict[str, str]) -> None:
        super().__init__()
        self._wanted, self._files, self._slots, self._given = wanted, files, slots, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope(deadline=anyio.current_time() + MAX_EXPORT_SECONDS):
            response = await self._response(scope)
            await response(scope, receive, send)

    async def _response(self, scope: Scope) -> ASGIApp:
        wanted, asked = self._wanted, Headers(scope=scope)
        # The end of a file, as of one that is not known yet: a reader of Parquet begins with that.
        goes_on = "range" in asked and not asked["range"].partition("=")[2].lstrip().startswith("-")
        large = self._files.is_too_large(wanted.key)
        if wanted.form != "parquet" and (large or not self._is_of_a_file(scope, asked)):
            return self._stream()
        if large and scope.get(ONLY_HEAD):
            return _Head(FORMATS[wanted.form], self._given | {"Accept-Ranges": "none"})
        client = client_key((scope.get("client") or ("", 0))[0])
        named = strong_tags(asked.get("if-match", "")) + strong_tags(asked.get("if-range", ""))
        try:
            file = await self._files.get(
                wanted.key, client, self._write, opaque=wanted.opaque, relative=wanted.relative, goes_on=goes_on,
                named=named,
            )  # fmt: skip
        except TooLargeError:
            return self._stream()
        # A part of a file is not a part of the compressed one; Parquet is compressed inside, and no middleware sees it.
        headers = self._given if wanted.form == "parquet" else self._given | AS_IT_IS
        return RangeResponse(file, FORMATS[wanted.form], headers, ranges=file.size <= self._files.max_bytes)

    def _is_of_a_file(self, scope: Scope, asked: Headers) -> bool:
        """Whether CSV or JSON lines are answered from a file: as a stream they come sooner, and compressed.

        HEAD is answered as GET would be: to a client that takes no compressed stream with the length of the file.
        """
        wanted = self._wanted
        if "range" in asked or "if-match" in asked:
            return True
        if "gzip" in asked.get("accept-encoding", ""):
            return False
        there = self._files.present(wanted.key, wanted.opaque, wanted.relative)
        return there is not None or bool(scope.get(ONLY_HEAD))

    def _write(self, file: BinaryIO, max_bytes: int) -> None:
        with self._slots.acquire():
            self._wanted.write(file, max_bytes)

    def _stream(self) -> ASGIApp:
        headers = self._given | {"Accept-Ranges": "none"}
        if self._wanted.opaque and not self._wanted.relative:
            headers["ETag"] = f'W/"{self._wanted.opaque}"'
        return Export(self._slots, self._wanted.chunks(), FORMATS[self._wanted.form], headers)


class _Head(Response):
    """The headers of a file that is too large to be written for them alone."""

    def __init__(self, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
