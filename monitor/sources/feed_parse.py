"""What a feed says: from bytes that anybody may have written to entries. No I/O."""

from __future__ import annotations

import calendar
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import feedparser

from monitor.sources.feed_guard import FeedError, guarded
from monitor.sources.feed_text import decoded, fit, plain, repositories

SUMMARY, TITLE, URL, ID = 500, 300, 2_000, 500
"""Characters that are kept of a summary, a title, a URL and an entry's id."""
KEPT = 1_000
"""Entries of one body that are kept, the newest."""
EARLIEST = 631_152_000
"""1990 in seconds since 1970: what is dated before is not dated."""
PERIODS = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_592_000.0, "yearly": 31_536_000.0}

_DECLARATION = re.compile(r"^<\?xml[^>]*>")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: ``entry_id`` is its own id, else its link, else a digest of title and date.

    ``url`` is absolute http or https; ``summary`` plain text of at most 500 characters; ``published_at`` is UTC
    as the feed says, be it in the future; ``repo_ids`` are the Hub repositories it links to or names by URL.
    """

    entry_id: str
    url: str | None
    title: str | None
    summary: str | None
    published_at: datetime | None
    repo_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A feed: its entries in its own order, each id once; ``every``, the seconds between two reads it asks for;
    ``warning``, what is wrong with it although it could be read."""

    title: str | None
    entries: tuple[Entry, ...]
    every: float | None
    warning: str | None


def parse(body: bytes, content_type: str | None, url: str) -> Parsed:
    """The feed in ``body``, which came from ``url`` with this Content-Type. Raises FeedError, and nothing else."""
    text, readable = decoded(body, content_type)
    text = _DECLARATION.sub("", fit(text).lstrip("\ufeff \t\r\n"), count=1)
    found = _found(guarded(text), url)
    entries: dict[str, Entry] = {}
    for entry in _entries(found.get("entries", [])):
        entries.setdefault(entry.entry_id, entry)
    warning = None if readable else "some of its characters cannot be read"
    if found.get("bozo"):
        warning = f"malformed, {len(entries)} entries came out: {_why(found)}"
    feed = found.get("feed", {})
    return Parsed(_words(feed.get("title"), TITLE), _newest(list(entries.values())), _every(feed), warning)


def _found(text: str, url: str) -> Any:
    """feedparser's own result. It is given a stream of bytes: a plain string could be taken for a file's name."""
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url}
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


def _newest(entries: list[Entry]) -> tuple[Entry, ...]:
    if len(entries) <= KEPT:
        return tuple(entries)
    oldest = datetime.fromtimestamp(EARLIEST, UTC)
    return tuple(sorted(entries, key=lambda entry: entry.published_at or oldest, reverse=True)[:KEPT])


# --- one entry ----------------------------------------------------------------------------------------------


def _entries(items: list[Any]) -> Iterator[Entry]:
    for item in items:
        links = [str(link.get("href") or "") for link in item.get("links", [])]
        contents = [str(content.get("value") or "") for content in item.get("content", [])]
        raw_title, raw_summary = str(item.get("title") or ""), str(item.get("summary") or "")
        url = next(filter(None, map(_web, [str(item.get("link") or ""), *links])), None)
        published = _moment(item)
        title = _words(raw_title, TITLE)
        ident = _ident(str(item.get("id") or ""), url, title, published)
        if ident is not None:
            yield Entry(
                entry_id=ident,
                url=url,
                title=title,
                summary=_words(raw_summary or next(iter(contents), ""), SUMMARY),
                published_at=published,
                repo_ids=repositories(*links, url or "", raw_title, raw_summary, *contents),
            )


def _ident(own: str, url: str | None, title: str | None, published: datetime | None) -> str | None:
    ident = fit(own).strip() or url
    if ident is None and title is None:
        return None
    if ident is None:
        ident = _digest(f"{title}\n{published}")
    return ident if len(ident) <= ID else _digest(ident)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _web(link: str) -> str | None:
    link = fit(link).strip()
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.netloc and len(link) <= URL else None


def _words(markup: Any, most: int) -> str | None:
    return plain(str(markup or ""), most) or None


def _moment(item: Any) -> datetime | None:
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        # Not by feedparser's own lookup, which answers one date for another and warns of it.
        parsed = dict.get(item, name)
        try:
            seconds = calendar.timegm(parsed) if parsed else 0
            if seconds > EARLIEST:
                return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, TypeError, OSError):
            continue
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
