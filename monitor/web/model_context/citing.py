"""What every answer has: its query, its time, its page and its citation, which is what ``/c/…`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from monitor import db
from monitor.dates import iso
from monitor.models import Release
from monitor.releases.citations.citation import citation_object, cite, cited_time
from monitor.releases.citations.identifier import encode
from monitor.releases.query import Query, QueryError, parse
from monitor.releases.revisions import as_of as known
from monitor.releases.search import SearchError, conditions
from monitor.service import Service
from monitor.settings import SettingsError
from monitor.web.model_context.answers import CitationLink
from monitor.web.model_context.tool import Caller

MAX_CITED_RELEASES = 2_000
"""A citation hashes every release that it is of."""

Cited = tuple[CitationLink | None, str | None]
"""The citation of an answer; or None, and why there is none."""


def envelope(query: Query | None, at: datetime | None, cite: Cited, page: str | None) -> dict[str, Any]:
    """The fields that every answer has."""
    return {
        "query": None if query is None else query.normal,
        "as_of": time_of(at),
        "citation": cite[0],
        "citation_problem": cite[1],
        "page": page,
    }


def page_link(caller: Caller, path: str, **params: str) -> str:
    """The address of the page that shows an answer; parameters without a value are left out."""
    given = {name: value for name, value in params.items() if value}
    return f"{caller.service.settings.public_url}{path}" + (f"?{urlencode(given)}" if given else "")


def cited_releases(caller: Caller, query: Query, at: datetime | None) -> Cited:
    """Cites the releases that match."""
    return cited(caller.service, "releases", {"q": query.normal}, at)


def cited(service: Service, kind: str, params: Mapping[str, Any], at: datetime | None) -> Cited:
    """Cites an answer of the time ``at`` (None: the present)."""
    try:
        keys = service.settings.signing_keys()
        with db.reading(service.read_engine) as session:
            if kind == "releases" and _is_large(session, parse(params["q"]), cited_time(at)):
                return None, (
                    f"more than {MAX_CITED_RELEASES:,} releases match: narrow the query, or press Cite on its page"
                )
        with db.reading(service.read_engine) as session:
            made = cite(session, kind, params, at)
        about = citation_object(made, encode(made, keys), service.settings.public_url)
    except (SearchError, QueryError, SettingsError) as error:
        return None, str(error)
    except DBAPIError:
        return None, "hashing its rows takes too long: narrow the query"
    return CitationLink(**{name: about[name] for name in CitationLink.model_fields}), None


def _is_large(session: Session, query: Query, at: datetime) -> bool:
    return counted(session, query, at, MAX_CITED_RELEASES + 1) > MAX_CITED_RELEASES


def counted(session: Session, query: Query, at: datetime | None, most: int) -> int:
    """How many releases match, up to ``most``."""
    with known(session, at):
        some = select(col(Release.id)).where(*conditions(session, query)).limit(most).subquery()
        return session.scalar(select(func.count()).select_from(some)) or 0


def cited_release(repo_id: str) -> str:
    """The query of one release."""
    return parse(f'repo:"{repo_id}"').normal


def time_of(at: datetime | None) -> str:
    """The time of an answer."""
    return iso(at or db.now()) or ""
