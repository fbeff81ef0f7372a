"""Labs of the registry."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import HTTPException
from pydantic import Field

from monitor import db
from monitor.labs import Lab
from monitor.releases.query import parse
from monitor.text import short
from monitor.web.api import lab_named, lab_object
from monitor.web.model_context.answers import LabFound, ToolError, number_of
from monitor.web.model_context.arguments import MAX_COUNTED, AsOf, time_asked
from monitor.web.model_context.citing import cited_releases, counted, envelope, page_link
from monitor.web.model_context.tool import Arguments, Caller, Tool


class GetLab(Arguments):
    """Which lab."""

    lab: str = Field(min_length=1, max_length=100, description="a lab's id, name, alias or namespace on the Hub")
    as_of: AsOf = ""


def get_lab(caller: Caller, wanted: GetLab) -> tuple[LabFound, str]:
    """A lab of the registry."""
    at, lab = time_asked(wanted.as_of), _named(caller, wanted.lab)
    query = parse(f"lab:{lab.id}")
    with db.reading(caller.service.read_engine) as session:
        number = counted(session, query, at, MAX_COUNTED)
    page = page_link(caller, f"/labs/{quote(lab.id)}", as_of=wanted.as_of)
    about = envelope(query, at, cited_releases(caller, query, at), page)
    answer = LabFound.model_validate(about | {"lab": lab_object(lab), "releases": number})
    return answer, f"{lab.name}: {number_of(number, 'release')} recorded."


def _named(caller: Caller, name: str) -> Lab:
    try:
        return lab_named(caller.service.registry, name)
    except HTTPException as error:
        problem = short(error.detail, 300)
        raise ToolError(
            f"lab: {problem}; `namespace:NAME` finds what publishers outside the registry released"
        ) from None


LAB_TOOLS: tuple[Tool, ...] = (
    Tool(
        "get_lab", "One lab",
        "A lab of the registry: its country and what that rests on, its kind, parent organisation, namespaces on the "
        "Hub and aliases, and how many of its releases are recorded.",
        GetLab, LabFound, get_lab,
    ),
)  # fmt: skip
