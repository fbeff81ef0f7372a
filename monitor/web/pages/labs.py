"""The labs of the registry, by country, and each of them."""

from __future__ import annotations

from collections import defaultdict

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from monitor.labs import Lab
from monitor.labs.countries import name as country
from monitor.releases.query import parse
from monitor.releases.search import recorded_ids, search
from monitor.releases.stats import stats
from monitor.web.api import Reading, service_of
from monitor.web.render import page

router = APIRouter()
RELEASES_SHOWN = 30


@router.get("/labs", response_class=HTMLResponse)
def labs(request: Request, session: Reading) -> HTMLResponse:
    """The registry by country, those with the most labs first."""
    rows = stats(session, parse(""), ["lab"], medians=False, launches=False)
    counts = {row["lab"]: row["count"] for row in rows}
    found: dict[str | None, list[Lab]] = defaultdict(list)
    for lab in service_of(request).registry.labs:
        found[lab.origin].append(lab)
    for some in found.values():
        some.sort(key=lambda lab: (-counts.get(lab.id, 0), lab.name.casefold()))
    groups = sorted(found.items(), key=lambda item: (item[0] is None, -len(item[1]), country(item[0])))
    return page(request, "labs", groups=groups, counts=counts, number=sum(len(some) for _, some in groups))


@router.get("/labs/{lab}", response_class=HTMLResponse)
def lab(request: Request, session: Reading, lab: str) -> Response:
    """One lab: who it is, what it released over time, and its newest releases; other names of it lead to its id."""
    registry = service_of(request).registry
    found = registry.get(lab)
    if found is None:
        named = registry.named(lab)
        if len(named) == 1:
            return RedirectResponse(f"/labs/{named[0].id}", 303)
        raise HTTPException(404, f"There is no lab {lab}.")
    items = search(session, parse(f"lab:{found.id}"), limit=RELEASES_SHOWN).items
    parts = [one for one in registry.labs if one.parent == found.id]
    parent = registry.get(found.parent) if found.parent else None
    counted = stats(session, parse(f"lab:{found.id}"), ["lab"], medians=False)
    number = (counted[0]["count"], counted[0]["launches"]) if counted else (0, 0)
    return page(
        request,
        "lab",
        lab=found,
        parent=parent,
        parts=parts,
        items=items,
        recorded=recorded_ids(session, (row.foundation_repo_id for row in items)),
        q=f"lab:{found.id}",
        number=number,
    )
