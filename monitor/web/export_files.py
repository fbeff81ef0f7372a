"""Complete files of exports, kept for a short time, of which readers take ranges.

A reader of Parquet first asks for the end of a file and then for parts of it, in requests of their own: all of them
must be of one state of the history. So an export is written once, into a file without a name on disk, and ranges are
served from it. The files are bounded in number, bytes and time, and no database connection is held while they are read.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool

KEEP_SECONDS = 120
"""How long a file is kept after its last use."""
HOLD_SECONDS, MAX_HOLD_SECONDS = 60, 900
"""A client that reads ranges gets them from the file that it began with, as long as its requests follow each other
within the first of these, and at most for the second."""
RELATIVE_SECONDS = 60
"""How long a file of a query with relative dates stands for the present: as long as `max-age` of other answers."""
MAX_FILES = 64
MAX_HOLDS = 1_000

Key = tuple[Any, ...]
Write = Callable[[BinaryIO, int], None]
"""Writes a file of at most so many bytes (0: as many as there are); raises TooLargeError."""


class TooLargeError(ValueError):
    """A file that is larger than what is kept."""


class ExportFile:
    """A complete file. Its disk space is freed with the object."""

    def __init__(self, file: BinaryIO, opaque: str | None) -> None:
        self._file = file
        weakref.finalize(self, file.close)
        file.flush()
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        content = hashlib.file_digest(cast(Any, file), lambda: hashlib.blake2b(digest_size=12)).hexdigest()
        self.opaque = opaque
        self.etag = f'"{opaque}.{content}"' if opaque else f'"{content}"'
        self.made_at = time.monotonic()

    def read(self, start: int, count: int) -> bytes:
        """At most ``count`` bytes from ``start`` on; any number of threads may read at the same time."""
        return os.pread(self._file.fileno(), count, start)

    @property
    def age(self) -> float:
        """Seconds since it was complete."""
        return time.monotonic() - self.made_at


@dataclass(slots=True)
class _Hold:
    etag: str
    used_at: float


class ExportFiles:
    """The files that are kept, at most ``max_bytes`` of them. For one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._files: OrderedDict[tuple[Key, str], tuple[ExportFile, float]] = OrderedDict()
        self._holds: OrderedDict[tuple[str, Key], _Hold] = OrderedDict()
        self._too_large: OrderedDict[Key, float] = OrderedDict()
        self._locks: weakref.WeakValueDictionary[Key, asyncio.Lock] = weakref.WeakValueDictionary()
        self._sweep: asyncio.TimerHandle | None = None

    def is_too_large(self, key: Key) -> bool:
        """Whether this export was larger than what is kept when it was last written."""
        since = self._too_large.get(key)
        return self.max_bytes == 0 or (since is not None and time.monotonic() - since < MAX_HOLD_SECONDS)

    def present(self, key: Key, opaque: str | None, relative: bool) -> ExportFile | None:
        """The file of the present state, if there is one."""
        for (of, _), (file, _) in reversed(self._files.items()):
            if of == key and opaque and file.opaque == opaque and (not relative or file.age < RELATIVE_SECONDS):
                return file
        return None

    def begun(self, key: Key, client: str) -> ExportFile | None:
        """The file of which this client is reading ranges."""
        hold = self._holds.get((client, key))
        if hold is None or time.monotonic() - hold.used_at > HOLD_SECONDS:
            return None
        file = self._named(key, [hold.etag])
        return file if file is not None and file.age < MAX_HOLD_SECONDS else None

    def _named(self, key: Key, etags: Collection[str]) -> ExportFile | None:
        return next((file for (of, etag), (file, _) in self._files.items() if of == key and etag in etags), None)

    async def get(
        self,
        key: Key,
        client: str,
        write: Write,
        *,
        opaque: str | None,
        relative: bool,
        goes_on: bool,
        named: Collection[str],
    ) -> ExportFile:
        """The file for a request, written if there is none. Raises TooLargeError and what ``write`` raises.

        ``opaque`` stands for the present state of what was asked for; None: unknown. ``goes_on``: it may be one
        of several that read the same file. ``named``: the ETags that the request is about.
        """

        def known() -> ExportFile | None:
            begun = self.begun(key, client) if goes_on else None
            return self._named(key, named) or begun or self.present(key, opaque, relative)

        file = known()
        if file is None:
            lock = self._locks.setdefault(key, asyncio.Lock())
            async with lock:  # who comes meanwhile waits for the same file
                file = known() or await self._write(key, write, opaque)
        self._use(key, client, file)
        return file

    async def _write(self, key: Key, write: Write, opaque: str | None) -> ExportFile:
        def written() -> ExportFile:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the ExportFile, or here
            try:
                write(file, self.max_bytes)
                return ExportFile(file, opaque)
            except BaseException:
                file.close()
                raise

        try:
            made = await run_in_threadpool(written)
        except TooLargeError:
            self._note_too_large(key)
            raise
        except OSError as error:
            message = f"the temporary directory cannot be written to: {error.strerror}"
            raise HTTPException(503, message, headers={"Retry-After": "30"}) from None
        if made.size > self.max_bytes:
            self._note_too_large(key)
        return made

    def _note_too_large(self, key: Key) -> None:
        self._too_large[key] = time.monotonic()
        while len(self._too_large) > MAX_HOLDS:
            self._too_large.popitem(last=False)

    def _use(self, key: Key, client: str, file: ExportFile) -> None:
        """Notes that a client reads a file, which is kept if it is not too large."""
        if file.size > self.max_bytes:
            return
        at = time.monotonic()
        self._files[key, file.etag] = file, at
        self._files.move_to_end((key, file.etag))
        self._holds[client, key] = _Hold(file.etag, at)
        self._holds.move_to_end((client, key))
        while len(self._holds) > MAX_HOLDS:
            self._holds.popitem(last=False)
        while len(self._files) > MAX_FILES or sum(one.size for one, _ in self._files.values()) > self.max_bytes:
            self._files.popitem(last=False)
        self._sweep = self._sweep or asyncio.get_running_loop().call_later(KEEP_SECONDS, self._drop_unused)

    def _drop_unused(self) -> None:
        before = time.monotonic() - KEEP_SECONDS
        for ident in [ident for ident, (_, used_at) in self._files.items() if used_at <= before]:
            del self._files[ident]
        again = bool(self._files)
        self._sweep = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._drop_unused) if again else None

    def close(self) -> None:
        """Drops all files."""
        self._files.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
