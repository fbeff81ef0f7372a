"""Launches as a feed: an entry for each, which is updated as members join it, change or are withdrawn."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import Session, col

from monitor.channels.formatting import describe, flag, format_launch, reason_suffix
from monitor.enums import Status, kind_name
from monitor.models import Installation, Release
from monitor.releases.changed import count_changes
from monitor.releases.launches.facts import FORMATS
from monitor.releases.launches.queries import LaunchSummary, parse_cursor, summarize_launches
from monitor.releases.query import parse
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
from monitor.web.render import web_url
from monitor.web.syndication import feed_title, state_prefix

router = APIRouter(tags=["feeds"])
MAX_MEMBERS_LISTED = 10


@router.get("/launches.atom", operation_id="get_launches_feed_atom", response_class=Response, responses=ATOM_ANSWER)
def atom(
    request: Request, session: Reading, q: Q = "", limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """The newest launches with a member that matches, as Atom (RFC 4287), in pages (RFC 5005)."""
    return _launched(request, session, q, limit, cursor, "atom")


@router.get("/launches.json", operation_id="get_launches_feed_json", response_class=Response, responses=JSON_ANSWER)
def json_feed(
    request: Request, session: Reading, q: Q = "", limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """The newest launches with a member that matches, as JSON Feed 1.1, in pages (`next_url`)."""
    return _launched(request, session, q, limit, cursor, "json")


def _launched(request: Request, session: Session, q: str, limit: int, cursor: str | None, form: Form) -> Response:
    site, path, query = Site(request), f"/launches.{form}", parse(q)
    before = parse_cursor(cursor) if cursor is not None else None
    found, following = summarize_launches(session, query, limit=limit, before=before)
    title, entries = feed_title("Launches", q, query), _entries(session, site, found)
    feed = site.feed(path, title, "/launches", entries, q=q, limit=limit, cursor=cursor, following=following)
    return feed_response(request, feed, form)


def _entries(session: Session, site: Site, launches: Sequence[LaunchSummary]) -> tuple[Entry, ...]:
    idents = [one.launch.id for one in launches]
    changed, public = count_changes(session, "launch_id", idents), _with_public_members(session, idents)
    # Two installations number their launches alike.
    home = session.scalars(select(col(Installation.id))).one()
    found = []
    for one in launches:
        launch = one.launch
        if launch.id is None or not one.members:
            continue
        state = "" if launch.id in public else state_prefix(Status.GONE)
        updated = max(launch.last_at, changed[launch.id].last_at) if launch.id in changed else launch.last_at
        entry = Entry(
            id=f"tag:hub-release-monitor,2026:{home}/launch/{launch.id}",
            title=f"{state}{flag(one.origin)} {format_launch(launch, range(one.repositories))}"
            f"{reason_suffix(one.members)}",
            url=site.address(f"/launches/{launch.id}"),
            published=launch.first_at,
            updated=updated,
            author=site.author(one.members[0].lab, one.members[0].namespace),
            summary=_summary(one),
            related=web_url(one.announcement_url),
            tags=_tags(one),
            recorded=launch.opened_at,
            extension={
                "_launch": {
                    "id": launch.id,
                    "name": launch.name,
                    "publisher": launch.publisher,
                    "lab": one.members[0].lab,
                    "origin": one.origin,
                    "repositories": one.repositories,
                    "query": f"launch:{launch.id}",
                }
            },
        )
        found.append(entry)
    return tuple(found)


def _with_public_members(session: Session, idents: Sequence[int | None]) -> set[int]:
    """The launches with a member that is public."""
    public = col(Release.status).in_([str(Status.LIVE), str(Status.RENAMED)])
    of_them = col(Release.launch_id).in_(idents), col(Release.pending).is_(False)
    rows = session.scalars(select(col(Release.launch_id)).where(*of_them, public).distinct())
    return {ident for ident in rows if ident is not None}


def _summary(one: LaunchSummary) -> str:
    facts = one.facts
    parts = [
        ", ".join(map(kind_name, facts.kinds)),
        ", ".join(one.licenses),
        ", ".join(facts.tasks[:3]),
        f"built on {', '.join(one.roots[:5])}" if one.roots else "",
        f"formats: {', '.join(FORMATS[name] for name in facts.formats)}" if facts.formats else "",
        *(f"{row.repo_id}: {describe(row)}" for row in one.members[:MAX_MEMBERS_LISTED]),
    ]
    return " · ".join(filter(None, parts))


def _tags(one: LaunchSummary) -> tuple[Tag, ...]:
    kinds = (Tag(f"kind:{kind}", kind_name(kind)) for kind in one.facts.kinds)
    tasks = (Tag(f"task:{task}", task) for task in one.facts.tasks)
    return (*kinds, *origin_tag(one.origin), *tasks)
