"""Any query as a feed: the newest releases that match, and what happened to them."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlmodel import Session

from monitor.channels.formatting import describe, flag, format_change, foundation, headline, plain
from monitor.enums import Event, Status, kind_name
from monitor.models import Change, Release
from monitor.releases.changed import count_changes, events_of
from monitor.releases.launches.facts import publisher_name
from monitor.releases.query import parse
from monitor.releases.query.tree import Query, Term
from monitor.releases.schema import hub_url, release_object
from monitor.releases.search import search
from monitor.web.api import Q, Reading
from monitor.web.feed_documents import (
    ATOM_ANSWER,
    DEFAULT_LIMIT,
    JSON_ANSWER,
    Cursor,
    Entry,
    Form,
    Limit,
    Site,
    Tag,
    feed_response,
    origin_tag,
)

router = APIRouter(tags=["feeds"])
MAX_EVENTS_SHOWN = 5
"""Changes that an entry tells of, the newest."""


@router.get("/feed.atom", operation_id="get_releases_feed_atom", response_class=Response, responses=ATOM_ANSWER)
def atom(
    request: Request, session: Reading, q: Q = "", limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """The newest releases that match, as Atom (RFC 4287), in pages (RFC 5005)."""
    return _released(request, session, q, limit, cursor, "atom")


@router.get("/feed.json", operation_id="get_releases_feed_json", response_class=Response, responses=JSON_ANSWER)
def json_feed(
    request: Request, session: Reading, q: Q = "", limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """The newest releases that match, as JSON Feed 1.1, in pages (`next_url`)."""
    return _released(request, session, q, limit, cursor, "json")


def _released(request: Request, session: Session, q: str, limit: int, cursor: str | None, form: Form) -> Response:
    site, path, query = Site(request), f"/feed.{form}", parse(q)
    page = search(session, query, limit=limit, cursor=cursor)
    title, entries = feed_title("Open-weight releases", q, query), _entries(session, site, page.items)
    feed = site.feed(path, title, "/releases", entries, q=q, limit=limit, cursor=cursor, following=page.next)
    return feed_response(request, feed, form)


def feed_title(what: str, q: str, query: Query) -> str:
    """The title of a feed: ``Open-weight releases of Qwen``, or with the query as it was written."""
    if isinstance(query.root, Term) and query.root.field == "lab" and len(query.root.values) == 1:
        return f"{what} of {plain(publisher_name(query.root.values[0]))}"
    return f"{what}: {plain(q)}" if q else what


def _entries(session: Session, site: Site, rows: list[Release]) -> tuple[Entry, ...]:
    idents = [row.id for row in rows]
    changed, events = count_changes(session, "id", idents), events_of(session, idents)
    found = []
    for row in rows:
        assert row.id is not None
        began = row.released_at or row.first_seen_at
        entry = Entry(
            # The Hub's permanent id outlives names, hosts and this service's address.
            id=f"tag:hub-release-monitor,2026:{quote(row.hub_id)}",
            title=f"{state_prefix(row.status)}{flag(row.origin)} {headline(row)}",
            url=site.address(f"/releases/{quote(row.repo_id)}"),
            published=began,
            updated=max(began, changed[row.id].last_at) if row.id in changed else began,
            author=site.author(row.lab, row.namespace),
            summary=_summary(row, events.get(row.id, [])),
            related=hub_url(quote(row.repo_id)),
            tags=_tags(row),
            recorded=row.first_seen_at,
            extension={"_release": release_object(row)},
        )
        found.append(entry)
    return tuple(found)


_PREFIXES = {Status.GONE: "Withdrawn: ", Status.PRIVATE: "Withdrawn: ", Status.RENAMED: "Renamed: "}


def state_prefix(status: str) -> str:
    """What a title begins with where a repository is no longer public, or has another name than at first."""
    return _PREFIXES.get(Status(status), "")


def _summary(row: Release, events: list[tuple[Event, Change]]) -> str:
    happened = (f"{format_change(event, change, row)} on {change.at:%Y-%m-%d}" for event, change in events)
    lines = [*(plain(line) for line, _ in zip(happened, range(MAX_EVENTS_SHOWN), strict=False))]
    return " · ".join(part for part in (*lines, describe(row), foundation(row)) if part)


def _tags(row: Release) -> tuple[Tag, ...]:
    some = [Tag(f"kind:{row.kind}", kind_name(row.kind)), *origin_tag(row.origin)]
    some += [Tag(f"license:{row.license_class}", row.license_class), Tag(f"openness:{row.openness}", row.openness)]
    some += [Tag(f"{name}:{value}", value) for name in ("size", "task") if (value := getattr(row, name))]
    return tuple(some)
