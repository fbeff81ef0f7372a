"""The page that offers alerts for a search, by each channel, with the filter filled in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from monitor.notify.trigger_preview import preview_trigger
from monitor.releases.query import QueryError, parse_filter
from monitor.releases.query.describe import describe
from monitor.web.api import service_of
from monitor.web.render import page

router = APIRouter()


@router.get("/alert", response_class=HTMLResponse)
def alert(
    request: Request,
    filter: Annotated[str, Query(max_length=2_000)] = "",  # noqa: A002 - the name in the address
    when: Annotated[str, Query(max_length=2_000)] = "",
) -> HTMLResponse:
    """How to get alerts for a filter or a trigger: by email, in Slack or Telegram, in a feed reader, by a webhook."""
    problem, words, trigger, later = None, "", None, False
    try:
        if when.strip():
            trigger = preview_trigger(service_of(request).read_engine, when)
            words = trigger.description
        else:
            query = parse_filter(filter)
            filter, words = query.normal, describe(query)  # noqa: A001
            later = bool(query.fields & {"event", "crossed"})
    except QueryError as error:
        problem = str(error)
    settings = service_of(request).settings
    ways = {
        "email": settings.smtp_url is not None,
        "slack": settings.slack_client_id is not None,
        # Telegram posts what people write to its bot to https alone.
        "telegram": settings.telegram_bot_token is not None and settings.public_url.startswith("https://"),
    }
    context = {"filter": filter, "words": words, "trigger": trigger, "later": later, "problem": problem, "ways": ways}
    return page(request, "alert", 422 if problem else 200, **context)
