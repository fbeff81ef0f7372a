"""How fast derivatives come: as JSON, as a page with its numbers, as a picture and as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from monitor.charts import NARROW_WIDTH, WIDTH, Chart, of_uptake
from monitor.releases.query import QueryError, parse
from monitor.releases.search import SearchError
from monitor.releases.stats import COLUMNS
from monitor.releases.uptake import MAX_DAYS, RELATIONS, Uptake, uptake
from monitor.web.api import Q, Reading
from monitor.web.http_responses import as_json, errors
from monitor.web.pages.chart import MAX_TABLE_ROWS, Narrow, csv_response, drawn_response
from monitor.web.render import address, page
from monitor.web.schemas import UptakeObject

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Options:
    """Whose derivatives are wanted, and how they are compared."""

    q: Q = ""
    by: Annotated[
        str, Query(max_length=40, description="Compare by this.", json_schema_extra={"enum": ["", *COLUMNS]})
    ] = ""
    relation: Annotated[
        str, Query(max_length=40, description="Only these.", json_schema_extra={"enum": ["", *RELATIONS]})
    ] = ""
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="Days since release.")] = 365

    def address(self, base: str, as_of: str | None, *, narrow: bool = False) -> str:
        """The address of this below ``base``."""
        days = "" if self.days == 365 else self.days
        return address(base, q=self.q, by=self.by, relation=self.relation, days=days, narrow=narrow, as_of=as_of)


Given = Annotated[Options, Depends()]


def _found(session: Session, options: Options) -> Uptake:
    return uptake(session, parse(options.q), options.by, relation=options.relation, days=options.days)


def _drawn(found: Uptake, options: Options) -> Chart:
    return of_uptake(found.rows, options.by, options.relation)


@router.get(
    "/api/v1/uptake", operation_id="get_uptake", tags=["statistics"], response_model=UptakeObject, responses=errors()
)
def uptake_json(request: Request, session: Reading, options: Given) -> Response:
    """How fast derivatives come after the release of what they were built on: their mean number by days since then.

    `q` finds the models at the root; derivatives are counted to their root and without those of its publisher. On each
    day only the `releases` that are old enough count.
    """
    return as_json(request, _found(session, options).as_json())


@router.get("/uptake", response_class=HTMLResponse, include_in_schema=False)
def uptake_page(request: Request, session: Reading, options: Given) -> HTMLResponse:
    """The same as a page, with its chart and its numbers."""
    context: dict[str, Any] = {
        "options": options, "dimensions": tuple(COLUMNS), "relations": RELATIONS, "most": MAX_TABLE_ROWS,
        "problem": None,
    }  # fmt: skip
    try:
        found = _found(session, options)
    except (QueryError, SearchError) as error:
        return page(request, "uptake", 422, **context | {"problem": str(error)})
    ends = {"svg": ".svg", "png": ".png", "csv": ".csv", "own": ""}
    addresses = {name: options.address(f"/uptake{end}", request.state.as_of) for name, end in ends.items()}
    addresses["narrow"] = options.address("/uptake.svg", request.state.as_of, narrow=True)
    addresses["json"] = options.address("/api/v1/uptake", request.state.as_of)
    return page(request, "uptake", **context | addresses, found=found, chart=_drawn(found, options))


@router.get("/uptake.csv", include_in_schema=False)
def uptake_csv(request: Request, session: Reading, options: Given) -> Response:
    """The numbers as CSV."""
    columns = (*((options.by,) if options.by else ()), "day", "derivatives", "new", "releases")
    return csv_response(request, columns, _found(session, options).rows, "uptake.csv")


@router.get("/uptake.{form}", include_in_schema=False)
def uptake_picture(
    request: Request, session: Reading, options: Given, form: Literal["svg", "png"], narrow: Narrow = False
) -> Response:
    """The chart as SVG or PNG."""
    drawn = _drawn(_found(session, options), options)
    return drawn_response(request, drawn, form, NARROW_WIDTH if narrow else WIDTH)
