"""What organizations that are not in the registry say about themselves, added to the facts of their models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from monitor.enums import LookupKind
from monitor.ingest.context import IngestContext, is_limit_low
from monitor.ingest.hub.rate_limiter import RateLimited
from monitor.ingest.hub.responses import Facts, HubDownError, LookupFailedError
from monitor.ingest.lookups import Lookups

log = structlog.get_logger(__name__)

MAX_ORGANIZATIONS_PER_POLL = 5
MAX_REMEMBERED_ORGANIZATIONS = 1_000
"""Organizations that a poll's state lists as looked up already."""
ORGANIZATION_FIELDS = ("name", "fullname", "details", "description", "website", "email")


def enrich_with_organizations(
    context: IngestContext, items: Sequence[Facts], state: dict[str, Any]
) -> tuple[list[Facts], dict[str, Any]]:
    """Adds ``_organization`` to items whose namespace is not in the registry; returns them and the poll's new state.

    Each organization is looked up once; ``state`` remembers which.
    """
    known = list(state.get("introduced") or [])
    names = dict.fromkeys(_namespace(item) for item in items)
    unknown = [name for name in names if context.registry.of(name) is None and name not in known]
    overviews = _fetch_overviews(context, unknown)
    enriched = [
        {**item, "_organization": overview} if (overview := overviews.get(_namespace(item))) else item for item in items
    ]
    return enriched, {**state, "introduced": [*known, *overviews][-MAX_REMEMBERED_ORGANIZATIONS:]}


def _fetch_overviews(context: IngestContext, names: Sequence[str]) -> dict[str, Facts]:
    """Returns the overviews of these organizations by name, as far as the Hub answers; empty where it has none."""
    overviews: dict[str, Facts] = {}
    lookups = Lookups(context.engine, LookupKind.ORGANIZATION, names)
    for name in [name for name in names if lookups.may(name)][:MAX_ORGANIZATIONS_PER_POLL]:
        try:
            if lookups.over or is_limit_low(context):
                break
            overview = lookups.ask(name, context.hub.organization) or {}
        except LookupFailedError:
            continue
        except (HubDownError, RateLimited) as error:
            log.warning("organization lookups deferred", error=str(error))
            break
        overviews[name] = {key: overview[key] for key in ORGANIZATION_FIELDS if isinstance(overview.get(key), str)}
    return overviews


def _namespace(item: Facts) -> str:
    return str(item["id"]).partition("/")[0]
