"""Where a lab announces: addresses, each with how its entries are found in what it returns. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class SourceKind(StrEnum):
    """The forms in which labs publish their news."""

    RSS = "rss"
    SITEMAP = "sitemap"
    JSON = "json"
    HTML = "html"


class SourceError(ValueError):
    """A source that cannot be used: one line that names the key and says what is wrong with it."""


def _regex(value: str | None) -> str | None:
    if value is not None:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from None
    return value


class _Source(BaseModel):
    """What all kinds share.

    ``link_pattern``: a regular expression; entries whose address it does not match are left out. ``text_pattern``: the
    same for title and summary, for addresses that publish more than models. ``date_pattern``: a regular expression
    with the groups ``year`` (two or four digits), ``month`` and ``day``: the date that stands in an entry's address.
    ``default_year``: the year of addresses in which the group ``year`` matches nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, str_min_length=1)

    expressions: ClassVar[tuple[str, ...]] = ()
    """The keys that hold JMESPath or CSS."""

    url: str
    link_pattern: str | None = None
    text_pattern: str | None = None
    date_pattern: str | None = None
    default_year: int | None = Field(None, ge=1990, le=2100)

    _regular = field_validator("link_pattern", "text_pattern", "date_pattern")(_regex)

    @field_validator("url")
    @classmethod
    def _web(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is no URL: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{value!r} is no http:// or https:// URL")
        return value

    @model_validator(mode="after")
    def _dated(self) -> _Source:
        if self.date_pattern is not None:
            named = set(re.compile(self.date_pattern).groupindex)
            if named != {"year", "month", "day"}:
                raise ValueError("date_pattern: the groups (?P<year>…), (?P<month>…) and (?P<day>…) expected")
        elif self.default_year is not None:
            raise ValueError("default_year: only together with date_pattern")
        return self


class RssSource(_Source):
    """RSS, Atom or RDF, which state links, titles and dates themselves."""

    kind: Literal[SourceKind.RSS] = SourceKind.RSS


class SitemapSource(_Source):
    """An XML sitemap: the addresses in it that match ``link_pattern``.

    ``date = "lastmod"``: an entry's date is the one on which its page was last modified, where none is stated better.
    """

    kind: Literal[SourceKind.SITEMAP]
    link_pattern: str
    date: Literal["lastmod"] | None = None


class JsonSource(_Source):
    """A JSON endpoint. ``entries`` is a JMESPath expression for the list; the others are read in each of its items.

    Dates may be text, or seconds or milliseconds since 1970.
    """

    kind: Literal[SourceKind.JSON]
    expressions: ClassVar[tuple[str, ...]] = ("entries", "link", "title", "summary", "date")
    entries: str
    link: str
    title: str
    summary: str | None = None
    date: str | None = None


class HtmlSource(_Source):
    """A page that lists its entries in the HTML itself. All keys are CSS selectors, with ``::attr(…)`` and ``::text``.

    ``entries`` selects the links, or the elements around them. The others are looked up in each entry, then in the
    largest element around it that holds no other entry. Of several elements the first that gives a value counts.
    """

    kind: Literal[SourceKind.HTML]
    expressions: ClassVar[tuple[str, ...]] = ("entries", "link", "title", "summary", "date")
    entries: str
    link: str = "::attr(href)"
    title: str = "h1, h2, h3, h4, h5, h6, [class*=title], [class*=Title]"
    summary: str | None = None
    date: str = "time::attr(datetime), time, [class*=date], [class*=Date]"


Source = RssSource | SitemapSource | JsonSource | HtmlSource
AnySource = Annotated[Source, Field(discriminator="kind")]
"""A ``[[lab.sources]]`` table, valid by its ``kind``."""


def explain(error: Mapping[str, Any]) -> str:
    """What is wrong in ``[[lab.sources]]``: the number of the table, the key, and what was expected."""
    where = [f"number {part + 1}" if isinstance(part, int) else part for part in error["loc"][1:]]
    return ": ".join(["sources", *where[:1], *where[2:], error["msg"].removeprefix("Value error, ")])


def check_expressions(source: Source) -> None:
    """Raises SourceError where a JMESPath expression or CSS selector of ``source`` cannot be compiled."""
    if isinstance(source, JsonSource):
        import jmespath
        from jmespath.exceptions import JMESPathError

        for key, text in _expressions(source):
            try:
                jmespath.compile(text)
            except JMESPathError as error:
                reason = str(error).partition("\n")[0].rstrip(":")
                raise SourceError(f"sources: {source.url}: {key}: {text!r} is no JMESPath: {reason}") from None
    if isinstance(source, HtmlSource):
        from parsel import css2xpath

        for key, text in _expressions(source):
            try:
                css2xpath(text)
            except (SyntaxError, RuntimeError) as error:  # what the library's errors derive from
                raise SourceError(f"sources: {source.url}: {key}: {text!r} is no CSS selector: {error}") from None


def _expressions(source: Source) -> list[tuple[str, str]]:
    values = [(key, getattr(source, key)) for key in source.expressions]
    return [(key, text) for key, text in values if text is not None]
