"""Citations: made by a button or the API, shown at their permalink, with their rows as of their time."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Form, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from monitor import db
from monitor.dates import iso
from monitor.problems import refusals
from monitor.releases.citations.citation import (
    Citation,
    CitationError,
    canonical_lines,
    citation_object,
    cite,
)
from monitor.releases.citations.identifier import MAX_ID_CHARS, decode, encode
from monitor.releases.citations.kinds import KINDS, PARAMETERS
from monitor.releases.citations.texts import description_of, title_of, to_apa, to_bibtex, to_json_ld
from monitor.releases.export import FORMATS, cell
from monitor.releases.revisions import as_of as known
from monitor.releases.revisions import parse_as_of
from monitor.releases.search import SearchError
from monitor.service import Service
from monitor.settings import SettingsError
from monitor.web.api import service_of
from monitor.web.exports import Export
from monitor.web.http_responses import FOR_EVER, errors, matches_etag
from monitor.web.render import page
from monitor.web.schemas import CitationObject

router = APIRouter()
A_DAY = "public, max-age=86400"
"""Cache-Control of what only a new version of the program, or thinning, may change."""
CHUNK_ROWS = 1_000
Ident = Annotated[str, Path(max_length=MAX_ID_CHARS, description="The id of a citation.")]


class CitationRequest(BaseModel):
    """What to cite: ``kind`` and its parameters, as its page has them, and the time."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["releases", "stats", "share", "brief"] = "releases"
    q: str = Field("", max_length=2_000, description="`releases`, `stats`, `share`: the query.")
    by: str = Field("", max_length=60, description="`stats`: one or two dimensions.")
    value: str = Field("", max_length=20, description="`stats`: count, launches or a sum, like downloads.")
    tz: str = Field("", max_length=64, description="`stats`: the zone of months, weeks and days.")
    last: str = Field("", max_length=8, description="`stats`: only so many of the last periods.")
    known: str = Field("", max_length=8, description="`stats`: true leaves out unknown values.")
    share: str = Field("", max_length=8, description="`stats`: true draws shares.")
    of: str = Field("", max_length=200, description="`share`: countries or regions, a comma between.")
    lens: str = Field("", max_length=500, description="`share`: a lens, several with commas, or all.")
    period: str = Field("", max_length=20, description="`brief`: a week or a month.")
    as_of: str = Field(
        "", max_length=40, description="The time, or the end of this day; empty: the last minute that has settled."
    )


@router.post(
    "/api/v1/citations",
    operation_id="create_citation",
    tags=["citations"],
    response_model=CitationObject,
    responses=refusals(403, 413, 429),
)
def make(request: Request, wanted: CitationRequest) -> Response:
    """Cites releases, counts or a brief: the same question and time always have the same id. Nothing is stored."""
    citation, ident = _made(request, wanted)
    return Response(orjson.dumps(_object(request, citation, ident)), 200, media_type="application/json")


@router.post("/c", include_in_schema=False)
def make_by_form(request: Request, wanted: Annotated[CitationRequest, Form()]) -> Response:
    """The same for the button of a page, which it leads to the permalink."""
    _, ident = _made(request, wanted)
    return RedirectResponse(f"/c/{ident}", 303)


@router.get(
    "/api/v1/citations/{ident}",
    operation_id="get_citation",
    tags=["citations"],
    response_model=CitationObject,
    responses=errors(404),
)
def citation(request: Request, ident: Ident) -> Response:
    """What a citation says."""
    found = _found(request, ident)
    return _kept(request, orjson.dumps(_object(request, found, ident)), ident, "application/json")


@router.get("/c/{ident}", response_class=HTMLResponse, include_in_schema=False)
def citation_page(request: Request, ident: Ident) -> Response:
    """A citation as a page, with the texts to cite it by."""
    found = _found(request, ident)
    about = _object(request, found, ident)
    # Inside a script element, where a tag in a query must not end it.
    ld = orjson.dumps(to_json_ld(found, about["url"], description_of(found)), option=orjson.OPT_INDENT_2).decode()
    ld = ld.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    response = page(
        request, "citation", citation=found, about=about, title=title_of(found), json_ld=ld,
        bibtex=to_bibtex(found, about["url"]), apa=to_apa(found, about["url"]), description=description_of(found),
        shown=found.its_kind.address(found.params, iso(found.as_of) or ""),
    )  # fmt: skip
    response.headers["Cache-Control"] = A_DAY
    return response


_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"text/csv": {}, "application/x-ndjson": {}}}
}


@router.get(
    "/api/v1/citations/{ident}/rows.{form}",
    operation_id="get_citation_rows",
    tags=["citations"],
    response_class=StreamingResponse,
    responses=errors(404)
    | {200: {"description": "The file.", "content": {"text/csv": {}, "application/x-ndjson": {}}}},
)
def rows(request: Request, ident: Ident, form: Literal["jsonl", "csv"]) -> Response:
    """The canonical rows as of the time; of `jsonl`, the SHA-256 of the file is that of the citation."""
    found = _found(request, ident)
    fixed = not list(found.its_kind.caveats(found.params))
    headers = {"ETag": f'W/"{found.sha256}-{form}"', "Cache-Control": FOR_EVER if fixed else A_DAY}
    if matches_etag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="citation-{found.sha256[:10]}.{form}"'
    chunks = _chunks(service_of(request), found, form)
    return Export(request.app.state.exports, chunks, FORMATS[form], headers)


def _chunks(service: Service, citation: Citation, form: str) -> Generator[bytes]:
    with db.reading(service.export_engine) as session, _kept_past(session, citation.as_of):
        found = citation.its_kind.rows(session, citation.params)
        if form == "jsonl":
            lines = canonical_lines(found)
            while some := b"".join(islice(lines, CHUNK_ROWS)):
                yield some
        else:
            yield from _as_csv(found)


@contextmanager
def _kept_past(session: Session, at: datetime) -> Iterator[None]:
    """The past as of then; answers 410 where it was deleted."""
    with ExitStack() as stack:
        try:
            stack.enter_context(known(session, at))
        except SearchError as error:
            raise HTTPException(410, str(error)) from None
        yield


def _as_csv(found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """CSV with the keys of the first row as its head; nothing where there is none."""
    rows = iter(found)
    first = next(rows, None)
    text = io.StringIO()
    writer = csv.writer(text)
    if first is None:
        return
    writer.writerow(first)
    rows = chain([first], rows)
    while some := list(islice(rows, CHUNK_ROWS)):
        writer.writerows([cell(value) for value in row.values()] for row in some)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _made(request: Request, wanted: CitationRequest) -> tuple[Citation, str]:
    given = wanted.model_dump(exclude={"kind", "as_of"})
    surplus = [name for name in PARAMETERS if given.get(name) and name not in KINDS[wanted.kind].names]
    if surplus:
        raise SearchError(surplus[0], f"{surplus[0]}: no parameter of {wanted.kind}")
    at = parse_as_of(wanted.as_of) if wanted.as_of else None
    keys = _keys(request)
    # As costly as an export of the same rows, so it takes one of its places.
    with request.app.state.exports.acquire(), db.reading(service_of(request).export_engine) as session:
        made = cite(session, wanted.kind, given, at)
    return made, encode(made, keys)


def _found(request: Request, ident: str) -> Citation:
    try:
        found = decode(ident, _keys(request))
        found.its_kind  # noqa: B018 - raises for a kind that this version does not have
    except (CitationError, SearchError) as error:
        raise HTTPException(404, str(error)) from None
    return found


def _keys(request: Request) -> tuple[str, ...]:
    try:
        return service_of(request).settings.signing_keys()
    except SettingsError as error:
        raise HTTPException(403, f"citations are not set up: {error}") from None


def _object(request: Request, citation: Citation, ident: str) -> dict[str, Any]:
    return citation_object(citation, ident, service_of(request).settings.public_url.rstrip("/"))


def _kept(request: Request, body: bytes, ident: str, media_type: str) -> Response:
    headers = {"ETag": f'W/"{ident[-16:]}-{len(body)}"', "Cache-Control": A_DAY}
    if matches_etag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
