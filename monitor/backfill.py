"""History, learnt page by page: resumable, within the allowance, and never told to anyone."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any

from sqlalchemy import Engine

from monitor.alerts.match import enqueue
from monitor.db import make_engine, now, reading, transaction
from monitor.detection import Watcher
from monitor.history.record import Judgements, ignoring, judge, record
from monitor.labs import Registry
from monitor.models import Poll
from monitor.sources.budget import AllowanceSpent
from monitor.sources.hub import FULL, PAGE, Facts
from monitor.vocabulary import Sighting, Via


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: repositories met and learnt, the creation date reached, seconds to wait (0: none)."""

    met: int
    learnt: int
    reached: str | None
    waiting: float = 0.0


Report = Callable[[Progress], None]


def backfill(
    watcher: Watcher, *, since: date | None, namespaces: Sequence[str], limit: int | None, report: Report
) -> Progress:
    """Learns what there is: of these namespaces, else of the whole Hub, newest first down to ``since``.

    Each page is recorded with the place where the next one begins, so that a backfill that was cut off goes on there.
    Waits for the allowance. Raises HubError where the Hub fails; calling again goes on.
    """
    progress = Progress(0, 0, None)
    with (
        ThreadPoolExecutor(1) as ahead,
        ThreadPoolExecutor(1) as behind,
        _judging(watcher) as judging,
        _few_collections(),
    ):
        for namespace in namespaces or (None,):
            progress = _walk(watcher, ahead, judging, behind, namespace, since, limit, progress, report)
    return progress


class _Judging:
    """Judges pages in a process of its own, on another core than the one before is written.

    That takes a second to start: the first page begins it, if more will follow, and is judged here. So is every other
    one where that process cannot be started, or was killed.
    """

    def __init__(self, watcher: Watcher, pool: Executor) -> None:
        self._watcher, self._pool, self._begun = watcher, pool, False

    def __call__(self, sightings: Sequence[Sighting], *, more: bool) -> Judgements:
        begun, self._begun = self._begun, self._begun or more
        with suppress(BrokenExecutor):
            if begun:
                return self._pool.submit(_judged_beside, sightings).result()
            if more:
                self._pool.submit(_judged_beside, ())
        return _judged(self._watcher.engine, self._watcher.registry, sightings)


@contextmanager
def _judging(watcher: Watcher) -> Iterator[_Judging]:
    place = watcher.engine.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(1, get_context("spawn"), _begin_beside, (place, watcher.registry)) as pool:
        yield _Judging(watcher, pool)


_beside: list[tuple[Engine, Registry]] = []
"""In the process that judges: where it reads the history, and what it knows of labs."""


def _begin_beside(place: str, registry: Registry) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it is stopped, and stops it
    Thread(target=_end_with_parent, daemon=True).start()
    gc.set_threshold(*_SELDOM)
    _beside.append((make_engine(place), registry))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)  # it was killed, and nobody waits for an answer


def _judged_beside(sightings: Sequence[Sighting]) -> Judgements:
    return _judged(*_beside[0], sightings)


def _judged(engine: Engine, registry: Registry, sightings: Sequence[Sighting]) -> Judgements:
    with reading(engine) as session:
        return judge(session, sightings, registry)


_SELDOM = 100_000, 50, 100


@contextmanager
def _few_collections() -> Iterator[None]:
    """Pages of facts are trees without circles, made by the hundred thousand: looking for circles costs a sixth."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _walk(
    watcher: Watcher,
    ahead: Executor,
    judging: _Judging,
    behind: Executor,
    namespace: str | None,
    since: date | None,
    limit: int | None,
    progress: Progress,
    report: Report,
) -> Progress:
    name = f"backfill {namespace or '*'} since {since or 'ever'}"

    def ask(url: str | None) -> Future[tuple[list[Facts], str | None]]:
        return ahead.submit(_asked, watcher, url, namespace, progress, report)

    page = ask(_resumed(watcher, name))
    writing: Future[int] | None = None
    while True:
        rows, following = page.result()
        wanted = [row for row in rows if since is None or str(row.get("createdAt"))[:10] >= since.isoformat()]
        wanted = wanted if limit is None else wanted[: limit - progress.met]
        ended = following is None or len(wanted) < len(rows)
        enough = limit is not None and progress.met + len(wanted) >= limit
        if not (ended or enough):
            page = ask(following)
        # The next page comes, and this one is judged, while the one before is written.
        sightings = _sightings(wanted)
        judgements = judging(sightings, more=not (ended or enough))
        learnt = progress.learnt + (writing.result() if writing is not None else 0)
        writing = behind.submit(_recorded, watcher, name, sightings, judgements, None if ended else following)
        reached = str(wanted[-1].get("createdAt"))[:10] if wanted else progress.reached
        progress = Progress(progress.met + len(wanted), learnt, reached)
        report(progress)
        if ended or enough:
            progress = Progress(progress.met, learnt + writing.result(), reached)
            report(progress)
            return progress


def _asked(
    watcher: Watcher, url: str | None, namespace: str | None, progress: Progress, report: Report
) -> tuple[list[Facts], str | None]:
    params: dict[str, Any] = {"sort": "createdAt", "limit": PAGE, "expand": FULL}
    if namespace is not None:
        params["author"] = namespace
    while True:
        try:
            return watcher.hub.page(url, **params)
        except AllowanceSpent as spent:
            report(Progress(progress.met, progress.learnt, progress.reached, spent.retry_in))
            time.sleep(min(spent.retry_in, 5.0))


def _resumed(watcher: Watcher, name: str) -> str | None:
    with reading(watcher.engine) as session:
        row = session.get(Poll, name)
        url = row.state.get("next") if row is not None else None
    # A place in another Hub's listing means nothing here.
    return url if isinstance(url, str) and url.startswith(f"{watcher.hub.endpoint}/") else None


def _sightings(rows: Sequence[Facts]) -> list[Sighting]:
    moment = now()
    return [
        Sighting(row["_id"], row["id"], row, Via.BACKFILL, moment, history=True)
        for row in rows
        if row.get("private") is not True
    ]


def _recorded(
    watcher: Watcher, name: str, sightings: Sequence[Sighting], judgements: Judgements, following: str | None
) -> int:
    moment = now()
    with transaction(watcher.engine) as session:
        done = record(session, sightings, watcher.registry, enqueue, judgements, watcher.launch_window)
        session.execute(ignoring(session, Poll), {"name": name, "state": {}, "failures": 0})
        state = session.get_one(Poll, name)
        if following is None:
            session.delete(state)
        else:
            state.state, state.succeeded_at = {"next": following}, moment
            session.add(state)
    return done.learnt
