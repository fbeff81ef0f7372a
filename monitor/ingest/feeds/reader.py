"""The labs' feeds and other sources of news: read when they are due, politely, and kept entry by entry.

A feed is leased, asked outside of any transaction, and what came of it is written as one: its new entries and its
own state. A feed that fails notes why, waits longer each time, and is never given up.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine, func, select
from sqlmodel import Session, col

from monitor.db.engine import now, reading, transaction
from monitor.db.leases import claim, unleased
from monitor.db.upsert import insert_or_ignore
from monitor.ingest.feeds.cache_control import remaining_max_age
from monitor.ingest.feeds.entries import Entry, Parsed, apart
from monitor.ingest.feeds.limits import FeedError
from monitor.ingest.feeds.parser import parse
from monitor.labs.sources import Source, SourceKind
from monitor.masking import public_url
from monitor.models import Feed, FeedEntry
from monitor.net.client import LIMITS, Fetched, FetchError, Limits, get
from monitor.schedule import (
    FEED_PASS_SECONDS,
    LEASE_SECONDS,
    MAX_FEED_SECONDS,
    feed_backoff,
    feed_interval,
    feed_jittered,
    is_feed_stale,
)

log = structlog.get_logger(__name__)

RECENT = 10
"""Entries that tell how often a feed speaks."""
LOST = 3
"""Failures in a row after which a feed that has moved is looked for at its own URL again."""
EMPTY = "it answers, and has held no entry so far"
"""The error of a feed that is read without a failure, and of which nothing has ever been kept."""
UNLISTED = "not read: it is no longer listed"
"""The error of a feed that has left the list. It stays for its entries' sake."""
ACCEPT: dict[SourceKind, str] = {
    SourceKind.RSS: "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, */*;q=0.5",
    SourceKind.SITEMAP: "application/xml, text/xml;q=0.9, */*;q=0.5",
    SourceKind.JSON: "application/json, */*;q=0.5",
    SourceKind.HTML: "text/html, application/xhtml+xml;q=0.9, */*;q=0.5",
}


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry that a feed did not have when it was read before."""

    feed_url: str
    url: str | None
    title: str | None
    published_at: datetime | None
    repo_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reader:
    engine: Engine
    shortest: float
    allow_private: bool
    user_agent: str
    limits: Limits
    sources: Mapping[str, Source]


def read_due(
    engine: Engine,
    sources: Sequence[Source],
    *,
    shortest: float,
    allow_private: bool,
    user_agent: str,
    most: int = 20,
    limits: Limits = LIMITS,
) -> list[NewEntry]:
    """Reads the sources that are due, at the most ``most``; returns the entries that are new.

    ``shortest``: seconds between two reads of one source at the least. What a source holds when it is first read is
    history: kept, and not returned. Failures are noted with the source; none is raised.
    """
    listed = {source.url: source for source in reversed(sources)}
    _keep_in_step(engine, listed)
    reader = _Reader(engine, shortest, allow_private, user_agent, limits, listed)
    new: list[NewEntry] = []
    ends = time.monotonic() + FEED_PASS_SECONDS
    asked: set[str] = set()
    while len(asked) < most and time.monotonic() < ends:
        feed = _claim(engine, [url for url in listed if url not in asked])
        if feed is None:
            break
        asked.add(feed.url)
        new += _read(reader, feed)
    return new


# --- whose turn it is ---------------------------------------------------------------------------------------


def _keep_in_step(engine: Engine, listed: Mapping[str, Source]) -> None:
    """Makes a row for each feed of the list, and marks those that have left it."""
    with reading(engine) as session:
        there = {url: error == UNLISTED for url, error in session.execute(select(col(Feed.url), col(Feed.error)))}
    fresh = [url for url in listed if url not in there]
    changed = [url for url, left in there.items() if left == (url in listed)]
    if not fresh and not changed:
        return
    current_time = now()
    with transaction(engine) as session:
        values = [
            {"url": url, "location": url, "interval": 0.0, "due_at": current_time, "failures": 0} for url in fresh
        ]
        if values:
            session.execute(insert_or_ignore(session, Feed), values)
        for row in session.scalars(select(Feed).where(col(Feed.url).in_(changed))):
            row.error = None if row.url in listed else UNLISTED
            row.stale_since = None
            session.add(row)


def _claim(engine: Engine, urls: list[str]) -> Feed | None:
    """Leases the feed among ``urls`` that is longest overdue and returns it; None where none is due."""
    at = now()
    ready = select(Feed).where(col(Feed.url).in_(urls), col(Feed.due_at) <= at, unleased(Feed, at))
    rows = claim(engine, ready.order_by(col(Feed.due_at)).limit(1), LEASE_SECONDS["feed"])
    return rows[0] if rows else None


# --- one feed -----------------------------------------------------------------------------------------------


def _read(reader: _Reader, feed: Feed) -> list[NewEntry]:
    source = reader.sources[feed.url]
    try:
        answer = get(
            feed.location,
            user_agent=reader.user_agent,
            allow_private=reader.allow_private,
            headers=_conditions(feed, source),
            limits=reader.limits,
        )
        if answer.status == 304 and not (feed.etag or feed.last_modified):
            raise FeedError("it answers 304 to a question without conditions")
        digest = hashlib.sha256(answer.body).hexdigest()
        if answer.status == 304 or digest == feed.body_digest:
            return _same(reader, feed, answer)
        parsed = parse(source, answer.body, answer.headers.get("content-type"), answer.url)
    except (FetchError, FeedError) as error:
        log.warning("feed read failed", feed=public_url(feed.url), error=str(error))
        _failed(reader, feed, error)
        return []
    return _changed(reader, feed, answer, parsed, digest)


def _conditions(feed: Feed, source: Source) -> dict[str, str]:
    headers = {"Accept": ACCEPT[source.kind]}
    if feed.etag:
        headers["If-None-Match"] = feed.etag
    if feed.last_modified:
        headers["If-Modified-Since"] = feed.last_modified
    return headers


def _failed(reader: _Reader, feed: Feed, error: FetchError | FeedError) -> None:
    with transaction(reader.engine) as session:
        row = session.get(Feed, feed.url, with_for_update=True)
        if row is None:
            return
        row.failures, row.error, row.leased_until = row.failures + 1, str(error)[:500], None
        if row.failures >= LOST and row.location != row.url:
            row.location, row.etag, row.last_modified, row.body_digest = row.url, None, None, None
        wait = feed_backoff(row.failures, reader.shortest, getattr(error, "retry_after", None))
        row.due_at = now() + timedelta(seconds=feed_jittered(wait, reader.shortest))
        session.add(row)


def _same(reader: _Reader, feed: Feed, answer: Fetched) -> list[NewEntry]:
    """Nothing has changed: only the feed's own state is written."""
    with transaction(reader.engine) as session:
        row = session.get(Feed, feed.url, with_for_update=True)
        if row is not None:
            row.error = None if row.failures else row.error
            row.error = row.error or _emptiness(session, row.url)
            # Silence only grows until something new comes, and the feed's own wish, which stands in what was
            # not read again, is part of the interval that is known.
            _succeeded(session, row, answer, reader.shortest, row.interval)
    return []


def _changed(reader: _Reader, feed: Feed, answer: Fetched, parsed: Parsed, digest: str) -> list[NewEntry]:
    """Writes what came, and the feed's state with it; returns what is new and not history."""
    with transaction(reader.engine) as session:
        row = session.get(Feed, feed.url, with_for_update=True)
        if row is None:
            return []
        first, current_time = row.read_at is None, now()
        entries = _unknown(session, row.url, parsed.entries)
        values = [_values(row.url, entry, current_time) for entry in entries]
        if values:
            session.execute(insert_or_ignore(session, FeedEntry), values)
            row.changed_at = current_time
        row.title, row.body_digest = parsed.title or row.title, digest
        row.error = parsed.warning or _emptiness(session, row.url)
        _succeeded(session, row, answer, reader.shortest, min(parsed.every or 0.0, MAX_FEED_SECONDS))
    return [] if first else [_new(value) for value in values]


def _succeeded(session: Session, row: Feed, answer: Fetched, shortest: float, least: float) -> None:
    """Notes a read that went well; the feed is left alone for ``least`` seconds, and longer as it speaks rarely."""
    current_time = now()
    if answer.status != 304:
        row.etag, row.last_modified = _validator(answer, "etag"), _validator(answer, "last-modified")
    row.read_at, row.failures, row.leased_until = current_time, 0, None
    row.location = answer.moved_to or row.location
    recent = _recent(session, row.url)
    row.stale_since = max(recent) if is_feed_stale(recent, current_time) else None
    row.interval = max(least, feed_interval(recent, current_time, shortest))
    wait = max(row.interval, remaining_max_age(answer.headers))
    row.due_at = current_time + timedelta(seconds=feed_jittered(wait, shortest))
    session.add(row)


def _emptiness(session: Session, feed_url: str) -> str | None:
    """What is wrong with a feed of which no entry has ever been kept."""
    kept = session.scalar(select(col(FeedEntry.id)).where(col(FeedEntry.feed_url) == feed_url).limit(1))
    return EMPTY if kept is None else None


def _validator(answer: Fetched, name: str) -> str | None:
    """A header to be sent back as it came; none that could not be sent."""
    value = answer.headers.get(name, "")
    return value if value and value.isascii() and value.isprintable() and len(value) <= 1_000 else None


def _recent(session: Session, feed_url: str) -> list[datetime]:
    """When the feed's latest entries came: as it says, else when they were first seen."""
    came = func.coalesce(col(FeedEntry.published_at), col(FeedEntry.seen_at))
    query = select(came).where(col(FeedEntry.feed_url) == feed_url).distinct().order_by(came.desc()).limit(RECENT)
    return list(session.scalars(query))


# --- entries ------------------------------------------------------------------------------------------------


def _unknown(session: Session, feed_url: str, entries: Sequence[Entry]) -> list[Entry]:
    """The entries that are not kept yet: by id, nor under another id with the same title and link, or date.

    An id that is kept for an entry of another title and another link is none: such an entry gets one of its own.
    """
    columns = (col(FeedEntry.entry_id), col(FeedEntry.url), col(FeedEntry.title), col(FeedEntry.published_at))
    rows = session.execute(select(*columns).where(col(FeedEntry.feed_url) == feed_url)).all()
    kept = {row[0]: (row[1], row[2]) for row in rows}
    known = {mark for row in rows for mark in _marks(row[1], row[2], row[3])}
    unknown = []
    for entry in entries:
        url, title = kept.get(entry.entry_id, (None, None))
        reused = url is not None and title is not None and entry.title != title and entry.url not in {None, url}
        own = apart(entry) if reused else entry
        if own.entry_id not in kept and known.isdisjoint(_marks(entry.url, entry.title, entry.published_at)):
            unknown.append(own)
    return unknown


def _marks(url: str | None, title: str | None, published_at: datetime | None) -> set[tuple[str, object]]:
    if title is None:
        return set()
    return {(title, other) for other in (url, published_at) if other is not None} or {(title, None)}


def _values(feed_url: str, entry: Entry, current_time: datetime) -> dict[str, Any]:
    return {
        "feed_url": feed_url,
        "entry_id": entry.entry_id,
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        # Nothing that is there to be read was published in the future.
        "published_at": min(entry.published_at, current_time) if entry.published_at else None,
        "seen_at": current_time,
        "repo_ids": list(entry.repo_ids),
    }


def _new(values: dict[str, Any]) -> NewEntry:
    return NewEntry(
        feed_url=values["feed_url"],
        url=values["url"],
        title=values["title"],
        published_at=values["published_at"],
        repo_ids=tuple(values["repo_ids"]),
    )
