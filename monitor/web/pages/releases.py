"""The releases: search, facets, the table that announces new rows, and where a search leads (alerts, feeds, files)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Query as QueryParameter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from monitor.releases.coverage import coverage
from monitor.releases.query import Query, QueryError, parse
from monitor.releases.query.describe import describe
from monitor.releases.query.values import ANY
from monitor.releases.search import Page, SearchError, find_by_name, find_pasted, recorded_ids, search
from monitor.releases.stats import Facets, count_facets
from monitor.releases.suggest import suggestions
from monitor.web.api import Present, Q, Reading, service_of
from monitor.web.markdown import markdown_response, releases_table
from monitor.web.render import address, page, path
from monitor.web.rewrite import FACETS, chosen, conditions, presets, toggled

router = APIRouter()
RELEASES_PER_PAGE = 50
"""Releases on a page."""
VALUES_PER_FACET = 7
"""Values of one facet."""
SORTS = {
    "released": "newest release",
    "seen": "newest detected",
    "downloads": "most downloads in 30 days",
    "likes": "most likes",
    "derivatives": "most derivatives",
    "notable": "most notable",
    "trending": "trending",
    "params": "most parameters",
    "-params": "fewest parameters",
    "memory": "least memory",
    "repo": "name",
}
"""The sorts that the page offers; the API takes more."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a facet: how many have it, and the query with it put in, or taken out where it is ``chosen``."""

    value: str
    count: int | None
    chosen: bool
    q: str


@router.get("/releases", response_class=HTMLResponse)
def releases(
    request: Request, session: Reading, q: Q = "", sort: str = "released", cursor: str | None = None, live: str = ""
) -> Response:
    """The newest releases, or those that match; an invalid query is explained and kept in the form.

    An id or a Hub URL alone leads to the page of its release.
    """
    row = find_pasted(session, q) if cursor is None else None
    if row is not None:
        return RedirectResponse(address(f"/releases/{path(row.repo_id)}", as_of=request.state.as_of), 303)
    live_now = live != "off" and cursor is None and request.state.as_of_time is None
    context: dict[str, Any] = {
        "coverage": coverage(session, service_of(request).settings.hub_interval),
        "q": q, "sorts": SORTS, "cursor": cursor, "problem": None, "facets": {}, "conditions": [],
        "watched": len(service_of(request).registry.watched), "live": live_now,
    }  # fmt: skip
    try:
        query = parse(q)
    except QueryError as problem:
        context |= {"problem": problem, "before": q[: problem.column - 1], "after": q[problem.column - 1 :]}
        return page(request, "releases", 422, **context, **_table(request, session, Page([], None), q, sort))
    found = _found(session, query, sort, cursor)
    counted = count_facets(session, query, VALUES_PER_FACET)
    context |= {
        "conditions": conditions(query),
        "facets": _facets(counted, query),
        "normal": query.normal,
        "words": describe(query),
    }
    context["presets"] = presets(query)
    context["notable"] = Value(ANY, None, ANY in chosen(query, "notable"), toggled(query, "notable", ANY))
    context |= {"total": counted.total, "exact": counted.exact, "sampled": counted.sampled, "facet_names": _names()}
    if not found.items and q and cursor is None:
        context |= {"suggestions": suggestions(session, query, service_of(request).registry)}
    return page(request, "releases", **context, **_table(request, session, found, q, sort))


@router.get("/releases/rows", response_class=HTMLResponse)
def rows(request: Request, session: Reading, q: Q = "", sort: str = "released", focus: bool = False) -> Response:
    """The table alone, for the page to replace its own with; with ``focus``, a reader's click asked for it."""
    found = _found(session, parse(q), sort)
    live = request.state.as_of_time is None
    return page(request, "rows", **_table(request, session, found, q, sort), live=live, focus=focus, sorts=SORTS)


@router.get("/releases.md")
def as_markdown(
    request: Request, session: Reading, q: Q = "", sort: str = "released", cursor: str | None = None
) -> Response:
    """The table of one page as Markdown."""
    found = _found(session, parse(q), sort, cursor)
    service = service_of(request)
    site, as_of = service.settings.public_url, request.state.as_of
    return markdown_response(request, releases_table(found.items, service.registry, site, as_of))


@router.get("/releases/news", response_class=HTMLResponse)
def news(
    request: Request,
    session: Present,
    q: Q = "",
    sort: str = "released",
    have: Annotated[str, QueryParameter(max_length=1_000)] = "",
    shown: int = 0,
) -> Response:
    """A button with the number of releases on the first page that a list does not ``have``; 204 if it ``shown`` it."""
    try:
        found = _found(session, parse(q), sort)
    except (QueryError, SearchError):
        return Response(status_code=204)
    known = set(have.split("."))
    number = sum(str(row.id) not in known for row in found.items)
    if number == shown:
        return Response(status_code=204)
    given = {"q": q, "sort": _unless(sort, "released")}
    return page(
        request, "news", number=number, more=number == RELEASES_PER_PAGE, had=bool(have), sort=sort,
        all=address("/releases", **given), rows=address("/releases/rows", **given, focus=have and "true"),
    )  # fmt: skip


def first_page(request: Request, session: Session) -> dict[str, Any]:
    """What the table of the newest releases is made of."""
    return _table(request, session, _found(session, parse(""), "released"), "", "released")


def _found(session: Session, query: Query, sort: str, cursor: str | None = None) -> Page:
    """A page of matching releases; in the default order, a release with just the searched name comes first."""
    found = search(session, query, sort=sort, limit=RELEASES_PER_PAGE, cursor=cursor)
    same = find_by_name(session, query) if sort == "released" else None
    if same is None:
        return found
    # On no later page again.
    others = [row for row in found.items if row.id != same.id]
    return Page([same, *others] if cursor is None else others, found.next)


def _table(request: Request, session: Session, found: Page, q: str, sort: str) -> dict[str, Any]:
    given = {"q": q, "sort": _unless(sort, "released"), "as_of": request.state.as_of}
    have = ".".join(str(row.id) for row in found.items)
    return {
        "items": found.items,
        "recorded": recorded_ids(session, (row.foundation_repo_id for row in found.items)),
        "next": found.next and address("/releases", **given, cursor=found.next),
        "news": address("/releases/news", **given, have=have),
        "markdown": address("/releases.md", **given, cursor=request.query_params.get("cursor")),
        "sort": sort,
    }


def _unless(value: str, usual: str) -> str | None:
    return None if value == usual else value


def _names() -> dict[str, str]:
    return {name: heading for name, (_, heading) in FACETS.items()}


def _facets(counted: Facets, query: Query) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for dimension, (field, _) in FACETS.items():
        wanted = chosen(query, field)
        counts = {
            item["value"] if item["value"] is not None else "none": item["count"] for item in counted.values[dimension]
        }
        if field in {"foundation", "conflict"}:
            counts.pop("none", None)  # an unknown root is not an unknown country; no conflict is no news
        names = [*wanted, *(name for name in counts if name not in wanted)]
        values = [Value(name, counts.get(name), name in wanted, toggled(query, field, name)) for name in names]
        found[dimension] = values[: max(VALUES_PER_FACET, len(wanted))]
    return found
