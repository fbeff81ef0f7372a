"""The brief that somebody asks for in a chat: ``/brief``, ``/brief month``, ``/brief 2026-W48``."""

from __future__ import annotations

from sqlalchemy import Engine

from monitor.db.engine import now, reading
from monitor.releases.briefs.model import Brief, brief_period
from monitor.releases.briefs.published import brief_of, published_by
from monitor.releases.revisions import as_of
from monitor.settings import Settings

WORDS = {"": "last-week", "week": "last-week", "month": "last-month"}


def find_brief(engine: Engine, settings: Settings, word: str) -> Brief:
    """The brief of a week or a month: as it was published, else as known now. Raises SearchError for another word."""
    at = now().replace(second=0, microsecond=0)
    period = brief_period(WORDS.get(word.lower(), word), at)
    with reading(engine, timeout=settings.query_timeout) as session:
        published = published_by(session, period, now())
    if published is not None:
        return published
    with reading(engine, timeout=settings.query_timeout) as session, as_of(session, at):
        return brief_of(session, period, at)
