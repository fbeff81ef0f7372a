"""Parameters that an address of the API does not take. Left out in silence, a misspelled one would match everything."""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from monitor.releases.query.values import nearest
from monitor.releases.search import SearchError
from monitor.text import short

STRICT = ("/api/", "/export.")
"""Pages and feeds are left out: what leads there adds parameters of its own to count its readers."""


def refuse_unknown_parameters(request: Request) -> None:
    """Raises SearchError for the first parameter of a request to the API that its address does not take."""
    route = request.scope.get("route")
    if not request.query_params or not request.url.path.startswith(STRICT) or not isinstance(route, APIRoute):
        return
    known = [one.alias for one in get_flat_params(route.dependant) if isinstance(one.field_info, Query)]
    for name in request.query_params:
        if name not in known:
            taken = f"this address takes {', '.join(known)}" if known else "this address takes none"
            raise SearchError(short(name, 40), f"parameter {short(name, 40)!r}: {nearest(name[:40], known)}{taken}")
