"""The brief of a week or a month: as JSON, and as a page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Engine

from monitor import charts
from monitor.charts import NARROW_WIDTH, WIDTH
from monitor.db.engine import now, reading
from monitor.releases.briefs.model import Brief, brief_period
from monitor.releases.briefs.published import brief_of, published_by
from monitor.releases.briefs.text import picture, sections_html
from monitor.releases.query.periods import period_before
from monitor.releases.revisions import as_of as known
from monitor.text import short
from monitor.web.api import AsOfTime, service_of
from monitor.web.cards import brief_card, card_response
from monitor.web.http_responses import as_json, errors
from monitor.web.pages.chart import Narrow, drawn_response
from monitor.web.render import page
from monitor.web.schemas import BriefObject

router = APIRouter()
Period = Annotated[
    str, Path(max_length=20, description="A week or a month: `2026-W48`, `2026-11`, `last-week`, `last-month`.")
]


@router.get(
    "/api/v1/brief/{period}", operation_id="get_brief", tags=["briefs"], response_model=BriefObject, responses=errors()
)
def brief(request: Request, as_of_time: AsOfTime, period: Period) -> Response:
    """What came out in a week or a month, in sentences that each lead to the releases that they were made from."""
    return as_json(request, _made(request, as_of_time, period).as_json())


@router.get("/brief/{period}", response_class=HTMLResponse, include_in_schema=False)
def brief_page(request: Request, as_of_time: AsOfTime, period: Period) -> HTMLResponse:
    """The same as a page."""
    found = _made(request, as_of_time, period)
    context: dict[str, Any] = {
        "brief": found,
        "card": brief_card(found),
        "card_path": picture(found, "card", "png"),
        "sections": sections_html(found, pictures=True),
        "before": period_before(found.period.name),
    }
    return page(request, "brief", **context)


@router.get("/brief/{period}/card.png", include_in_schema=False)
def card_picture(request: Request, as_of_time: AsOfTime, period: Period) -> Response:
    """A brief as the picture of a link preview."""
    return card_response(request, brief_card(_made(request, as_of_time, period)))


@router.get("/brief/{period}/{name}.{form}", include_in_schema=False)
def shares_picture(
    request: Request,
    as_of_time: AsOfTime,
    period: Period,
    name: str,
    form: Literal["svg", "png"],
    narrow: Narrow = False,
) -> Response:
    """The chart of the shares that a section of a brief states."""
    shares = next((one for one in _made(request, as_of_time, period).shares if one.name == name), None)
    if shares is None:
        raise HTTPException(404, f"A brief has no chart {short(name, 40)!r}.")
    rows = [(row.name, row.counts, row.shares) for row in shares.rows]
    drawn = charts.compared(shares.periods, rows, shares.title)
    return drawn_response(request, drawn, form, NARROW_WIDTH if narrow else WIDTH)


def _made(request: Request, as_of_time: AsOfTime, name: str) -> Brief:
    return make_known_brief(service_of(request).read_engine, as_of_time, name)


def make_known_brief(engine: Engine, as_of_time: datetime | None, name: str) -> Brief:
    """The brief of a period, as it was published or as it is known; raises SearchError for a name that is no period."""
    # By the minute, so that caches can know it again.
    at = as_of_time or now().replace(second=0, microsecond=0)
    period = brief_period(name, at)
    if as_of_time is None:
        # What was published needs no view of the past, which takes longer the more has changed since.
        with reading(engine) as session:
            published = published_by(session, period, now())
        if published is not None:
            return published
    # Also of the present as it was known at one time: so the links of a brief lead to what it was made from.
    with reading(engine) as session, known(session, at):
        return brief_of(session, period, at)
