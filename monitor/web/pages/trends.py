"""The questions of the public debate, each with a chart of counts over time."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from monitor.releases.query import QueryError, parse
from monitor.releases.query.describe import describe
from monitor.web.api import AsOfTime, Q
from monitor.web.pages.questions import QUESTIONS, SHARES
from monitor.web.render import page
from monitor.web.rewrite import presets

router = APIRouter()


@router.get("/trends", response_class=HTMLResponse)
def trends(request: Request, _as_of_time: AsOfTime, q: Q = "") -> HTMLResponse:
    """The questions, each with its chart; narrowed by a query, if one is given."""
    problem = None
    try:
        query = parse(q)
    except QueryError as error:
        problem, q, query = str(error), "", parse("")
    status = 422 if problem else 200
    chosen = {"q": q, "words": describe(query), "presets": presets(query)}
    return page(request, "trends", status, questions=QUESTIONS, share=SHARES, problem=problem, **chosen)
