"""Pages of the Hub's listing, read and judged: here, or in a process of its own on another core.

The two speak over the process's standard input and output, in frames: eight bytes of length, then a pickle. First go
the place of the database and the registry, and nothing comes back but that it is ready; then a page for each listing.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import IO, Any, NamedTuple

from sqlalchemy import Engine

from monitor.db.engine import make_engine, now, reading
from monitor.enums import Sighting, Via
from monitor.ingest.hub.responses import models, public
from monitor.labs import Registry
from monitor.releases.classification import Judgements, judge


class Page(NamedTuple):
    """A page of the listing, judged: what is wanted of it, oldest first; when it was read; and whether that is all."""

    judgements: Judgements
    seen_at: datetime
    whole: bool


OLDER = 50
"""Older repositories that a page must hold for the listing to have come to the day: single dates can be wrong."""


def judged(engine: Engine, registry: Registry, listing: bytes, since: date | None) -> Page:
    """The public repositories of a page that were made at ``since`` or later. Raises HubError where it is no page."""
    seen_at = now()
    rows = models(listing)
    wanted = [row for row in rows if since is None or str(row.get("createdAt"))[:10] >= since.isoformat()]
    sightings = [Sighting(row["_id"], row["id"], row, Via.BACKFILL, seen_at) for row in wanted if public(row)]
    ended = 0 < min(OLDER, len(rows)) <= len(rows) - len(wanted)
    with reading(engine) as session:
        return Page(judge(session, sightings, registry), seen_at, not ended)


class _Columns(NamedTuple):
    """A page, its judgements laid out by column: quicker to pickle, and no slower to read."""

    names: tuple[str, ...]
    values: list[tuple[Any, ...]]
    hub_ids: tuple[str, ...]
    seen_at: datetime
    whole: bool

    @classmethod
    def of(cls, page: Page) -> _Columns:
        rows = page.judgements.values()
        names = tuple(next(iter(rows), ()))
        return cls(names, list(zip(*map(dict.values, rows), strict=True)), tuple(page.judgements), *page[1:])

    def page(self) -> Page:
        rows = (dict(zip(self.names, row, strict=True)) for row in zip(*self.values, strict=True))
        return Page(dict(zip(self.hub_ids, rows, strict=True)), self.seen_at, self.whole)


@contextmanager
def few_collections() -> Iterator[None]:
    """Pages of facts are trees without circles, made by the hundred thousand: looking for circles costs a sixth."""
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


# --- where pages are written ------------------------------------------------------------------------------


class Judging:
    """Judges pages in a process of its own, on another core than the ones before are written.

    That takes a second to start, which the first page begins, if more will follow, or who knows before that they will.
    Until then pages are judged here; so they are where that process cannot be started, or was killed.
    """

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self._engine, self._registry = engine, registry
        # Apart, so that the next question lies ready where the answer before it has just been given.
        self._sending, self._receiving = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._started: Future[bytes] | None = None

    @property
    def ready(self) -> bool:
        """Whether that process has started, or will not."""
        return self._started is not None and self._started.done()

    @property
    def pid(self) -> int | None:
        """Of that process, where there is one."""
        return None if self._process is None else self._process.pid

    def __call__(self, listing: bytes, since: date | None, *, more: bool) -> Callable[[], Page]:
        coming: Future[bytes] | None = None
        if self.ready:
            coming = self._asked((listing, since))
        elif more:
            self.start()

        def page() -> Page:
            with suppress(OSError, EOFError):  # it was killed
                if coming is not None:
                    found: _Columns | Exception = pickle.loads(coming.result())  # noqa: S301 - of our own process
                    if isinstance(found, Exception):
                        raise found
                    return found.page()
            return judged(self._engine, self._registry, listing, since)

        return page

    def start(self) -> None:
        """Starts that process, once."""
        if self._started is None:
            self._sending.submit(self._begin)
            self._started = self._asked((self._engine.url.render_as_string(hide_password=False), self._registry))

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from monitor.ingest.classification_worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            pipesize=_PIPE,
            start_new_session=True,  # a Ctrl-C is for the one that started it, which then ends it
        )

    def _asked(self, what: Any) -> Future[bytes]:
        sent = self._sending.submit(self._send, what)
        return self._receiving.submit(self._received, sent)

    def _send(self, what: Any) -> IO[bytes]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise EOFError  # it could not be started
        _send(process.stdin, pickle.dumps(what, pickle.HIGHEST_PROTOCOL))
        return process.stdout

    @staticmethod
    def _received(sent: Future[IO[bytes]]) -> bytes:
        return _received(sent.result())

    def end(self) -> None:
        """Ends the process, whatever it is at."""
        for turns in (self._sending, self._receiving):
            turns.shutdown(wait=False, cancel_futures=True)
        if self._process is not None:
            self._process.kill()
        self._sending.shutdown()
        if self._process is not None:  # which may have been about to start
            self._process.kill()
            self._receiving.shutdown()
            with suppress(OSError), self._process:
                pass


@contextmanager
def beside(engine: Engine, registry: Registry) -> Iterator[Judging]:
    """Judging of which most is done in a process beside this one, which ends with it."""
    judging = Judging(engine, registry)
    try:
        yield judging
    finally:
        judging.end()


# --- in the process of its own ----------------------------------------------------------------------------

_PIPE = 1_048_576
"""Bytes that a pipe holds where that can be set: with the usual 65,536, the two wait for each other at each of them."""


def main() -> None:
    """Answers listings with judged pages, until the one that asks is gone."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not print into a frame
    with few_collections(), suppress(OSError, EOFError):
        place, registry = pickle.loads(_received(questions))  # noqa: S301 - of the one that started this
        engine = make_engine(place)
        _send(answers, b"ready")
        while True:
            listing, since = pickle.loads(_received(questions))  # noqa: S301
            _send(answers, pickle.dumps(_tried(engine, registry, listing, since), pickle.HIGHEST_PROTOCOL))


def _tried(engine: Engine, registry: Registry, listing: bytes, since: date | None) -> _Columns | Exception:
    try:
        return _Columns.of(judged(engine, registry, listing, since))
    except Exception as error:
        return error


def _send(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(len(content).to_bytes(8, "big"))
    pipe.write(content)
    pipe.flush()


def _received(pipe: IO[bytes]) -> bytes:
    length = int.from_bytes(_exactly(pipe, 8), "big")
    return _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError
    return content
