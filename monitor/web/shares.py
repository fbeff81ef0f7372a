"""Shares of countries under lenses: as JSON, as a page with a chart, and as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from monitor.charts import NARROW_WIDTH, WIDTH, Chart, of_shares
from monitor.labs.countries import name as country_name
from monitor.releases.lenses import Share, chosen_lenses, measure_shares, parse_countries, spread
from monitor.releases.lenses.definition import COUNTRIES, UNITS, WEIGHTS
from monitor.releases.query import QueryError, parse
from monitor.releases.search import SearchError
from monitor.web.api import Q, Reading, service_of
from monitor.web.http_responses import as_json, errors
from monitor.web.pages.chart import csv_response, drawn_response
from monitor.web.render import address, page
from monitor.web.schemas import Lenses, Shares

router = APIRouter()
Of = Annotated[
    str,
    Query(
        max_length=200,
        description="Countries (ISO 3166-1, EU, INT) or regions of a lens, a comma between.",
        examples=["CN,US"],
    ),
]
LensName = Annotated[
    str, Query(max_length=500, description="A lens, several with commas, or `all`.", examples=["originals"])
]
COLUMNS = ("lens", "title", "share", "share_of_known", "value", "total", "unit", "weight", "n", "unknown", "left_out")
"""The columns of the CSV; the groups of a lens are in the JSON."""
DEFAULT_OF = "CN,US"


@dataclass(frozen=True, slots=True)
class ShareOptions:
    """Whose share is wanted, of what, under which lenses."""

    of: Of = DEFAULT_OF
    q: Q = ""
    lens: LensName = "all"

    def address(self, base: str, as_of: str | None, *, narrow: bool = False, lens: str | None = None) -> str:
        """The address of this below ``base``, or of the same under another lens."""
        name = lens or self.lens
        return address(base, of=self.of, q=self.q, lens=None if name == "all" else name, narrow=narrow, as_of=as_of)


Options = Annotated[ShareOptions, Depends()]


@router.get(
    "/api/v1/lenses", operation_id="list_lenses", tags=["statistics"], response_model=Lenses, responses=errors()
)
def lenses(request: Request) -> Response:
    """The lenses: the definitions under which shares are counted."""
    return as_json(request, {"items": [lens.as_json() for lens in service_of(request).lenses.values()]})


@router.get("/api/v1/shares", operation_id="get_shares", tags=["statistics"], response_model=Shares, responses=errors())
def shares(request: Request, session: Reading, of: Of, q: Q = "", lens: LensName = "all") -> Response:
    """The share of countries under each lens, and how far the lenses are apart."""
    found = _measured(request, session, ShareOptions(of, q, lens))
    content = {"of": list(found[0].countries), "query": parse(q).normal, "spread": spread(found)}
    return as_json(request, content | {"items": [one.as_json() for one in found]})


@router.get("/lens", response_class=HTMLResponse, include_in_schema=False)
def lens_page(request: Request, session: Reading, options: Options) -> HTMLResponse:
    """The same as a page: one table and one chart, with a row for each lens; of a single lens also its definition."""
    as_of = request.state.as_of
    context: dict[str, Any] = {
        "options": options, "lenses": service_of(request).lenses, "problem": None, "shares": [],
        "units": UNITS, "weights": WEIGHTS, "whose": COUNTRIES,
    }  # fmt: skip
    try:
        found = _measured(request, session, options)
    except (QueryError, SearchError) as problem:
        return page(request, "lens", 422, **context | {"problem": str(problem)})
    names = {end: options.address(f"/lens/chart.{end}", as_of) for end in ("svg", "png")}
    return page(
        request, "lens", **context | {"shares": found}, spread=spread(found), chart=_chart(found),
        only=found[0] if len(found) == 1 else None, countries=[_named(name) for name in found[0].countries],
        src=names["svg"], png=names["png"], narrow=options.address("/lens/chart.svg", as_of, narrow=True),
        csv=options.address("/lens.csv", as_of),
        own=options.address("/lens", as_of), json=options.address("/api/v1/shares", as_of),
        under=lambda name: options.address("/lens", as_of, lens=name),
        within=lambda share: share.lens.within(parse(options.q)).normal,
    )  # fmt: skip


@router.get("/lens/chart.{form}", include_in_schema=False)
def picture(
    request: Request, session: Reading, options: Options, form: Literal["svg", "png"], narrow: bool = False
) -> Response:
    """The chart, a row for each lens."""
    return drawn_response(
        request, _chart(_measured(request, session, options)), form, NARROW_WIDTH if narrow else WIDTH
    )


@router.get("/lens.csv", include_in_schema=False)
def as_csv(request: Request, session: Reading, options: Options) -> Response:
    """The table as CSV."""
    rows = [one.as_json() for one in _measured(request, session, options)]
    return csv_response(request, COLUMNS, rows, "shares.csv")


def _measured(request: Request, session: Session, options: ShareOptions) -> list[Share]:
    """The shares that are wanted. Raises QueryError and SearchError."""
    service = service_of(request)
    wanted = chosen_lenses(service.lenses, options.lens)
    countries = parse_countries(options.of, service.lenses)
    return measure_shares(session, service.registry, service.lenses, wanted, countries, parse(options.q))


def _chart(found: list[Share]) -> Chart:
    if len(found) == 1:
        title = f"Shares: {found[0].lens.title}"
        lens = found[0].lens
        return of_shares([(lens.group_name(one.group), one.share) for one in found[0].groups[:20]], title)
    title = f"Share of {' and '.join(_named(name) for name in found[0].countries)}"
    return of_shares([(one.lens.title, one.share) for one in found], title)


def _named(name: str) -> str:
    """A country or a region in words."""
    return country_name(name) if name.isupper() else name
