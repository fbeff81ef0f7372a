"""Entries: the form that every kind of source is read into, and how entries of one body are distinguished. No I/O."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from monitor.ingest.feeds.dates import EARLIEST
from monitor.ingest.feeds.text import fit, plain, repositories
from monitor.labs.sources import Source
from monitor.masking import without_user

MAX_SUMMARY_CHARS, MAX_TITLE_CHARS, MAX_URL_CHARS, MAX_ID_CHARS = 500, 300, 2_000, 500
"""Characters that are kept of a summary, a title, a URL and an entry's id."""
MAX_KEPT = 1_000
"""Entries of one body that are kept, the newest."""
NO_IDS = frozenset(
    {"n/a", "na", "none", "null", "nil", "nan", "undefined", "unknown", "false", "guid", "id", "-", "#", "0", "/"}
)
"""What stands in the place of an id where there is none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: ``entry_id`` is its own id, else its link, else a digest of title and date; see :func:`apart`.

    ``url`` is absolute http or https; ``summary`` plain text of at most 500 characters; ``published_at`` is UTC
    as the source says, be it in the future; ``repo_ids`` are the Hub repositories it links to or names by URL.
    """

    entry_id: str
    url: str | None
    title: str | None
    summary: str | None
    published_at: datetime | None
    repo_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body: its entries in its own order, each id once; ``every``, the seconds between two reads it asks for;
    ``warning``, what is wrong with it although it could be read."""

    title: str | None
    entries: tuple[Entry, ...]
    every: float | None
    warning: str | None


def make_entry(
    *,
    own_id: str,
    url: str | None,
    title: str,
    summary: str,
    published_at: datetime | None,
    names_in: Iterable[str] = (),
) -> Entry | None:
    """The entry of these values, None where nothing identifies it.

    ``title`` and ``summary`` may hold markup; ``names_in``: further texts in which it may name repositories.
    """
    words = words_of(title, MAX_TITLE_CHARS)
    ident = _ident(own_id, url, words, published_at)
    if ident is None:
        return None
    return Entry(
        entry_id=ident,
        url=url,
        title=words,
        summary=words_of(summary, MAX_SUMMARY_CHARS),
        published_at=published_at,
        repo_ids=repositories(*names_in, url or "", title, summary),
    )


def _ident(own: str, url: str | None, title: str | None, published: datetime | None) -> str | None:
    own = fit(own).strip()
    ident = url if not own or own.lower() in NO_IDS else own
    if ident is None and title is None:
        return None
    if ident is None:
        ident = _digest(f"{title}\n{published}")
    return ident if len(ident) <= MAX_ID_CHARS else _digest(ident)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


# --- the entries of one body --------------------------------------------------------------------------------


def kept(source: Source, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries that ``source`` wants, each once, at most ``MAX_KEPT``."""
    return _newest(_distinct(_matching(source, entries)))


def _matching(source: Source, entries: Iterable[Entry]) -> list[Entry]:
    found = list(entries)
    if source.link_pattern is not None:
        link = re.compile(source.link_pattern)
        found = [entry for entry in found if entry.url is not None and link.search(entry.url)]
    if source.text_pattern is not None:
        text = re.compile(source.text_pattern)
        found = [entry for entry in found if text.search(f"{entry.title or ''}\n{entry.summary or ''}")]
    return found


def _newest(entries: list[Entry]) -> tuple[Entry, ...]:
    if len(entries) <= MAX_KEPT:
        return tuple(entries)
    return tuple(sorted(entries, key=lambda entry: entry.published_at or EARLIEST, reverse=True)[:MAX_KEPT])


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
    """``entry`` under an id of its link and title: what its source gives as its id, it gives to others, too."""
    return replace(entry, entry_id=_digest(f"{entry.entry_id}\n{entry.url}\n{entry.title}"))


# --- values -------------------------------------------------------------------------------------------------


def web_url(link: str) -> str | None:
    """``link`` where it is an absolute http or https URL of a length that is kept, else None.

    Without user and password: a relative link has those of its feed, which are nobody else's.
    """
    link = without_user(fit(link).strip())
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.netloc and len(link) <= MAX_URL_CHARS else None


def joined(base: str, link: str) -> str:
    """``link`` as it leads from ``base``; empty where there is none, or it cannot be taken apart."""
    link = fit(link).strip()
    try:
        return urljoin(base, link) if link else ""
    except ValueError:
        return ""


def words_of(markup: Any, most: int) -> str | None:
    """``markup`` in plain words, at most ``most`` characters; None where there are none."""
    return plain(str(markup or ""), most) or None
