"""Saved searches without an account: named searches in a list that whoever has its link sees and changes.

Of a reader nothing is kept but the searches, when each was looked at last (so that what is new can be counted), and the
day on which the list was opened last (so that forgotten lists are deleted). The database holds a hash of the link's
token: it opens no list to those who read it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from time import monotonic
from typing import Any

from sqlalchemy import Engine, delete, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from monitor.db.engine import now, reading, timed_out
from monitor.models import Release, SavedList, iso
from monitor.releases.query import Query, QueryError, parse
from monitor.releases.search import conditions
from monitor.text import plain

MAX_SEARCHES = 30
"""Searches of one list."""
MAX_LISTS = 100_000
MAX_NAME_CHARS, MAX_QUERY_CHARS = 80, 2_000
KEPT_FOR = timedelta(days=365)
"""A list that is not opened for so long is deleted."""
MAX_COUNTED = 100
"""New releases of one search are counted up to this number."""
COUNT_SECONDS = 2.0
"""Time for counting what is new in one list; searches that it does not suffice for are shown without a number."""
TOKEN = re.compile(r"[\w-]{32}", re.ASCII)


class SavedSearchError(ValueError):
    """A search that cannot be saved: one line that says why. ``field``: what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search of a list. ``new``: releases since it was looked at, at most MAX_COUNTED; None if they are not counted.

    ``problem``: why its query cannot be read any more.
    """

    id: str
    name: str
    q: str
    new: int | None = None
    problem: str | None = None


# --- lists ------------------------------------------------------------------------------------------------


def new_list(session: Session, name: str, q: str) -> str:
    """Makes a list of one search; returns the token of its link. Raises SavedSearchError."""
    number = session.scalar(select(func.count()).select_from(SavedList)) or 0
    if number >= MAX_LISTS:
        raise SavedSearchError("q", "this server keeps no more lists of saved searches; its operator can say why")
    token = secrets.token_urlsafe(24)
    session.add(SavedList(token_hash=_hash(token), searches=[_checked(name, q)], used_on=_today()))
    return token


def find_list(session: Session, token: str, *, change: bool = False) -> SavedList | None:
    """The list of a link; None if there is none any more. ``change``: it is locked until the transaction ends."""
    if TOKEN.fullmatch(token) is None:
        return None
    found = session.get(SavedList, _hash(token), with_for_update=change)
    if found is None or found.used_on < now() - KEPT_FOR:
        return None
    if change:
        found.used_on = _today()
    return found


def is_used_today(saved: SavedList) -> bool:
    """Whether it is known already that the list was opened today."""
    return saved.used_on >= _today()


def replace_link(session: Session, saved: SavedList) -> str:
    """Gives a list another link, whose token it returns; the old link leads nowhere from now on."""
    token = secrets.token_urlsafe(24)
    session.add(SavedList(token_hash=_hash(token), searches=saved.searches, used_on=saved.used_on))
    session.delete(saved)
    return token


def delete_forgotten(session: Session, limit: int) -> int:
    """Deletes lists that nobody opened for KEPT_FOR, at most ``limit``; returns how many."""
    key = col(SavedList.token_hash)
    some = select(key).where(col(SavedList.used_on) < now() - KEPT_FOR).limit(limit)
    result: Any = session.execute(delete(SavedList).where(key.in_(some)))
    return int(result.rowcount)


def _hash(token: str) -> str:
    return sha256(f"saved searches\0{token}".encode()).hexdigest()


def _today() -> datetime:
    return now().replace(hour=0, minute=0, second=0, microsecond=0)


# --- searches ---------------------------------------------------------------------------------------------


def add_search(saved: SavedList, name: str, q: str) -> str:
    """Adds a search at the end; returns its id. Raises SavedSearchError."""
    if len(saved.searches) >= MAX_SEARCHES:
        raise SavedSearchError("q", f"a list holds at most {MAX_SEARCHES} searches: remove one first")
    added = _checked(name, q)
    saved.searches = [*saved.searches, added]
    return str(added["id"])


def change_search(saved: SavedList, ident: str, name: str, q: str) -> None:
    """Renames a search, or changes its query, which makes everything until now old. Raises SavedSearchError."""
    checked = _checked(name, q)
    saved.searches = [
        one | {"name": checked["name"]} | ({} if one["q"] == checked["q"] else {"q": checked["q"], "looked_at": _now()})
        if one["id"] == ident
        else one
        for one in saved.searches
    ]


def move_search(saved: SavedList, ident: str, step: int) -> None:
    """Moves a search one place up (-1) or down (1)."""
    searches = list(saved.searches)
    here = next((place for place, one in enumerate(searches) if one["id"] == ident), None)
    if here is not None and 0 <= here + step < len(searches):
        searches[here], searches[here + step] = searches[here + step], searches[here]
        saved.searches = searches


def remove_search(saved: SavedList, ident: str) -> None:
    """Removes a search."""
    saved.searches = [one for one in saved.searches if one["id"] != ident]


def look_at(saved: SavedList, ident: str | None) -> str | None:
    """Notes that a search, or each, is looked at now; returns the query of that one."""
    saved.searches = [one | {"looked_at": _now()} if ident in {None, one["id"]} else one for one in saved.searches]
    return next((str(one["q"]) for one in saved.searches if one["id"] == ident), None)


def _checked(name: str, q: str) -> dict[str, Any]:
    if len(q) > MAX_QUERY_CHARS:
        raise SavedSearchError("q", f"a query of at most {MAX_QUERY_CHARS:,} characters expected")
    try:
        normal = parse(q).normal
    except QueryError as error:
        raise SavedSearchError("q", f"this query is not valid: at {error}") from None
    shown = plain(name).strip() or plain(normal)[:MAX_NAME_CHARS] or "Every release"
    if len(shown) > MAX_NAME_CHARS:
        raise SavedSearchError("name", f"a name of at most {MAX_NAME_CHARS} characters expected")
    return {"id": secrets.token_hex(4), "name": shown, "q": normal, "looked_at": _now()}


def _now() -> str:
    return str(iso(now()))


# --- what is new ------------------------------------------------------------------------------------------


def counted_searches(engine: Engine, saved: SavedList) -> list[SavedSearch]:
    """The searches of a list, with how many releases are new in each since it was looked at."""
    until, found = monotonic() + COUNT_SECONDS, []
    for one in saved.searches:
        ident, name, q = str(one["id"]), str(one["name"]), str(one["q"])
        try:
            query = parse(q)
        except QueryError as error:  # a lab, or a word, that is not known any more
            found.append(SavedSearch(ident, name, q, problem=str(error)))
            continue
        left = until - monotonic()
        new = _count(engine, query, datetime.fromisoformat(one["looked_at"]), left) if left > 0 else None
        found.append(SavedSearch(ident, name, q, new))
    return found


def _count(engine: Engine, query: Query, since: datetime, seconds: float) -> int | None:
    """How many matching releases came since then: recorded, or released by a repository that had no weights before."""
    fresh = or_(col(Release.first_seen_at) > since, col(Release.released_at) > since)
    try:
        with reading(engine, timeout=seconds) as session:
            which = [*conditions(session, query), fresh, col(Release.is_backfilled).is_(False)]
            some = select(col(Release.id)).where(*which).limit(MAX_COUNTED).subquery()
            return int(session.scalar(select(func.count()).select_from(some)) or 0)
    except DBAPIError as error:
        if timed_out(error):
            return None
        raise
