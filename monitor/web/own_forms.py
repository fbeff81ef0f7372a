"""Forms that anybody may send without an account: only from our own pages, and so often an hour."""

from __future__ import annotations

import structlog
from fastapi import HTTPException, Request
from limits import RateLimitItemPerHour
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from monitor.net.client_key import client_key
from monitor.settings import Settings

log = structlog.get_logger(__name__)


def own_pages_only(request: Request) -> None:
    """Refuses a form that another site sends (403); browsers say so, and other clients need not."""
    if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise HTTPException(403, "this form was sent by another site: open the page here and send it again")


class HourlyLimit:
    """Counts what each client makes, ``what`` in plural: in memory, or in Redis for all processes."""

    def __init__(self, settings: Settings, what: str, per_hour: int) -> None:
        self._item = RateLimitItemPerHour(per_hour, namespace=f"hub-monitor-{what}")
        self._limiter = FixedWindowRateLimiter(storage_from_string(settings.rate_limit_storage))
        self._what = what

    def take(self, request: Request) -> None:
        """Counts one. Raises HTTPException (429) where there were too many; without Redis nothing is refused."""
        client = client_key(request.client.host if request.client else "unknown")
        try:
            taken = self._limiter.hit(self._item, client)
        except Exception as error:
            log.warning("rate limit storage failed", error=str(error))
            return
        if not taken:
            message = f"more than {self._item.amount} new {self._what} in an hour: use one that you have, or try later"
            raise HTTPException(429, message, headers={"Retry-After": "3600"})
