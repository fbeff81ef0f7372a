"""What tools answer with: the query, the time, a citation and the data, fit to be read by a model."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field

from monitor.text import plain, short
from monitor.web.schemas import BriefSection, BriefSentence, LabObject, LaunchObject, LensObject, ShareObject

MAX_TEXT_CHARS, MAX_LIST_ITEMS, MAX_DEPTH = 2_000, 200, 16
"""Of one value in an answer; what is longer or deeper is cut, and ``shortened`` says so."""
MAX_ANSWER_BYTES = 400_000


class ToolError(ValueError):
    """A call that cannot be answered: one line with the place and the fix."""


class CitationLink(BaseModel):
    """A permalink of a question and its answer as of a time."""

    url: str = Field(description="give this link with what you state from the answer")
    title: str
    as_of: str = Field(description="the time that it is of; without `as_of`, the last minute that has settled")
    rows: int
    sha256: str


class Answer(BaseModel):
    """What every answer has."""

    query: str | None = Field(description="the query in its normal form, with dates of the calendar; null: none")
    as_of: str = Field(description="the time at which this was known, ISO 8601 in UTC")
    citation: CitationLink | None = Field(description="a permalink; null where `citation_problem` says why not")
    citation_problem: str | None = None
    page: str | None = Field(None, description="the page that shows this")
    shortened: list[str] = Field([], description="values that were cut to fit, and how long they are")


class ReleasesFound(Answer):
    """A page of releases."""

    items: list[dict[str, Any]] = Field(description="release objects with the fields that were asked for")
    next: str | None = Field(description="`cursor` of the next page; null on the last")
    suggestions: list[str] = Field([], description="where nothing matches: what may have been meant")


class ReleaseFound(Answer):
    """One release."""

    release: dict[str, Any] = Field(
        description="the release object; `evidence` and `origin_evidence` say where each value was read"
    )


class LaunchesFound(Answer):
    """A page of launches."""

    items: list[LaunchObject]
    next: str | None = Field(description="`cursor` of the next page; null on the last")


class SharesFound(Answer):
    """Shares of countries, a row for each lens."""

    of: list[str]
    spread: str = Field(description="how far the lenses are apart, in one sentence")
    items: list[ShareObject]
    lenses: list[LensObject] = Field(description="the definitions of these lenses")


class CountsFound(Answer):
    """Counts by one or two dimensions."""

    items: list[dict[str, Any]] = Field(description="a row for each combination of the dimensions")


class BriefFound(Answer):
    """The brief of a week or a month."""

    period: str
    title: str
    finished: bool = Field(description="whether the period was over at that time")
    published_at: str | None
    sections: list[BriefSection]
    corrections: list[BriefSentence]


class LabFound(Answer):
    """A lab of the registry."""

    lab: LabObject
    releases: int = Field(description="releases that are recorded of it")


class AuditFound(Answer):
    """An audit."""

    summary: str
    violations: int
    items: list[dict[str, Any]] = Field(
        description="an entry for each model: where it is named, `release`, `chain` of models that it was made from, "
        "`findings` of the policy"
    )
    unreadable: list[dict[str, str]] = Field(description="documents that name nothing readable, and why")


class Part(BaseModel):
    """A part of a filter that must hold."""

    text: str
    holds: bool


class Explained(BaseModel):
    """A filter, and whether a release matches it."""

    filter: str
    words: str = Field(description="the filter in plain words")
    matches: bool
    parts: list[Part]
    subscription: str | None = Field(None, description="id of the subscription that has this filter")
    channel: str | None = None
    digest: str | None = None


class WhyFound(Answer):
    """Which filters match a release."""

    repo_id: str
    items: list[Explained]


class QueryExplained(Answer):
    """A query in plain words."""

    words: str
    fields: list[str]
    releases: int = Field(description="how many releases match; at most 10,000 are counted")


class SubscriptionsFound(Answer):
    """Subscriptions, after what was done."""

    done: Literal["listed", "created", "changed", "removed"]
    items: list[dict[str, Any]]


class Corrected(Answer):
    """Corrected values of a release."""

    repo_id: str
    items: list[dict[str, Any]] = Field(description="`field`, `before` and `after` of each value that changed")


def fitted(answer: Answer) -> dict[str, Any]:
    """The answer as JSON, with each text on one line and without control characters, and bounded.

    Names, tags and texts of cards come from strangers: no line feed, escape sequence or mark that turns the direction
    of writing is left in them. Raises ToolError for an answer that is too large.
    """
    cuts: list[str] = []
    content: dict[str, Any] = {
        name: _fitted(value, name, 0, cuts) for name, value in answer.model_dump(mode="json").items()
    }
    content["shortened"] = cuts[:MAX_LIST_ITEMS]
    size = len(orjson.dumps(content))
    if size > MAX_ANSWER_BYTES:
        raise ToolError(
            f"the answer has {size:,} bytes, at most {MAX_ANSWER_BYTES:,} expected: ask for a smaller `limit`, for "
            "fewer `fields`, or narrow the query"
        )
    return content


def _fitted(value: Any, place: str, depth: int, cuts: list[str]) -> Any:
    if isinstance(value, str):
        clean = plain(value)
        if len(clean) > MAX_TEXT_CHARS:
            cuts.append(f"{place}: {len(clean)} characters")
            return short(clean, MAX_TEXT_CHARS)
        return clean
    if depth > MAX_DEPTH and isinstance(value, list | dict):
        cuts.append(f"{place}: nested more than {MAX_DEPTH} times")
        return None
    if isinstance(value, list):
        # Of the lists of an answer itself, arguments limit the length.
        kept = value if depth == 0 else value[:MAX_LIST_ITEMS]
        if len(kept) < len(value):
            cuts.append(f"{place}: {len(value)} items")
        return [_fitted(one, f"{place}[{number}]", depth + 1, cuts) for number, one in enumerate(kept)]
    if isinstance(value, dict):
        names = {plain(name)[:200]: one for name, one in value.items()}
        return {name: _fitted(one, f"{place}.{name}", depth + 1, cuts) for name, one in names.items()}
    return value


def number_of(number: int, noun: str, several: str = "") -> str:
    """A number with its noun, for the headline of an answer."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


_ENVELOPE = frozenset(Answer.model_fields)


def as_text(headline: str, content: dict[str, Any]) -> str:
    """The answer for clients that show only text: the headline, time and citation, and the data as JSON lines.

    Values stand in JSON, so that none can be taken for a line of this text.
    """
    lines = [plain(headline), f"As of {content['as_of']}."]
    if content["query"]:
        lines.append(f"Query: {_json(content['query'])}")
    if content["citation"] is not None:
        lines.append(f"Cite: {content['citation']['url']} (as of {content['citation']['as_of']})")
    elif content["citation_problem"]:
        lines.append(f"No citation: {content['citation_problem']}")
    if content["shortened"]:
        lines.append(f"Shortened: {_json(content['shortened'])}")
    for name, value in content.items():
        if name in _ENVELOPE or value in (None, []):
            continue
        if isinstance(value, list):
            lines += [f"{name}:", *map(_json, value)]
        else:
            lines.append(f"{name}: {_json(value)}")
    return "\n".join(lines)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
