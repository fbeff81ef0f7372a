"""The heartbeat: a request to an outside service after each healthy round, so that it notices when they stop.

A service such as healthchecks.io raises the alarm when the request does not come: the monitor itself cannot report
that all of it has stopped.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.db.engine import reading
from monitor.models import Poll
from monitor.net.client import FetchError, Limits, get
from monitor.releases.outages import READINESS_POLLS, failing_polls

log = structlog.get_logger(__name__)

LIMITS = Limits(seconds=10.0, size=1_000_000, redirects=3)


def healthy(engine: Engine, hub_interval: float) -> bool:
    """Whether the polls that count towards readiness succeeded at their latest turn, and within three intervals."""
    with reading(engine) as session:
        query = select(col(Poll.name)).where(col(Poll.failures) == 0, col(Poll.succeeded_at).is_not(None))
        healthy_polls = set(session.scalars(query)) - failing_polls(session, hub_interval)
    return healthy_polls >= set(READINESS_POLLS)


def beat(engine: Engine, url: str, hub_interval: float, user_agent: str) -> bool:
    """GETs ``url`` after a healthy round; returns whether it was answered with success. Raises nothing.

    The address is the operator's own setting, so it may be a private one. It may hold a secret, so it is not logged.
    """
    if not healthy(engine, hub_interval):
        return False
    try:
        get(url, user_agent=user_agent, allow_private=True, limits=LIMITS)
    except FetchError as error:
        log.warning("heartbeat failed", error=error.reason)
        return False
    return True
