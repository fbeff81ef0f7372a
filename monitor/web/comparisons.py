"""The page ``/compare``: how this history compares with the reference data of others."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from monitor.compare.store import comparisons, findings
from monitor.web.api import Present
from monitor.web.render import page

router = APIRouter(include_in_schema=False)
SHOWN = 200
"""Findings of each kind on the page."""


@router.get("/compare", response_class=HTMLResponse)
def compare_page(request: Request, session: Present, source: Annotated[str, Query(max_length=40)] = "") -> HTMLResponse:
    """The last comparison with each source, and what the chosen one found."""
    rows = comparisons(session)
    chosen = next((row for row in rows if row.source == source), rows[0] if rows else None)
    context: dict[str, Any] = {"rows": rows, "chosen": chosen, "shown": SHOWN, "missed": [], "disagreeing": []}
    if chosen is not None:
        context["missed"] = findings(session, chosen.source, "missed", SHOWN)
        context["disagreeing"] = findings(session, chosen.source, "found", SHOWN)
    return page(request, "compare", **context)
