"""The JSON API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import select
from sqlmodel import Session

from monitor import __version__, db
from monitor.db import migrations
from monitor.labs import Lab, Registry
from monitor.models import Poll, Release
from monitor.problems import refusals
from monitor.releases.adoption import series
from monitor.releases.coverage import coverage
from monitor.releases.export import FORMATS
from monitor.releases.outages import READINESS_POLLS, failing_polls, token_refused
from monitor.releases.parquet import PARQUET_MISSING, has_parquet
from monitor.releases.query import parse
from monitor.releases.query.absolute import is_relative
from monitor.releases.revisions import as_of as known
from monitor.releases.revisions import parse_as_of
from monitor.releases.schema import query_description, release_object
from monitor.releases.search import MAX_PAGE_SIZE, SORTS, find, release_page
from monitor.releases.stats import DIMENSIONS, count_facets, dimensions
from monitor.releases.sums import SUMS, summed
from monitor.releases.totals import sums
from monitor.schedule import OUTAGE_INTERVALS
from monitor.service import Service
from monitor.web.exports import ExportRequest, ExportResponse, opaque
from monitor.web.http_responses import FOR_EVER, answer, as_json, cache_control, errors, is_settled
from monitor.web.schemas import Counts, Days, FacetCounts, Health, LabObject, Labs, Readiness, ReleaseObject, Releases

router = APIRouter()


def service_of(request: Request) -> Service:
    """The service behind the application."""
    service: Service = request.app.state.service
    return service


AsOf = Annotated[
    str | None,
    Query(
        description="Answer with what was known at this time, or at the end of this day.",
        max_length=40,
        examples=["2026-11-01", "2026-11-01T12:00:00Z"],
    ),
]


async def requested_as_of(request: Request, as_of: AsOf = None) -> datetime | None:
    """The time of `as_of`, kept in the request's state for the links of its page; None for the present."""
    as_of_time = parse_as_of(as_of) if as_of else None
    request.state.as_of, request.state.as_of_time = as_of if as_of_time else None, as_of_time
    return as_of_time


AsOfTime = Annotated[datetime | None, Depends(requested_as_of)]


@contextmanager
def history(request: Request, as_of_time: datetime | None) -> Iterator[Session]:
    """A reading session of the history as it is, or as it was known."""
    with db.reading(service_of(request).read_engine) as session, known(session, as_of_time):
        yield session


def read_session(request: Request, as_of_time: AsOfTime) -> Iterator[Session]:
    """A reading session for one request, of the history as it is or as it was known."""
    with history(request, as_of_time) as session:
        yield session


def present_session(request: Request) -> Iterator[Session]:
    """A reading session for what is of the present alone."""
    with history(request, None) as session:
        yield session


Reading = Annotated[Session, Depends(read_session, scope="function")]
"""Given back before the response is sent: who reads it slowly holds no connection."""
Present = Annotated[Session, Depends(present_session, scope="function")]
"""The same, for what knows no past."""
Q = Annotated[
    str,
    Query(
        description=query_description(),
        max_length=2_000,
        openapi_examples={
            "everything": {"value": ""},
            "Chinese originals": {"value": "origin:CN kind:base params:>=7B"},
            "words": {"value": "qwen3 -kind:quantized"},
        },
    ),
]


Namespace = Annotated[str, Path(description="The part of the repository's id before the slash.", examples=["Qwen"])]
Name = Annotated[str, Path(description="The part after the slash, at present or formerly.", examples=["Qwen3-8B"])]


@router.get(
    "/api/v1/releases", operation_id="list_releases", tags=["releases"], response_model=Releases, responses=errors()
)
def releases(
    request: Request,
    as_of_time: AsOfTime,
    q: Q = "",
    sort: Annotated[
        str,
        Query(
            description="By what, the largest or newest first (names from A, ranks from 1); `-` turns the order.",
            json_schema_extra={"enum": [f"{sign}{name}" for name in SORTS for sign in ("", "-")]},
        ),
    ] = "released",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Releases on a page.")] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before.", max_length=4_000)] = None,
) -> Response:
    """The releases that match ``q``, newest first, page by page; a deep page costs what the first one costs."""
    # Not given a session: each that a request is given takes a thread three times, and this is asked for most.
    with history(request, as_of_time) as session:
        page = release_page(session, parse(q), sort=sort, limit=limit, cursor=cursor)
    return as_json(request, page)


@router.get(
    "/api/v1/releases/{namespace}/{name}",
    operation_id="get_release",
    tags=["releases"],
    response_model=ReleaseObject,
    responses=errors(404),
)
def release(request: Request, session: Reading, namespace: Namespace, name: Name) -> Response:
    """One release, by its present or a former name."""
    return as_json(request, release_object(_found(session, namespace, name)))


@router.get(
    "/api/v1/releases/{namespace}/{name}/adoption",
    operation_id="get_adoption",
    tags=["releases"],
    response_model=Days,
    responses=errors(404),
)
def adopted(request: Request, session: Reading, namespace: Namespace, name: Name) -> Response:
    """Downloads, likes, rank among what trends and number of derivatives, a day each; empty for one not tracked."""
    return as_json(request, {"items": series(session, _found(session, namespace, name))})


def _found(session: Session, namespace: str, name: str) -> Release:
    row = find(session, f"{namespace}/{name}")
    if row is None:
        raise HTTPException(404, f"there is no release {namespace}/{name}")
    return row


@router.get("/api/v1/stats", operation_id="get_stats", tags=["statistics"], response_model=Counts, responses=errors())
def counted(
    request: Request,
    session: Reading,
    by: Annotated[
        str,
        Query(
            description=f"One or two of {', '.join(DIMENSIONS)}, a comma between.",
            examples=["month,origin"],
            json_schema_extra={"pattern": "^({0})(,({0}))?$".format("|".join(DIMENSIONS))},
        ),
    ],
    q: Q = "",
    tz: Annotated[
        str, Query(description="The zone of months, weeks and days.", max_length=64, examples=["Asia/Shanghai"])
    ] = "UTC",
    median: Annotated[
        bool | None, Query(description="Medians; unless said, where no more than 20,000 releases match.")
    ] = None,
    total: Annotated[
        str,
        Query(
            alias="sum",
            max_length=40,
            description="Sum it; shares are of the sum.",
            json_schema_extra={"enum": ["", *SUMS]},
        ),
    ] = "",
    time: Annotated[
        Literal["released", "stock", "growth"],
        Query(
            description="What month, week and day mean: when releases came out; the sum at the end of each; what was"
            " gained in each."
        ),
    ] = "released",
) -> Response:
    """Counts, sums and medians of parameters by one or two dimensions; periods without releases count zero.

    With `sum`, each row has the sum of the known values under its name (`downloads`: of the last 30 days;
    `downloads_all_time`: of all time; `params`: as `params_total`), and `unknown`, how many of its releases have none.
    With `time=stock` the rows hold `count` and the sum at the end of each period; with `time=growth` also what counts
    of releases known before rose by (`downloads_all_time_growth`) and what others fell by (`recounted`).
    """
    rows = sums(session, parse(q), dimensions(by), tz=tz, medians=median, value=summed(total), meaning=time)
    return as_json(request, {"items": rows})


@router.get(
    "/api/v1/facets", operation_id="get_facets", tags=["statistics"], response_model=FacetCounts, responses=errors()
)
def facet_counts(request: Request, session: Reading, q: Q = "") -> Response:
    """The most frequent values of each dimension among what matches."""
    found = count_facets(session, parse(q))
    return as_json(request, found.values | {"total": found.total, "exact": found.exact, "sampled": found.sampled})


@router.get("/api/v1/labs", operation_id="list_labs", tags=["labs"], response_model=Labs, responses=errors())
def labs(request: Request) -> Response:
    """The registry of labs."""
    return as_json(request, {"items": [lab_object(lab) for lab in service_of(request).registry.labs]})


@router.get(
    "/api/v1/labs/{lab}", operation_id="get_lab", tags=["labs"], response_model=LabObject, responses=errors(404)
)
def lab(
    request: Request,
    lab: Annotated[str, Path(description="Its id, its name, an alias or a namespace.", examples=["qwen"])],
) -> Response:
    """One lab, by its id, its name, an alias or a namespace."""
    return as_json(request, lab_object(lab_named(service_of(request).registry, lab)))


def lab_named(registry: Registry, name: str) -> Lab:
    """The lab of this id, name, alias or namespace; raises HTTPException (404)."""
    found = registry.named(name)
    if len(found) != 1:
        several = f"several labs are called {name}: {', '.join(one.id for one in found)}"
        raise HTTPException(404, several if found else f"there is no lab {name}")
    return found[0]


def lab_object(lab: Lab) -> dict[str, Any]:
    """A lab as the API shows it."""
    return {
        "id": lab.id,
        "name": lab.name,
        "origin": lab.origin,
        "basis": str(lab.basis) if lab.origin else None,
        "incorporated": lab.incorporated,
        "countries": list(lab.countries),
        "reason": lab.reason,
        "note": lab.note,
        "kind": str(lab.kind),
        "parent": lab.parent,
        "namespaces": list(lab.namespaces),
        "legacy": list(lab.legacy),
        "aliases": list(lab.aliases),
        "feeds": lab.shown_sources,
        "repackager": lab.repackager,
    }


SERVED_FORMATS = tuple(name for name in FORMATS if name != "parquet" or has_parquet())
"""The formats that this installation can write."""
_CONTENT: dict[str, Any] = {FORMATS[name].partition(";")[0]: {} for name in SERVED_FORMATS}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": _CONTENT},
    206: {
        "description": "The part that `Range` asks for; with the ETag in `If-Range`, of the same state.",
        "content": _CONTENT,
    },
}


@router.get(
    "/export.{form}",
    operation_id="export_releases",
    tags=["exports"],
    response_class=StreamingResponse,
    responses=errors(404, 412, 416, 501) | _FILES,
)
def export(
    request: Request,
    form: Annotated[Literal["csv", "jsonl", "parquet"], Path(json_schema_extra={"enum": list(SERVED_FORMATS)})],
    as_of_time: AsOfTime,
    q: Q = "",
) -> Response:
    """All releases that match, oldest record first, as a file, of which `Range` gives parts.

    With an `as_of` of more than an hour ago it may be kept for ever, unless the query has relative dates or events.
    """
    service, query = service_of(request), parse(q)
    if form not in SERVED_FORMATS:
        raise HTTPException(501, f"on this server, {PARQUET_MISSING}; /export.csv and /export.jsonl have the same rows")
    # A date so many days back from now moves without a commit; a change is an event only once it has held.
    relative = is_relative(query)
    fixed = not relative and is_settled(as_of_time) and not query.names("event")
    headers = {"Cache-Control": FOR_EVER if fixed else cache_control(request)}
    asked = form, query.normal, as_of_time
    state = opaque(*asked, __version__) if fixed else request.app.state.export_version.of(*asked)
    known = None if relative or not state else tag_of_state(request.headers.get("if-none-match", ""), state)
    if known is not None:
        return Response(status_code=304, headers=headers | {"ETag": known})
    headers["Content-Disposition"] = f'attachment; filename="releases.{form}"'
    wanted = ExportRequest(service, query, form, as_of_time, state, relative)
    return ExportResponse(wanted, request.app.state.export_files, request.app.state.exports, headers)


def tag_of_state(known: str, state: str) -> str | None:
    """The first ETag of an If-None-Match header that is of this state: of a stream, or of a file with its content.

    `*` stands for any. It is sent back as it is: a client goes on with the strong tag of its file, as `If-Range` needs.
    """
    for tag in (part.strip() for part in known.split(",")):
        if tag == "*":
            return f'W/"{state}"'
        if re.fullmatch(rf'(?:W/)?"{state}(?:\.[0-9a-f]{{1,64}})?"', tag):
            return tag
    return None


@router.get(
    "/healthz",
    operation_id="get_health",
    tags=["operation"],
    response_model=None,
    responses=answer(Health, "It answers.") | {422: refusals()[422]},
)
async def healthz() -> dict[str, str]:
    """That this process answers; on the event loop, so that it does even while every thread reads the database."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    operation_id="get_readiness",
    tags=["operation"],
    response_model=None,
    responses=refusals(429) | answer(Readiness, "It is ready."),
)
def readyz(request: Request, session: Present) -> dict[str, Any]:
    """200 if the Hub was polled within three intervals and the database is at this version, else 503.

    `token_refused` says since when the Hub has refused HF_TOKEN; null while it is accepted. The service is ready
    without a token, since public repositories can be read without one.
    """
    service = service_of(request)
    at, newest = migrations.revision(service.read_engine), migrations.head()
    if at != newest:
        raise HTTPException(503, f"the database is at {at or 'nothing'}, not {newest}: run hub-monitor db upgrade")
    interval, as_of_time = service.settings.hub_interval, db.now()
    failing = sorted(failing_polls(session, interval) & set(READINESS_POLLS))
    if failing:
        waited = f"{OUTAGE_INTERVALS * interval:.0f} s"
        raise HTTPException(503, f"no successful poll of {', '.join(failing)} for {waited}")
    polls = session.scalars(select(Poll))
    ages = {row.name: (as_of_time - row.succeeded_at).total_seconds() for row in polls if row.succeeded_at}
    seen = coverage(session, interval)
    refused = token_refused(session)
    token = refused and refused.as_json()
    return {"status": "ready", "polls": ages, "coverage": seen.as_json(), "token_refused": token}
