"""The page that offers alerts for a search, by each channel, with the filter filled in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from monitor.releases.query import QueryError, parse
from monitor.web.api import service_of
from monitor.web.render import page

router = APIRouter()


@router.get("/alert", response_class=HTMLResponse)
def alert(
    request: Request,
    filter: Annotated[str, Query(max_length=2_000)] = "",  # noqa: A002 - the name in the address
) -> HTMLResponse:
    """How to get alerts for a filter: by email, in Slack, in a feed reader, by a webhook."""
    problem = None
    try:
        filter = parse(filter).normal  # noqa: A001
    except QueryError as error:
        problem = str(error)
    settings = service_of(request).settings
    ways = {"email": settings.smtp_url is not None, "slack": settings.slack_client_id is not None}
    return page(request, "alert", 422 if problem else 200, filter=filter, problem=problem, ways=ways)
