"""Backfill: reads the Hub's listing page by page, resumable, within the rate limit, without alerts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any, NamedTuple

from monitor.db.engine import bulk_write_engine, now, reading, transaction
from monitor.db.upsert import insert_or_ignore
from monitor.enums import Observation, Via
from monitor.ingest.context import IngestContext
from monitor.ingest.hub.client import FULL, PAGE, Trail
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import models, public
from monitor.models import Poll
from monitor.releases.classification import Classifications, classify_new
from monitor.releases.recorder import record


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: repositories met and learnt, the creation date reached, seconds to wait (0: none)."""

    met: int
    learnt: int
    reached: str | None
    waiting: float = 0.0


Report = Callable[[Progress], None]


def backfill(
    context: IngestContext, *, since: date | None, namespaces: Sequence[str], limit: int | None, report: Report
) -> Progress:
    """Learns what there is: of these namespaces, else of the whole Hub, newest first down to ``since``.

    Each page is recorded with the place where the next one begins, so that a backfill that was cut off goes on there.
    Waits for the rate limit. Raises HubError where the Hub fails; calling again goes on.
    """
    progress = Progress(0, 0, None)
    with bulk_write_engine(context.engine) as engine:
        context = replace(context, engine=engine)
        for namespace in namespaces or (None,):
            progress = _walk(context, namespace, since, limit, progress, report)
    return progress


def _walk(
    context: IngestContext,
    namespace: str | None,
    since: date | None,
    limit: int | None,
    progress: Progress,
    report: Report,
) -> Progress:
    name = f"backfill {namespace or '*'} since {since or 'ever'}"
    most = None if limit is None else limit - progress.met
    met = 0
    trail = Trail()
    following = _resumed(context, name)
    while True:
        listing, following = _asked(context, namespace, partial(_report_waiting, report, progress), following)
        trail.add(listing, following)
        page = _cut(_classified(context, listing, since), None if most is None else most - met)
        met += len(page.classifications)
        learnt = _recorded(context, name, page, following if page.whole else None)
        made = next((row["created_at"] for row in page.classifications.values()), None)
        reached = made.date().isoformat() if made is not None else progress.reached
        progress = Progress(progress.met + len(page.classifications), progress.learnt + learnt, reached)
        report(progress)
        if not page.whole or following is None or met == most:
            return progress


def _report_waiting(report: Report, progress: Progress, wait: float) -> None:
    report(replace(progress, waiting=wait))


class Page(NamedTuple):
    """A classified page of the listing: what is wanted of it, oldest first; when it was read; and if that is all."""

    classifications: Classifications
    seen_at: datetime
    whole: bool


OLDER = 50
"""Older repositories that a page must hold for the listing to have come to the day: single dates can be wrong."""


def _classified(context: IngestContext, listing: bytes, since: date | None) -> Page:
    """The public repositories of a page that were made at ``since`` or later. Raises HubError where it is no page."""
    seen_at = now()
    rows = models(listing)
    wanted = [row for row in rows if since is None or str(row.get("createdAt"))[:10] >= since.isoformat()]
    observations = [Observation(row["_id"], row["id"], row, Via.BACKFILL, seen_at) for row in wanted if public(row)]
    ended = 0 < min(OLDER, len(rows)) <= len(rows) - len(wanted)
    with reading(context.engine) as session:
        return Page(classify_new(session, observations, context.registry), seen_at, not ended)


def _cut(page: Page, most: int | None) -> Page:
    if most is None or len(page.classifications) <= most:
        return page
    newest = dict(list(page.classifications.items())[len(page.classifications) - most :])
    return page._replace(classifications=newest, whole=False)


def _asked(
    context: IngestContext, namespace: str | None, waiting: Callable[[float], None], url: str | None
) -> tuple[bytes, str | None]:
    params: dict[str, Any] = {"sort": "createdAt", "limit": PAGE, "expand": FULL}
    if namespace is not None:
        params["author"] = namespace
    while True:
        try:
            answer = context.hub.unread(url, **params)
            return answer.content, answer.following
        except RateLimited as spent:
            waiting(spent.retry_in)
            time.sleep(min(spent.retry_in, 5.0))


def _resumed(context: IngestContext, name: str) -> str | None:
    with reading(context.engine) as session:
        row = session.get(Poll, name)
        url = row.state.get("next") if row is not None else None
    # A place in another Hub's listing means nothing here.
    return url if isinstance(url, str) and url.startswith(f"{context.hub.endpoint}/") else None


def _recorded(context: IngestContext, name: str, page: Page, following: str | None) -> int:
    current_time = now()
    observations = [
        Observation(hub_id, row["repo_id"], {}, Via.BACKFILL, page.seen_at, is_backfilled=True)
        for hub_id, row in page.classifications.items()
    ]
    with transaction(context.engine) as session:
        done = record(
            session, observations, context.registry, context.enqueue, page.classifications, context.launch_window
        )
        session.execute(insert_or_ignore(session, Poll), {"name": name, "state": {}, "failures": 0})
        state = session.get_one(Poll, name)
        if following is None:
            session.delete(state)
        else:
            state.state, state.succeeded_at = {"next": following}, current_time
            session.add(state)
    return done.learnt
