"""Counts over time as charts: the questions of the public debate, and any other that the statistics can answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from monitor import charts
from monitor.charts import Chart
from monitor.releases.launches.announcement_queries import LAUNCHED, OPEN, open_and_closed
from monitor.releases.launches.announcements import ANNOUNCED
from monitor.releases.query import Query as ParsedQuery
from monitor.releases.query import QueryError, parse
from monitor.releases.query.tree import All
from monitor.releases.search import SearchError
from monitor.releases.stats import DIMENSIONS, TIMES, add_launches, dimensions, stats
from monitor.web.api import AsOfTime, Q, Reading, service_of
from monitor.web.http_responses import conditional
from monitor.web.render import address, page
from monitor.web.rewrite import counted

router = APIRouter()

CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Of a chart opened by itself: it brings its colours, and nothing else."""
MAX_TABLE_ROWS = 200
"""Rows of a table on a page; the API and the files have all."""
VALUES = {"count": "releases", "launches": "launches", "params_total": "parameters"}


@dataclass(frozen=True, slots=True)
class Question:
    """What a chart answers."""

    title: str
    description: str
    by: str
    q: str = ""
    value: str = "count"
    share: bool = False
    last: int = 24
    known: bool = False

    def where(self, base: str, narrowed: str = "", as_of: str | None = None) -> str:
        """The address of it below ``base``, narrowed by one more query, as of a time."""
        q = " ".join(part for part in (self.q, f"({narrowed})" if " OR " in narrowed else narrowed) if part)
        value = None if self.value == "count" else self.value
        chosen = {"q": q, "by": self.by, "value": value, "share": self.share, "last": self.last, "known": self.known}
        return address(base, **chosen, as_of=as_of)


ACCESS = "month,access"
"""Open against closed: of launches and announcements, which no dimension of releases tells apart."""
DERIVED = "kind:finetune,adapter,merge,quantized,conversion"
QUESTIONS = (
    Question(
        "Who releases open weights?",
        "Base models and their publishers' own variants per month, by the publisher's country.",
        "month,origin",
        "kind:base",
    ),
    Question(
        "Who launches models?",
        "Launches per month by the publisher's country. All sizes and formats released together count as one.",
        "month,origin",
        "launch:any",
        "launches",
    ),
    Question(
        "Who releases the largest models?",
        "Total parameters of base models released per month, where the count is known.",
        "month,origin",
        "kind:base",
        "params_total",
    ),
    Question(
        "Whose models does the world build on?",
        "Fine-tunes, adapters, merges and quantisations per month: the share by the country of the model at "
        "the root. Those with an unknown root are left out.",
        "month,foundation",
        DERIVED,
        share=True,
        known=True,
    ),
    Question(
        "How open are the releases?",
        "Base models per month by openness. Open science requires data or training code and a paper, not only weights; "
        "a licence alone never makes it more than open weights.",
        "month,openness",
        "kind:base",
        share=True,
    ),
    Question(
        "Which sizes are released?",
        "Base models per month by size, where known.",
        "month,size",
        "kind:base",
        share=True,
    ),
    Question(
        "Open or closed?",
        "Launches per month of known labs with public weights, and the models that their feeds announced and whose "
        "weights are not public. Labs without a monitored feed have no announcements here.",
        ACCESS,
    ),
    Question("Which labs release the most?", "Base models by lab, all time.", "lab", "kind:base", last=0, known=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChartOptions:
    """What of the history is to be drawn."""

    q: Q = ""
    by: Annotated[str, Query(max_length=60)] = "month,origin"
    value: Literal["count", "launches", "params_total"] = "count"
    share: bool = False
    last: Annotated[int, Query(ge=0, le=1_000, description="Only the last N months, weeks or days; 0: all.")] = 0
    known: Annotated[bool, Query(description="Leave out unknown values.")] = False
    title: Annotated[str, Query(max_length=120)] = ""


Options = Annotated[ChartOptions, Depends()]


@router.get("/trends", response_class=HTMLResponse)
def trends(request: Request, _as_of_time: AsOfTime, q: Q = "") -> HTMLResponse:
    """The questions, each with its chart; narrowed by a query, if one is given."""
    problem = None
    try:
        parse(q)
    except QueryError as error:
        problem, q = str(error), ""
    return page(request, "trends", 422 if problem else 200, questions=QUESTIONS, q=q, problem=problem)


@router.get("/trends/chart", response_class=HTMLResponse)
def chart(request: Request, session: Reading, options: Options) -> HTMLResponse:
    """One chart with its numbers, its query, and the way to another."""
    context: dict[str, Any] = {
        "options": options, "dimensions": DIMENSIONS, "times": TIMES, "values": VALUES, "problem": None, "rows": [],
        "by": options.by.split(","), "most": MAX_TABLE_ROWS,
    }  # fmt: skip
    try:
        by, rows = _counted(request, session, options)
        _add_launch_counts(session, options, by, rows)
    except (QueryError, SearchError) as error:
        return page(request, "chart", 422, **context | {"problem": str(error)})
    drawn = _drawn(rows, by, options)
    same = {
        "q": options.q,
        "by": options.by,
        "value": options.value,
        "share": options.share,
        "last": options.last,
        "known": options.known,
    }
    context |= {
        "by": by,
        "rows": rows,
        "query": parse(options.q),
        "chart": drawn,
        "src": address("/trends/chart.svg", **same, as_of=request.state.as_of),
        "same": same,
    }
    return page(request, "chart", **context)


@router.get("/trends/table", response_class=HTMLResponse)
def table(request: Request, session: Reading, options: Options) -> HTMLResponse:
    """The numbers of a chart alone, as a part of a page."""
    by, rows = _counted(request, session, options)
    _add_launch_counts(session, options, by, rows)
    return page(request, "numbers", by=by, rows=rows, options=options, query=parse(options.q), most=MAX_TABLE_ROWS)


@router.get("/trends/chart.{form}")
def picture(request: Request, session: Reading, options: Options, form: Literal["svg", "png"]) -> Response:
    """A chart as SVG, for light and dark screens, or as PNG."""
    by, rows = _counted(request, session, options)
    drawn = _drawn(rows, by, options)
    body = drawn.svg().encode() if form == "svg" else drawn.png()
    response = conditional(request, body, "image/svg+xml" if form == "svg" else "image/png")
    response.headers["Content-Security-Policy"] = CSP
    return response


def _counted(request: Request, session: Session, options: ChartOptions) -> tuple[list[str], list[dict[str, Any]]]:
    """What the rows are by, and the rows; launches are counted where they are what is drawn."""
    if options.by == ACCESS:
        by, rows = ACCESS.split(","), _access(request, session, options)
    else:
        by = dimensions(options.by)
        rows = stats(session, parse(options.q), by, medians=False, launches=options.value == "launches")
    time = next((name for name in by if name in TIMES), None)
    if time is not None and options.last:
        # By the count, not by a condition on the date: so the tally answers, however long the history.
        first = sorted({row[time] for row in rows if row[time] is not None})[-options.last :][:1]
        rows = [row for row in rows if first and row[time] is not None and row[time] >= first[0]]
    if options.known:
        rows = [row for row in rows if all(row[name] is not None for name in by)]
    return by, rows


def _add_launch_counts(session: Session, options: ChartOptions, by: list[str], rows: list[dict[str, Any]]) -> None:
    """Counts the launches of the rows that a table shows."""
    if options.by != ACCESS and options.value != "launches":
        add_launches(session, parse(options.q), by, rows[:MAX_TABLE_ROWS])


def _access(request: Request, session: Session, options: ChartOptions) -> list[dict[str, Any]]:
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


def _drawn(rows: list[dict[str, Any]], by: list[str], options: ChartOptions) -> Chart:
    title = options.title
    if options.by == ACCESS:
        title = title or "Open weights launched, and models announced without weights"
        return charts.over_time(rows, by[0], by[1], "models", title, share=options.share)
    time = next((name for name in by if name in TIMES), None)
    other = next((name for name in by if name != time), None)
    if time is not None and other is not None and options.share:
        title = title or f"{VALUES[options.value]} by {time} and {other}, in percent".replace("_", " ")
        return charts.over_time(rows, time, other, options.value, title, share=True)
    return charts.of_stats(rows, by, options.value, title)
