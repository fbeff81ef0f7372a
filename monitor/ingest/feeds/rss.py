"""RSS, Atom and RDF: from bytes that anybody may have written to entries. No I/O."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import feedparser

from monitor.ingest.feeds.dates import date_in_url, read_date
from monitor.ingest.feeds.entries import MAX_TITLE_CHARS, Entry, Parsed, joined, kept, make_entry, web_url, words_of
from monitor.ingest.feeds.limits import FeedError, guarded
from monitor.ingest.feeds.text import decoded, fit, without_declaration
from monitor.labs.sources import RssSource

PERIODS = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_592_000.0, "yearly": 31_536_000.0}


def parse_rss(source: RssSource, body: bytes, content_type: str | None, url: str) -> Parsed:
    """The feed in ``body``, which came from ``url`` with this Content-Type. Raises FeedError."""
    text, readable = decoded(body, content_type)
    found = _found(guarded(without_declaration(fit(text))))
    feed = found.get("feed", {})
    entries = kept(source, _entries(source, found.get("entries", []), _base(found, url)))
    warning = None if readable else "some of its characters cannot be read"
    if found.get("bozo"):
        warning = f"malformed, {len(entries)} entries came out: {_why(found)}"
    return Parsed(words_of(feed.get("title"), MAX_TITLE_CHARS), entries, _every(feed), warning)


def _base(found: Any, url: str) -> str:
    """What relative links of a feed lead from where it sets no ``xml:base``: RSS's site, Atom's own address."""
    site = web_url(joined(url, str(found.get("feed", {}).get("link") or ""))) if _is_rss(found) else None
    return site or url


def _is_rss(found: Any) -> bool:
    return str(found.get("version") or "").startswith("rss")


def _found(text: str) -> Any:
    """feedparser's own result. It is given a stream of bytes: a plain string could be taken for a file's name."""
    # Without an address of its own, what it finds is resolved against xml:base alone, and an id stays what it is.
    headers = {"content-type": "application/xml; charset=utf-8"}
    data = f'<?xml version="1.0" encoding="utf-8"?>\n{text}'.encode()
    try:
        found = feedparser.parse(
            io.BytesIO(data), response_headers=headers, resolve_relative_uris=False, sanitize_html=False
        )
    except Exception as error:
        # It was made to read anything and still trips over some of it; whatever it raises, this is no feed.
        raise FeedError(f"it cannot be read: {type(error).__name__}") from error
    if not found.get("entries") and (found.get("bozo") or not found.get("version")):
        why = f": {_why(found)}" if found.get("bozo") else ""
        raise FeedError(f"it is neither RSS nor Atom{why}")
    return found


def _why(found: Any) -> str:
    error = found.get("bozo_exception")
    getter = getattr(error, "getMessage", None)
    message = f"{getter()} in line {error.getLineNumber()}" if getter else str(error)
    return fit(message)[:200]


# --- one entry ----------------------------------------------------------------------------------------------


def _entries(source: RssSource, items: list[Any], base: str) -> Iterator[Entry]:
    for item in items:
        links = [joined(base, str(link.get("href") or "")) for link in item.get("links", [])]
        contents = [str(content.get("value") or "") for content in item.get("content", [])]
        summary = str(item.get("summary") or "")
        url = next(filter(None, map(web_url, [joined(base, str(item.get("link") or "")), *links])), None)
        entry = make_entry(
            own_id=str(item.get("id") or ""),
            url=url,
            title=str(item.get("title") or ""),
            summary=summary or next(iter(contents), ""),
            published_at=date_in_url(source, url) or _moment(item),
            names_in=[*links, url or "", str(item.get("title") or ""), summary, *contents],
        )
        if entry is not None:
            yield entry


def _moment(item: Any) -> datetime | None:
    """When an entry was published. feedparser's own reading takes 2026/11/28 for the first of the month."""
    for name in ("published", "updated", "created"):
        # Not by feedparser's own lookup, which answers one date for another and warns of it.
        found = read_date(str(dict.get(item, name) or ""))
        if found is not None:
            return found
    return None


def _every(feed: Any) -> float | None:
    """Seconds between two reads that the feed asks for: RSS's ``ttl``, or the syndication module's period."""
    wishes = []
    ttl = _number(feed.get("ttl"))
    if ttl:
        wishes.append(ttl * 60)
    period = PERIODS.get(str(feed.get("sy_updateperiod") or "").strip().lower())
    if period:
        wishes.append(period / (_number(feed.get("sy_updatefrequency")) or 1.0))
    return max(wishes, default=None)


def _number(value: Any) -> float | None:
    text = str(value or "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None
