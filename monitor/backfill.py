"""History, learnt page by page: resumable, within the allowance, and never told to anyone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from monitor.alerts.match import enqueue
from monitor.db import now, reading, transaction
from monitor.detection import Watcher
from monitor.history.record import ignoring, record
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
    for namespace in namespaces or (None,):
        progress = _walk(watcher, namespace, since, limit, progress, report)
    return progress


def _walk(
    watcher: Watcher, namespace: str | None, since: date | None, limit: int | None, progress: Progress, report: Report
) -> Progress:
    name = f"backfill {namespace or '*'} since {since or 'ever'}"
    url = _resumed(watcher, name)
    while limit is None or progress.met < limit:
        rows, following = _asked(watcher, url, namespace, progress, report)
        wanted = [row for row in rows if since is None or str(row.get("createdAt"))[:10] >= since.isoformat()]
        wanted = wanted if limit is None else wanted[: limit - progress.met]
        done = following is None or len(wanted) < len(rows)
        learnt = _recorded(watcher, name, wanted, None if done else following)
        reached = str(wanted[-1].get("createdAt"))[:10] if wanted else progress.reached
        progress = Progress(progress.met + len(wanted), progress.learnt + learnt, reached)
        report(progress)
        if done:
            break
        url = following
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


def _recorded(watcher: Watcher, name: str, rows: Sequence[Facts], following: str | None) -> int:
    moment = now()
    sightings = [
        Sighting(row["_id"], row["id"], row, Via.BACKFILL, moment, history=True)
        for row in rows
        if row.get("private") is not True
    ]
    with transaction(watcher.engine) as session:
        done = record(session, sightings, watcher.registry, enqueue)
        session.execute(ignoring(session, Poll), {"name": name, "state": {}, "failures": 0})
        state = session.get_one(Poll, name)
        if following is None:
            session.delete(state)
        else:
            state.state, state.succeeded_at = {"next": following}, moment
            session.add(state)
    return len(done.new)
