"""Look-ups of the base models that new releases state and the database lacks, so that lineages reach their roots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.classify.bases import stated_bases
from monitor.db.engine import reading, transaction
from monitor.enums import LookupKind, Via
from monitor.ingest import repository_files
from monitor.ingest.context import IngestContext, log_recorded, observation
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import HubRateLimiter, RateLimited
from monitor.ingest.hub.responses import Facts, HubDownError, LookupFailedError, public
from monitor.ingest.lookups import Lookups, due
from monitor.labs import Registry
from monitor.models import Release
from monitor.releases.reclassify import reclassify_built_on
from monitor.releases.recorder import Recorded, record

log = structlog.get_logger(__name__)

MAX_BASES_PER_POLL = 5
"""Bases looked up in one poll: new derivatives come by the thousand, and the rate limit is for releases."""
MAX_GENERATIONS = 3
"""Generations looked up at once; `reclassify` finds what lies deeper."""
RESERVED_SHARE_FOR_POLLS = 0.5
"""The part of the rate limit that must be left."""

_REPO_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def fetch_ancestors(
    engine: Engine, hub: Hub, rate_limiter: HubRateLimiter, registry: Registry, items: Sequence[Facts]
) -> list[Facts]:
    """Returns facts of the bases that new ``items`` state and the database lacks, the oldest generation first.

    Bases of labs in the registry are not looked up: their lab and origin are known. A base whose look-up fails is left
    out and retried later (:mod:`monitor.ingest.lookups`). Never raises HubError.
    """
    found: list[Facts] = []
    asked: set[str] = set()
    generation: Sequence[Facts] = _new(engine, items)
    for _ in range(MAX_GENERATIONS):
        wanted = [repo_id for repo_id in _unknown(engine, registry, generation) if repo_id not in asked]
        generation = fetch_bases(engine, hub, rate_limiter, wanted, MAX_BASES_PER_POLL - len(asked), asked)
        if not generation:
            break
        found = [*generation, *found]
    return found


def fetch_bases(
    engine: Engine, hub: Hub, rate_limiter: HubRateLimiter, wanted: Sequence[str], most: int, asked: set[str]
) -> list[Facts]:
    """Returns facts of at most ``most`` of these bases, as far as the Hub answers and the rate limit allows.

    Adds to ``asked`` those that were looked up: each has been answered, or is kept as failed.
    """
    if not wanted:
        return []
    found: list[Facts] = []
    lookups = Lookups(engine, LookupKind.BASE, wanted)
    for repo_id in [repo_id for repo_id in wanted if lookups.may(repo_id)][:most]:
        try:
            if lookups.over or rate_limiter.left() <= RESERVED_SHARE_FOR_POLLS * rate_limiter.per_window:
                break
            facts = lookups.ask(repo_id, hub.detail)
        except LookupFailedError:
            facts = None
        except (HubDownError, RateLimited) as error:
            log.warning("base model lookups deferred", error=str(error))
            break
        asked.add(repo_id)
        if facts is not None and public(facts):
            found.append(facts)
    return found


def retry_base_lookups(context: IngestContext) -> Recorded:
    """Retries the failed look-ups of bases that are due; classifies again what was built on those that are found."""
    names = due(context.engine, LookupKind.BASE, MAX_BASES_PER_POLL)
    found = fetch_bases(context.engine, context.hub, context.rate_limiter, names, MAX_BASES_PER_POLL, set())
    if not found:
        return Recorded()
    deeper = fetch_ancestors(context.engine, context.hub, context.rate_limiter, context.registry, found)
    repository_files.enqueue_bases(context, [*deeper, *found])
    observations = [observation(item, Via.CREATED) for item in (*deeper, *found)]
    with transaction(context.engine) as session:
        done = record(session, observations, context.registry, context.enqueue, window=context.launch_window)
        session.flush()
        reclassify_built_on(session, [item["id"] for item in found], context.registry, "its base was found")
    log_recorded(context, done, "look-ups")
    return done


def _new(engine: Engine, items: Sequence[Facts]) -> list[Facts]:
    known = _there(engine, Release.hub_id, [item["_id"] for item in items])
    return [item for item in items if item["_id"] not in known]


def _unknown(engine: Engine, registry: Registry, items: Iterable[Facts]) -> list[str]:
    bases = dict.fromkeys(base for item in items for base in stated_bases(item).ids)
    wanted = [base for base in bases if _REPO_ID.fullmatch(base) and not _of_a_lab(registry, base)]
    known = _there(engine, Release.repo_id, wanted)
    return [base for base in wanted if base not in known]


def _of_a_lab(registry: Registry, repo_id: str) -> bool:
    lab = registry.of(repo_id.partition("/")[0])
    return lab is not None and not lab.repackager


def _there(engine: Engine, column: Any, values: Sequence[str]) -> set[str]:
    if not values:
        return set()
    with reading(engine) as session:
        return set(session.scalars(select(col(column)).where(col(column).in_(values))))
