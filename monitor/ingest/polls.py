"""Polls of the Hub-wide listings: newest created, newest modified, trending.

Each asks the Hub first and then writes all that it learnt in one transaction, with the cursor; where a listing fails
half way, nothing is written and the next poll begins where this one did. A failed look-up of a single item
fails that item only (:mod:`monitor.ingest.lookups`).
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
from monitor.enums import LookupKind, Via
from monitor.ingest import repository_files
from monitor.ingest.base_models import fetch_ancestors
from monitor.ingest.context import (
    IngestContext,
    is_limit_low,
    log_recorded,
    mark_gone,
    observation,
    recording_failure,
)
from monitor.ingest.hub.client import Hub, Walk
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import (
    Facts,
    HubDownError,
    LookupFailedError,
    public,
)
from monitor.ingest.lookups import Lookups
from monitor.models import Poll, iso
from monitor.releases.adoption import update_trending_ranks
from monitor.releases.recorder import Recorded, record
from monitor.schedule import LEASE_SECONDS, next_poll_at

log = structlog.get_logger(__name__)

SORTS = {Via.CREATED: "createdAt", Via.MODIFIED: "lastModified"}


def poll(context: IngestContext, via: Via, *, skip_if_recent: bool = False) -> Recorded | None:
    """One hub-wide poll; None where another worker is at it. ``skip_if_recent``: nor where one began just before.

    So a second beat does not make it twice as often.

    Raises HubError after having noted the failure; the next poll begins at the same mark.
    """
    state = _begin_poll(context, via, skip_if_recent=skip_if_recent)
    if state is None:
        return None
    with recording_failure(context, Poll, str(via)):
        if via is Via.TRENDING:
            items, after = _enrich_with_organizations(context, context.hub.trending(), state)
        else:
            began = now()
            walk = context.hub.newest(SORTS[via], *(state.get(key) for key in ("mark", "since", "walked_at")))
            items = list(walk.items)
            _log_implausible_dates(via, walk, state)
            state = _without_implausible_start(state, walk)
            after = _state_after_walk(state, walk, began) | _token_state(context.hub, state)
        shown = [item for item in items if public(item)]
        bases = fetch_ancestors(context.engine, context.hub, context.rate_limiter, context.registry, shown)
        repository_files.enqueue_bases(context, bases)
        repository_files.read_new(context, shown, trending=via is Via.TRENDING)
        observations = [observation(item, via) for item in (*bases, *shown)]
        with transaction(context.engine) as session:
            row = session.get_one(Poll, str(via))
            row.state = state  # from the mark that could be used on, what was made since then is news
            done = record(session, observations, context.registry, context.enqueue, window=context.launch_window)
            done.changed += mark_gone(session, dict.fromkeys(_disabled_ids(items), "disabled by the Hub"))
            if via is Via.TRENDING:
                update_trending_ranks(session, [item["_id"] for item in shown])
            row.state, row.succeeded_at, row.failures, row.error = after or row.state, now(), 0, None
            row.leased_until = None
            session.add(row)
    log_recorded(context, done, str(via))
    return done


MAX_ORGANIZATIONS = 5
"""Strangers who are asked about in one poll of what trends."""
MAX_REMEMBERED_ORGANIZATIONS = 1_000
"""Strangers of whom it is kept that they were asked about."""
ORGANIZATION_FIELDS = ("name", "fullname", "details", "description", "website", "email")


def _enrich_with_organizations(
    context: IngestContext, items: list[Facts], state: dict[str, Any]
) -> tuple[list[Facts], dict[str, Any]]:
    """What trends, with what organisations that no registry knows say of themselves, each asked once."""
    asked = list(state.get("introduced") or [])
    names = dict.fromkeys(str(item["id"]).partition("/")[0] for item in items)
    strangers = [name for name in names if context.registry.of(name) is None and name not in asked]
    about: dict[str, Facts] = {}
    asking = Lookups(context.engine, LookupKind.ORGANIZATION, strangers)
    for name in [name for name in strangers if asking.may(name)][:MAX_ORGANIZATIONS]:
        try:
            if asking.over or is_limit_low(context):
                break
            overview = asking.ask(name, context.hub.organization) or {}
        except LookupFailedError:
            continue
        except (HubDownError, RateLimited) as error:
            log.warning("organizations are not asked about now", error=str(error))
            break
        about[name] = {key: overview[key] for key in ORGANIZATION_FIELDS if isinstance(overview.get(key), str)}
        asked.append(name)
    enriched = [
        {**item, "_organization": about[owner]} if about.get(owner := item["id"].partition("/")[0]) else item
        for item in items
    ]
    return enriched, {**state, "introduced": asked[-MAX_REMEMBERED_ORGANIZATIONS:]}


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
    """The cursor after a walk: the mark, since when we watch (Hub's time), and when we last looked (ours)."""
    mark = iso(max(filter(None, (walk.mark, walk.newest)), default=None))
    return {
        "mark": mark,
        "since": state.get("since") or mark,
        "walked_at": iso(began),
        "complete": walk.complete,
        "implausible": dict(list(walk.implausible.items())[:MAX_IMPLAUSIBLE]),
    }


def _without_implausible_start(state: dict[str, Any], walk: Walk) -> dict[str, Any]:
    """``state`` without a beginning of our watch that cannot be one: such was kept from one repository's wrong date."""
    if state.get("since") is None or plausible_at(plausible_hub_time(state["since"]), walk.at):
        return state
    log.warning("the poll's cursor was no date of the past and is put right", since=state["since"], to=iso(walk.mark))
    return {**state, "since": iso(walk.mark)}


MAX_IMPLAUSIBLE = 20
"""Repositories with a wrong date that are kept with a poll, to be shown."""


def _log_implausible_dates(via: Via, walk: Walk, state: dict[str, Any]) -> None:
    """Logs the dates that were ignored, once for as long as they are met."""
    for repo_id in list(walk.implausible.keys() - (state.get("implausible") or {}).keys())[:MAX_IMPLAUSIBLE]:
        value = walk.implausible[repo_id]
        log.warning("a date that cannot be true is ignored", poll=str(via), repo_id=repo_id, date=value)


def _disabled_ids(items: Iterable[Facts]) -> list[str]:
    return [item["_id"] for item in items if item.get("disabled") is True]


def _token_state(hub: Hub, state: dict[str, Any]) -> dict[str, Any]:
    """What a poll keeps of the token: since when the Hub refuses it and why; nothing while the Hub accepts it."""
    if hub.credentials.refused is None:
        return {}
    since = (state.get("token") or {}).get("since") or iso(now())
    return {"token": {"since": since, "says": hub.credentials.refused}}
