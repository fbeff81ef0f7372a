"""Up to five releases side by side: the page, the same as Markdown and CSV, and the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from monitor.models import Release
from monitor.releases.schema import release_object
from monitor.releases.search import SearchError
from monitor.releases.side_by_side import (
    MAX_RELEASES,
    Group,
    found_releases,
    side_by_side,
    suggested,
    wanted_names,
)
from monitor.web.api import Reading, service_of
from monitor.web.http_responses import as_json, errors
from monitor.web.markdown import compared_table, markdown_response
from monitor.web.pages.chart import csv_response
from monitor.web.render import address, page
from monitor.web.schemas import SideBySide

router = APIRouter()
PAGE = "/side-by-side"
MAX_GIVEN = 60
"""Values of ``id`` in one address: those of a list's boxes, of which the first five are shown."""
Ids = Annotated[
    list[Annotated[str, Query(max_length=500)]],
    Query(
        alias="id",
        max_length=MAX_GIVEN,
        description=f"A repository id, present or former; repeat it for up to {MAX_RELEASES} releases.",
        examples=[["Qwen/Qwen3-8B", "google/gemma-4-E4B"]],
    ),
]


@router.get(
    "/api/v1/side-by-side",
    operation_id="compare_releases",
    tags=["releases"],
    response_model=SideBySide,
    responses=errors(),
)
def compared(request: Request, session: Reading, ids: Ids = []) -> Response:  # noqa: B006 - read only
    """Up to five releases, the fields in which they differ, and those in which one of them is unknown."""
    rows, missing = found_releases(session, _at_most_five(ids))
    states = [row for group in side_by_side(rows, service_of(request).registry) for row in group.rows]
    return as_json(
        request,
        {
            "items": [release_object(row) for row in rows],
            "missing": missing,
            "differing": _fields(states, "differs"),
            "partly_unknown": _fields(states, "partly unknown"),
        },
    )


def _fields(rows: list[Any], state: str) -> list[str]:
    return list(dict.fromkeys(row.field for row in rows if row.state == state))


def _at_most_five(ids: list[str]) -> list[str]:
    names = wanted_names(ids)
    if len(names) > MAX_RELEASES:
        raise SearchError("id", f"at most {MAX_RELEASES} releases expected, not {len(names)}")
    return names


@router.get(PAGE, response_class=HTMLResponse, include_in_schema=False)
def compared_page(
    request: Request,
    session: Reading,
    ids: Ids = [],  # noqa: B006 - read only
    differences: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """The same as a page; of more than five the first five."""
    names = wanted_names(ids)
    rows, missing = found_releases(session, names[:MAX_RELEASES])
    registry = service_of(request).registry
    shown = [row.repo_id for row in rows]
    as_of, only = request.state.as_of, differences == "only"
    context: dict[str, Any] = {
        "rows": rows,
        "groups": _shown(side_by_side(rows, registry), only=only) if rows else [],
        "missing": missing,
        "left_out": names[MAX_RELEASES:],
        "most": MAX_RELEASES,
        "only": only,
        "shown": shown,
        "own": [address(PAGE, id=shown, as_of=as_of), address(PAGE, id=shown, differences="only", as_of=as_of)],
        "without": {one: address(PAGE, id=[name for name in shown if name != one], as_of=as_of) for one in shown},
        "suggested": _suggested(request, session, rows),
        "files": {form: address(f"{PAGE}.{form}", id=shown, as_of=as_of) for form in ("md", "csv")},
        "api": address("/api/v1/side-by-side", id=shown, as_of=as_of),
    }
    return page(request, "side_by_side", **context)


def _suggested(request: Request, session: Session, rows: list[Release]) -> list[tuple[str, str]]:
    """(name, address with it) of releases that the first one can be compared with."""
    if not 0 < len(rows) < MAX_RELEASES:
        return []
    shown = [row.repo_id for row in rows]
    names = suggested(session, rows[0], service_of(request).registry)
    return [(name, address(PAGE, id=[*shown, name], as_of=request.state.as_of)) for name in names if name not in shown]


def _shown(groups: list[Group], *, only: bool) -> list[Group]:
    if not only:
        return groups
    kept = (Group(group.title, tuple(row for row in group.rows if row.state != "same")) for group in groups)
    return [group for group in kept if group.rows]


@router.get(f"{PAGE}.md", include_in_schema=False)
def as_markdown(request: Request, session: Reading, ids: Ids = []) -> Response:  # noqa: B006 - read only
    """The same as a table in Markdown."""
    rows, _ = found_releases(session, _at_most_five(ids))
    service = service_of(request)
    groups = side_by_side(rows, service.registry)
    text = compared_table(rows, groups, service.settings.public_url, request.state.as_of)
    return markdown_response(request, text)


@router.get(f"{PAGE}.csv", include_in_schema=False)
def as_csv(request: Request, session: Reading, ids: Ids = []) -> Response:  # noqa: B006 - read only
    """The same as CSV: a line for each fact, a column for each release; unknown values are empty."""
    rows, _ = found_releases(session, _at_most_five(ids))
    names = [row.repo_id for row in rows]
    lines: list[dict[str, Any]] = [
        {"group": group.title, "fact": row.label, "compared": row.state}
        | {
            name: "\n".join(cell.lines) if cell.key is not None else None
            for name, cell in zip(names, row.cells, strict=True)
        }
        for group in side_by_side(rows, service_of(request).registry)
        for row in group.rows
    ]
    return csv_response(request, ("group", "fact", "compared", *names), lines, "side-by-side.csv")
