"""Resources: releases, labs and briefs by their addresses, and the reference of the query language."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from monitor.releases.briefs.text import to_markdown
from monitor.releases.schema import as_markdown, query_markdown
from monitor.text import short, without_control
from monitor.web.briefs import make_known_brief
from monitor.web.model_context.answers import Answer, ToolError, fitted
from monitor.web.model_context.lab_tools import GetLab, get_lab
from monitor.web.model_context.language import GRAMMAR
from monitor.web.model_context.news_tools import cited_brief, query_of
from monitor.web.model_context.release_tools import GetRelease, get_release
from monitor.web.model_context.tool import Caller

SCHEME = "hub-monitor://"
JSON, MARKDOWN = "application/json", "text/markdown"
MAX_ADDRESS_CHARS = 500


@dataclass(frozen=True, slots=True)
class Resource:
    """``address``: a URI, or a template of one (RFC 6570). ``read``: from its parts to its text."""

    address: str
    name: str
    title: str
    description: str
    media_type: str
    read: Callable[..., str]

    @property
    def pattern(self) -> re.Pattern[str]:
        """What its addresses look like."""
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/?#]+)", re.escape(self.address)))


def _json(answer: Answer) -> str:
    return orjson.dumps(fitted(answer), option=orjson.OPT_INDENT_2).decode()


def _release(caller: Caller, namespace: str, name: str) -> str:
    return _json(get_release(caller, GetRelease(repo_id=f"{namespace}/{name}"))[0])


def _lab(caller: Caller, lab: str) -> str:
    return _json(get_lab(caller, GetLab(lab=lab))[0])


def _brief(caller: Caller, period: str) -> str:
    found = make_known_brief(caller.service.read_engine, None, period)
    link, problem = cited_brief(caller, found)
    cite = f"Cite: <{link.url}> (as of {link.as_of})" if link else f"No citation: {problem}"
    text = without_control(to_markdown(found, caller.service.settings.public_url))
    return f"{text}\nQuery: `{query_of(found).normal}`\n\n{cite}\n"


def _language(_caller: Caller) -> str:
    return f"# The query language\n\n{GRAMMAR}\n\n{query_markdown()}"


def _release_object(_caller: Caller) -> str:
    return f"# The release object\n\nUnknown is null; times are ISO 8601 in UTC.\n\n{as_markdown()}"


RESOURCES: tuple[Resource, ...] = (
    Resource(
        f"{SCHEME}query-language", "query-language", "The query language",
        "How filters are written, and every field with an example.", MARKDOWN, _language,
    ),
    Resource(
        f"{SCHEME}release-object", "release-object", "The release object",
        "Every field of a release: its type and its meaning.", MARKDOWN, _release_object,
    ),
    Resource(
        f"{SCHEME}briefs/last-week", "last-week", "Brief of last week",
        "What came out in the last finished week.", MARKDOWN, lambda caller: _brief(caller, "last-week"),
    ),
)  # fmt: skip
TEMPLATES: tuple[Resource, ...] = (
    Resource(
        f"{SCHEME}releases/{{namespace}}/{{name}}", "release", "A release",
        "All that is known of a release, with evidence and citation, by its id on the Hub.", JSON, _release,
    ),
    Resource(
        f"{SCHEME}labs/{{lab}}", "lab", "A lab", "A lab of the registry, by its id.", JSON, _lab,
    ),
    Resource(
        f"{SCHEME}briefs/{{period}}", "brief", "A brief",
        "The brief of a week (2026-W48) or a month (2026-11), with links to the releases behind each sentence.",
        MARKDOWN, _brief,
    ),
)  # fmt: skip


def read_resource(caller: Caller, address: str) -> tuple[str, str]:
    """The media type and the text of a resource. Raises ToolError for an address that is none."""
    for one in (*RESOURCES, *TEMPLATES) if len(address) <= MAX_ADDRESS_CHARS else ():
        found = one.pattern.fullmatch(address)
        if found is not None:
            parts = {name: unquote(value) for name, value in found.groupdict().items()}
            return one.media_type, one.read(caller, **parts)
    known = ", ".join(one.address for one in (*RESOURCES, *TEMPLATES))
    raise ToolError(f"uri: there is no resource {short(address, 100)!r}; addresses are {known}")
