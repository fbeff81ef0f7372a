"""Numbers: shares of countries under lenses, and counts by dimensions."""

from __future__ import annotations

from pydantic import Field

from monitor.releases.lenses import chosen_lenses, load_lenses, measure_shares, parse_countries, spread
from monitor.releases.stats import DIMENSIONS, dimensions
from monitor.releases.sums import SUMS, summed
from monitor.releases.totals import sums
from monitor.web.model_context.answers import CountsFound, SharesFound, ToolError, number_of
from monitor.web.model_context.arguments import AsOf, QueryText, query_asked, time_asked
from monitor.web.model_context.citing import cited, envelope, page_link
from monitor.web.model_context.reading import history
from monitor.web.model_context.tool import Arguments, Caller, Tool

MAX_ROWS = 1_000
"""Of an answer with counts."""


_LENSES = ", ".join(f"`{lens.id}` ({lens.title})" for lens in load_lenses(None).values())
"""The lenses that ship, for a model that has not seen one."""


class Shares(Arguments):
    """Whose share, of what, under which lenses."""

    of: str = Field(
        max_length=200, description="countries (ISO 3166-1 alpha-2, EU, INT) or regions of a lens, with commas: CN,US"
    )
    query: QueryText = ""
    lens: str = Field(
        "repositories,originals,foundation,downloads",
        max_length=500,
        description="a lens (a definition of what is counted, by what weight, and whose it is), several with commas, or"
        f" `all`. There are {_LENSES}, and what the operator of this server added, which a wrong name is answered with",
    )
    as_of: AsOf = ""


def shares(caller: Caller, wanted: Shares) -> tuple[SharesFound, str]:
    """The share of countries under lenses."""
    service, at = caller.service, time_asked(wanted.as_of)
    query = query_asked(wanted.query, at)
    chosen = chosen_lenses(service.lenses, wanted.lens)
    countries = parse_countries(wanted.of, service.lenses)
    with history(caller, at) as session:
        found = measure_shares(session, service.registry, service.lenses, chosen, countries, query)
    params = {"of": ",".join(countries), "q": query.normal, "lens": ",".join(lens.id for lens in chosen)}
    page = page_link(caller, "/lens", **params, as_of=wanted.as_of)
    answer = SharesFound.model_validate(
        envelope(query, at, cited(service, "share", params, at), page)
        | {
            "of": list(countries),
            "spread": spread(found),
            "items": [one.as_json() for one in found],
            "lenses": [lens.as_json() for lens in chosen],
        }
    )
    return answer, answer.spread or f"{number_of(len(found), 'lens', 'lenses')}."


class Stats(Arguments):
    """What to count, and by what."""

    by: str = Field(
        max_length=60,
        description=f"one dimension, or two with a comma, at most one of time: {', '.join(DIMENSIONS)}. "
        "`foundation` is the country of the root model, `root` its repository",
    )
    query: QueryText = ""
    sum: str = Field("", max_length=40, description=f"also sum one of {', '.join(SUMS)}; empty: count releases")
    as_of: AsOf = ""


def stats(caller: Caller, wanted: Stats) -> tuple[CountsFound, str]:
    """Counts by one or two dimensions."""
    at, by, value = time_asked(wanted.as_of), dimensions(wanted.by), summed(wanted.sum)
    query = query_asked(wanted.query, at)
    with history(caller, at) as session:
        rows = sums(session, query, by, value=value)
    if len(rows) > MAX_ROWS:
        raise ToolError(f"by: {len(rows):,} rows, at most {MAX_ROWS:,} expected: narrow the query")
    params = {"q": query.normal, "by": ",".join(by), "value": value}
    page = page_link(caller, "/trends/chart", **params, as_of=wanted.as_of)
    about = envelope(query, at, cited(caller.service, "stats", params, at), page)
    return CountsFound(**about, items=rows), f"{number_of(len(rows), 'row')} by {' and '.join(by)}."


COUNT_TOOLS: tuple[Tool, ...] = (
    Tool(
        "shares", "Shares of countries",
        "The share of countries among releases under named definitions (lenses): by repositories, originals, "
        "foundations, downloads, parameters and more. A share depends on its definition: name the lens with the "
        "number, and say how far the lenses are apart.",
        Shares, SharesFound, shares,
    ),
    Tool(
        "stats", "Counts of releases",
        "Counts releases and launches by one or two dimensions, such as month and origin, or lab, with shares and, "
        "if asked, sums of downloads, derivatives, likes or parameters.",
        Stats, CountsFound, stats,
    ),
)  # fmt: skip
