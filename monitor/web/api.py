"""The JSON API."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine, select
from sqlmodel import Session

from monitor import db
from monitor.history.export import FORMATS, as_csv, as_jsonl, write_parquet
from monitor.history.query import Query as ParsedQuery
from monitor.history.query import parse
from monitor.history.search import MOST, find, search, stream
from monitor.history.stats import dimensions, facets, stats
from monitor.labs import Lab
from monitor.models import Poll
from monitor.service import Service

router = APIRouter()


def service_of(request: Request) -> Service:
    """The service behind the application."""
    service: Service = request.app.state.service
    return service


def read_session(request: Request) -> Iterator[Session]:
    """A reading session for one request."""
    with db.reading(service_of(request).engine) as session:
        yield session


Reading = Annotated[Session, Depends(read_session)]
Q = Annotated[str, Query(description="What to find, in the query language.", max_length=2_000)]


@router.get("/api/v1/releases", tags=["releases"])
def releases(
    session: Reading,
    q: Q = "",
    sort: str = "released",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """The releases that match ``q``, newest first, page by page."""
    page = search(session, parse(q), sort=sort, limit=limit, cursor=cursor)
    return {"items": [row.as_json() for row in page.items], "next": page.next}


@router.get("/api/v1/releases/{namespace}/{name}", tags=["releases"])
def release(session: Reading, namespace: str, name: str) -> dict[str, Any]:
    """One release, by its present or a former name."""
    row = find(session, f"{namespace}/{name}")
    if row is None:
        raise HTTPException(404, f"there is no release {namespace}/{name}")
    return row.as_json()


@router.get("/api/v1/stats", tags=["releases"])
def counted(session: Reading, by: str, q: Q = "") -> dict[str, Any]:
    """Counts and parameter sums by one or two dimensions (``month,origin``)."""
    return {"items": stats(session, parse(q), dimensions(by))}


@router.get("/api/v1/facets", tags=["releases"])
def facet_counts(session: Reading, q: Q = "") -> dict[str, Any]:
    """The most frequent values of each dimension among what matches."""
    return facets(session, parse(q))


@router.get("/api/v1/labs", tags=["labs"])
def labs(request: Request) -> dict[str, Any]:
    """The registry of labs."""
    return {"items": [_lab(lab) for lab in service_of(request).registry.labs]}


@router.get("/api/v1/labs/{lab}", tags=["labs"])
def lab(request: Request, lab: str) -> dict[str, Any]:
    """One lab, by its id."""
    found = service_of(request).registry.get(lab)
    if found is None:
        raise HTTPException(404, f"there is no lab {lab}")
    return _lab(found)


def _lab(lab: Lab) -> dict[str, Any]:
    return {
        "id": lab.id,
        "name": lab.name,
        "origin": lab.origin,
        "kind": str(lab.kind),
        "parent": lab.parent,
        "namespaces": list(lab.namespaces),
        "legacy": list(lab.legacy),
        "feeds": list(lab.feeds),
        "repackager": lab.repackager,
    }


@router.get("/export.{form}", tags=["releases"])
def export(request: Request, form: Literal["csv", "jsonl", "parquet"], q: Q = "") -> StreamingResponse:
    """All releases that match, as a file."""
    wanted = parse(q)
    engine = service_of(request).engine
    headers = {"Content-Disposition": f'attachment; filename="releases.{form}"'}
    return StreamingResponse(_exported(engine, wanted, form), media_type=FORMATS[form], headers=headers)


def _exported(engine: Engine, wanted: ParsedQuery, form: str) -> Iterator[bytes]:
    with db.reading(engine) as session:
        rows = stream(session, wanted)
        if form != "parquet":
            yield from as_csv(rows) if form == "csv" else as_jsonl(rows)
            return
        # Parquet's directory stands at its end, so it is made on disk first.
        with tempfile.TemporaryFile() as file:
            write_parquet(rows, file)
            file.seek(0)
            while chunk := file.read(1 << 16):
                yield chunk


@router.get("/healthz", tags=["operation"])
def healthz() -> dict[str, str]:
    """That this process answers."""
    return {"status": "ok"}


@router.get("/readyz", tags=["operation"])
def readyz(request: Request, session: Reading) -> dict[str, Any]:
    """Whether the Hub has been polled within three intervals; 503 where it has not."""
    limit = 3 * service_of(request).settings.hub_interval
    polls = {row.name: row.succeeded_at for row in session.scalars(select(Poll)) if row.name != "trending"}
    ages = {name: (db.now() - at).total_seconds() if at else None for name, at in polls.items()}
    silent = sorted(name for name, age in ages.items() if age is None or age > limit) or ([] if ages else ["created"])
    if silent:
        raise HTTPException(503, f"no successful poll of {', '.join(silent)} for {limit:.0f} s")
    return {"status": "ready", "polls": ages}
