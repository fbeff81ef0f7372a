"""The heartbeat: a request to an outside service after each healthy round, so that silence is noticed there.

A service such as healthchecks.io raises the alarm when the request does not come: what runs inside cannot tell that all
of it has stopped.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Engine, select
from sqlmodel import col

from monitor.db.engine import now, reading
from monitor.models import Poll
from monitor.net.client import FetchError, Limits, get
from monitor.notify.outages import READINESS, unheard

log = structlog.get_logger(__name__)

LIMITS = Limits(seconds=10.0, size=1_000_000, redirects=3)


def healthy(engine: Engine, hub_interval: float) -> bool:
    """Whether the polls that count towards readiness succeeded at their latest turn, and within three intervals."""
    with reading(engine) as session:
        rows = session.scalars(select(Poll).where(col(Poll.name).in_(READINESS), col(Poll.failures) == 0))
        return len(list(rows)) == len(READINESS) and not unheard(session, hub_interval, now())


def beat(engine: Engine, url: str, hub_interval: float, user_agent: str) -> bool:
    """GETs ``url`` after a healthy round; returns whether it was answered with success. Raises nothing.

    The address is the operator's own setting, so it may be a private one. It may hold a secret, so it is not logged.
    """
    if not healthy(engine, hub_interval):
        return False
    try:
        get(url, user_agent=user_agent, allow_private=True, limits=LIMITS)
    except FetchError as error:
        log.warning("heartbeat not sent, the next healthy round sends one", error=error.reason)
        return False
    return True
