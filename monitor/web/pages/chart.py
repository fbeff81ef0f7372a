"""One chart of the statistics: as a page with its numbers, as a picture, as CSV, and in a frame of another site."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from monitor import __version__, charts
from monitor.charts import NARROW_WIDTH, WIDTH, Chart
from monitor.enums import MEASURE_NAMES
from monitor.releases.export import FORMATS, cell
from monitor.releases.launches.announcement_queries import LAUNCHED, OPEN, open_and_closed
from monitor.releases.launches.announcements import ANNOUNCED
from monitor.releases.listed import listed_in
from monitor.releases.listed import releases as releases_in
from monitor.releases.query import Query as ParsedQuery
from monitor.releases.query import QueryError, parse
from monitor.releases.query.tree import All
from monitor.releases.search import SearchError
from monitor.releases.stats import DIMENSIONS, TIMES, Row, add_launches, add_shares, dimensions, shown_rows
from monitor.releases.sums import SUMS
from monitor.releases.totals import sums
from monitor.web.api import Q, Reading, service_of
from monitor.web.http_responses import conditional, conditionally
from monitor.web.middleware import EMBED_CSP
from monitor.web.pages.questions import ACCESS
from monitor.web.render import address, page
from monitor.web.rewrite import counted

router = APIRouter()

CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Of a chart opened by itself: it brings its colours, and nothing else."""
MAX_TABLE_ROWS = 200
"""Rows of a table on a page; the API and the files have all."""
VALUES = {
    "count": "releases",
    "launches": "launches",
    **{column: MEASURE_NAMES[name] for name, column in SUMS.items()},
}
TIMES_MEAN = {
    "released": "by when they were released",
    "stock": "as it stood at the end of each",
    "growth": "what was gained in each",
}
NUMBERS = ("count", "share", "launches", "params_total", "params_known")
"""The columns of a chart's CSV after its dimensions."""


@dataclass(frozen=True, slots=True)
class ChartOptions:
    """What of the history is to be drawn."""

    q: Q = ""
    by: Annotated[str, Query(max_length=60)] = "month,origin"
    value: Literal["count", "launches", "params_total", "downloads", "downloads_all_time", "likes", "derivatives"] = (
        "count"
    )
    time: Literal["released", "stock", "growth"] = "released"
    share: bool = False
    last: Annotated[int, Query(ge=0, le=1_000, description="Only the last N months, weeks or days; 0: all.")] = 0
    known: Annotated[bool, Query(description="Leave out unknown values.")] = False
    title: Annotated[str, Query(max_length=120)] = ""

    @property
    def shown(self) -> str:
        """The column of the rows that is drawn."""
        return f"{self.value}_growth" if self.time == "growth" else self.value

    def address(self, base: str, as_of: str | None, *, narrow: bool = False) -> str:
        """The address of this chart below ``base``."""
        value = "" if self.value == "count" else self.value
        chosen = {"q": self.q, "by": self.by, "value": value, "share": self.share, "last": self.last}
        chosen["time"] = "" if self.time == "released" else self.time
        return address(base, **chosen, known=self.known, title=self.title, narrow=narrow, as_of=as_of)


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of a chart, ``by`` these dimensions, with shares of its value.

    ``left_out`` of ``total`` releases are in no row, because a value of theirs is unknown.
    """

    by: list[str]
    rows: list[Row]
    left_out: int = 0
    total: int = 0


Options = Annotated[ChartOptions, Depends()]
Narrow = Annotated[bool, Query(description="A narrow chart for phones.")]


@router.get("/trends/chart", response_class=HTMLResponse)
def chart(request: Request, session: Reading, options: Options) -> HTMLResponse:
    """One chart with its numbers, its query, and the way to another."""
    context: dict[str, Any] = {
        "options": options, "dimensions": DIMENSIONS, "times": TIMES, "values": VALUES, "problem": None, "rows": [],
        "by": options.by.split(","), "most": MAX_TABLE_ROWS,
        "times_mean": TIMES_MEAN,
        "summed": next((name for name, column in SUMS.items() if column == options.value), ""),
    }  # fmt: skip
    try:
        found = count(request, session, options)
    except (QueryError, SearchError) as error:
        return page(request, "chart", 422, **context | {"problem": str(error)})
    return page(request, "chart", **context | _table(session, options, found) | _pictures(request, options, found))


@router.get("/embed/chart", response_class=HTMLResponse)
def embed(request: Request, session: Reading, options: Options) -> HTMLResponse:
    """One chart alone, which other sites may show in a frame."""
    found = count(request, session, options)
    response = page(request, "embed", **_pictures(request, options, found))
    response.headers["Content-Security-Policy"] = EMBED_CSP
    return response


@router.get("/trends/table", response_class=HTMLResponse)
def table(request: Request, session: Reading, options: Options) -> HTMLResponse:
    """The numbers of a chart alone, as a part of a page."""
    found = count(request, session, options)
    csv_address = options.address("/trends/chart.csv", request.state.as_of)
    context = _table(session, options, found) | {"csv": csv_address, "values": VALUES, "most": MAX_TABLE_ROWS}
    return page(request, "numbers", options=options, **context)


@router.get("/trends/chart.csv")
def as_csv(request: Request, session: Reading, options: Options) -> Response:
    """The numbers of a chart as CSV; an unknown value is an empty cell."""
    found = count(request, session, options)
    if options.by == ACCESS:
        columns = (*found.by, "count", "share")
    elif options.time != "released":
        columns = tuple(found.rows[0] if found.rows else (*found.by, "count"))
    else:
        columns = (*found.by, *NUMBERS)
        if listed_in(found.by) and options.value != "launches":
            columns = (*found.by, "count", "share", "of", *NUMBERS[2:])
        if options.value in SUMS.values():
            columns = (*found.by, *dict.fromkeys((options.value, "unknown", *columns[len(found.by) :])))
        if options.value != "launches":
            add_launches(session, parse(options.q), found.by, found.rows)
    return csv_response(request, columns, found.rows, "chart.csv")


def csv_response(request: Request, columns: Sequence[str], rows: Iterable[Row], filename: str) -> Response:
    """These columns of the rows as a CSV file (RFC 4180, UTF-8)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(row[name]) for name in columns] for row in rows)
    response = conditional(request, text.getvalue().encode(), FORMATS["csv"])
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


@router.get("/trends/chart.{form}")
def picture(
    request: Request, session: Reading, options: Options, form: Literal["svg", "png"], narrow: Narrow = False
) -> Response:
    """A chart as SVG, for light and dark screens, or as PNG."""
    drawn = draw(count(request, session, options), options)
    return drawn_response(request, drawn, form, NARROW_WIDTH if narrow else WIDTH)


def drawn_response(request: Request, drawn: Chart, form: str, width: int = WIDTH) -> Response:
    """A chart as a file, drawn only if the client does not have it."""
    known_by = drawn.drawing(width) + f" {form} {__version__}".encode()
    if form == "png":
        return conditionally(request, lambda: drawn.png(width), "image/png", known_by=known_by)
    response = conditionally(request, lambda: drawn.svg(width).encode(), "image/svg+xml", known_by=known_by)
    response.headers["Content-Security-Policy"] = CSP
    return response


def count(request: Request, session: Session, options: ChartOptions) -> Counted:
    """The rows of a chart; launches are counted where they are what is drawn. Raises QueryError and SearchError."""
    if options.by == ACCESS:
        by, rows = ACCESS.split(","), _access(request, session, options)
    else:
        by = dimensions(options.by)
        launched = options.value == "launches"
        rows = sums(
            session, parse(options.q), by, medians=False, launches=launched, value=options.value, meaning=options.time
        )
    rows = shown_rows(rows, by, last=options.last)
    shown = shown_rows(rows, by, known=options.known, value=options.value)
    if options.time != "stock" or len(by) > 1:
        add_shares(shown, by, "count" if options.by == ACCESS else options.shown)
    # The same releases stand in every period of sums over time.
    if listed_in(by):
        whole, part = (releases_in(some, by) if options.value == "count" else 0 for some in (rows, shown))
    else:
        whole, part = (sum(row["count"] for row in some) if options.time == "released" else 0 for some in (rows, shown))
    return Counted(by, shown, whole - part, whole)


def draw(found: Counted, options: ChartOptions) -> Chart:
    """The chart of these rows."""
    if options.by == ACCESS:
        title = options.title or "Open weights launched, and models announced without weights"
        month, access = found.by
        return charts.over_time(found.rows, month, access, "models", title, share=options.share)
    title = options.title or charts.over_time_title(options.value, found.by, options.time)
    return charts.of_stats(found.rows, found.by, options.shown, title, share=options.share)


def _table(session: Session, options: ChartOptions, found: Counted) -> dict[str, Any]:
    """What the table of the numbers shows; the launches of these rows are counted here."""
    query = parse(options.q)
    if options.by != ACCESS and options.value != "launches" and options.time == "released":
        add_launches(session, query, found.by, found.rows[:MAX_TABLE_ROWS])
    numbers = {"left_out": found.left_out, "total": found.total, "listed": listed_in(found.by)}
    return {"by": found.by, "rows": found.rows, "query": query, **numbers}


def _pictures(request: Request, options: ChartOptions, found: Counted) -> dict[str, Any]:
    """The chart, and the addresses of its files and pages."""
    as_of = request.state.as_of
    bases = {"src": ".svg", "png": ".png", "csv": ".csv", "own": ""}
    addresses = {name: options.address(f"/trends/chart{end}", as_of) for name, end in bases.items()}
    return addresses | {
        "chart": draw(found, options),
        "narrow": options.address("/trends/chart.svg", as_of, narrow=True),
        "embedded": options.address("/embed/chart", as_of),
    }


def _access(request: Request, session: Session, options: ChartOptions) -> list[Row]:
    """The rows of open against closed, each with the address of what it counts."""
    query, as_of = parse(options.q), request.state.as_of
    rows = open_and_closed(session, service_of(request).registry, query)
    for row in rows:
        if row["access"] == OPEN:
            launched = parse(LAUNCHED).root
            q = counted(ParsedQuery(All((query.root, launched))), row, ["month"])
            where = address("/launches", q=q, as_of=as_of)
        else:
            where = address("/announcements", state=ANNOUNCED, month=row["month"], as_of=as_of) if not options.q else ""
        row |= {"models": row["count"], "where": where}
    return rows
