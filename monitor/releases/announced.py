"""Which works were announced before their weights came: the first of its lab that bears an announced name.

By the times of announcement and release alone: an announcement that is read late, or a work that is learnt late, leads
to the same result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Table, func, select
from sqlmodel import Session, col

from monitor.db.engine import in_values
from monitor.models import Announcement, NotableWork
from monitor.releases.launches.announced_names import name_key
from monitor.releases.works import Work

_WORKS: Table = NotableWork.__table__  # type: ignore[attr-defined]
MAX_WAIT = timedelta(days=365)
"""A model that comes longer after an announcement is another one of that name."""
MAX_NAMESAKES = 1_000
"""Works of one lab that bear the announced name, the earliest first."""


class Announced(NamedTuple):
    """A model that a lab announced; ``key``: the words of its name, joined by spaces."""

    lab: str
    key: str
    at: datetime


def announced_times(session: Session, works: Mapping[str, Work]) -> dict[str, datetime]:
    """By hub id, when a lab announced the works that were the first to bear the announced name."""
    found: dict[str, datetime] = {}
    for one in _announcements(session, works.values()):
        namesakes = _namesakes(session, one)
        if not namesakes or not one.at <= namesakes[0][1] <= one.at + MAX_WAIT:
            continue
        for hub_id, at in namesakes:
            if at == namesakes[0][1] and hub_id in works:
                found[hub_id] = min(one.at, found.get(hub_id, one.at))
    return found


def namesakes(session: Session, works: Iterable[Work]) -> set[str]:
    """Hub ids of the works that bear an announced name which these works, of the same labs, bear too."""
    return works_named(session, _announcements(session, works))


def works_named(session: Session, announcements: Iterable[Announced]) -> set[str]:
    """Hub ids of the works that bear the names of these announcements."""
    return {hub_id for one in announcements for hub_id, _ in _namesakes(session, one)}


_ANNOUNCED = select(col(Announcement.lab), col(Announcement.key), col(Announcement.announced_at))


def _announcements(session: Session, works: Iterable[Work]) -> list[Announced]:
    """The announcements of a lab whose name one of its works bears."""
    wanted = {(work.lab, key) for work in works for key in _beginnings(work.repo_id)}
    if not wanted:
        return []
    labs, keys = ({pair[place] for pair in wanted} for place in (0, 1))
    query = _ANNOUNCED.where(in_values(session, "announcement.lab", labs), in_values(session, "announcement.key", keys))
    rows = session.execute(query.order_by(col(Announcement.lab), col(Announcement.key)))
    return [Announced(*row) for row in rows if (row[0], row[1]) in wanted]


def _beginnings(repo_id: str) -> Collection[str]:
    """What a name begins with, as keys of announcements: ``qwen`` and ``qwen 3`` of Qwen/Qwen3."""
    words = name_key(repo_id.partition("/")[2])
    return [" ".join(words[:number]) for number in range(1, len(words) + 1)]


def _namesakes(session: Session, one: Announced) -> list[tuple[str, datetime]]:
    """(hub id, time) of the lab's works with that name, the earliest first."""
    word = one.key.partition(" ")[0]
    alike = func.lower(_WORKS.c.repo_id).contains(f"/{word}", autoescape=True)
    query = select(_WORKS.c.hub_id, _WORKS.c.at, _WORKS.c.repo_id).where(_WORKS.c.lab == one.lab, alike)
    rows = session.execute(query.order_by(_WORKS.c.at, _WORKS.c.hub_id).limit(MAX_NAMESAKES))
    return [(hub_id, at) for hub_id, at, repo_id in rows if one.key in _beginnings(repo_id)]
