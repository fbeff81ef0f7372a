"""Releases: a page of those that match, and one with its evidence."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from monitor.releases.query import parse
from monitor.releases.schema import FIELDS, release_object
from monitor.releases.search import SORTS, release_page
from monitor.releases.suggest import suggestions
from monitor.text import short
from monitor.web.model_context.answers import ReleaseFound, ReleasesFound, ToolError, number_of
from monitor.web.model_context.arguments import (
    DEFAULT_PAGE,
    MAX_QUERY_CHARS,
    AsOf,
    Cursor,
    Limit,
    RepoId,
    query_asked,
    time_asked,
)
from monitor.web.model_context.citing import cited_release, cited_releases, envelope, page_link
from monitor.web.model_context.language import DATA, QUERY
from monitor.web.model_context.reading import found_release, history
from monitor.web.model_context.tool import Arguments, Caller, Tool

SHOWN_FIELDS = (
    "repo_id", "url", "lab", "lab_kind", "origin", "kind", "foundation", "params_total", "license", "license_class",
    "openness", "released_at", "status",
)  # fmt: skip
"""The fields of a release in a list, unless others are asked for."""
ALL_FIELDS = tuple(field.name for field in FIELDS)


class SearchReleases(Arguments):
    """Which releases, in which order, with which fields."""

    query: str = Field("", max_length=MAX_QUERY_CHARS, description=QUERY)
    sort: str = Field(
        "released", max_length=40, description=f"one of {', '.join(SORTS)}; a - before it reverses the order"
    )
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor = ""
    fields: list[Annotated[str, Field(max_length=40)]] = Field(
        [],
        max_length=len(ALL_FIELDS),
        description=f"fields of each release; empty: {', '.join(SHOWN_FIELDS)}. There are also "
        f"{', '.join(name for name in ALL_FIELDS if name not in SHOWN_FIELDS)}",
    )
    as_of: AsOf = ""


def search_releases(caller: Caller, wanted: SearchReleases) -> tuple[ReleasesFound, str]:
    """A page of the releases that match."""
    unknown = [name for name in wanted.fields if name not in ALL_FIELDS]
    if unknown:
        raise ToolError(f"fields: there is no field {short(unknown[0], 40)!r}; there are {', '.join(ALL_FIELDS)}")
    at = time_asked(wanted.as_of)
    query = query_asked(wanted.query, at)
    with history(caller, at) as session:
        found = release_page(session, query, sort=wanted.sort, limit=wanted.limit, cursor=wanted.cursor or None)
        empty = not found["items"] and not wanted.cursor
        meant = suggestions(session, query, caller.service.registry) if empty else []
    names = tuple(dict.fromkeys(("repo_id", *wanted.fields))) if wanted.fields else SHOWN_FIELDS
    page = page_link(caller, "/releases", q=query.normal, as_of=wanted.as_of)
    answer = ReleasesFound(
        **envelope(query, at, cited_releases(caller, query, at), page),
        items=[{name: one[name] for name in names} for one in found["items"]],
        next=found["next"],
        suggestions=meant,
    )
    more = "; more with `cursor`" if found["next"] else ""
    return answer, f"{number_of(len(answer.items), 'release')} on this page{more}."


class GetRelease(Arguments):
    """Which release."""

    repo_id: RepoId
    as_of: AsOf = ""


def get_release(caller: Caller, wanted: GetRelease) -> tuple[ReleaseFound, str]:
    """One release with all that is known of it."""
    at = time_asked(wanted.as_of)
    with history(caller, at) as session:
        release = release_object(found_release(session, wanted.repo_id))
    query = parse(cited_release(release["repo_id"]))
    page = page_link(caller, f"/releases/{quote(release['repo_id'])}", as_of=wanted.as_of)
    about = envelope(query, at, cited_releases(caller, query, at), page)
    return ReleaseFound(**about, release=release), f"The release {release['repo_id']}."


RELEASE_TOOLS: tuple[Tool, ...] = (
    Tool(
        "search_releases", "Search releases",
        "Finds open-weight model releases on the Hugging Face Hub by publisher, country, what they were built on, "
        "size, licence, date and more. Use it for questions of the kind: which models, by whom, from where, under "
        "which licence." + DATA,
        SearchReleases, ReleasesFound, search_releases,
    ),
    Tool(
        "get_release", "One release with its evidence",
        "Everything that is known of one release: publisher and country, foundation and lineage, parameters, licence, "
        "dates, downloads, why it is notable, and for each value the evidence: where it was read." + DATA,
        GetRelease, ReleaseFound, get_release,
    ),
)  # fmt: skip
