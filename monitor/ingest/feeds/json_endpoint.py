"""JSON endpoints: the list that a source's JMESPath expressions find in an answer. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jmespath
import orjson
from jmespath.exceptions import JMESPathError

from monitor.ingest.feeds.dates import date_in_url, read_date
from monitor.ingest.feeds.entries import Entry, Parsed, joined, kept, make_entry, web_url
from monitor.ingest.feeds.limits import ENTRIES, FeedError, refuse_html
from monitor.ingest.feeds.text import decoded, fit
from monitor.labs.sources import JsonSource

_MAX_ITEM_BYTES = 64 * 1024
"""Bytes of one item that are searched for the repositories it names."""


def parse_json(source: JsonSource, body: bytes, content_type: str | None, url: str) -> Parsed:
    """The entries of an answer that came from ``url``. Raises FeedError where it holds no such list."""
    text, readable = decoded(body, content_type)
    refuse_html(text, "JSON")
    try:
        document = orjson.loads(text.lstrip("\ufeff"))
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise FeedError(f"it is no JSON: {str(error)[:200]}") from None
    items = _evaluated(source.entries, document)
    if not isinstance(items, list):
        raise FeedError(f"{source.entries!r} finds no list in it")
    if len(items) > ENTRIES:
        raise FeedError(f"it holds more than {ENTRIES} entries")
    entries = list(_entries(source, items, url))
    if items and not entries:
        raise FeedError(f"none of its {len(items)} entries has a title ({source.title!r}) or a link ({source.link!r})")
    return Parsed(None, kept(source, entries), None, None if readable else "some of its characters cannot be read")


def _entries(source: JsonSource, items: list[Any], base: str) -> Iterator[Entry]:
    for item in items:
        url = web_url(joined(base, _text(source.link, item)))
        date = _evaluated(source.date, item)
        entry = make_entry(
            own_id="",
            url=url,
            title=_text(source.title, item),
            summary=_text(source.summary, item),
            published_at=date_in_url(source, url) or read_date(date),
            names_in=[_as_text(item)],
        )
        if entry is not None:
            yield entry


def _as_text(item: Any) -> str:
    try:
        return orjson.dumps(item)[:_MAX_ITEM_BYTES].decode("utf-8", "replace")
    except orjson.JSONEncodeError:
        # Nested deeper than the library writes.
        return ""


def _text(expression: str | None, item: Any) -> str:
    """The text or number that an expression finds; empty where it finds something else, or nothing."""
    found = _evaluated(expression, item)
    return fit(str(found)) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def _evaluated(expression: str | None, document: Any) -> Any:
    """What ``expression`` finds in ``document``; None where a function meets a value of another type than it takes."""
    if expression is None:
        return None
    try:
        return jmespath.search(expression, document)
    except (JMESPathError, RecursionError):
        return None
