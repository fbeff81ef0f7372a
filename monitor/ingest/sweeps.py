"""Sweeps: comparing the repositories of one namespace with those in the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Engine, delete, select, update
from sqlmodel import Session, col

from monitor.dates import plausible_at, plausible_hub_time
from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim, give_back, unleased
from monitor.db.upsert import insert_or_ignore
from monitor.enums import LookupKind, Via
from monitor.ingest import repository_files
from monitor.ingest.context import (
    PUBLIC_STATUSES,
    IngestContext,
    is_limit_low,
    log_recorded,
    mark_gone,
    observation,
    recording_failure,
)
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import (
    DisabledError,
    Facts,
    HubDownError,
    HubError,
    LookupFailedError,
    public,
)
from monitor.ingest.lookups import Lookups
from monitor.models import Namespace, Release
from monitor.releases import records
from monitor.releases.adoption import update_popularity
from monitor.releases.providers import has_moved
from monitor.releases.recorder import Recorded, record, record_providers
from monitor.schedule import LEASE_SECONDS, jittered, sweep_interval

log = structlog.get_logger(__name__)

MAX_DETAILS = 5
"""Repositories of one namespace that are looked up one by one; for more, its full listing costs less."""
MAX_CONFIRMED = 20
"""Missing repositories that one sweep looks up; the next sweep looks up the rest."""
_NEVER_SWEPT: dict[str, Any] = {"interval": 0.0, "repositories": 0, "failures": 0}


def watch(context: IngestContext, followed: Sequence[str] = ()) -> None:
    """Makes the namespaces of the registry, and those that subscriptions follow, the ones that are swept."""
    at = now()
    wanted = dict.fromkeys(context.registry.watched, "registry") | dict.fromkeys(followed, "subscription")
    with transaction(context.engine) as session:
        there = {row.name: row for row in session.scalars(select(Namespace))}
        labs = {name: lab.id if (lab := context.registry.of(name)) else None for name in wanted}
        for name in wanted.keys() & there.keys():
            there[name].reason, there[name].lab = wanted[name], labs[name]
        new = [
            {"name": name, "reason": why, "lab": labs[name], "added_at": at, "due_at": at, **_NEVER_SWEPT}
            for name, why in wanted.items()
            if name not in there
        ]
        if new:  # another worker may have added them meanwhile
            session.execute(insert_or_ignore(session, Namespace), new)
        session.execute(delete(Namespace).where(col(Namespace.name).in_(there.keys() - wanted.keys())))


def due(context: IngestContext, most: int = 10, *, requested_only: bool = False) -> list[str]:
    """Leases namespaces that are due and returns their names: requested sweeps first, then the most overdue."""
    at = now()
    ready = (
        select(Namespace)
        .where(col(Namespace.due_at) <= at, unleased(Namespace, at))
        .order_by(col(Namespace.sweep_requested_at).is_(None), col(Namespace.due_at))
        .limit(most)
    )
    if requested_only:
        ready = ready.where(col(Namespace.sweep_requested_at).is_not(None))
    return [row.name for row in claim(context.engine, ready, LEASE_SECONDS["sweep"])]


def sweep_due(context: IngestContext) -> Recorded:
    """Sweeps the due namespaces within the rate limit; a namespace that fails does not stop the others.

    While little of the rate limit is left, only requested sweeps run.
    """
    total = Recorded()
    names = due(context, requested_only=is_limit_low(context))
    while names:
        name = names.pop(0)
        try:
            total.add(sweep(context, name))
        except (RateLimited, HubDownError) as error:
            log.warning("sweeps deferred", error=str(error))
            with transaction(context.engine) as session:
                give_back(session, Namespace, names)
            break
        except HubError as error:
            log.warning("sweep failed", namespace=name, error=str(error))
    return total


def sweep(context: IngestContext, name: str) -> Recorded:
    """Records which repositories of the namespace are new, changed, renamed, gone or public again.

    Raises HubError after recording the failure.
    """
    with recording_failure(context, Namespace, name):
        began = now()
        listed = {item["_id"]: item for item in context.hub.brief(name) if public(item)}
        known = _known_repositories(context.engine, name)
        changed = _look_up_changed(context, name, [i for key, i in listed.items() if _has_changed(i, known.get(key))])
        moved, gone, alive = _look_up_missing(context, [row for key, row in known.items() if key not in listed])
        if not listed and alive:
            raise HubError(f"{name} lists nothing, though {alive[0]} is public: check the case of the name")
        repository_files.read_new(context, changed, Via.SWEEP)
        observations = [observation(item, Via.SWEEP) for item in (*changed, *moved)]
        newest = _newest_created_at(known, listed.values(), began)
        with transaction(context.engine) as session:
            done = Recorded()
            if observations:
                done = record(session, observations, context.registry, context.enqueue, window=context.launch_window)
            served = [item for key, item in listed.items() if key in known and has_moved(item, known[key].providers)]
            done.add(record_providers(session, [observation(item, Via.SWEEP) for item in served], context.enqueue))
            done.changed += mark_gone(session, context.registry, gone)
            _record_sweep(session, context, name, began, newest, listed.values())
    log_recorded(context, done, name)
    return done


@dataclass(frozen=True, slots=True)
class _KnownRepository:
    hub_id: str
    repo_id: str
    modified_at: datetime | None
    gated: str | None
    live: bool
    created_at: datetime | None
    providers: list[dict[str, Any]] | None


def _known_repositories(engine: Engine, namespace: str) -> dict[str, _KnownRepository]:
    columns: Any = (
        Release.hub_id,
        Release.repo_id,
        Release.modified_at,
        Release.gated,
        Release.status,
        Release.created_at,
        Release.providers,
    )
    with reading(engine) as session:
        rows = session.execute(select(*columns).where(col(Release.namespace) == namespace))
        return {
            row[0]: _KnownRepository(row[0], row[1], row[2], row[3], row[4] in PUBLIC_STATUSES, *row[5:])
            for row in rows
        }


def _has_changed(item: Facts, known: _KnownRepository | None) -> bool:
    if known is None or not known.live or known.repo_id != item["id"]:
        return True
    gated = "no" if item.get("gated") is False else item.get("gated")
    return gated != known.gated or plausible_hub_time(item.get("lastModified")) != known.modified_at


def _look_up_changed(context: IngestContext, namespace: str, items: list[Facts]) -> list[Facts]:
    """Returns all facts of these repositories: one by one or, if that costs more, from the namespace's full listing.

    A repository whose look-up fails is taken from the full listing too; if that fails, a later sweep looks it up.
    """
    if not items:
        return []
    lookups = Lookups(context.engine, LookupKind.REPOSITORY, [item["id"] for item in items])
    wanted = [item for item in items if lookups.may(item["id"])]
    if len(wanted) > MAX_DETAILS:
        return _details_by_listing(context.hub, namespace, {item["_id"] for item in wanted})
    found, failed = list[Facts](), dict[str, str]()
    for item in wanted:
        try:
            facts = lookups.ask(item["id"], context.hub.detail)
        except DisabledError:
            continue
        except LookupFailedError:
            failed[item["_id"]] = item["id"]
            continue
        if facts is not None and public(facts):
            found.append(facts)
    return found + _retry_by_listing(context.hub, namespace, lookups, failed)


def _retry_by_listing(hub: Hub, namespace: str, lookups: Lookups, failed: dict[str, str]) -> list[Facts]:
    """Returns facts of repositories whose look-up failed (hub id to repository id), from the namespace's full listing.

    Raises HubDownError; another failure of the listing leaves them for a later sweep.
    """
    if not failed:
        return []
    try:
        found = _details_by_listing(hub, namespace, set(failed))
    except HubDownError:
        raise
    except HubError as error:
        log.warning("repositories deferred to a later sweep", repo_ids=list(failed.values()), error=str(error))
        return []
    for facts in found:
        lookups.succeeded(facts["id"])
    return found


def _details_by_listing(hub: Hub, namespace: str, wanted: set[str]) -> list[Facts]:
    """Returns all facts of the repositories with these hub ids, from the namespace's full listing."""
    found = []
    for facts in hub.full(namespace):
        if facts["_id"] in wanted:
            wanted.discard(facts["_id"])
            if public(facts):
                found.append(facts)
        if not wanted:
            break
    return found


def _look_up_missing(
    context: IngestContext, missing: list[_KnownRepository]
) -> tuple[list[Facts], dict[str, str], list[str]]:
    """Returns (facts of those that moved, hub ids of those that are gone with why, ids of those still public).

    A listing can omit a repository that moves from one page to another while it is read, so each is looked up.
    """
    moved, gone, alive = list[Facts](), dict[str, str](), list[str]()
    live = [row for row in missing if row.live]
    if not live:
        return moved, gone, alive
    asking = Lookups(context.engine, LookupKind.REPOSITORY, [row.repo_id for row in live])
    for row in [row for row in live if asking.may(row.repo_id)][:MAX_CONFIRMED]:
        try:
            facts = asking.ask(row.repo_id, context.hub.detail, disabled=True)
        except DisabledError:
            gone[row.hub_id] = "disabled by the Hub"
            continue
        except LookupFailedError:
            continue
        if facts is None or facts["_id"] != row.hub_id or not public(facts):
            gone[row.hub_id] = "sweep"
        elif facts["id"] != row.repo_id:
            moved.append(facts)
        else:
            alive.append(row.repo_id)
    return moved, gone, alive


def _newest_created_at(known: dict[str, _KnownRepository], listed: Iterable[Facts], at: datetime) -> datetime | None:
    """Returns when the namespace last created a repository; implausible dates do not count."""
    made = [row.created_at for row in known.values()] + [plausible_hub_time(item.get("createdAt")) for item in listed]
    return max((created for created in made if created is not None and plausible_at(created, at)), default=None)


def _record_sweep(
    session: Session,
    context: IngestContext,
    name: str,
    began: datetime,
    newest: datetime | None,
    listed: Collection[Facts],
) -> None:
    """Writes the sweep, and once a day the downloads and likes of what it listed."""
    query = select(col(Namespace.reason), col(Namespace.swept_at)).where(col(Namespace.name) == name)
    why, swept_at = session.execute(query).first() or (None, None)
    if swept_at is None or swept_at.date() < began.date():
        update_popularity(session, listed)
    repositories = len(listed)
    following = sweep_interval(context.hub_interval, newest, began, followed=why == "subscription")
    values = {
        "interval": following,
        "swept_at": began,
        "due_at": now() + jittered(following),
        "repositories": repositories,
        "failures": 0,
        "leased_until": None,
        "sweep_requested_at": None,
        # A monitored namespace that lists nothing may be misspelled: the Hub reports no error for that.
        "error": None if repositories else "lists nothing: check its name (case matters)",
    }
    session.execute(update(Namespace).where(col(Namespace.name) == name).values(**values))
    if swept_at is None:
        session.flush()
        records.listed_whole(session, name, context.registry)


def request_sweeps(context: IngestContext, namespaces: Sequence[str]) -> None:
    """Makes these namespaces due now, before all others."""
    with transaction(context.engine) as session:
        for row in session.scalars(select(Namespace).where(col(Namespace.name).in_(namespaces))):
            row.due_at = row.sweep_requested_at = now()
            session.add(row)
