"""Requests for a part of a file: ``Range``, ``If-Range`` and ``If-Match`` (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from monitor.web.export_files import ExportFile
from monitor.web.head import ONLY_HEAD
from monitor.web.http_responses import matches_etag

CHUNK_BYTES = 64 << 10
_ONE = re.compile(r"bytes=[ \t]*(?:(\d{1,30})-(\d{0,30})|-(\d{1,30}))[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from ``start`` to before ``end``."""

    start: int
    end: int


class UnsatisfiableError(ValueError):
    """A range that begins behind the end of the file."""


def parse_range(header: str, size: int) -> Part | None:
    """The part of a file of ``size`` bytes that a ``Range`` header asks for; None where all of it is to be sent.

    That is so for another unit, for what is no range, and for several at once: a server may leave those out, and
    readers of tables ask for one at a time. Raises UnsatisfiableError.
    """
    found = _ONE.fullmatch(header)
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise UnsatisfiableError
        return Part(max(0, size - int(suffix)), size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise UnsatisfiableError
    return Part(start, min(size, int(last) + 1) if last else size)


def strong_tags(header: str) -> list[str]:
    """The strong ETags of an If-Match or If-Range header, with their quotes."""
    return [tag for tag in (part.strip() for part in header.split(",")) if tag.startswith('"')]


def chosen_part(headers: Headers, file: ExportFile) -> Part | None:
    """The part that a request asks for; None for all of the file. Raises UnsatisfiableError."""
    wanted, condition = headers.get("range"), headers.get("if-range")
    if wanted is None or (condition is not None and condition.strip() != file.etag):
        return None
    return parse_range(wanted, file.size)


class RangeResponse:
    """A file, or the part of it that is asked for, with ``headers``.

    Raises HTTPException before anything is sent: 412 if the client wants another file, 416 for a part behind the end.
    """

    def __init__(self, file: ExportFile, media_type: str, headers: dict[str, str], *, ranges: bool = True) -> None:
        self._file, self._media_type, self._ranges = file, media_type, ranges
        self._headers = headers | {"ETag": file.etag, "Accept-Ranges": "bytes" if ranges else "none"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, part = self._decided(Headers(scope=scope), only_head=bool(scope.get(ONLY_HEAD)))
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        if scope.get(ONLY_HEAD):
            part = Part(0, 0)
        at = part.start
        while at < part.end:
            chunk = await run_in_threadpool(self._file.read, at, min(CHUNK_BYTES, part.end - at))
            at += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _decided(self, asked: Headers, *, only_head: bool) -> tuple[int, dict[str, str], Part]:
        """Status, headers, and the part to send."""
        size, etag = self._file.size, self._file.etag
        wanted = asked.get("if-match", "*").strip()
        if wanted != "*" and etag not in strong_tags(wanted):
            raise HTTPException(412, "the file has changed since: read it from its beginning", headers={"ETag": etag})
        if matches_etag(asked.get("if-none-match", ""), etag):
            return 304, self._headers, Part(0, 0)
        try:
            part = chosen_part(asked, self._file) if self._ranges and not only_head else None
        except UnsatisfiableError:
            about = {"ETag": etag, "Content-Range": f"bytes */{size}"}
            raise HTTPException(416, f"the file has {size} bytes, and the range none of them", headers=about) from None
        if part is None:
            return 200, self._headers | {"Content-Type": self._media_type, "Content-Length": str(size)}, Part(0, size)
        length, span = part.end - part.start, f"bytes {part.start}-{part.end - 1}/{size}"
        about = {"Content-Type": self._media_type, "Content-Length": str(length), "Content-Range": span}
        return 206, self._headers | about, part
