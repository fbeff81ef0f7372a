"""What a feed says: from bytes that anybody may have written to entries. No I/O."""

from __future__ import annotations

import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser

from monitor.ingest.feeds import dates as feed_dates
from monitor.ingest.feeds.limits import FeedError, guarded
from monitor.ingest.feeds.text import decoded, fit, plain, repositories

SUMMARY, TITLE, URL, ID = 500, 300, 2_000, 500
"""Characters that are kept of a summary, a title, a URL and an entry's id."""
KEPT = 1_000
"""Entries of one body that are kept, the newest."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""What is dated before is not dated."""
NO_IDS = frozenset(
    {"n/a", "na", "none", "null", "nil", "nan", "undefined", "unknown", "false", "guid", "id", "-", "#", "0", "/"}
)
"""What stands in the place of an id where there is none."""
PERIODS = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_592_000.0, "yearly": 31_536_000.0}

_DECLARATION = re.compile(r"^<\?xml[^>]*>")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: ``entry_id`` is its own id, else its link, else a digest of title and date; see :func:`apart`.

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
    found = _found(guarded(text))
    feed = found.get("feed", {})
    entries = _distinct(list(_entries(found.get("entries", []), _base(found, url))))
    warning = None if readable else "some of its characters cannot be read"
    if found.get("bozo"):
        warning = f"malformed, {len(entries)} entries came out: {_why(found)}"
    return Parsed(_words(feed.get("title"), TITLE), _newest(entries), _every(feed), warning)


def _base(found: Any, url: str) -> str:
    """What relative links of a feed lead from where it sets no ``xml:base``: RSS's site, Atom's own address."""
    site = _web(urljoin(url, str(found.get("feed", {}).get("link") or ""))) if _is_rss(found) else None
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


def _newest(entries: list[Entry]) -> tuple[Entry, ...]:
    if len(entries) <= KEPT:
        return tuple(entries)
    return tuple(sorted(entries, key=lambda entry: entry.published_at or EARLIEST, reverse=True)[:KEPT])


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    """``entries``, each once; those that share what was taken for their id, and are not one, have one each."""
    sharing: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        sharing[entry.entry_id].append(entry)
    shared = {ident for ident, some in sharing.items() if not _are_one(some)}
    found: dict[str, Entry] = {}
    for entry in entries:
        own = apart(entry) if entry.entry_id in shared else entry
        found.setdefault(own.entry_id, own)
    return list(found.values())


def _are_one(entries: Sequence[Entry]) -> bool:
    """Whether entries of one id are versions of one, which Atom has: they share their title, or their link."""
    titles, urls = {entry.title for entry in entries}, {entry.url for entry in entries}
    linked = len(urls) == 1 and urls.isdisjoint({None, entries[0].entry_id})
    return len(titles) == 1 or linked


def apart(entry: Entry) -> Entry:
    """``entry`` under an id of its link and title: what its feed gives as its id, it gives to others, too."""
    return replace(entry, entry_id=_digest(f"{entry.entry_id}\n{entry.url}\n{entry.title}"))


# --- one entry ----------------------------------------------------------------------------------------------


def _entries(items: list[Any], base: str) -> Iterator[Entry]:
    for item in items:
        links = [_joined(base, str(link.get("href") or "")) for link in item.get("links", [])]
        contents = [str(content.get("value") or "") for content in item.get("content", [])]
        raw_title, raw_summary = str(item.get("title") or ""), str(item.get("summary") or "")
        url = next(filter(None, map(_web, [_joined(base, str(item.get("link") or "")), *links])), None)
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
    own = fit(own).strip()
    ident = url if not own or own.lower() in NO_IDS else own
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


def _joined(base: str, link: str) -> str:
    """``link`` as it leads from ``base``; empty where there is none, or it cannot be taken apart."""
    link = fit(link).strip()
    try:
        return urljoin(base, link) if link else ""
    except ValueError:
        return ""


def _moment(item: Any) -> datetime | None:
    """When an entry was published. feedparser's own reading takes 2026/11/28 for the first of the month."""
    for name in ("published", "updated", "created"):
        # Not by feedparser's own lookup, which answers one date for another and warns of it.
        found = feed_dates.parse_date(str(dict.get(item, name) or ""))
        if found is not None and found > EARLIEST:
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
