"""The bases of what is new, asked of the Hub where the history does not know them: lineages reach their roots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.classify.bases import stated_bases
from monitor.db.engine import reading
from monitor.enums import LookupKind
from monitor.ingest.hub.client import Hub
from monitor.ingest.hub.rate_limiter import HubRateLimiter, RateLimited
from monitor.ingest.hub.responses import Facts, HubDownError, LookupFailedError, public
from monitor.ingest.lookups import Lookups
from monitor.labs import Registry
from monitor.models import Release

log = structlog.get_logger(__name__)

MAX_BASES_PER_POLL = 5
"""Bases that are asked for in one poll: new derivatives come by the thousand, and the rate limit is for releases."""
MAX_GENERATIONS = 3
"""Generations that are followed at once; what lies deeper is found when `reclassify` runs."""
RESERVED_SHARE_FOR_POLLS = 0.5
"""The part of the rate limit that must be left."""

_REPO_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def fetch_ancestors(
    engine: Engine, hub: Hub, rate_limiter: HubRateLimiter, registry: Registry, items: Sequence[Facts]
) -> list[Facts]:
    """Facts of the bases that new ones among ``items`` state and the history lacks, the oldest generation first.

    A base of a lab in the registry is not asked for: whose it is and from where is known without. One for which the
    Hub has no answer is left out; it is asked for again later (:mod:`monitor.ingest.lookups`). Never raises HubError.
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
    """Facts of these bases, ``most`` at the most, as far as the Hub answers and the rate limit goes.

    Adds to ``asked`` those that were asked for; all of these have been answered, or are kept as failed.
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
            log.warning("bases are not asked for now", error=str(error))
            break
        asked.add(repo_id)
        if facts is not None and public(facts):
            found.append(facts)
    return found


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
