"""What came out: launches, and the brief of a week or a month."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from monitor.releases.briefs.model import Brief
from monitor.releases.launches.queries import find_launches, parse_cursor
from monitor.releases.query import Query, parse
from monitor.web.briefs import make_known_brief
from monitor.web.model_context.answers import BriefFound, LaunchesFound, number_of
from monitor.web.model_context.arguments import AsOf, QueryText, query_asked, time_asked
from monitor.web.model_context.citing import Cited, cited, cited_releases, envelope, page_link
from monitor.web.model_context.language import DATA
from monitor.web.model_context.reading import history
from monitor.web.model_context.tool import Arguments, Caller, Tool


class Launches(Arguments):
    """Which launches."""

    query: QueryText = ""
    limit: Annotated[int, Field(ge=1, le=50, description="how many at most")] = 10
    cursor: Annotated[str, Field(max_length=200, description="`next` of the page before; empty: the first page")] = ""
    as_of: AsOf = ""


def launches(caller: Caller, wanted: Launches) -> tuple[LaunchesFound, str]:
    """Launches with a member that matches, newest first."""
    at = time_asked(wanted.as_of)
    query = query_asked(wanted.query, at)
    before = parse_cursor(wanted.cursor) if wanted.cursor else None
    with history(caller, at) as session:
        rows, following = find_launches(session, query, limit=wanted.limit, before=before)
        items = [row.as_json() for row in rows]
    page = page_link(caller, "/launches", q=query.normal, as_of=wanted.as_of)
    about = envelope(query, at, cited_releases(caller, query, at), page)
    answer = LaunchesFound.model_validate(about | {"items": items, "next": following})
    return answer, f"{number_of(len(items), 'launch', 'launches')}{'; more with `cursor`' if following else ''}."


def query_of(brief: Brief) -> Query:
    """The query of all releases of a brief; each of its sentences has one of its own."""
    return parse(f"released:{brief.period.name}")


def cited_brief(caller: Caller, brief: Brief) -> Cited:
    """Cites a brief as of its time."""
    return cited(caller.service, "brief", {"period": brief.period.name}, brief.as_of)


class BriefOf(Arguments):
    """Which period."""

    period: str = Field(
        "last-week", max_length=20, description="a week or a month: 2026-W48, 2026-11, last-week, last-month"
    )
    as_of: AsOf = ""


def brief(caller: Caller, wanted: BriefOf) -> tuple[BriefFound, str]:
    """The brief of a week or a month."""
    at = time_asked(wanted.as_of)
    found = make_known_brief(caller.service.read_engine, at, wanted.period)
    content, site = found.as_json(), caller.service.settings.public_url
    for section in content["sections"]:
        for sentence in section["sentences"]:
            sentence["link"] = site + sentence["link"]
    page = page_link(caller, f"/brief/{found.period.name}", as_of=wanted.as_of)
    about = envelope(query_of(found), found.as_of, cited_brief(caller, found), page)
    answer = BriefFound.model_validate(
        {name: value for name, value in content.items() if name in BriefFound.model_fields} | about
    )
    return answer, f"{found.title}. {found.subtitle}"


NEWS_TOOLS: tuple[Tool, ...] = (
    Tool(
        "launches", "Launches",
        "Launches, newest first: the repositories that one publisher released together as one family, with what they "
        "have in common and their members. Use it to count announcements of models instead of repositories." + DATA,
        Launches, LaunchesFound, launches,
    ),
    Tool(
        "brief", "Brief of a week or a month",
        "What came out in a week or a month: notable releases, countries, licences, sizes, foundations and changes, in "
        "sentences that each carry the query that they were made from." + DATA,
        BriefOf, BriefFound, brief,
    ),
)  # fmt: skip
