"""Announcements: models that a lab's feed names, and the releases that they became.

A model whose weights are not public is an announcement with its own state. When its weights come, it becomes the
release's announcement; a closed model (GPT-4, Claude, Gemini) stays one, so that open can be set against closed. A feed
entry that links to a repository is the announcement of that release, whatever its title.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.db.upsert import insert_or_ignore
from monitor.labs import Registry
from monitor.models import Announcement, FeedEntry, Release
from monitor.releases import records
from monitor.releases.announced import Announced
from monitor.releases.changes import record_change
from monitor.releases.launches.announced_names import announced_model, name_key

ANNOUNCED, RELEASED = "announced", "released"
ANNOUNCEMENT_WINDOW = timedelta(days=45)
"""Maximum time between an announcement and its release."""
MAX_NEWS_AGE = timedelta(days=7)
"""Maximum age of an announcement that is read for the first time and still is news."""


def record_announcements(session: Session, registry: Registry, entries: Iterable[FeedEntry]) -> list[Announcement]:
    """Stores the models that entries of the labs' own feeds announce; returns those that are new."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        name = announced_model(entry.title)
        labs = registry.labs_of_feed(entry.feed_url) if name else ()
        if name and labs:
            key = " ".join(name_key(name))
            row = {
                "lab": labs[0].id, "key": key, "model": name, "state": ANNOUNCED, "title": entry.title,
                "url": entry.url, "announced_at": entry.published_at or entry.seen_at, "seen_at": entry.seen_at,
            }  # fmt: skip
            rows.setdefault((labs[0].id, key), row)
    if not rows:
        return []
    there = {
        (row[0], row[1])
        for row in session.execute(
            select(col(Announcement.lab), col(Announcement.key)).where(
                col(Announcement.lab).in_({lab for lab, _ in rows})
            )
        )
    }
    fresh = [row for key, row in rows.items() if key not in there]
    if fresh:
        # Before rows of releases change: see there.
        records.lock(session)
        session.execute(insert_or_ignore(session, Announcement), fresh)
        released = select(Release).where(
            col(Release.lab).in_({row["lab"] for row in fresh}),
            col(Release.pending).is_(False),
            col(Release.first_seen_at) >= now() - ANNOUNCEMENT_WINDOW,
        )
        mark_released(session, list(session.scalars(released)))
        session.flush()
        announced = [Announced(row["lab"], row["key"], row["announced_at"]) for row in fresh]
        records.refresh_announced(session, announced, registry)
    new = select(Announcement).where(
        col(Announcement.lab).in_({row["lab"] for row in fresh}),
        col(Announcement.key).in_({row["key"] for row in fresh}),
    )
    found = {(row.lab, row.key): row for row in session.scalars(new)} if fresh else {}
    return [found[row["lab"], row["key"]] for row in fresh]


def select_news(session: Session, rows: Iterable[Announcement], entries: Iterable[FeedEntry]) -> list[Announcement]:
    """Returns the announcements among ``rows`` that are news: without weights, recent, not from a feed's first read."""
    entries = list(entries)
    first = select(col(FeedEntry.feed_url), func.min(FeedEntry.seen_at)).group_by(col(FeedEntry.feed_url))
    feeds = {entry.feed_url for entry in entries}
    began = {row[0]: row[1] for row in session.execute(first.where(col(FeedEntry.feed_url).in_(feeds)))}
    later = {(entry.url, entry.title) for entry in entries if entry.seen_at > began[entry.feed_url]}
    return [
        row
        for row in rows
        if row.state == ANNOUNCED and row.announced_at > row.seen_at - MAX_NEWS_AGE and (row.url, row.title) in later
    ]


def mark_released(session: Session, rows: Sequence[Release], *, notified: bool = False) -> None:
    """Marks the announcements that name one of these releases as released, and links the releases to them.

    ``notified``: the messages about the releases are being enqueued, and mention the announcement.
    """
    labs = {row.lab for row in rows if row.lab}
    if not labs:
        return
    waiting = select(Announcement).where(
        col(Announcement.lab).in_(labs),
        col(Announcement.state) == ANNOUNCED,
        col(Announcement.announced_at) >= now() - 4 * ANNOUNCEMENT_WINDOW,
    )
    for announcement in session.scalars(waiting):
        wanted = tuple(announcement.key.split())
        match = (row for row in rows if row.lab == announcement.lab and name_key(row.name)[: len(wanted)] == wanted)
        row = next(match, None)
        if row is None:
            continue
        announcement.state, announcement.release_id = RELEASED, row.id
        session.add(announcement)
        if row.announcement_url is None and announcement.url:
            record_change(
                session,
                row,
                "announcement_url",
                None,
                announcement.url,
                now(),
                "feed",
                notify=not notified and not row.is_backfilled,
            )
            row.announcement_url = announcement.url
            session.add(row)


def as_release(row: Announcement, registry: Registry) -> Release:
    """Returns an announced model as a release with its name and lab and little else, so that filters can match it."""
    lab = registry.get(row.lab)
    namespace = lab.namespaces[0] if lab is not None and lab.namespaces else row.lab
    return Release(
        hub_id="", repo_id=f"{namespace}/{row.model}", namespace=namespace, name=row.model, lab=row.lab,
        lab_kind=lab.kind if lab else None, origin=lab.origin if lab else None, released_at=row.announced_at,
        first_seen_at=row.seen_at, detected_via="feed", announcement_url=row.url, facts_digest="", kind="unknown",
        license_class="unknown", openness="unknown", status=ANNOUNCED,
    )  # fmt: skip


def link_announcements(session: Session, links: Iterable[tuple[str, str]]) -> int:
    """Links known releases to the feed entries that name them; returns the number of releases.

    ``links``: (repository id, URL of the entry). A release keeps the first one.
    """
    urls = dict(reversed(list(links)))
    query = select(Release).where(col(Release.repo_id).in_(list(urls)), col(Release.announcement_url).is_(None))
    rows = list(session.scalars(query)) if urls else []
    for row in rows:
        record_change(
            session, row, "announcement_url", None, urls[row.repo_id], now(), "feed", notify=not row.is_backfilled
        )
        row.announcement_url = urls[row.repo_id]
        session.add(row)
    return len(rows)


def link_earlier_announcements(session: Session, rows: Sequence[Release]) -> None:
    """Links new releases to the feed entries that named them before."""
    if not rows:
        return
    recent = col(FeedEntry.seen_at) >= now() - ANNOUNCEMENT_WINDOW
    entries = session.scalars(select(FeedEntry).where(recent).order_by(col(FeedEntry.id)))
    urls: dict[str, str] = {}
    for entry in entries:
        for repo_id in entry.repo_ids:
            urls.setdefault(repo_id, entry.url or "")
    for row in rows:
        url = urls.get(row.repo_id)
        if url:
            row.announcement_url = url
            stored = session.get(Release, row.id)
            if stored is not None and stored is not row:
                stored.announcement_url = url
