"""History, learnt page by page: resumable, within the allowance, and never told to anyone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from threading import Event
from typing import Any

from monitor.db.engine import many, now, reading, transaction
from monitor.enums import Sighting, Via
from monitor.ingest.classification_worker import Judging, Page, beside, few_collections
from monitor.ingest.detection import Watcher
from monitor.ingest.hub.client import FULL, PAGE, Trail
from monitor.ingest.hub.rate_limiter import AllowanceSpent
from monitor.ingest.hub.responses import HubError
from monitor.models import Poll
from monitor.notify.matching import enqueue
from monitor.releases.recorder import ignoring, record


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
        many(watcher.engine) as engine,
        ThreadPoolExecutor(1) as ahead,
        beside(engine, watcher.registry) as judging,
        ThreadPoolExecutor(1) as behind,
        few_collections(),
    ):
        hands = _Hands(replace(watcher, engine=engine), ahead, judging, behind)
        if not namespaces and (limit is None or limit > PAGE):
            judging.start()  # while the first page is asked for
        for namespace in namespaces or (None,):
            progress = _walk(hands, namespace, since, limit, progress, report)
    return progress


_JUDGED_AHEAD = 2


@dataclass(frozen=True, slots=True)
class _Hands:
    """Those who work at a time: ``ahead`` asks for pages, ``judging`` judges them, ``behind`` writes them."""

    watcher: Watcher
    ahead: Executor
    judging: Judging
    behind: Executor


def _walk(
    hands: _Hands, namespace: str | None, since: date | None, limit: int | None, progress: Progress, report: Report
) -> Progress:
    watcher = hands.watcher
    name = f"backfill {namespace or '*'} since {since or 'ever'}"
    most = None if limit is None else limit - progress.met
    ask = partial(_asked, watcher, namespace, lambda wait: report(replace(progress, waiting=wait)))
    writing: Future[int] | None = None
    with closing(_pages(hands, ask, _resumed(watcher, name), since, most)) as pages:
        for page, following in pages:
            learnt = progress.learnt + (writing.result() if writing is not None else 0)
            writing = hands.behind.submit(_recorded, watcher, name, page, following if page.whole else None)
            made = next((row["created_at"] for row in page.judgements.values()), None)
            reached = made.date().isoformat() if made is not None else progress.reached
            progress = Progress(progress.met + len(page.judgements), learnt, reached)
            report(progress)
    if writing is not None:
        progress = replace(progress, learnt=progress.learnt + writing.result())
        report(progress)
    return progress


Ask = Callable[[Event, str | None], tuple[bytes, str | None]]


def _pages(
    hands: _Hands, ask: Ask, place: str | None, since: date | None, most: int | None
) -> Generator[tuple[Page, str | None]]:
    """Judged pages in their order, each with the place of the next.

    The last one ends where no more is wanted: at the day, or at ``most`` repositories. While the caller does something
    with one, others are asked for and judged; no more than can be wanted.
    """
    over = Event()
    trail = Trail()
    failure: HubError | None = None
    asked: Future[tuple[bytes, str | None]] | None = hands.ahead.submit(ask, over, place)
    coming: deque[tuple[Callable[[], Page], str | None]] = deque()
    met = 0
    try:
        while asked is not None or coming:
            if asked is not None:
                try:
                    listing, following = asked.result()
                    trail.add(listing, following)
                except HubError as error:
                    # What came before it is kept: the next backfill goes on from there.
                    failure, asked = error, None
                    continue
                more = following is not None and (most is None or met + (len(coming) + 1) * PAGE < most)
                coming.append((hands.judging(listing, since, more=more), following))
                asked = hands.ahead.submit(ask, over, following) if more else None
                if asked is not None and len(coming) < _JUDGED_AHEAD:
                    continue
            judged, following = coming.popleft()
            page = _cut(judged(), None if most is None else most - met)
            met += len(page.judgements)
            yield page, following
            if not page.whole or met == most:
                return
            if (
                failure is None and asked is None and not coming and following is not None
            ):  # the page was not as full as pages can be
                asked = hands.ahead.submit(ask, over, following)
        if failure is not None:
            raise failure
    finally:
        over.set()


def _cut(page: Page, most: int | None) -> Page:
    if most is None or len(page.judgements) <= most:
        return page
    newest = dict(list(page.judgements.items())[len(page.judgements) - most :])
    return page._replace(judgements=newest, whole=False)


def _asked(
    watcher: Watcher, namespace: str | None, waiting: Callable[[float], None], over: Event, url: str | None
) -> tuple[bytes, str | None]:
    params: dict[str, Any] = {"sort": "createdAt", "limit": PAGE, "expand": FULL}
    if namespace is not None:
        params["author"] = namespace
    while True:
        try:
            answer = watcher.hub.unread(url, **params)
            return answer.content, answer.following
        except AllowanceSpent as spent:
            waiting(spent.retry_in)
            if over.wait(min(spent.retry_in, 5.0)):
                return b"[]", None


def _resumed(watcher: Watcher, name: str) -> str | None:
    with reading(watcher.engine) as session:
        row = session.get(Poll, name)
        url = row.state.get("next") if row is not None else None
    # A place in another Hub's listing means nothing here.
    return url if isinstance(url, str) and url.startswith(f"{watcher.hub.endpoint}/") else None


def _recorded(watcher: Watcher, name: str, page: Page, following: str | None) -> int:
    moment = now()
    sightings = [
        Sighting(hub_id, row["repo_id"], {}, Via.BACKFILL, page.seen_at, history=True)
        for hub_id, row in page.judgements.items()
    ]
    with transaction(watcher.engine) as session:
        done = record(session, sightings, watcher.registry, enqueue, page.judgements, watcher.launch_window)
        session.execute(ignoring(session, Poll), {"name": name, "state": {}, "failures": 0})
        state = session.get_one(Poll, name)
        if following is None:
            session.delete(state)
        else:
            state.state, state.succeeded_at = {"next": following}, moment
            session.add(state)
    return done.learnt
