"""Polls of the Hub-wide listings: newest created, newest modified, trending.

Each poll reads the Hub first and then writes everything in one transaction, with the cursor. If a listing fails half
way, nothing is written and the next poll begins where this one did. A failed look-up of a single item fails that item
only (:mod:`monitor.ingest.lookups`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import or_, select
from sqlmodel import col

from monitor.dates import plausible_at, plausible_hub_time
from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim, unleased
from monitor.db.upsert import insert_or_ignore
from monitor.enums import Via
from monitor.ingest import repository_files
from monitor.ingest.base_models import fetch_ancestors
from monitor.ingest.context import (
    IngestContext,
    log_recorded,
    mark_gone,
    observation,
    recording_failure,
)
from monitor.ingest.hub.client import Hub, Walk
from monitor.ingest.hub.responses import (
    Facts,
    public,
)
from monitor.ingest.organizations import enrich_with_organizations
from monitor.models import Poll, iso
from monitor.releases.adoption import update_trending_ranks
from monitor.releases.recorder import Recorded, record
from monitor.schedule import LEASE_SECONDS, next_poll_at

log = structlog.get_logger(__name__)

SORTS = {Via.CREATED: "createdAt", Via.MODIFIED: "lastModified"}


def poll(context: IngestContext, via: Via, *, skip_if_recent: bool = False) -> Recorded | None:
    """Polls one listing and records what it shows; returns None where another worker holds the lease.

    ``skip_if_recent``: return None too if the last poll began less than an interval ago, so that a second beat does
    not poll more often. Raises HubError after recording the failure; the next poll begins at the same mark.
    """
    state = _begin_poll(context, via, skip_if_recent=skip_if_recent)
    if state is None:
        return None
    with recording_failure(context, Poll, str(via)):
        items, state, after = _read_listing(context, via, state)
        shown = [item for item in items if public(item)]
        bases = fetch_ancestors(context.engine, context.hub, context.rate_limiter, context.registry, shown)
        repository_files.enqueue_bases(context, bases)
        repository_files.read_new(context, shown, via)
        observations = [observation(item, via) for item in (*bases, *shown)]
        with transaction(context.engine) as session:
            row = session.get_one(Poll, str(via))
            row.state = state  # the recorder takes from it since when a repository is news
            done = record(session, observations, context.registry, context.enqueue, window=context.launch_window)
            done.changed += mark_gone(
                session, context.registry, dict.fromkeys(_disabled_ids(items), "disabled by the Hub")
            )
            if via is Via.TRENDING:
                update_trending_ranks(session, [item["_id"] for item in shown])
            row.state, row.succeeded_at, row.failures, row.error = after or row.state, now(), 0, None
            row.leased_until = None
            session.add(row)
    log_recorded(context, done, str(via))
    return done


def _read_listing(
    context: IngestContext, via: Via, state: dict[str, Any]
) -> tuple[list[Facts], dict[str, Any], dict[str, Any]]:
    """Returns (items, the state that was in effect, the state after this poll)."""
    if via is Via.TRENDING:
        items, after = enrich_with_organizations(context, context.hub.trending(), state)
        return items, state, after
    began = now()
    walk = context.hub.newest(SORTS[via], *(state.get(key) for key in ("mark", "since", "walked_at")))
    _log_implausible_dates(via, walk, state)
    state = _without_implausible_start(state, walk)
    return list(walk.items), state, _state_after_walk(state, walk, began) | _token_state(context.hub, state)


def _begin_poll(context: IngestContext, via: Via, *, skip_if_recent: bool = False) -> dict[str, Any] | None:
    """Leases the poll and returns its state; None where it is leased or, with ``skip_if_recent``, not due."""
    began = now()
    with reading(context.engine) as session:
        is_first = session.get(Poll, str(via)) is None
    if is_first:
        with transaction(context.engine) as session:
            session.execute(insert_or_ignore(session, Poll), {"name": str(via), "state": {}, "failures": 0})
    ready = select(Poll).where(col(Poll.name) == str(via), unleased(Poll, began))
    if skip_if_recent:
        ready = ready.where(or_(col(Poll.due_at).is_(None), col(Poll.due_at) <= began))
    due_at = next_poll_at(via, context.hub_interval, began)
    rows = claim(context.engine, ready, LEASE_SECONDS["poll"], lambda row: setattr(row, "due_at", due_at))
    return rows[0].state if rows else None


def _state_after_walk(state: dict[str, Any], walk: Walk, began: datetime) -> dict[str, Any]:
    """Returns the cursor after a walk: the mark, the start of monitoring (Hub's time), and when it was read (ours)."""
    mark = iso(max(filter(None, (walk.mark, walk.newest)), default=None))
    return {
        "mark": mark,
        "since": state.get("since") or mark,
        "walked_at": iso(began),
        "complete": walk.complete,
        "implausible": dict(list(walk.implausible.items())[:MAX_IMPLAUSIBLE]),
    }


def _without_implausible_start(state: dict[str, Any], walk: Walk) -> dict[str, Any]:
    """Returns ``state`` with a plausible start of monitoring: a repository's wrong date may have been kept as that."""
    if state.get("since") is None or plausible_at(plausible_hub_time(state["since"]), walk.at):
        return state
    log.warning("implausible start of monitoring corrected", since=state["since"], to=iso(walk.mark))
    return {**state, "since": iso(walk.mark)}


MAX_IMPLAUSIBLE = 20
"""Repositories with a wrong date that are kept with a poll, for /status."""


def _log_implausible_dates(via: Via, walk: Walk, state: dict[str, Any]) -> None:
    """Logs the dates that are ignored, once for as long as the poll shows them."""
    for repo_id in list(walk.implausible.keys() - (state.get("implausible") or {}).keys())[:MAX_IMPLAUSIBLE]:
        value = walk.implausible[repo_id]
        log.warning("implausible date ignored", poll=str(via), repo_id=repo_id, date=value)


def _disabled_ids(items: Iterable[Facts]) -> list[str]:
    return [item["_id"] for item in items if item.get("disabled") is True]


def _token_state(hub: Hub, state: dict[str, Any]) -> dict[str, Any]:
    """Returns since when the Hub has refused the token and why, for the poll's state; empty while it is accepted."""
    if hub.credentials.refused is None:
        return {}
    since = (state.get("token") or {}).get("since") or iso(now())
    return {"token": {"since": since, "says": hub.credentials.refused}}
