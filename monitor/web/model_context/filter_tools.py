"""Filters: which match a release, and what a query means."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from monitor import db
from monitor.releases.query import Query, QueryError, parse
from monitor.releases.query.describe import describe
from monitor.web.model_context.answers import QueryExplained, ToolError, WhyFound, number_of
from monitor.web.model_context.arguments import (
    MAX_COUNTED,
    MAX_QUERY_CHARS,
    AsOf,
    QueryText,
    RepoId,
    query_asked,
    time_asked,
)
from monitor.web.model_context.citing import cited_release, cited_releases, counted, envelope, page_link
from monitor.web.model_context.filters import explained_filter, filters_of_subscriptions
from monitor.web.model_context.language import DATA
from monitor.web.model_context.reading import found_release, history
from monitor.web.model_context.tool import Arguments, Caller, Tool

MAX_FILTERS = 20


class Why(Arguments):
    """Which release, and which filters."""

    repo_id: RepoId
    filters: list[Annotated[str, Field(max_length=MAX_QUERY_CHARS)]] = Field(
        [],
        max_length=MAX_FILTERS,
        description="filters in the query language; empty, with the administrator's token: those of all subscriptions",
    )
    as_of: AsOf = ""


def why(caller: Caller, wanted: Why) -> tuple[WhyFound, str]:
    """Which filters match a release, and which part of the others does not."""
    if not wanted.filters and not caller.is_admin:
        raise ToolError(
            "filters: at least one expected; only with the administrator's token are the filters of subscriptions shown"
        )
    at, filters = time_asked(wanted.as_of), [_filter(place, text) for place, text in enumerate(wanted.filters)]
    with history(caller, at) as session:
        release = found_release(session, wanted.repo_id)
        name = release.repo_id
        if wanted.filters:
            items = [explained_filter(session, query, release, at) for query in filters]
        else:
            items = filters_of_subscriptions(session, release, at)
    query = parse(cited_release(name))
    page = page_link(caller, f"/releases/{quote(name)}", as_of=wanted.as_of)
    answer = WhyFound(**envelope(query, at, cited_releases(caller, query, at), page), repo_id=name, items=items)
    matching = sum(one.matches for one in items)
    return answer, f"{matching} of {number_of(len(items), 'filter')} match {name}."


def _filter(place: int, text: str) -> Query:
    try:
        return parse(text)
    except QueryError as error:
        raise ToolError(f"filters.{place}: {error}") from None


class ExplainQuery(Arguments):
    """Which query."""

    query: QueryText
    as_of: AsOf = ""


def explain_query(caller: Caller, wanted: ExplainQuery) -> tuple[QueryExplained, str]:
    """A query in plain words."""
    at = time_asked(wanted.as_of)
    query = query_asked(wanted.query, at)
    with db.reading(caller.service.read_engine) as session:
        number = counted(session, query, at, MAX_COUNTED)
    page = page_link(caller, "/releases", q=query.normal, as_of=wanted.as_of)
    answer = QueryExplained(
        **envelope(query, at, cited_releases(caller, query, at), page),
        words=describe(query),
        fields=sorted(query.fields - {""}),
        releases=number,
    )
    most = "at least " if number == MAX_COUNTED else ""
    return answer, f"{answer.words[:1].upper()}{answer.words[1:]}: {most}{number_of(number, 'release')}."


FILTER_TOOLS: tuple[Tool, ...] = (
    Tool(
        "why", "Which filters match a release",
        "Whether filters match a release, and which part of a filter does not hold. Use it to find out why an alert "
        "came or did not come. Targets of subscriptions are never shown." + DATA,
        Why, WhyFound, why,
    ),
    Tool(
        "explain_query", "Explain a query",
        "A query in plain words, in its normal form, and how many releases match. A query that cannot be read is "
        "answered with the column and with what was expected there: use it before you give a filter to a user.",
        ExplainQuery, QueryExplained, explain_query,
    ),
)  # fmt: skip
