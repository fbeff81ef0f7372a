"""From the sources to the history: polls and sweeps that look, record, and tell.

Each function asks the Hub first and then writes all that it learnt in one transaction, with the cursor that says
so; where a listing fails half way, nothing is written and the next run begins where this one did. What is looked up
beside the listings fails for its own item only (:mod:`monitor.ingest.lookups`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine, delete, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from monitor.dates import plausible_at, plausible_hub_time
from monitor.db.engine import in_values, now, reading, transaction
from monitor.enums import LookupKind, Observation, Status, Via
from monitor.ingest import lookups
from monitor.ingest.base_models import MOST, ancestors, look_up
from monitor.ingest.feeds.reader import NewEntry
from monitor.ingest.hub.client import Hub, Walk
from monitor.ingest.hub.rate_limiter import Allowance, AllowanceSpent
from monitor.ingest.hub.responses import (
    DisabledError,
    Facts,
    HubDownError,
    HubError,
    LookupFailedError,
    public,
)
from monitor.ingest.lookups import Lookups
from monitor.ingest.schedule import interval, jittered, next_poll_at
from monitor.labs import Registry
from monitor.models import FeedEntry, Hint, Namespace, Poll, Release, iso
from monitor.notify.matching import tell_announced
from monitor.observability.logging import traced
from monitor.observability.tracing import span
from monitor.releases.adoption import update_popularity, update_trending_ranks
from monitor.releases.launches.announcement_links import link_announcements
from monitor.releases.launches.announcements import announce, news
from monitor.releases.launches.grouping import WINDOW
from monitor.releases.reclassify import reclassify_releases
from monitor.releases.recorder import Recorded, Tell, insert_or_ignore, mark_withdrawn, record

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=120)
SORTS = {Via.CREATED: "createdAt", Via.MODIFIED: "lastModified"}
DETAILS = 5
"""Repositories of one namespace that are asked for one by one; for more, its whole listing costs less."""
CONFIRMED = 20
"""Vanished repositories of one namespace that one sweep asks after; the rest is left to the next."""
SHARE = 0.2
"""The part of the allowance that is kept for what is new: routine sweeps stop when no more than this is left."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """What detection needs: the database, the Hub, what may be asked of it, and whose namespaces to watch."""

    engine: Engine
    hub: Hub
    allowance: Allowance
    registry: Registry
    hub_interval: float
    enqueue: Tell
    """Writes the deliveries of news."""
    launch_window: timedelta = WINDOW
    ring: Callable[[str], None] = field(default=lambda _task: None)
    """Rung with ``deliver`` when deliveries were written, so that they go out at once."""


# --- hub-wide polls ---------------------------------------------------------------------------------------


def poll(watcher: Watcher, via: Via, *, sparing: bool = False) -> Recorded | None:
    """One hub-wide poll; None where another worker is at it. ``sparing``: nor where one began just before.

    So a second beat does not make it twice as often.

    Raises HubError after having noted the failure; the next poll begins at the same mark.
    """
    state = _begin(watcher, via, sparing=sparing)
    if state is None:
        return None
    with _noted(watcher, Poll, str(via)):
        if via is Via.TRENDING:
            items, after = _introduced(watcher, watcher.hub.trending(), state)
        else:
            began = now()
            walk = watcher.hub.newest(SORTS[via], *(state.get(key) for key in ("mark", "since", "walked_at")))
            items = list(walk.items)
            _say_implausible_at(via, walk, state)
            state = _healed(state, walk)
            after = _walked(state, walk, began) | _token(watcher.hub, state)
        shown = [item for item in items if public(item)]
        bases = ancestors(watcher.engine, watcher.hub, watcher.allowance, watcher.registry, shown)
        observations = [_observation(item, via) for item in (*bases, *shown)]
        with transaction(watcher.engine) as session:
            row = session.get_one(Poll, str(via))
            row.state = state  # from the mark that could be used on, what was made since then is news
            done = record(session, observations, watcher.registry, watcher.enqueue, window=watcher.launch_window)
            done.changed += _gone(session, dict.fromkeys(_disabled(items), "disabled by the Hub"))
            if via is Via.TRENDING:
                update_trending_ranks(session, [item["_id"] for item in shown])
            row.state, row.succeeded_at, row.failures, row.error = after or row.state, now(), 0, None
            row.leased_until = None
            session.add(row)
    _told(watcher, done, str(via))
    return done


def look_again(watcher: Watcher) -> Recorded:
    """Asks once more for bases that the Hub had no answer for; classifies anew what was built on those that come."""
    names = lookups.due(watcher.engine, LookupKind.BASE, MOST)
    # Each has been answered, or is kept as failed, before the next is asked for: nothing is asked for twice.
    found = look_up(watcher.engine, watcher.hub, watcher.allowance, names, MOST, set())
    if not found:
        return Recorded()
    deeper = ancestors(watcher.engine, watcher.hub, watcher.allowance, watcher.registry, found)
    observations = [_observation(item, Via.CREATED) for item in (*deeper, *found)]
    with transaction(watcher.engine) as session:
        done = record(session, observations, watcher.registry, watcher.enqueue, window=watcher.launch_window)
        session.flush()
        roots = [item["id"] for item in found]
        built = select(Release).where(col(Release.foundation_repo_id).in_(roots), col(Release.repo_id).not_in(roots))
        reclassify_releases(
            session, list(session.scalars(built.limit(MAX_RECLASSIFIED))), watcher.registry, "its base was found"
        )
    _told(watcher, done, "look-ups")
    return done


MAX_RECLASSIFIED = 1_000
"""Releases that are classified anew at once, for a base that was found; `reclassify` does the rest."""
INTRODUCED = 5
"""Strangers who are asked about in one poll of what trends."""
REMEMBERED = 1_000
"""Strangers of whom it is kept that they were asked about."""
ABOUT = ("name", "fullname", "details", "description", "website", "email")


def _introduced(watcher: Watcher, items: list[Facts], state: dict[str, Any]) -> tuple[list[Facts], dict[str, Any]]:
    """What trends, with what organisations that no registry knows say of themselves, each asked once."""
    asked = list(state.get("introduced") or [])
    names = dict.fromkeys(str(item["id"]).partition("/")[0] for item in items)
    strangers = [name for name in names if watcher.registry.of(name) is None and name not in asked]
    about: dict[str, Facts] = {}
    asking = Lookups(watcher.engine, LookupKind.ORGANIZATION, strangers)
    for name in [name for name in strangers if asking.may(name)][:INTRODUCED]:
        try:
            if asking.over or _short(watcher):
                break
            overview = asking.ask(name, watcher.hub.organization) or {}
        except LookupFailedError:
            continue
        except (HubDownError, AllowanceSpent) as error:
            log.warning("organizations are not asked about now", error=str(error))
            break
        about[name] = {key: overview[key] for key in ABOUT if isinstance(overview.get(key), str)}
        asked.append(name)
    told = [
        {**item, "_organization": about[owner]} if about.get(owner := item["id"].partition("/")[0]) else item
        for item in items
    ]
    return told, {**state, "introduced": asked[-REMEMBERED:]}


def _begin(watcher: Watcher, via: Via, *, sparing: bool = False) -> dict[str, Any] | None:
    with transaction(watcher.engine) as session:
        session.execute(insert_or_ignore(session, Poll), {"name": str(via), "state": {}, "failures": 0})
        row = session.get_one(Poll, str(via), with_for_update=True)
        moment = now()
        if row.leased_until is not None and row.leased_until > moment:
            return None
        if sparing and row.due_at is not None and row.due_at > moment:
            return None
        row.due_at = next_poll_at(via, watcher.hub_interval, moment)
        row.leased_until = moment + LEASE
        session.add(row)
        return row.state


def _walked(state: dict[str, Any], walk: Walk, began: datetime) -> dict[str, Any]:
    """The cursor after a walk: the mark, since when we watch (Hub's time), and when we last looked (ours)."""
    mark = iso(max(filter(None, (walk.mark, walk.newest)), default=None))
    return {
        "mark": mark,
        "since": state.get("since") or mark,
        "walked_at": iso(began),
        "complete": walk.complete,
        "implausible": dict(list(walk.implausible.items())[:IMPLAUSIBLE]),
    }


def _healed(state: dict[str, Any], walk: Walk) -> dict[str, Any]:
    """``state`` without a beginning of our watch that cannot be one: such was kept from one repository's wrong date."""
    if state.get("since") is None or plausible_at(plausible_hub_time(state["since"]), walk.at):
        return state
    log.warning("the poll's cursor was no date of the past and is put right", since=state["since"], to=iso(walk.mark))
    return {**state, "since": iso(walk.mark)}


IMPLAUSIBLE = 20
"""Repositories with a wrong date that are kept with a poll, to be shown."""


def _say_implausible_at(via: Via, walk: Walk, state: dict[str, Any]) -> None:
    """Logs the dates that were ignored, once for as long as they are met."""
    for repo_id in list(walk.implausible.keys() - (state.get("implausible") or {}).keys())[:IMPLAUSIBLE]:
        value = walk.implausible[repo_id]
        log.warning("a date that cannot be true is ignored", poll=str(via), repo_id=repo_id, date=value)


def _disabled(items: Iterable[Facts]) -> list[str]:
    return [item["_id"] for item in items if item.get("disabled") is True]


def _gone(session: Session, reasons: Mapping[str, str]) -> list[Release]:
    """Marks public releases as withdrawn, by hub id with why; returns those that were public."""
    if not reasons:
        return []
    query = select(Release).where(in_values(session, "release.hub_id", reasons), col(Release.status).in_(_PUBLIC))
    rows = list(session.scalars(query))
    for row in rows:
        mark_withdrawn(session, row, Status.GONE, now(), reasons[row.hub_id])
    return rows


def _token(hub: Hub, state: dict[str, Any]) -> dict[str, Any]:
    """What a poll keeps of the token: since when the Hub refuses it and why; nothing while the Hub accepts it."""
    if hub.credentials.refused is None:
        return {}
    since = (state.get("token") or {}).get("since") or iso(now())
    return {"token": {"since": since, "says": hub.credentials.refused}}


def _observation(facts: Facts, via: Via) -> Observation:
    return Observation(hub_id=facts["_id"], repo_id=facts["id"], facts=facts, via=via, observed_at=now())


# --- namespaces -------------------------------------------------------------------------------------------


_UNSWEPT: dict[str, Any] = {"interval": 0.0, "repositories": 0, "failures": 0}


def watch(watcher: Watcher, followed: Sequence[str] = ()) -> None:
    """Makes the registry's namespaces, and those that subscriptions follow, be swept."""
    moment = now()
    wanted = dict.fromkeys(watcher.registry.watched, "registry") | dict.fromkeys(followed, "subscription")
    with transaction(watcher.engine) as session:
        there = {row.name: row for row in session.scalars(select(Namespace))}
        labs = {name: lab.id if (lab := watcher.registry.of(name)) else None for name in wanted}
        for name in wanted.keys() & there.keys():
            there[name].reason, there[name].lab = wanted[name], labs[name]
        # Another worker may be at the same: what it has added or taken away is as wanted.
        fresh = [
            {"name": name, "reason": why, "lab": labs[name], "added_at": moment, "due_at": moment, **_UNSWEPT}
            for name, why in wanted.items()
            if name not in there
        ]
        if fresh:
            session.execute(insert_or_ignore(session, Namespace), fresh)
        session.execute(delete(Namespace).where(col(Namespace.name).in_(there.keys() - wanted.keys())))


def due(watcher: Watcher, most: int = 10, *, hinted_only: bool = False) -> list[str]:
    """Leases the namespaces whose turn it is, those with a hint first, then the longest overdue."""
    moment = now()
    ready = (
        select(col(Namespace.name))
        .where(
            col(Namespace.due_at) <= moment,
            or_(col(Namespace.leased_until).is_(None), col(Namespace.leased_until) <= moment),
        )
        .order_by(col(Namespace.sweep_requested_at).is_(None), col(Namespace.due_at))
        .limit(most)
    )
    if hinted_only:
        ready = ready.where(col(Namespace.sweep_requested_at).is_not(None))
    with reading(watcher.engine) as session:
        if session.scalars(ready.limit(1)).first() is None:
            return []
    with transaction(watcher.engine) as session:
        names = list(session.scalars(ready.with_for_update(skip_locked=True)))
        _lease_until(session, names, moment + LEASE)
        return names


def _lease_until(session: Session, names: Sequence[str], until: datetime | None) -> None:
    session.execute(update(Namespace).where(col(Namespace.name).in_(names)).values(leased_until=until))


def sweep_due(watcher: Watcher) -> Recorded:
    """Sweeps the namespaces whose turn it is, as far as the allowance goes; a failing one stops no other.

    When little of the allowance is left, only those of which something was just heard.
    """
    total = Recorded()
    names = due(watcher, hinted_only=_short(watcher))
    while names:
        name = names.pop(0)
        try:
            total.add(sweep(watcher, name))
        except (AllowanceSpent, HubDownError) as error:
            # Whoever was not asked keeps its turn, and comes before those that fall due later.
            log.warning("sweeps put off", error=str(error))
            with transaction(watcher.engine) as session:
                _lease_until(session, names, None)
            break
        except HubError as error:
            log.warning("sweep failed", namespace=name, error=str(error))
    return total


def _short(watcher: Watcher) -> bool:
    return watcher.allowance.left() <= SHARE * watcher.allowance.per_window


def sweep(watcher: Watcher, name: str) -> Recorded:
    """Compares the namespace's repositories with those known: new, changed, renamed, vanished, returned.

    Raises HubError after having noted the failure.
    """
    with _noted(watcher, Namespace, name):
        began = now()
        listed = {item["_id"]: item for item in watcher.hub.brief(name) if public(item)}
        known = _known(watcher.engine, name)
        looked = _look_closer(watcher, name, [i for key, i in listed.items() if _differs(i, known.get(key))])
        moved, gone, alive = _ask_after(watcher, [row for key, row in known.items() if key not in listed])
        if not listed and alive:
            raise HubError(f"{name} lists nothing, though {alive[0]} is public: is its name written right?")
        observations = [_observation(item, Via.SWEEP) for item in (*looked, *moved)]
        newest = _newest(known, listed.values(), began)
        with transaction(watcher.engine) as session:
            done = (
                record(session, observations, watcher.registry, watcher.enqueue, window=watcher.launch_window)
                if observations
                else Recorded()
            )
            done.changed += _gone(session, gone)
            swept_at = session.scalar(select(col(Namespace.swept_at)).where(col(Namespace.name) == name))
            if swept_at is None or swept_at.date() < began.date():
                update_popularity(session, listed.values())
            _swept(session, watcher, name, began, newest, len(listed))
    _told(watcher, done, name)
    return done


_PUBLIC = {str(Status.LIVE), str(Status.RENAMED)}


@dataclass(frozen=True, slots=True)
class _Brief:
    hub_id: str
    repo_id: str
    modified_at: datetime | None
    gated: str | None
    live: bool
    created_at: datetime | None


def _known(engine: Engine, namespace: str) -> dict[str, _Brief]:
    columns: Any = (
        Release.hub_id,
        Release.repo_id,
        Release.modified_at,
        Release.gated,
        Release.status,
        Release.created_at,
    )
    with reading(engine) as session:
        rows = session.execute(select(*columns).where(col(Release.namespace) == namespace))
        return {row[0]: _Brief(row[0], row[1], row[2], row[3], row[4] in _PUBLIC, row[5]) for row in rows}


def _differs(item: Facts, known: _Brief | None) -> bool:
    if known is None or not known.live or known.repo_id != item["id"]:
        return True
    gated = "no" if item.get("gated") is False else item.get("gated")
    return gated != known.gated or plausible_hub_time(item.get("lastModified")) != known.modified_at


def _look_closer(watcher: Watcher, namespace: str, items: list[Facts]) -> list[Facts]:
    """All facts of these repositories, one by one or, where that would cost more, by the namespace's listing.

    One that the Hub does not answer on is taken from the listing too; where it is not there, it is asked for later.
    """
    if not items:
        return []
    asking = Lookups(watcher.engine, LookupKind.REPOSITORY, [item["id"] for item in items])
    asked = [item for item in items if asking.may(item["id"])]
    if len(asked) > DETAILS:
        return _listed(watcher.hub, namespace, {item["_id"] for item in asked})
    looked, failed = [], dict[str, str]()
    for item in asked:
        try:
            facts = asking.ask(item["id"], watcher.hub.detail)
        except DisabledError:
            continue
        except LookupFailedError:
            failed[item["_id"]] = item["id"]
            continue
        if facts is not None and public(facts):
            looked.append(facts)
    if failed:
        try:
            found = _listed(watcher.hub, namespace, set(failed))
        except HubDownError:
            raise
        except HubError as error:
            log.warning("left for a later sweep", repo_ids=list(failed.values()), error=str(error))
            return looked
        for facts in found:
            asking.succeeded(facts["id"])
        looked += found
    return looked


def _listed(hub: Hub, namespace: str, wanted: set[str]) -> list[Facts]:
    """All facts of the repositories with these hub ids, by the namespace's listing."""
    found = []
    for facts in hub.full(namespace):
        if facts["_id"] in wanted:
            wanted.discard(facts["_id"])
            if public(facts):
                found.append(facts)
        if not wanted:
            break
    return found


def _ask_after(watcher: Watcher, missing: list[_Brief]) -> tuple[list[Facts], dict[str, str], list[str]]:
    """(facts of those that moved, hub ids of those that are gone with why, names of those that are still there).

    A repository that one listing left out may only have slipped past a page's edge: each is asked for.
    """
    moved, gone, alive = list[Facts](), dict[str, str](), list[str]()
    live = [row for row in missing if row.live]
    if not live:
        return moved, gone, alive
    asking = Lookups(watcher.engine, LookupKind.REPOSITORY, [row.repo_id for row in live])
    for row in [row for row in live if asking.may(row.repo_id)][:CONFIRMED]:
        try:
            facts = asking.ask(row.repo_id, watcher.hub.detail, disabled=True)
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


def _newest(known: dict[str, _Brief], listed: Iterable[Facts], at: datetime) -> datetime | None:
    """When the namespace last made something; a date that cannot be true does not count."""
    made = [row.created_at for row in known.values()] + [plausible_hub_time(item.get("createdAt")) for item in listed]
    return max((moment for moment in made if moment is not None and plausible_at(moment, at)), default=None)


def _swept(
    session: Session, watcher: Watcher, name: str, began: datetime, newest: datetime | None, repositories: int
) -> None:
    why = session.scalars(select(col(Namespace.reason)).where(col(Namespace.name) == name)).first()
    following = interval(watcher.hub_interval, newest, began, followed=why == "subscription")
    values = {
        "interval": following,
        "swept_at": began,
        "due_at": now() + jittered(following),
        "repositories": repositories,
        "failures": 0,
        "leased_until": None,
        "sweep_requested_at": None,
        # A watched namespace that lists nothing is an alarm, not a success: its name may be written wrong.
        "error": None if repositories else "lists nothing: is its name written right (case matters)?",
    }
    session.execute(update(Namespace).where(col(Namespace.name) == name).values(**values))


def hint(watcher: Watcher, namespaces: Sequence[str]) -> None:
    """Brings the sweeps of these namespaces forward to now."""
    with transaction(watcher.engine) as session:
        for row in session.scalars(select(Namespace).where(col(Namespace.name).in_(namespaces))):
            row.due_at = row.sweep_requested_at = now()
            session.add(row)


# --- hints ------------------------------------------------------------------------------------------------


def take_hints(watcher: Watcher, most: int = 50) -> Recorded:
    """Looks at what the Hub's webhook spoke of: the newest word of each repository, asked of the Hub itself."""
    total = Recorded()
    for hints in _leased_hints(watcher, most):
        try:
            ident = hints[-1].trace
            with traced(ident), span("hint", [ident] if ident else ()):
                _follow(watcher, hints, total)
        except (HubError, AllowanceSpent) as error:
            log.warning("hint not followed, it is tried again", repo_id=hints[-1].repo_id, error=str(error))
            if not isinstance(error, LookupFailedError):
                break
    _told(watcher, total, "webhook")
    return total


def _leased_hints(watcher: Watcher, most: int) -> list[list[Hint]]:
    """Hints that are due, by repository, oldest first; leased by being put off."""
    moment = now()
    waiting = select(Hint).where(col(Hint.due_at) <= moment).order_by(col(Hint.id)).limit(most)
    with reading(watcher.engine) as session:
        if session.scalars(waiting.limit(1)).first() is None:
            return []
    by_repo: dict[str, list[Hint]] = {}
    with transaction(watcher.engine) as session:
        for row in session.scalars(waiting.with_for_update(skip_locked=True)):
            row.attempts += 1
            row.due_at = moment + timedelta(seconds=15 * 2 ** min(row.attempts, 8))
            session.add(row)
            by_repo.setdefault(row.repo_id, []).append(row)
    return list(by_repo.values())


def _follow(watcher: Watcher, hints: list[Hint], total: Recorded) -> None:
    last = hints[-1]
    try:
        facts = watcher.hub.detail(last.repo_id)
    except DisabledError:
        facts = None
    with transaction(watcher.engine) as session:
        if facts is not None and public(facts):
            seen = _observation(facts, Via.WEBHOOK)._replace(
                exact_at=_exact(hints, plausible_hub_time(facts.get("createdAt")))
            )
            done = record(session, [seen], watcher.registry, watcher.enqueue, window=watcher.launch_window)
            total.add(done)
        else:
            _withdrawn(session, last)
        session.execute(delete(Hint).where(col(Hint.id).in_([row.id for row in hints])))


def _exact(hints: Sequence[Hint], created: datetime | None) -> datetime | None:
    """When the repository turned public, by the first event that says so; None where none does.

    One that was created public turned public when it was created, whenever its event came.
    """
    for row in hints:
        if row.exact_at is not None:
            return created if row.action == "create" and created is not None else row.exact_at
    return None


def _withdrawn(session: Session, last: Hint) -> None:
    """The Hub shows nothing under this name: deleted or private, as the webhook said."""
    same = col(Release.hub_id) == last.hub_id if last.hub_id else col(Release.repo_id) == last.repo_id
    for row in session.scalars(select(Release).where(same)):
        if row.repo_id == last.repo_id:
            status = Status.GONE if last.action == "delete" or last.private is False else Status.PRIVATE
            mark_withdrawn(session, row, status, last.received_at, str(Via.WEBHOOK))


# --- feeds ------------------------------------------------------------------------------------------------


def heed_feeds(watcher: Watcher, entries: Sequence[NewEntry]) -> None:
    """Keeps what new entries announce, and brings the sweeps of their labs' namespaces forward."""
    with transaction(watcher.engine) as session:
        # From the table, not from ``entries``: what a first read brought announces too, and so does what was read
        # just before a crash.
        recent = select(FeedEntry).where(col(FeedEntry.seen_at) >= now() - timedelta(hours=1))
        rows = list(session.scalars(recent.order_by(col(FeedEntry.id))))
        link_announcements(session, [(repo_id, row.url) for row in rows for repo_id in row.repo_ids if row.url])
        fresh = news(session, announce(session, watcher.registry, rows), rows)
        tell_announced(session, fresh, watcher.registry)
    labs = {lab.id: lab for entry in entries for lab in watcher.registry.labs_of_feed(entry.feed_url)}
    hint(watcher, sorted({name for lab in labs.values() for name in lab.namespaces}))


# --- common -----------------------------------------------------------------------------------------------


@contextmanager
def _noted(watcher: Watcher, table: type[Poll] | type[Namespace], name: str) -> Iterator[None]:
    """Notes a failure with the row (its lease given back, its next turn later the more it fails), and raises it."""
    try:
        yield
    except (HubError, AllowanceSpent) as error:
        with transaction(watcher.engine) as session:
            row: Any = session.get_one(table, name)
            row.leased_until = None
            if isinstance(error, HubError):
                row.failures, row.error = row.failures + 1, str(error)[:500]
            if isinstance(row, Namespace) and isinstance(error, HubError):
                row.due_at = now() + jittered(min(3_600.0, watcher.hub_interval * 2 ** min(row.failures, 6)))
            session.add(row)
        raise
    except DBAPIError:
        # The disk is full, say. If this can be written the next turn tries again, else when the lease has run out.
        with suppress(DBAPIError), transaction(watcher.engine) as session:
            session.get_one(table, name).leased_until = None
        raise


def _told(watcher: Watcher, done: Recorded, what: str) -> None:
    if done.new or done.learnt or done.changed:
        log.info("recorded", by=what, new=len(done.new), history=done.learnt, changed=len(done.changed))
    if done.deliveries:
        watcher.ring("deliver")
