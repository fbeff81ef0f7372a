"""Announcements: models that a lab's feed names, and the releases that they became.

A model whose weights are not public is an announcement with its own state. When its weights come, it becomes the
release's announcement; a closed model (GPT-4, Claude, Gemini) stays one, so that open can be set against closed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from monitor.db.engine import now
from monitor.db.upsert import insert_or_ignore
from monitor.enums import Event
from monitor.labs import Registry
from monitor.models import Announcement, FeedEntry, Release, iso
from monitor.releases.changes import record_change
from monitor.releases.query import Query, parse, to_predicate
from monitor.releases.query.tree import All, normalised
from monitor.releases.stats import between, stats

ANNOUNCED, RELEASED = "announced", "released"
RELEASE_WINDOW = timedelta(days=45)
"""Between an announcement and the release that it is of, at the most."""

MAX_NEWS_AGE = timedelta(days=7)
"""How old an announcement that was not read before may be, and be news."""
MAX_NAME_WORDS = 5
"""Words of a model's name; what has more is a sentence."""

_VERB = r"(?:introducing|announcing|meet|unveiling|launching|releasing|presenting|welcome)"
_WORD = r"(?:[A-Z][\w·+]*|v?\d+(?:\.\d+)*[A-Za-z]?|o\d)"
_NAME = re.compile(rf"{_WORD}(?:[ -]{_WORD})*", re.ASCII)
_VERSION = re.compile(r"v?\d+(?:\.\d+)*[A-Za-z]?|[A-Za-z·]+v?\d+(?:\.\d+)*[A-Za-z]?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_VARIANTS = frozenset(
    {"pro", "mini", "nano", "flash", "lite", "ultra", "max", "opus", "sonnet", "haiku", "turbo", "large", "small",
     "medium", "preview", "thinking", "instruct", "codex", "fast", "vision", "reasoning", "translate", "heavy"}
)  # fmt: skip
_ENDS = re.compile(r"\s*(?:$|[:,.!?–—(|]|is\b|are\b|and\b|now\b|for\b|with\b|-\s|in\b)", re.IGNORECASE)


def named(title: str | None) -> str | None:
    """The model that a title announces: ``Claude Opus 4.5`` of "Introducing Claude Opus 4.5"; None for none.

    Only a name with a version, at the beginning of the title or behind a word like *introducing*.
    """
    text = " ".join((title or "").split())[:300]
    verb = re.match(rf"{_VERB}\s*:?\s+(?:(?:the|our|a|new)\s+)*", text, re.IGNORECASE)
    rest = text[verb.end() :] if verb else text
    found = _NAME.match(rest)
    if found is None:
        return None
    words = re.split(r"(?<=[^ -])[ -]", found[0])
    kept = _until_version(words)
    if kept is None or kept > MAX_NAME_WORDS:
        return None
    name = _spelled(rest, kept)
    return name if verb or _ENDS.match(rest[len(name) :]) else None


def _until_version(words: Sequence[str]) -> int | None:
    """How many words up to the version and the variants behind it; None where there is no version."""
    for place, word in enumerate(words):
        if _VERSION.fullmatch(word) and not _YEAR.fullmatch(word) and (place > 0 or not word[0].isdigit()):
            end = place + 1
            while end < len(words) and (words[end].lower() in _VARIANTS or _VERSION.fullmatch(words[end])):
                end += 1
            return end
    return None


def _spelled(text: str, words: int) -> str:
    found = re.match(rf"(?:[^ -]+[ -]){{{words - 1}}}[^ -]+", text)
    return (found[0] if found else text).rstrip(".:,!?")


def key_of(name: str) -> tuple[str, ...]:
    """A name without its spelling: ``("claude", "opus", "4.5")``."""
    return tuple(re.findall(r"[^\W\d_]+|\d+(?:\.\d+)*", name.lower()))


def announce(session: Session, registry: Registry, entries: Iterable[FeedEntry]) -> list[Announcement]:
    """Keeps the models that entries of the labs' own feeds name; returns those that were not named before."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        name = named(entry.title)
        labs = registry.labs_of_feed(entry.feed_url) if name else ()
        if name and labs:
            key = " ".join(key_of(name))
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
        session.execute(insert_or_ignore(session, Announcement), fresh)
        released = select(Release).where(
            col(Release.lab).in_({row["lab"] for row in fresh}),
            col(Release.pending).is_(False),
            col(Release.first_seen_at) >= now() - RELEASE_WINDOW,
        )
        mark_released(session, list(session.scalars(released)))
    new = select(Announcement).where(
        col(Announcement.lab).in_({row["lab"] for row in fresh}),
        col(Announcement.key).in_({row["key"] for row in fresh}),
    )
    found = {(row.lab, row.key): row for row in session.scalars(new)} if fresh else {}
    return [found[row["lab"], row["key"]] for row in fresh]


def news(session: Session, rows: Iterable[Announcement], entries: Iterable[FeedEntry]) -> list[Announcement]:
    """Those of these announcements that are news: without weights, not old, and from no feed's first read."""
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
    """Gives releases the announcements that named them: those are released now.

    ``notified``: the messages about the releases are being enqueued, and mention the announcement.
    """
    labs = {row.lab for row in rows if row.lab}
    if not labs:
        return
    waiting = select(Announcement).where(
        col(Announcement.lab).in_(labs),
        col(Announcement.state) == ANNOUNCED,
        col(Announcement.announced_at) >= now() - 4 * RELEASE_WINDOW,
    )
    for announcement in session.scalars(waiting):
        wanted = tuple(announcement.key.split())
        match = (row for row in rows if row.lab == announcement.lab and key_of(row.name)[: len(wanted)] == wanted)
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
    """An announced model as a release of which little more than its name and its lab is known: to be matched."""
    lab = registry.get(row.lab)
    namespace = lab.namespaces[0] if lab is not None and lab.namespaces else row.lab
    return Release(
        hub_id="", repo_id=f"{namespace}/{row.model}", namespace=namespace, name=row.model, lab=row.lab,
        lab_kind=lab.kind if lab else None, origin=lab.origin if lab else None, released_at=row.announced_at,
        first_seen_at=row.seen_at, detected_via="feed", announcement_url=row.url, facts_digest="", kind="unknown",
        license_class="unknown", openness="unknown", status=ANNOUNCED,
    )  # fmt: skip


def announcements(
    session: Session,
    *,
    lab: str | None = None,
    state: str | None = None,
    month: str | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """What was announced, newest first; ``month`` (``2026-05``, of UTC) is that of the announcement."""
    query = select(Announcement, col(Release.repo_id)).outerjoin(
        Release, col(Release.id) == col(Announcement.release_id)
    )
    if lab is not None:
        query = query.where(col(Announcement.lab) == lab)
    if state is not None:
        query = query.where(col(Announcement.state) == state)
    if month is not None:
        first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
        after = (first + timedelta(days=31)).replace(day=1)
        query = query.where(col(Announcement.announced_at) >= first, col(Announcement.announced_at) < after)
    newest = query.order_by(col(Announcement.announced_at).desc(), col(Announcement.id).desc()).limit(limit)
    return [
        {
            "lab": row.lab,
            "model": row.model,
            "state": row.state,
            "title": row.title,
            "url": row.url,
            "announced_at": iso(row.announced_at),
            "repo_id": repo_id,
        }
        for row, repo_id in session.execute(newest)
    ]


OPEN, CLOSED = "open", "announced only"
LAUNCHED = "launch:any -lab:none"
"""The query of what labs of the registry launched with public weights."""


def open_and_closed(session: Session, registry: Registry, query: Query) -> list[dict[str, Any]]:
    """For each month: launches of the registry's labs with public weights, and models that were only announced.

    Rows ``{month, access, count}``, of those that match; no month between the first and the last is left out.
    """
    counts: Counter[tuple[str, str]] = Counter()
    launched = Query(normalised(All((query.root, parse(LAUNCHED).root))))
    for row in stats(session, launched, ["month"], medians=False):
        if row["month"] is not None:
            counts[row["month"], OPEN] += row["launches"]
    holds = to_predicate(query)
    for announcement in _without_weights(session):
        if holds(as_release(announcement, registry), (Event.ANNOUNCED,)):
            counts[f"{announcement.announced_at:%Y-%m}", CLOSED] += 1
    months = between(sorted({month for (month, _), number in counts.items() if number}), "month")
    return [
        {"month": month, "access": access, "count": counts[month, access]}
        for month in months
        for access in (OPEN, CLOSED)
    ]


def _without_weights(session: Session) -> Iterable[Announcement]:
    """Yields models without weights: as of a past time, those whose release was not known then."""
    query = select(Announcement).outerjoin(Release, col(Release.id) == col(Announcement.release_id))
    query = query.where(or_(col(Release.id).is_(None), col(Release.pending).is_(True)))
    if "as_of" in session.info:
        query = query.where(col(Announcement.seen_at) <= session.info["as_of"])
    return session.scalars(query)
